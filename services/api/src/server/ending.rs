//! How serving ends: once asked to stop, what is under way gets a limited time to finish.

use std::{pin::pin, time::Duration};

use tokio::time::timeout;

/// Runs `serving` until it ends by itself, or until `limit` has passed since `stopping` ended.
pub(super) async fn drain<E>(
    serving: impl Future<Output = Result<(), E>>,
    stopping: impl Future<Output = ()>,
    limit: Duration,
) -> Result<(), E> {
    let mut serving = pin!(serving);
    tokio::select! {
        // A server that ends before it was asked to has failed, or its connections have run out.
        ended = &mut serving => return ended,
        () = stopping => {}
    }
    if let Ok(ended) = timeout(limit, serving).await {
        return ended;
    }
    tracing::warn!(
        ?limit,
        "calls were still under way when the time to finish them was over"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn what_does_not_finish_is_left_behind() {
        let begun = tokio::time::Instant::now();
        let ended = drain(pending::<Result<(), ()>>(), ready(()), LIMIT).await;
        assert_eq!((ended, begun.elapsed()), (Ok(()), LIMIT));
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_told_at_any_time() {
        assert_eq!(drain(ready(Err(1)), pending(), LIMIT).await, Err(1));
        let late = async {
            tokio::time::sleep(LIMIT / 2).await;
            Err(2)
        };
        assert_eq!(drain(late, ready(()), LIMIT).await, Err(2));
    }
}
