//! What `run` and `rollback` have in common: the launcher with its listener, files that wishes name, and how a failure is shown.

use std::path::Path;
use std::time::Duration;

use futures_util::FutureExt as _;

use super::Session;
use crate::config::cli::ContainerArgs;
use crate::config::settings::SecretValue;
use crate::deploy::proxy::Admin;
use crate::deploy::{
    EnvFile, LaunchError, LaunchEvent, Launched, Replacement, SecretFile, StopSignal, Wishes, duration_of_flag,
    read_document, wishes_of_flags,
};
use crate::diagnostic::{ExitCode, Warning};
use crate::error::Error;
use crate::host::{Cache, FILE_LIMIT, read_named, read_named_text};
use crate::pipeline::Stop;
use crate::project::parse_dotenv;
use crate::registry::transfer::TransferError;
use crate::report::launch::{render_event, render_failure, render_service_failure};
use crate::secret::Secret;

/// How long a container may take to become healthy.
const WAIT: Duration = Duration::from_mins(2);
/// How long the old container may go on answering.
const DRAIN: Duration = Duration::from_secs(10);

/// What was typed about the container, with paths from the current folder.
pub fn typed_wishes(session: &Session, args: &ContainerArgs) -> Result<Wishes, Error> {
    Ok(wishes_of_flags(args, &current_folder(), &session.environment)?)
}

/// What the document at `path` asks for, with paths from its folder.
pub fn document_wishes(session: &Session, path: &Path) -> Result<Wishes, Error> {
    let text = read_named_text(path, FILE_LIMIT).map_err(|error| LaunchError::Unreadable {
        path: path.to_path_buf(),
        wanted_by: "the command line".to_owned(),
        reason: error.to_string(),
    })?;
    let folder = current_folder().join(path.parent().unwrap_or(Path::new("")));
    Ok(read_document(&path.to_string_lossy(), &text, &folder, &session.environment)?)
}

/// Absolute, as the daemon needs it.
pub fn current_folder() -> std::path::PathBuf {
    std::path::absolute(".").unwrap_or_else(|_| Path::new("/").to_path_buf())
}

pub fn wait_timeout(text: Option<&String>) -> Result<Duration, Error> {
    Ok(duration_of_flag("--wait-timeout", text)?.unwrap_or(WAIT))
}

pub fn replacement(proxy: Option<&String>, drain: Option<&String>) -> Result<Replacement, Error> {
    let proxy = proxy.map(|url| Admin::new(url)).transpose().map_err(LaunchError::from)?;
    Ok(Replacement { proxy, drain: duration_of_flag("--drain", drain)?.unwrap_or(DRAIN) })
}

/// Tells where the app that was launched can be reached.
pub fn tell_addresses(session: &Session, launched: &Launched, is_local: bool) {
    let place = if is_local { "" } else { ", on the daemon's machine" };
    for address in launched.addresses() {
        session.tell(&format!("http://{address}{place}"));
    }
}

/// The run documents of images that were looked into before.
pub fn known_images(session: &Session) -> Cache {
    Cache::new(&session.environment, "images")
}

pub fn stop_signal(stop: &Stop) -> StopSignal {
    stop.clone().requested().boxed().shared()
}

/// Tells each event as it happens.
pub fn listener(session: &Session) -> impl Fn(&LaunchEvent<'_>) + Send + Sync {
    move |event| {
        if let LaunchEvent::HookFailed { kind, reason } = event {
            let warning = Warning::new("launch/hook", format!("{kind}: {reason}"));
            session.warn(&[warning.with_hint("the container is stopped all the same; correct the command")]);
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

/// The exit code of an interruption; other failures are shown with what is known of the container.
pub fn explain(session: &Session, error: Error, stop: &Stop) -> Result<ExitCode, Error> {
    match &error {
        Error::Launch(LaunchError::Interrupted) | Error::Transfer(TransferError::Cancelled) => {
            session.log.message("interrupted: what was begun was undone");
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

/// The files with variables, in their order.
pub fn read_env_files(wishes: &Wishes) -> Result<Vec<EnvFile>, LaunchError> {
    let read = |file: &crate::origin::Sourced<std::path::PathBuf>| {
        let failed = |reason: String| unreadable(&file.value, &file.origin, reason);
        let text = read_named_text(&file.value, FILE_LIMIT).map_err(|error| failed(error.to_string()))?;
        let origin = crate::origin::Origin::File(file.value.display().to_string());
        let variables = parse_dotenv(&text).map_err(|error| failed(error.to_string()))?;
        Ok(EnvFile { origin, variables })
    };
    wishes.env_files.iter().map(read).collect()
}

/// The values of secrets, hidden in the log from here on.
pub fn read_secrets(session: &Session, wishes: &Wishes) -> Result<Vec<SecretFile>, LaunchError> {
    let read = |secret: &crate::origin::Sourced<crate::config::settings::SecretSource>| {
        let value = match &secret.value.value {
            SecretValue::Value(value) => value.expose().clone().into_bytes(),
            SecretValue::File(path) => {
                read_named(path, FILE_LIMIT).map_err(|error| unreadable(path, &secret.origin, error.to_string()))?
            }
        };
        let name = format!("the secret `{}`", secret.value.id);
        session.log.mask(&name, String::from_utf8_lossy(&value).trim_end());
        Ok(SecretFile { id: secret.value.id.clone(), value: Secret::new(value) })
    };
    wishes.secrets.iter().map(read).collect()
}

fn unreadable(path: &Path, origin: &crate::origin::Origin, reason: String) -> LaunchError {
    let wanted_by = match origin {
        crate::origin::Origin::Flag(name) | crate::origin::Origin::File(name) => format!("`{name}`"),
        other => other.to_string(),
    };
    LaunchError::Unreadable { path: path.to_path_buf(), wanted_by, reason }
}
