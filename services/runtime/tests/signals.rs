//! The operating system's signals. They reach the whole process, hence a process of its own.

use std::{convert::Infallible, process::Command, time::Duration};

use baton_runtime::lifecycle::Lifecycle;

fn send(signal: &str) {
    let kill = format!("kill -{signal} {}", std::process::id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
}

#[tokio::test]
async fn the_first_signal_stops_softly_and_the_second_hard() {
    let lifecycle = Lifecycle::with_signals().unwrap();
    let (soft, hard) = (lifecycle.soft_stop(), lifecycle.hard_stop());
    lifecycle.spawn("sleeper", std::future::pending::<Result<(), Infallible>>());

    send("TERM");
    soft.cancelled().await;
    assert!(!hard.is_cancelled());

    let stopped = tokio::spawn(lifecycle.run_until_stopped(Duration::from_secs(600)));
    send("INT");
    hard.cancelled().await;
    stopped.await.unwrap().unwrap();
}
