//! Why a push or pull failed: stable codes, one message, one action.
//!
//! Messages of the daemon and of registries are escaped; no variant holds a credential.

use std::time::Duration;

use crate::diagnostic::{Diagnostic, ExitCode, Location, printable};
use crate::docker::connection::DaemonError;
use crate::registry::{AuthError, Explanation, Refusal};

#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    #[error(transparent)]
    Daemon(#[from] DaemonError),
    #[error(transparent)]
    Credentials(#[from] AuthError),
    #[error("the daemon has no image `{reference}`")]
    NoLocalImage { reference: String },
    #[error("the daemon cannot tag the image `{}` as `{reference}`: {}", printable(source_image), printable(message))]
    CannotTag { source_image: String, reference: String, message: String },
    #[error("`{reference}` was refused: {}{}", explanation.meaning, attempts_text(*attempts))]
    Refused { reference: String, refusal: Refusal, attempts: usize, explanation: Box<Explanation> },
    #[error(
        "the tag `{reference}` is immutable and points at another image: `{theirs}` (manifest `{digest}`) instead of `{ours}`"
    )]
    ImmutableTag {
        reference: String,
        /// Image IDs.
        ours: String,
        theirs: String,
        /// Manifest in the registry.
        digest: String,
    },
    #[error("cannot push `{reference}`: a push needs a tag, not a digest")]
    DigestReference { reference: String },
    #[error("the registry `{}` sent an endless response", printable(host))]
    EndlessAnswer { host: String },
    #[error("no progress of `{reference}` for {} s", after.as_secs())]
    Idle { reference: String, after: Duration },
    #[error("`{reference}` was transferred, but neither the daemon nor the registry reports its digest")]
    NoDigest { reference: String },
    #[error("`{reference}` is an image for `{found}`, not for `{wanted}`")]
    OtherPlatform { reference: String, wanted: String, found: String },
    #[error("the transfer was cancelled")]
    Cancelled,
}

fn attempts_text(attempts: usize) -> String {
    if attempts > 1 { format!(" ({attempts} attempts)") } else { String::new() }
}

impl TransferError {
    /// The kind of refusal.
    pub fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Refused { refusal, .. } => Some(*refusal),
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
                format!("build it under this name, or tag it with `docker tag IMAGE {reference}`")
            }
            Self::CannotTag { .. } => "list the images of the daemon with `docker images`".into(),
            Self::ImmutableTag { .. } => {
                "use another tag (`type=sha` creates one per commit), or delete the tag in the registry first".into()
            }
            Self::EndlessAnswer { host } => {
                format!("check what answers at `{host}` with `curl -m 10 https://{host}/v2/ | head -c 1000`")
            }
            Self::Idle { .. } => {
                "check that the daemon can reach the registry (a firewall may drop packets), then try again".into()
            }
            Self::OtherPlatform { found, .. } => {
                format!("use `--platform {found}`, or an image for the other platform")
            }
            Self::DigestReference { .. } => "replace the part from `@` on with a tag".into(),
            Self::NoDigest { reference } => format!("inspect the tag with `docker manifest inspect {reference}`"),
        };
        vec![hint]
    }

    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Cancelled => ExitCode::Interrupted,
            Self::Credentials(error) => error.exit_code(),
            Self::Refused { refusal, .. } if refusal.is_authentication() => ExitCode::Authentication,
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
