//! A request to end the run (SIGINT, SIGTERM), for everything that can be stopped.

use tokio::sync::watch;

use crate::diagnostic::ExitCode;
use crate::host;

/// Completes for every holder when the first signal arrives.
#[derive(Clone)]
pub struct Stop(watch::Receiver<Option<ExitCode>>);

impl Stop {
    /// Listens for the signals that end the program; must be called inside a runtime.
    pub fn on_signals() -> Self {
        let (signalled, received) = watch::channel(None);
        tokio::spawn(async move {
            // Without handlers the signals end the process as they always do.
            if let Ok(code) = host::ended().await {
                signalled.send_replace(Some(code));
            }
            // The request is never withdrawn.
            std::future::pending::<()>().await;
        });
        Self(received)
    }

    /// Completes when the end of the run is requested.
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
