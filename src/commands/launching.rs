//! What `run` and `rollback` have in common: the listener of the launcher, and how a failure is shown.

use futures_util::FutureExt as _;

use super::Session;
use crate::deploy::{LaunchError, LaunchEvent, Launched, StopSignal};
use crate::diagnostic::{ExitCode, Warning};
use crate::error::Error;
use crate::host::Cache;
use crate::pipeline::Stop;
use crate::registry::transfer::TransferError;
use crate::report::launch::{render_event, render_failure, render_service_failure};

/// Prints where the app can be reached.
pub fn print_addresses(session: &Session, launched: &Launched, is_local: bool) {
    let place = if is_local { "" } else { ", on the daemon's machine" };
    for address in launched.addresses() {
        session.tell(&format!("http://{address}{place}"));
    }
}

/// The run documents of images that were read before.
pub fn known_images(session: &Session) -> Cache {
    Cache::new(&session.environment, "images")
}

pub fn stop_signal(stop: &Stop) -> StopSignal {
    stop.clone().requested().boxed().shared()
}

/// Prints each event as it happens.
pub fn launch_listener(session: &Session) -> impl Fn(&LaunchEvent<'_>) + Send + Sync {
    move |event| {
        if let LaunchEvent::HookFailed { kind, reason } = event {
            let warning = Warning::new("launch/hook", format!("{kind}: {reason}"));
            session.warn(&[warning.with_hint("the container is stopped anyway; correct the command")]);
            return;
        }
        if let LaunchEvent::Warned(warning) = event {
            session.warn(std::slice::from_ref(*warning));
            return;
        }
        let text = render_event(event);
        if !text.is_empty() {
            session.tell(&text);
        }
    }
}

/// The exit code of an interruption. For other failures, prints what is known of the container.
pub fn explain(session: &Session, error: Error, stop: &Stop) -> Result<ExitCode, Error> {
    match &error {
        Error::Launch(LaunchError::Interrupted) | Error::Transfer(TransferError::Cancelled) => {
            session.log.message("interrupted: everything that was started has been undone");
            Ok(stop.code().unwrap_or(ExitCode::Interrupted))
        }
        Error::Launch(LaunchError::NotHealthy(failure)) => {
            let _untrusted = session.log.untrusted();
            session.log.message(&render_failure(failure));
            Err(error)
        }
        Error::Launch(LaunchError::ServiceNotHealthy(failure)) => {
            let _untrusted = session.log.untrusted();
            session.log.message(&render_service_failure(failure));
            Err(error)
        }
        _ => Err(error),
    }
}
