//! The examples in the documentation of the attributes.

#[sprang::main(worker_threads = 2)]
async fn short() {
    let task = sprang::spawn(async { 6 * 7 });
    assert_eq!(task.await.unwrap(), 42);
}

fn long() {
    sprang::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("failed to build the runtime")
        .block_on(async {
            let task = sprang::spawn(async { 6 * 7 });
            assert_eq!(task.await.unwrap(), 42);
        })
}

#[sprang::main(flavor = "current_thread", start_paused = true)]
async fn an_hour_takes_no_time() {
    sprang::time::sleep(std::time::Duration::from_secs(3_600)).await;
}

fn main() {
    short();
    long();
    an_hour_takes_no_time();
}
