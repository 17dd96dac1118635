use baton_domain::{
    ids::{EndpointId, RunId},
    run::{Cause, Run, Source},
    time::from_micros,
};
use uuid::Uuid;

use super::*;

fn user(name: &str) -> UserId {
    UserId(name.to_owned())
}

fn filter(name: &str) -> RunFilter {
    RunFilter::of_user(user(name))
}

fn changed(number: i64, name: &str, response: usize) -> ChangedRun {
    let run = Uuid::from_u128(1);
    let (endpoint, at) = (EndpointId(Uuid::nil()), from_micros(0));
    let run = Run {
        response: vec![0; response],
        ..Run::planned(RunId(run), endpoint, user(name), Source::MANUAL, Cause::Manual, at)
    };
    ChangedRun {
        at: ChangeCursor { number, run: run.id.0 },
        run,
    }
}

fn before(number: i64) -> ChangeCursor {
    ChangeCursor::before(number)
}

/// A window that begins before 1 and that `ada` reads.
fn window(max_changes: usize, max_bytes: usize) -> Window {
    let mut window = Window::new(max_changes, max_bytes);
    assert!(window.join(&user("ada")));
    window.begin(before(1));
    assert_eq!(window.users_to_read(), Some(vec![user("ada")]));
    window
}

fn number(found: &Found) -> Option<i64> {
    match found {
        Found::Change(changed) => Some(changed.at.number),
        Found::Nothing(_) | Found::Behind => None,
    }
}

#[test]
fn changes_are_found_one_after_the_other_and_then_the_head() {
    let mut window = window(10, usize::MAX);
    window.add(vec![changed(1, "ada", 0), changed(3, "ada", 0)], before(5));
    let first = window.find(before(1), &filter("ada"));
    assert_eq!(number(&first), Some(1));
    let second = window.find(changed(1, "ada", 0).at, &filter("ada"));
    assert_eq!(number(&second), Some(3));
    assert_eq!(
        window.find(changed(3, "ada", 0).at, &filter("ada")),
        Found::Nothing(before(5))
    );
    let other = RunFilter {
        source: Some(Source::AI_HINT),
        ..filter("ada")
    };
    assert_eq!(
        window.find(before(1), &other),
        Found::Nothing(before(5)),
        "the filter passes over both"
    );
}

#[test]
fn what_is_pushed_out_puts_its_reader_behind() {
    for mut window in [window(2, usize::MAX), window(10, 2 * CHANGE_BYTES + 2)] {
        window.add((1..=3).map(|number| changed(number, "ada", 1)).collect(), before(4));
        assert_eq!(window.find(before(1), &filter("ada")), Found::Behind);
        let kept = window.find(changed(1, "ada", 0).at, &filter("ada"));
        assert_eq!(number(&kept), Some(2), "nothing beyond the first is missing");
    }
}

#[test]
fn a_user_who_comes_later_is_behind_until_read() {
    let mut window = window(10, usize::MAX);
    assert!(window.join(&user("bob")));
    assert_eq!(
        window.find(before(9), &filter("bob")),
        Found::Behind,
        "no look has read bob's yet"
    );
    // A look that began before bob came.
    window.add(Vec::new(), before(5));
    assert_eq!(window.users_to_read().map(|users| users.len()), Some(2));
    window.add(vec![changed(6, "bob", 0)], before(7));
    assert_eq!(window.find(before(4), &filter("bob")), Found::Behind);
    assert_eq!(number(&window.find(before(5), &filter("bob"))), Some(6));
}

#[test]
fn a_place_ahead_of_the_head_waits() {
    let mut window = window(10, usize::MAX);
    assert_eq!(window.find(before(9), &filter("ada")), Found::Nothing(before(9)));
    window.add(vec![changed(8, "ada", 0), changed(9, "ada", 0)], before(10));
    assert_eq!(
        number(&window.find(before(9), &filter("ada"))),
        Some(9),
        "8 was told before"
    );
}

#[test]
fn with_the_last_watch_the_window_goes() {
    let mut window = window(10, usize::MAX);
    assert!(!window.join(&user("ada")), "there was one already");
    window.leave(&user("ada"));
    assert_eq!(window.head(), Some(before(1)));
    window.leave(&user("ada"));
    assert!(window.is_unwatched());
    assert_eq!((window.head(), window.users_to_read()), (None, None));
    // A look that was under way.
    window.add(vec![changed(1, "ada", 0)], before(2));
    assert!(window.join(&user("ada")));
    assert_eq!(window.find(before(1), &filter("ada")), Found::Behind);
}
