//! tower's middleware on the drop-in: each layer here waits for time, for room, or for a task of its own.

#![cfg(test)]

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use support::on_each;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tower::balance::p2c::Balance;
use tower::discover::ServiceList;
use tower::load::{CompleteOnResponse, PendingRequests};
use tower::retry::Policy;
use tower::timeout::error::Elapsed;
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

/// Doubles its request after some milliseconds, as many as it says.
async fn double(number: u64) -> Result<u64, Infallible> {
    tokio::time::sleep(Duration::from_millis(number)).await;
    Ok(2 * number)
}

#[test]
fn a_timeout_ends_what_takes_too_long() {
    on_each(async || {
        let mut service = ServiceBuilder::new()
            .timeout(Duration::from_millis(200))
            .service_fn(double);
        assert_eq!(service.ready().await.unwrap().call(1).await.unwrap(), 2);
        let error = service.ready().await.unwrap().call(60_000).await.unwrap_err();
        assert!(error.is::<Elapsed>(), "{error}");
    });
}

#[test]
fn a_buffered_service_is_shared_by_many_tasks_and_never_over_its_limit() {
    on_each(async || {
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (seen_now, seen_most) = (now.clone(), most.clone());
        let inner = service_fn(move |number: u64| {
            let (now, most) = (seen_now.clone(), seen_most.clone());
            async move {
                most.fetch_max(now.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
                let result = double(number).await;
                now.fetch_sub(1, Ordering::Relaxed);
                result
            }
        });
        let service = ServiceBuilder::new().buffer(4).concurrency_limit(3).service(inner);
        let mut tasks = JoinSet::new();
        for number in 0..50 {
            let service = service.clone();
            tasks.spawn(async move {
                assert_eq!(service.oneshot(number % 5).await.unwrap(), 2 * (number % 5));
            });
        }
        tasks.join_all().await;
        assert_eq!((now.load(Ordering::Relaxed), most.load(Ordering::Relaxed)), (0, 3));
    });
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_spreads_the_requests_over_time() {
    let start = Instant::now();
    let mut service = ServiceBuilder::new()
        .rate_limit(2, Duration::from_secs(10))
        .service_fn(|number: u64| ready(Ok::<_, Infallible>(number)));
    for number in 0..6 {
        assert_eq!(service.ready().await.unwrap().call(number).await.unwrap(), number);
    }
    assert_eq!(start.elapsed().as_secs(), 20);
}

#[test]
fn too_much_load_is_shed() {
    on_each(async || {
        let service = ServiceBuilder::new()
            .load_shed()
            .concurrency_limit(1)
            .service_fn(double);
        let mut first = service.clone();
        let busy = tokio::spawn(first.ready().await.unwrap().call(100));
        let error = service.clone().oneshot(1).await.unwrap_err();
        assert!(error.is::<tower::load_shed::error::Overloaded>(), "{error}");
        assert_eq!(busy.await.unwrap().unwrap(), 200);
    });
}

/// Tries a number of times.
#[derive(Clone)]
struct Attempts(usize);

impl Policy<u64, u64, &'static str> for Attempts {
    type Future = Ready<()>;

    fn retry(&mut self, _request: &mut u64, result: &mut Result<u64, &'static str>) -> Option<Ready<()>> {
        let again = result.is_err() && self.0 > 0;
        self.0 = self.0.saturating_sub(1);
        again.then(|| ready(()))
    }

    fn clone_request(&mut self, request: &u64) -> Option<u64> {
        Some(*request)
    }
}

#[test]
fn failures_are_tried_again() {
    on_each(async || {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = calls.clone();
        let service = ServiceBuilder::new().retry(Attempts(5)).service_fn(move |number| {
            let call = counted.fetch_add(1, Ordering::Relaxed);
            async move { if call < 3 { Err("not yet") } else { Ok(number) } }
        });
        assert_eq!(service.oneshot(7).await, Ok(7));
        assert_eq!(calls.load(Ordering::Relaxed), 4);
    });
}

#[test]
fn load_is_balanced_over_services() {
    on_each(async || {
        let calls: [_; 3] = std::array::from_fn(|_| Arc::new(AtomicUsize::new(0)));
        let services = calls.clone().map(|count| {
            let service = service_fn(move |number| {
                count.fetch_add(1, Ordering::Relaxed);
                double(number)
            });
            PendingRequests::new(service, CompleteOnResponse::default())
        });
        let service = ServiceBuilder::new()
            .buffer(64)
            .service(Balance::new(ServiceList::new::<u64>(services)));
        let mut tasks = JoinSet::new();
        for _ in 0..64 {
            tasks.spawn(service.clone().oneshot(10));
        }
        assert!(tasks.join_all().await.into_iter().all(|answer| answer.unwrap() == 20));
        let calls = calls.map(|count| count.load(Ordering::Relaxed));
        assert!(
            calls.iter().all(|&count| count > 0) && calls.iter().sum::<usize>() == 64,
            "{calls:?}"
        );
    });
}
