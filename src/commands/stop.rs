//! The wish of the user to end the run, for everything that can be stopped.

use tokio::sync::watch;

use crate::diagnostic::ExitCode;
use crate::host;

/// Completes for every holder when the first signal arrives.
#[derive(Clone)]
pub struct Stop(watch::Receiver<Option<ExitCode>>);

impl Stop {
    /// Listens to the signals that end the program, on the runtime that is running.
    pub fn on_signals() -> Self {
        let (signalled, received) = watch::channel(None);
        tokio::spawn(async move {
            // Without handlers the signals end the process as they always do.
            if let Ok(code) = host::ended().await {
                signalled.send_replace(Some(code));
            }
            // The wish stays true.
            std::future::pending::<()>().await;
        });
        Self(received)
    }

    /// Completes when the user wants the run to end.
    pub async fn requested(mut self) {
        if self.0.wait_for(Option::is_some).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// The exit code of the signal, once there was one.
    pub fn code(&self) -> Option<ExitCode> {
        *self.0.borrow()
    }
}
