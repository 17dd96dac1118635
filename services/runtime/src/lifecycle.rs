//! How a process runs and stops: named critical tasks, a soft and a hard stop, and the process's result.
//!
//! The binaries' `main` creates one [`Lifecycle`], spawns every long-lived task through it and then waits in
//! [`Lifecycle::run_until_stopped`]. It knows nothing of what the tasks do.
//!
//! The *soft* stop asks: take nothing new, finish what is running. The *hard* stop ends every task at its next await.

mod signals;

use std::{
    any::Any,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::anyhow;
use futures_util::FutureExt as _;
use tokio::time::timeout;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// What tasks get after the hard stop to return from the poll they are in.
const HARD_STOP_LIMIT: Duration = Duration::from_secs(2);

/// The tasks of a process, and the two tokens that stop them. Clones share everything.
#[derive(Debug, Clone)]
pub struct Lifecycle {
    soft: CancellationToken,
    hard: CancellationToken,
    tracker: TaskTracker,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Why the process ends with an error. The first failure stays; later ones are mostly its consequences.
    failure: Option<anyhow::Error>,
    running: Vec<&'static str>,
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self::new()
    }
}

impl Lifecycle {
    /// A lifecycle that no signal reaches.
    pub fn new() -> Self {
        let soft = CancellationToken::new();
        let hard = CancellationToken::new();
        Self {
            soft,
            hard,
            tracker: TaskTracker::new(),
            shared: Arc::default(),
        }
    }

    /// A lifecycle that SIGTERM or SIGINT stops softly, and the second of them hard. Needs a tokio runtime.
    ///
    /// # Errors
    /// When the operating system refuses the signal handlers.
    pub fn with_signals() -> std::io::Result<Self> {
        let lifecycle = Self::new();
        let signals = signals::Listener::install()?;
        // Not tracked: it has no end of its own, and the process does not wait for it.
        tokio::spawn(signals::stop_on_signals(
            signals,
            lifecycle.soft.clone(),
            lifecycle.hard.clone(),
        ));
        Ok(lifecycle)
    }

    /// Cancelled when nothing new may begin.
    pub fn soft_stop(&self) -> CancellationToken {
        self.soft.clone()
    }

    /// Cancelled when nothing may go on.
    pub fn hard_stop(&self) -> CancellationToken {
        self.hard.clone()
    }

    /// Starts a critical task: one that must run until the soft stop.
    ///
    /// If it ends earlier, in whatever way, the process stops softly and its result is an error that names the task. An
    /// error after the soft stop is logged. After the hard stop the task is dropped at its next await.
    pub fn spawn<E>(&self, name: &'static str, task: impl Future<Output = Result<(), E>> + Send + 'static)
    where
        E: Into<anyhow::Error> + Send + 'static,
    {
        let this = self.clone();
        this.lock().running.push(name);
        self.tracker.spawn(async move {
            let guarded = this.hard.run_until_cancelled(AssertUnwindSafe(task).catch_unwind());
            let end = guarded.await.map_or(End::Dropped, End::of);
            this.note_end(name, end);
        });
    }

    /// Waits for the soft stop, then for the tasks, at most for `grace`; then stops hard.
    ///
    /// # Errors
    /// The failure of the critical task that ended the process, or the names of tasks that not even the hard stop ended.
    pub async fn run_until_stopped(self, grace: Duration) -> anyhow::Result<()> {
        self.soft.cancelled().await;
        self.tracker.close();
        tracing::info!(grace = ?grace, "stopping");
        self.drain(grace).await;
        let stuck = std::mem::take(&mut self.lock().running);
        match self.lock().failure.take() {
            Some(failure) => Err(failure),
            None if stuck.is_empty() => Ok(()),
            None => Err(anyhow!("tasks did not stop: {}", stuck.join(", "))),
        }
    }

    async fn drain(&self, grace: Duration) {
        let drained = self.hard.run_until_cancelled(timeout(grace, self.tracker.wait())).await;
        if matches!(drained, Some(Ok(()))) {
            return;
        }
        tracing::warn!(tasks = ?self.lock().running, "stopping hard");
        self.hard.cancel();
        // What is left after this limit is in `running` and told by the caller.
        timeout(HARD_STOP_LIMIT, self.tracker.wait()).await.ok();
    }

    fn note_end(&self, name: &'static str, end: End) {
        let stopping = self.soft.is_cancelled();
        let mut shared = self.lock();
        if let Some(index) = shared.running.iter().position(|running| *running == name) {
            shared.running.swap_remove(index);
        }
        match judge(name, end, stopping) {
            Verdict::Fine => tracing::debug!(task = name, "task ended"),
            Verdict::FailedWhileStopping(error) => {
                tracing::warn!(task = name, error = %error, "task failed while stopping")
            }
            Verdict::Fatal(error) => {
                tracing::error!(
                    task = name,
                    error = format!("{error:#}"),
                    "critical task ended, stopping the process"
                );
                shared.failure.get_or_insert(error);
                self.soft.cancel();
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a task ended.
enum End {
    Returned(anyhow::Result<()>),
    Panicked(String),
    /// By the hard stop.
    Dropped,
}

impl End {
    fn of<E: Into<anyhow::Error>>(outcome: Result<Result<(), E>, Box<dyn Any + Send>>) -> Self {
        match outcome {
            Ok(returned) => Self::Returned(returned.map_err(Into::into)),
            Err(panic) => Self::Panicked(panic_message(panic.as_ref())),
        }
    }
}

enum Verdict {
    Fine,
    FailedWhileStopping(anyhow::Error),
    Fatal(anyhow::Error),
}

fn judge(name: &str, end: End, stopping: bool) -> Verdict {
    let error = match end {
        End::Dropped => return Verdict::Fine,
        End::Returned(Ok(())) if stopping => return Verdict::Fine,
        End::Returned(Ok(())) => anyhow!("task `{name}` ended although nothing asked it to"),
        End::Returned(Err(error)) => error.context(format!("task `{name}` failed")),
        End::Panicked(message) => anyhow!("task `{name}` panicked: {message}"),
    };
    if stopping {
        Verdict::FailedWhileStopping(error)
    } else {
        Verdict::Fatal(error)
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}

#[cfg(test)]
mod tests;
