//! A mismatch with the return type is reported at the expression, not at the attribute.

#[sprang::main]
async fn tail() {
    5
}

#[sprang::main]
async fn early(early: bool) -> u32 {
    if early {
        return "five";
    }
    5
}

#[sprang::main]
async fn empty() -> Result<(), std::io::Error> {}

#[sprang::main]
async fn semicolon() -> Result<(), std::io::Error> {
    Ok(());
}

#[sprang::main]
async fn question_mark() -> Result<(), std::fmt::Error> {
    std::fs::read("file")?;
    Ok(())
}

fn main() {}
