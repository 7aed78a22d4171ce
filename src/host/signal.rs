//! Signals that ask the program to end.

use tokio::signal::unix::{SignalKind, signal};

use crate::diagnostic::ExitCode;

/// Completes with the exit code of the first SIGINT, SIGTERM or SIGHUP.
///
/// # Errors
/// When the handlers cannot be installed.
pub async fn ended() -> std::io::Result<ExitCode> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    Ok(tokio::select! {
        _ = interrupt.recv() => ExitCode::Interrupted,
        _ = terminate.recv() => ExitCode::Terminated,
        _ = hang_up.recv() => ExitCode::Terminated,
    })
}
