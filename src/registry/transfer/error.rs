//! Why a push or pull failed: stable codes, one message, one action.
//!
//! Messages of the daemon and of registries are escaped; no variant holds a credential.

use std::time::Duration;

use crate::diagnostic::{ExitCode, diagnostics, printable};
use crate::docker::connection::DaemonError;
use crate::registry::{AuthError, Explanation, Refusal};

diagnostics! {
    #[exit(Push)]
    pub enum TransferError {
        #[transparent]
        #[exit(Push)]
        Daemon(#[from] error: DaemonError),

        #[transparent]
        Credentials(#[from] error: AuthError),

        #[error("the daemon has no image `{reference}`")]
        #[code("registry/no-local-image")]
        #[hint("build it under this name, or tag it with `docker tag IMAGE {reference}`")]
        NoLocalImage { reference: String },

        #[error("the daemon cannot tag the image `{}` as `{reference}`: {}", printable(source_image), printable(message))]
        #[code("registry/cannot-tag")]
        #[hint("list the images of the daemon with `docker images`")]
        CannotTag { source_image: String, reference: String, message: String },

        #[error("`{reference}` was refused: {}{}", explanation.meaning, attempts_text(*attempts))]
        #[code(explanation.code)]
        #[hint("{}", explanation.action)]
        #[exit(if refusal.is_authentication() { ExitCode::Authentication } else { ExitCode::Push })]
        Refused { reference: String, refusal: Refusal, attempts: usize, explanation: Box<Explanation> },

        /// `ours` and `theirs` are image IDs; `digest` is that of the manifest in the registry.
        #[error(
            "the tag `{reference}` is immutable and points at another image: `{theirs}` (manifest `{digest}`) instead of `{ours}`"
        )]
        #[code("registry/immutable-tag")]
        #[hint("use another tag (`type=sha` creates one per commit), or delete the tag in the registry first")]
        ImmutableTag { reference: String, ours: String, theirs: String, digest: String },

        #[error("cannot push `{reference}`: a push needs a tag, not a digest")]
        #[code("registry/digest-reference")]
        #[hint("replace the part from `@` on with a tag")]
        #[exit(Usage)]
        DigestReference { reference: String },

        #[error("the registry `{}` sent an endless response", printable(host))]
        #[code("registry/endless-answer")]
        #[hint("check what answers at `{host}` with `curl -m 10 https://{host}/v2/ | head -c 1000`")]
        EndlessAnswer { host: String },

        #[error("no progress of `{reference}` for {} s", after.as_secs())]
        #[code("registry/idle")]
        #[hint("check that the daemon can reach the registry (a firewall may drop packets), then try again")]
        Idle { reference: String, after: Duration },

        #[error("`{reference}` was transferred, but neither the daemon nor the registry reports its digest")]
        #[code("registry/no-digest")]
        #[hint("inspect the tag with `docker manifest inspect {reference}`")]
        NoDigest { reference: String },

        #[error("`{reference}` is an image for `{found}`, not for `{requested}`")]
        #[code("registry/no-platform")]
        #[hint("use `--platform {found}`, or an image for the other platform")]
        OtherPlatform { reference: String, requested: String, found: String },

        #[error("the transfer was cancelled")]
        #[code("registry/cancelled")]
        #[exit(Interrupted)]
        Cancelled,
    }
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
