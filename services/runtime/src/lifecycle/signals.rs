//! Turns the operating system's stop signals into the lifecycle's two stops.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Where stop requests come from. Tests have their own.
pub(super) trait StopRequests: Send {
    /// The next request's name, or `None` when there will be no more.
    fn next(&mut self) -> impl Future<Output = Option<&'static str>> + Send;
}

/// SIGTERM and SIGINT. Signals between two calls of `next` are kept.
pub(super) struct Listener {
    terminate: Signal,
    interrupt: Signal,
}

impl Listener {
    pub(super) fn install() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }
}

impl StopRequests for Listener {
    async fn next(&mut self) -> Option<&'static str> {
        tokio::select! {
            received = self.terminate.recv() => received.map(|()| "SIGTERM"),
            received = self.interrupt.recv() => received.map(|()| "SIGINT"),
        }
    }
}

/// The first request stops softly, the second hard.
pub(super) async fn stop_on_signals(mut requests: impl StopRequests, soft: CancellationToken, hard: CancellationToken) {
    for token in [soft, hard] {
        let Some(request) = requests.next().await else { return };
        tracing::info!(request, "stop requested");
        token.cancel();
    }
}
