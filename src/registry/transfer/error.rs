//! Why an image did not arrive: stable codes, one message, one action.
//!
//! Texts of the daemon and of registries are escaped before they are shown; no variant holds a credential.

use std::time::Duration;

use super::explain::Explanation;
use super::failure::Failure;
use crate::diagnostic::{Diagnostic, ExitCode, Location, printable};
use crate::docker::connection::DaemonError;
use crate::registry::AuthError;

#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    #[error(transparent)]
    Daemon(#[from] DaemonError),
    /// No usable credentials; the error of the authentication itself.
    #[error(transparent)]
    Credentials(#[from] AuthError),
    #[error("the daemon has no image `{reference}`")]
    NoLocalImage { reference: String },
    #[error("the daemon cannot name the image `{}` `{reference}`: {}", printable(source_image), printable(message))]
    CannotTag { source_image: String, reference: String, message: String },
    #[error("`{reference}` was refused: {}{}", explanation.meaning, attempts_text(*attempts))]
    Refused {
        reference: String,
        failure: Failure,
        /// What the daemon said, on one line.
        message: String,
        attempts: usize,
        explanation: Box<Explanation>,
    },
    #[error(
        "the tag `{reference}` cannot be overwritten: it points at the image `{theirs}` (manifest `{digest}`), and this one is `{ours}`"
    )]
    ImmutableTag {
        reference: String,
        /// Image ids.
        ours: String,
        theirs: String,
        /// Manifest in the registry.
        digest: String,
    },
    #[error("`{reference}` names a digest, and an image is pushed under a tag")]
    DigestReference { reference: String },
    #[error("the registry `{}` sends answers without end", printable(host))]
    EndlessAnswer { host: String },
    #[error("nothing was heard of `{reference}` for {} s", after.as_secs())]
    Idle { reference: String, after: Duration },
    #[error("the daemon said that `{reference}` is done, and neither it nor the registry knows the digest")]
    NoDigest { reference: String },
    #[error("`{reference}` is for `{found}`, and `{wanted}` was asked for")]
    OtherPlatform { reference: String, wanted: String, found: String },
    #[error("the transfer was cancelled")]
    Cancelled,
}

fn attempts_text(attempts: usize) -> String {
    if attempts > 1 { format!(" ({attempts} attempts)") } else { String::new() }
}

impl TransferError {
    /// What kind of refusal it was.
    pub fn failure(&self) -> Option<Failure> {
        match self {
            Self::Refused { failure, .. } => Some(*failure),
            _ => None,
        }
    }
}

impl Diagnostic for TransferError {
    fn code(&self) -> &'static str {
        match self {
            Self::Daemon(error) => error.code(),
            Self::Credentials(error) => error.code(),
            Self::NoLocalImage { .. } => "registry/no-local-image",
            Self::CannotTag { .. } => "registry/cannot-tag",
            Self::Refused { explanation, .. } => explanation.code,
            Self::ImmutableTag { .. } => "registry/immutable-tag",
            Self::EndlessAnswer { .. } => "registry/endless-answer",
            Self::Idle { .. } => "registry/idle",
            Self::DigestReference { .. } => "registry/digest-reference",
            Self::NoDigest { .. } => "registry/no-digest",
            Self::OtherPlatform { .. } => "registry/no-platform",
            Self::Cancelled => "registry/cancelled",
        }
    }

    fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::Daemon(error) => return error.hints(),
            Self::Credentials(error) => return error.hints(),
            Self::Refused { explanation, .. } => return vec![explanation.action.clone()],
            Self::Cancelled => return Vec::new(),
            Self::NoLocalImage { reference } => {
                format!("build it under this name, or name it with `docker tag IMAGE {reference}`")
            }
            Self::CannotTag { .. } => "list the images of the daemon with `docker images`".into(),
            Self::ImmutableTag { .. } => {
                "push under another tag (`type=sha` gives one per commit), or delete the tag in the registry first".into()
            }
            Self::EndlessAnswer { host } => {
                format!("check that a registry answers at `{host}`, with `curl -m 10 https://{host}/v2/ | head -c 1000`")
            }
            Self::Idle { .. } => {
                "check that the daemon reaches the registry (a firewall that drops packets looks like this), then try again".into()
            }
            Self::OtherPlatform { found, .. } => format!("ask for `--platform {found}`, or for an image that has the other one"),
            Self::DigestReference { .. } => "leave the part after `@` out, and give a tag".into(),
            Self::NoDigest { reference } => format!("look at the tag with `docker manifest inspect {reference}`"),
        };
        vec![hint]
    }

    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Cancelled => ExitCode::Interrupted,
            Self::Credentials(error) => error.exit_code(),
            Self::Refused { failure, .. } if failure.is_authentication() => ExitCode::Authentication,
            Self::DigestReference { .. } => ExitCode::Usage,
            _ => ExitCode::Push,
        }
    }

    fn location(&self) -> Option<Location> {
        match self {
            Self::Daemon(error) => error.location(),
            Self::Credentials(error) => error.location(),
            _ => None,
        }
    }
}
