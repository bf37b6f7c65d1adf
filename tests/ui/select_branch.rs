//! A mistake in a branch of `select!` is reported at its token.

async fn precondition() {
    sprang::select! {
        _ = work(0), true => {}
    }
}

async fn comma() {
    sprang::select! {
        _ = work(1) => println!("one")
        _ = work(2) => {}
    }
}

async fn pattern() {
    sprang::select! {
        work(3) => {}
    }
}

async fn empty() {
    sprang::select! {}
}

async fn behind_else() {
    sprang::select! {
        else => {}
        _ = work(4) => {}
    }
}

async fn work(_: u32) {}

fn main() {}
