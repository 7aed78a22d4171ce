//! Why a report to the hosting service failed. A run continues without it.

use std::time::Duration;

use crate::diagnostic::{Diagnostic as _, Warning, diagnostics, printable, shown};
use crate::repo::ci::CiSystem;

/// What a request to the service is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForgeAction {
    Comment,
    CommitStatus,
    Deployment,
    /// Nothing is written: only checks whether the token is accepted.
    CheckToken,
}

impl ForgeAction {
    /// As the object of a sentence.
    pub fn name(self) -> &'static str {
        match self {
            Self::Comment => "the pull request comment",
            Self::CommitStatus => "the commit status",
            Self::Deployment => "the deployment",
            Self::CheckToken => "the token",
        }
    }

    /// The beginning of a message about its failure.
    fn failed(self) -> &'static str {
        match self {
            Self::Comment => "cannot write the pull request comment",
            Self::CommitStatus => "cannot set the commit status",
            Self::Deployment => "cannot write the deployment",
            Self::CheckToken => "cannot check the token",
        }
    }

    /// The line in `permissions:` of a workflow that allows it (GitHub, "Permissions required for GitHub Apps").
    pub fn permission(self) -> &'static str {
        match self {
            Self::Comment => "pull-requests: write",
            Self::CommitStatus => "statuses: write",
            Self::Deployment => "deployments: write",
            Self::CheckToken => "contents: read",
        }
    }

    /// The setting that requests it.
    pub fn setting(self) -> &'static str {
        match self {
            Self::Comment => "comment",
            Self::CommitStatus => "commit-status",
            Self::Deployment => "deployment",
            Self::CheckToken => "github-token",
        }
    }
}

diagnostics! {
    /// Why a report failed. Messages of the service are truncated to one line.
    #[exit(Unannounced)]
    #[derive(Clone, PartialEq, Eq)]
    pub enum ForgeError {
        #[error("{} can only be written on GitHub and GitLab", .action.name())]
        #[code("forge/no-service")]
        #[hint("remove the setting `{}`", action.setting())]
        NoService { action: ForgeAction },

        #[error("the CI's variables do not name the {what} of this run")]
        #[code("forge/not-told")]
        #[hint("run it in CI, with the variables that the CI system sets")]
        MissingCiValue { what: &'static str },

        #[error("no token for {host}")]
        #[code("forge/no-token")]
        #[hint("{hint}")]
        NoToken { host: String, hint: &'static str },

        #[error("the token for {host} contains characters that are not allowed in a token")]
        #[code("forge/odd-token")]
        #[hint("check the value of the secret: it may contain a line break or other text")]
        InvalidToken { host: String },

        #[error("invalid API URL `{url}` in `{variable}`")]
        #[code("forge/odd-address")]
        #[hint("unset `{variable}`: the CI system sets it by itself")]
        InvalidApiUrl { variable: &'static str, url: String },

        #[error("{}: {host} rejected the token ({message})", .action.failed())]
        #[code("forge/unauthorized")]
        #[hint("use a valid token: it may have expired, or belong to another server")]
        Unauthorized { host: String, action: ForgeAction, message: String },

        #[error("{}: the token has no permission ({message})", .action.failed())]
        #[code("forge/not-allowed")]
        #[hint("{}", if *from_fork { FROM_FORK.to_owned() } else { permission_hint(*system, *action) })]
        NotAllowed { system: CiSystem, action: ForgeAction, from_fork: bool, message: String },

        #[error("{}: {host} returned not found ({message})", .action.failed())]
        #[code("forge/not-found")]
        #[hint("{}", permission_hint(*system, *action))]
        NotFound { host: String, system: CiSystem, action: ForgeAction, message: String },

        #[error("{}: {host} rejected the request with status {status} ({message})", .action.failed())]
        #[code("forge/refused")]
        #[hint("fix what the message names, or remove the setting `{}`", action.setting())]
        Refused { host: String, action: ForgeAction, status: u16, message: String },

        #[error("{}: rate limit of {host} reached, resets in {}", .action.failed(), seconds(*.wait))]
        #[code("forge/rate-limited")]
        #[hint("retry later, or run fewer jobs at a time")]
        RateLimited { host: String, action: ForgeAction, wait: Duration },

        #[error("{}: {host} responded with status {status}", .action.failed())]
        #[code("forge/unavailable")]
        #[hint("retry later; the image is not affected")]
        Unavailable { host: String, action: ForgeAction, status: u16 },

        #[error("{}: no response from {host} within {}", .action.failed(), seconds(*.after))]
        #[code("forge/no-answer")]
        #[hint("check the network and the proxy variables of the runner; the image is not affected")]
        NoAnswer { host: String, action: ForgeAction, after: Duration },

        #[error("{}: cannot reach {host}: {reason}", .action.failed())]
        #[code("forge/unreachable")]
        #[hint("check the network and the proxy variables of the runner; the image is not affected")]
        Unreachable { host: String, action: ForgeAction, reason: String },

        #[error("{}: cannot read the response of {host}: {reason}", .action.failed())]
        #[code("forge/malformed-answer")]
        #[hint("retry later; the image is not affected")]
        Malformed { host: String, action: ForgeAction, reason: String },
    }
}

const FROM_FORK: &str = "nothing to do: pull requests from a fork only get a read-only token";

fn seconds(time: Duration) -> String {
    format!("{} s", time.as_secs_f64().ceil())
}

impl ForgeError {
    /// Whether nothing can be done about it.
    pub fn is_expected(&self) -> bool {
        matches!(self, Self::NotAllowed { from_fork: true, .. })
    }

    pub fn warning(&self) -> Warning {
        let warning = Warning::new(self.code(), self.to_string());
        self.hints().into_iter().next().into_iter().fold(warning, Warning::with_hint)
    }
}

fn permission_hint(system: CiSystem, action: ForgeAction) -> String {
    if system == CiSystem::GitLab {
        return "use a token with the scope `api` and at least the role Reporter".to_owned();
    }
    format!("add `{}` to `permissions:` of the job, next to `contents: read`", action.permission())
}

/// The message of an error response: `message` of GitHub and GitLab, `error_description` of GitLab's OAuth errors.
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
    fn error_messages_are_read_in_every_format() {
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
