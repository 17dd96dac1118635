use std::{convert::Infallible, io};

use tokio::sync::{mpsc, oneshot};

use super::{signals::StopRequests, *};

const GRACE: Duration = Duration::from_secs(30);

struct Requests(mpsc::Receiver<&'static str>);

impl StopRequests for Requests {
    async fn next(&mut self) -> Option<&'static str> {
        self.0.recv().await
    }
}

/// A lifecycle stopped by what is sent to the channel.
fn with_requests() -> (Lifecycle, mpsc::Sender<&'static str>) {
    let lifecycle = Lifecycle::new();
    let (sender, receiver) = mpsc::channel(2);
    tokio::spawn(signals::stop_on_signals(
        Requests(receiver),
        lifecycle.soft_stop(),
        lifecycle.hard_stop(),
    ));
    (lifecycle, sender)
}

async fn until(token: CancellationToken) -> Result<(), Infallible> {
    token.cancelled().await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_stop_request_lets_tasks_finish_their_work() {
    let (lifecycle, requests) = with_requests();
    let soft = lifecycle.soft_stop();
    let (finished, is_finished) = oneshot::channel();
    lifecycle.spawn("worker", async move {
        soft.cancelled().await;
        tokio::time::sleep(GRACE / 2).await;
        finished.send(()).map_err(|()| io::Error::other("nobody waits"))
    });
    requests.send("first").await.unwrap();
    lifecycle.run_until_stopped(GRACE).await.unwrap();
    is_finished.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_grace_ends_in_a_hard_stop() {
    let (lifecycle, requests) = with_requests();
    let hard = lifecycle.hard_stop();
    lifecycle.spawn("sleeper", std::future::pending::<Result<(), Infallible>>());
    requests.send("first").await.unwrap();
    let begun = tokio::time::Instant::now();
    lifecycle.run_until_stopped(GRACE).await.unwrap();
    assert_eq!(begun.elapsed(), GRACE);
    assert!(hard.is_cancelled());
}

#[tokio::test(start_paused = true)]
async fn a_second_request_does_not_wait_for_the_grace() {
    let (lifecycle, requests) = with_requests();
    lifecycle.spawn("sleeper", std::future::pending::<Result<(), Infallible>>());
    requests.send("first").await.unwrap();
    requests.send("second").await.unwrap();
    let begun = tokio::time::Instant::now();
    lifecycle.run_until_stopped(GRACE).await.unwrap();
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_failing_task_takes_the_process_down() {
    let lifecycle = Lifecycle::new();
    lifecycle.spawn("bystander", until(lifecycle.soft_stop()));
    lifecycle.spawn("listener", async { Err(io::Error::other("socket gone")) });
    let error = lifecycle.run_until_stopped(GRACE).await.unwrap_err();
    assert_eq!(format!("{error:#}"), "task `listener` failed: socket gone");
}

#[tokio::test(start_paused = true)]
async fn a_panicking_task_takes_the_process_down() {
    let lifecycle = Lifecycle::new();
    lifecycle.spawn("bystander", until(lifecycle.soft_stop()));
    lifecycle.spawn("claimer", async {
        panic!("row {} is gone", 7);
        #[expect(unreachable_code, reason = "says which error type the task has")]
        Ok::<(), Infallible>(())
    });
    let error = lifecycle.run_until_stopped(GRACE).await.unwrap_err();
    assert_eq!(error.to_string(), "task `claimer` panicked: row 7 is gone");
}

#[tokio::test(start_paused = true)]
async fn a_task_that_ends_early_takes_the_process_down() {
    let lifecycle = Lifecycle::new();
    lifecycle.spawn("loop", async { Ok::<(), Infallible>(()) });
    let error = lifecycle.run_until_stopped(GRACE).await.unwrap_err();
    assert_eq!(error.to_string(), "task `loop` ended although nothing asked it to");
}

#[tokio::test(start_paused = true)]
async fn the_first_failure_is_the_one_reported() {
    let lifecycle = Lifecycle::new();
    let soft = lifecycle.soft_stop();
    lifecycle.spawn("follower", async move {
        soft.cancelled().await;
        Err(io::Error::other("peer gone"))
    });
    lifecycle.spawn("leader", async { Err(io::Error::other("database gone")) });
    let error = lifecycle.run_until_stopped(GRACE).await.unwrap_err();
    assert_eq!(format!("{error:#}"), "task `leader` failed: database gone");
}

#[tokio::test(start_paused = true)]
async fn an_error_while_stopping_is_not_the_process_s_result() {
    let (lifecycle, requests) = with_requests();
    let soft = lifecycle.soft_stop();
    lifecycle.spawn("server", async move {
        soft.cancelled().await;
        Err(io::Error::other("connection reset"))
    });
    requests.send("first").await.unwrap();
    lifecycle.run_until_stopped(GRACE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_never_yields_is_named() {
    let (lifecycle, requests) = with_requests();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let (started, is_started) = oneshot::channel();
    lifecycle.spawn("blocker", async move {
        started.send(()).map_err(|()| io::Error::other("nobody waits"))?;
        released.recv().map_err(io::Error::other)
    });
    is_started.await.unwrap();
    requests.send("first").await.unwrap();
    requests.send("second").await.unwrap();
    let error = lifecycle.run_until_stopped(GRACE).await.unwrap_err();
    assert_eq!(error.to_string(), "tasks did not stop: blocker");
    release.send(()).unwrap();
}
