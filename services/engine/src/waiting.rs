//! Waiting to a fraction of a millisecond.
//!
//! Tokio's timers count whole milliseconds and round up, which would be most of what a run comes late. The last of a wait is
//! slept by a thread of the pool for blocking work, whose timer is the operating system's.

use std::{thread, time::Duration};

use tokio::{
    task::spawn_blocking,
    time::{Instant, sleep},
};

/// More than tokio's timer may be late.
const LAST: Duration = Duration::from_millis(2);

/// Waits so long, and some tens of microseconds more. Real time passes, whether tokio's clock is paused or not.
pub(crate) async fn wait_exactly(wait: Duration) {
    let until = Instant::now() + wait;
    if let Some(first) = wait.checked_sub(LAST) {
        sleep(first).await;
    }
    let rest = move || thread::sleep(until.saturating_duration_since(Instant::now()));
    // It cannot panic, and at the end of the runtime nobody waits any more.
    let _ = spawn_blocking(rest).await;
}
