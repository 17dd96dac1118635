//! The governor's table, row by row. Times are seconds after ten o'clock.

mod endings;
mod guardrails;
mod rows;
mod traps;

use crate::run::Cause;

use super::{
    Next,
    sample::{Case, at},
};

/// Asserts time and cause of the next run; due at its time unless that has passed.
#[track_caller]
fn expect(case: &Case, now: i64, planned: i64, cause: Cause) -> Next {
    let next = case.next(now).expect("a next run");
    assert_eq!((next.planned_at, next.cause), (at(planned), cause));
    assert_eq!(next.due_at, at(planned.max(now)));
    next
}

/// Asserts when the next run may start, where that differs from its time.
#[track_caller]
fn expect_delayed(case: &Case, now: i64, planned: i64, due: i64, cause: Cause) {
    let next = case.next(now).expect("a next run");
    assert_eq!(
        (next.planned_at, next.due_at, next.cause),
        (at(planned), at(due), cause)
    );
}
