//! Hears the commits of other processes. Only wakes: whoever is woken looks for itself, and polls anyway.
//!
//! A lost connection is made again, and everybody is woken then: nobody knows what was said meanwhile.

use std::{future::poll_fn, time::Duration};

use futures_util::FutureExt as _;
use tokio_postgres::AsyncMessage;

use super::{
    TIMEOUTS,
    tls::{Target, options_of},
};
use crate::{
    tx::CHANNEL,
    wakes::{TOPICS, Wakes, topic_name},
};

const BACKOFF_MIN: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(2);

/// Listens until dropped.
pub async fn listen(target: Target, wakes: Wakes) {
    let mut backoff = BACKOFF_MIN;
    loop {
        let mut heard = false;
        let lost = session(&target, &wakes, &mut heard).await;
        if heard {
            backoff = BACKOFF_MIN;
        }
        tracing::warn!(error = %lost, retry_in_ms = backoff.as_millis(), "the database's notifications are lost");
        tokio::time::sleep(backoff).await;
        backoff = (backoff * 2).min(BACKOFF_MAX);
    }
}

/// One connection from LISTEN to its loss. `listening` becomes true once the server has taken the LISTEN.
async fn session(target: &Target, wakes: &Wakes, listening: &mut bool) -> String {
    let mut config = target.config.clone();
    config.options(options_of(&TIMEOUTS));
    let (client, mut connection) = match config.connect(target.tls.clone()).await {
        Ok(connected) => connected,
        Err(error) => return crate::error::detail(&error),
    };
    let command = format!("LISTEN {CHANNEL}");
    let mut command = Box::pin(client.batch_execute(&command)).fuse();
    loop {
        let message = tokio::select! {
            answer = &mut command => match answer {
                Ok(()) => {
                    *listening = true;
                    wakes.sweep();
                    continue;
                }
                Err(error) => return crate::error::detail(&error),
            },
            message = poll_fn(|context| connection.poll_message(context)) => message,
        };
        match message {
            Some(Ok(AsyncMessage::Notification(said))) => pass_on(wakes, said.payload()),
            // Notices and whatever else a later version says.
            Some(Ok(_)) => {}
            Some(Err(error)) => return crate::error::detail(&error),
            None => return "the server closed the connection".to_owned(),
        }
    }
}

fn pass_on(wakes: &Wakes, payload: &str) {
    match TOPICS.into_iter().find(|topic| topic_name(*topic) == payload) {
        Some(topic) => wakes.wake(topic),
        None => tracing::warn!(payload, "a notification of an unknown topic"),
    }
}
