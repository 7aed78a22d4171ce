//! Why the hosting service was not told: each with the one thing to do. A run goes on without it.

use std::time::Duration;

use crate::diagnostic::{Warning, printable, shown};
use crate::repo::ci::CiSystem;

/// What was asked of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Comment,
    CommitStatus,
    Deployment,
    /// Nothing is written: only whether the token is taken at all.
    CheckToken,
}

impl Action {
    /// As the object of a sentence.
    pub fn name(self) -> &'static str {
        match self {
            Self::Comment => "the comment on the pull request",
            Self::CommitStatus => "the commit status",
            Self::Deployment => "the deployment",
            Self::CheckToken => "the token",
        }
    }

    /// The beginning of a message about its failure.
    fn undone(self) -> String {
        match self {
            Self::CheckToken => "the token cannot be checked".to_owned(),
            _ => format!("{} is not written", self.name()),
        }
    }

    /// The line below `permissions:` of a workflow that allows it (GitHub, "Permissions required for GitHub Apps").
    pub fn permission(self) -> &'static str {
        match self {
            Self::Comment => "pull-requests: write",
            Self::CommitStatus => "statuses: write",
            Self::Deployment => "deployments: write",
            Self::CheckToken => "contents: read",
        }
    }

    /// The setting that asks for it.
    pub fn setting(self) -> &'static str {
        match self {
            Self::Comment => "comment",
            Self::CommitStatus => "commit-status",
            Self::Deployment => "deployment",
            Self::CheckToken => "github-token",
        }
    }
}

/// Why something could not be told. Messages of the service are on one line and cut.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ForgeError {
    #[error("{} is written on GitHub and GitLab only", .action.name())]
    NoService { action: Action },
    #[error("the CI does not say which {what} this run is for")]
    NotTold { what: &'static str },
    #[error("there is no token for {host}")]
    NoToken { host: String, hint: &'static str },
    #[error("the token for {host} holds characters that no token has")]
    OddToken { host: String },
    #[error("`{address}` in `{variable}` is no address of an API")]
    OddAddress { variable: &'static str, address: String },
    #[error("{}: {host} refuses the token ({message})", .action.undone())]
    Unauthorized { host: String, action: Action, message: String },
    #[error("{}: the token may not do it ({message})", .action.undone())]
    NotAllowed { system: CiSystem, action: Action, from_fork: bool, message: String },
    #[error("{}: {host} does not find what it is for ({message})", .action.undone())]
    NotFound { host: String, system: CiSystem, action: Action, message: String },
    #[error("{}: {host} refuses it with status {status} ({message})", .action.undone())]
    Refused { host: String, action: Action, status: u16, message: String },
    #[error("{}: {host} asks to wait for {}", .action.undone(), seconds(*.wait))]
    RateLimited { host: String, action: Action, wait: Duration },
    #[error("{}: {host} answers with status {status}", .action.undone())]
    Unavailable { host: String, action: Action, status: u16 },
    #[error("{}: {host} does not answer within {}", .action.undone(), seconds(*.after))]
    NoAnswer { host: String, action: Action, after: Duration },
    #[error("{}: {host} cannot be reached: {reason}", .action.undone())]
    Unreachable { host: String, action: Action, reason: String },
    #[error("{}: the answer of {host} cannot be read: {reason}", .action.undone())]
    Malformed { host: String, action: Action, reason: String },
}

fn seconds(time: Duration) -> String {
    format!("{} s", time.as_secs_f64().ceil())
}

impl ForgeError {
    /// Stable identifier.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoService { .. } => "forge/no-service",
            Self::NotTold { .. } => "forge/not-told",
            Self::NoToken { .. } => "forge/no-token",
            Self::OddToken { .. } => "forge/odd-token",
            Self::OddAddress { .. } => "forge/odd-address",
            Self::Unauthorized { .. } => "forge/unauthorized",
            Self::NotAllowed { .. } => "forge/not-allowed",
            Self::NotFound { .. } => "forge/not-found",
            Self::Refused { .. } => "forge/refused",
            Self::RateLimited { .. } => "forge/rate-limited",
            Self::Unavailable { .. } => "forge/unavailable",
            Self::NoAnswer { .. } => "forge/no-answer",
            Self::Unreachable { .. } => "forge/unreachable",
            Self::Malformed { .. } => "forge/malformed-answer",
        }
    }

    /// One concrete action.
    pub fn hint(&self) -> String {
        match self {
            Self::NoService { action } => format!("remove the setting `{}`", action.setting()),
            Self::NotTold { .. } => "run it in the CI, with the variables that the CI sets".to_owned(),
            Self::NoToken { hint, .. } => (*hint).to_owned(),
            Self::OddToken { .. } => {
                "check the value of the secret, it may hold a line break or a whole sentence".to_owned()
            }
            Self::OddAddress { variable, .. } => format!("unset `{variable}`, the CI sets it by itself"),
            Self::Unauthorized { .. } => {
                "give a token that is valid: it may have expired, or belong to another server".to_owned()
            }
            Self::NotAllowed { from_fork: true, .. } => {
                "nothing to do: the pull request comes from a fork, which gets a token that only reads".to_owned()
            }
            Self::NotAllowed { system, action, .. } | Self::NotFound { system, action, .. } => may(*system, *action),
            Self::Refused { action, .. } => {
                format!("correct what the message names, or remove the setting `{}`", action.setting())
            }
            Self::RateLimited { .. } => "run it again later, or let fewer jobs run at a time".to_owned(),
            Self::Unavailable { .. } | Self::Malformed { .. } => {
                "run it again later; the image is not affected".to_owned()
            }
            Self::NoAnswer { .. } | Self::Unreachable { .. } => {
                "check the network and the proxy variables of the runner; the image is not affected".to_owned()
            }
        }
    }

    /// Nothing that anybody could put right.
    pub fn is_expected(&self) -> bool {
        matches!(self, Self::NotAllowed { from_fork: true, .. })
    }

    pub fn warning(&self) -> Warning {
        Warning::new(self.code(), self.to_string()).with_hint(self.hint())
    }
}

fn may(system: CiSystem, action: Action) -> String {
    if system == CiSystem::GitLab {
        return "give a token with the scope `api` and at least the role Reporter".to_owned();
    }
    format!("add `{}` below `permissions:` of the job, beside `contents: read`", action.permission())
}

/// The words of an error body: `message` of GitHub and GitLab, `error_description` of GitLab's OAuth errors.
pub(super) fn message_of(body: &str) -> String {
    let fields: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    let named = ["message", "error_description", "error"].into_iter().find_map(|name| match &fields[name] {
        serde_json::Value::Null => None,
        serde_json::Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    });
    let details = fields["errors"].as_array().map(|errors| {
        errors.iter().filter_map(|error| error["message"].as_str().or(error.as_str())).collect::<Vec<_>>().join(", ")
    });
    match (named, details.filter(|details| !details.is_empty())) {
        (Some(message), Some(details)) => cut(&format!("{message}: {details}")),
        (Some(message), None) => cut(&message),
        (None, _) if body.trim_start().starts_with('<') || body.trim().is_empty() => "no message".to_owned(),
        (None, _) => shown(body.trim()),
    }
}

fn cut(message: &str) -> String {
    const LIMIT: usize = 300;
    printable(message).chars().take(LIMIT).collect()
}

#[cfg(test)]
mod tests {
    use super::message_of;

    #[test]
    fn messages_of_services_are_read_in_all_their_shapes() {
        for (body, message) in [
            (r#"{"message":"Resource not accessible by integration"}"#, "Resource not accessible by integration"),
            (
                r#"{"message":"Validation Failed","errors":[{"message":"body is too long"}]}"#,
                "Validation Failed: body is too long",
            ),
            (r#"{"message":"Validation Failed","errors":["No commit found"]}"#, "Validation Failed: No commit found"),
            (r#"{"message":{"note":["is too long"]}}"#, r#"{"note":["is too long"]}"#),
            (
                r#"{"error":"insufficient_scope","error_description":"The request requires higher privileges"}"#,
                "The request requires higher privileges",
            ),
            ("<html><body>Bad gateway</body></html>", "no message"),
            ("", "no message"),
            ("{\"message\":\"a\\n::error::b\"}", "a\\n::error::b"),
        ] {
            assert_eq!(message_of(body), message);
        }
        assert!(message_of(&format!("{{\"message\":\"{}\"}}", "x".repeat(10_000))).len() < 400);
    }
}
