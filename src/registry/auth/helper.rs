//! Credential helpers: `docker-credential-NAME get` with the registry on standard input → a login.
//!
//! Protocol: docker/docker-credential-helpers. What a helper prints on success is never shown.

use std::time::Duration;

use serde::Deserialize;

use super::docker_config::HelperName;
use super::{AuthError, Login};
use crate::diagnostic::shown;
use crate::host::{ChildCall, ChildError, ChildLimits, CommandOutput, Environment, find_program, run_child};
use crate::registry::RegistryHost;

/// A helper that asks its user something would never end.
const LIMITS: ChildLimits = ChildLimits { time: Duration::from_secs(10), output: 64 * 1024 };

/// Which helper was asked for what, and who named it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HelperUse {
    /// `docker-credential-NAME`.
    pub program: String,
    /// The field of the Docker config: `credsStore`.
    pub field: String,
    /// The Docker config, with backticks.
    pub config: String,
    pub host: RegistryHost,
}

/// What went wrong with a helper.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HelperFault {
    #[error("is not installed")]
    NotInstalled,
    #[error("cannot be started: {0}")]
    Start(String),
    #[error("did not answer within {} s", .0.as_secs_f32())]
    TimedOut(Duration),
    #[error("failed: {0}")]
    Failed(String),
    #[error("gave an answer that cannot be used: {0}")]
    Answer(&'static str),
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(default)]
    username: String,
    #[serde(default)]
    secret: String,
}

/// Asks the helper that `config` names; `None` when it has nothing for `host`.
pub(super) async fn ask(
    helper: &HelperName,
    config: &str,
    host: &RegistryHost,
    environment: &Environment,
) -> Result<Option<Login>, AuthError> {
    ask_within(LIMITS, helper, config, host, environment).await
}

pub(super) async fn ask_within(
    limits: ChildLimits,
    helper: &HelperName,
    config: &str,
    host: &RegistryHost,
    environment: &Environment,
) -> Result<Option<Login>, AuthError> {
    let program = helper.program();
    let answer = match find_program(&program, environment) {
        None => Err(HelperFault::NotInstalled),
        Some(path) => {
            let input = host.config_key().as_bytes();
            let call = ChildCall { program: &path, arguments: &["get"], directory: None, input, environment, limits };
            read_answer(run_child(&call).await)
        }
    };
    answer.map_err(|fault| {
        let helper = HelperUse { program, field: helper.field.clone(), config: config.to_owned(), host: host.clone() };
        AuthError::Helper { helper: Box::new(helper), fault }
    })
}

fn read_answer(ended: Result<CommandOutput, ChildError>) -> Result<Option<Login>, HelperFault> {
    let output = ended.map_err(|error| match error {
        ChildError::Start(error) => HelperFault::Start(error.to_string()),
        ChildError::TimedOut(after) => HelperFault::TimedOut(after),
        ChildError::TooMuchOutput(_) => HelperFault::Answer("it is far too long"),
        ChildError::Io(error) => HelperFault::Failed(error.to_string()),
    })?;
    if !output.success {
        return failure(&output);
    }
    let text = String::from_utf8(output.stdout).map_err(|_| HelperFault::Answer("it is not UTF-8 text"))?;
    let answer: Answer =
        serde_json::from_str(&text).map_err(|_| HelperFault::Answer("it is not JSON with `Username` and `Secret`"))?;
    match (answer.username.as_str(), answer.secret.as_str()) {
        ("", "") => Ok(None),
        (_, "") => Err(HelperFault::Answer("it has no `Secret`")),
        (username, secret) => Ok(Some(Login::new(username, secret))),
    }
}

/// Helpers write their errors to standard output; only one of them means "there is nothing".
fn failure(output: &CommandOutput) -> Result<Option<Login>, HelperFault> {
    let stdout = String::from_utf8_lossy(&output.stdout);
    if stdout.to_ascii_lowercase().contains("credentials not found") {
        return Ok(None);
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    // Something like an answer may hold the secret after all.
    let line = [stdout.as_ref(), stderr.as_ref()]
        .into_iter()
        .filter_map(|text| text.lines().map(str::trim).find(|line| !line.is_empty()))
        .find(|line| !line.contains(['{', '"']));
    Err(HelperFault::Failed(line.map_or_else(|| "it gave no reason".to_owned(), shown)))
}

#[cfg(test)]
mod tests;
