use tokio::{task::JoinSet, time::sleep};

use super::*;

const CALL: Duration = Duration::from_millis(10);

fn credential(name: &str) -> Arc<str> {
    name.into()
}

/// Makes so many calls, each after the one before. When the last of them ended.
async fn call(pace: Pace, name: &str, calls: u32) -> Instant {
    for _ in 0..calls {
        let _turn = pace.turn(&credential(name)).await.expect("there is room");
        sleep(CALL).await;
    }
    Instant::now()
}

#[tokio::test(start_paused = true)]
async fn who_calls_without_end_has_its_share_of_the_time() {
    let began = Instant::now();
    let ended = call(Pace::new(0.1), "one", 1_000).await;
    let took = (ended - began).as_secs_f64();
    // A thousand calls are ten seconds of work; twenty before the end may still be to make up for.
    assert!((95.0..101.0).contains(&took), "{took} s");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_takes_long_counts_for_no_more_than_a_bound() {
    let (pace, began) = (Pace::new(0.1), Instant::now());
    for _ in 0..101 {
        let _turn = pace.turn(&credential("one")).await.expect("there is room");
        sleep(2 * COUNTED).await;
    }
    let took = (began.elapsed()).as_secs_f64();
    assert!((45.0..51.0).contains(&took), "{took} s");
}

#[tokio::test(start_paused = true)]
async fn a_burst_after_a_quiet_time_does_not_wait() {
    let pace = Pace::new(0.1);
    for _ in 0..3 {
        let began = Instant::now();
        let ended = call(pace.clone(), "one", 20).await;
        assert_eq!(ended - began, 20 * CALL);
        sleep(BURST).await;
    }
}

#[tokio::test(start_paused = true)]
async fn calls_are_made_one_after_the_other() {
    let (pace, began) = (Pace::new(1.0), Instant::now());
    let mut callers = JoinSet::new();
    for number in 0..20 {
        let pace = pace.clone();
        callers.spawn(async move { call(pace, &number.to_string(), 1).await });
    }
    let last = callers.join_all().await.into_iter().max().expect("twenty ends");
    assert_eq!(last - began, 20 * CALL);
}

#[tokio::test(start_paused = true)]
async fn a_credential_with_many_calls_does_not_keep_out_another() {
    let pace = Pace::new(0.1);
    let mut crowd = JoinSet::new();
    for _ in 0..LINE {
        let pace = pace.clone();
        crowd.spawn(async move { call(pace, "crowd", 100).await });
    }
    sleep(Duration::from_secs(10)).await;
    let began = Instant::now();
    let ended = call(pace, "other", 1).await;
    // Before it are the call under way and the one at the head of the other line.
    assert!(ended - began <= 3 * CALL.div_f64(0.1), "{:?}", ended - began);
}

#[tokio::test(start_paused = true)]
async fn a_full_line_is_told_at_once_and_those_who_leave_make_room() {
    let pace = Pace::new(1.0);
    let held = pace.turn(&credential("one")).await.expect("nobody is there");
    let mut waiting = JoinSet::new();
    for _ in 0..LINE {
        let pace = pace.clone();
        waiting.spawn(async move { pace.turn(&credential("one")).await.map(drop) });
    }
    sleep(CALL).await;
    assert_eq!(pace.turn(&credential("one")).await.map(drop), Err(LineIsFull));
    waiting.abort_all();
    while waiting.join_next().await.is_some() {}
    drop(held);
    pace.turn(&credential("one")).await.expect("there is room again");
    assert_eq!(lock(&pace.0.lines).len(), 1);
}
