//! What an annotated function may look like, without a warning.

#![deny(warnings)]
#![forbid(unsafe_code)]

use std::any::Any;
use std::error::Error;
use std::fmt::Debug;

use sprang as renamed;

struct Value(Vec<u8>);

impl Value {
    // The names are those that the expansion uses itself.
    #[sprang::main]
    async fn arguments<'a, T: Debug>(mut self, future: T, output: &'a str) -> Result<&'a str, Box<dyn Error>> {
        let runtime = format!("{future:?}");
        self.0.extend(runtime.bytes());
        if self.0.is_empty() {
            return Err("an error by conversion".into());
        }
        Ok(output)
    }

    #[sprang::main(flavor = "current_thread")]
    async fn by_reference(&mut self) -> &mut Self {
        self.0.push(1);
        self
    }
}

#[sprang::main]
async fn coerced() -> Box<dyn Any> {
    Box::new(5)
}

#[sprang::main]
async fn opaque() -> impl Iterator<Item = u8> {
    0..5
}

#[sprang::main(crate = "renamed")]
async fn under_another_name() {}

#[sprang::main(flavor = "current_thread")]
async fn not_send() {
    let value = std::rc::Rc::new(5);
    sprang::task::yield_now().await;
    assert_eq!(*value, 5);
}

#[sprang::main(flavor = "current_thread")]
async fn never() -> ! {
    sprang::task::yield_now().await;
    std::process::exit(0)
}

#[sprang::main(flavor = "multi_thread", worker_threads = 2u8)]
async fn main() {
    #![allow(clippy::unused_async)]
    // On a thread of their own, since a runtime cannot block within another.
    let outside = std::thread::spawn(|| {
        assert_eq!(Value(vec![]).arguments((), "kept").unwrap(), "kept");
        assert_eq!(Value(vec![]).by_reference().0, [1]);
        assert!(coerced().is::<i32>());
        assert_eq!(opaque().count(), 5);
        under_another_name();
        not_send();
        never();
    });
    outside.join().unwrap();
}
