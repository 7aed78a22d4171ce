//! Where a CI job finds this program: the action or the image of a release.

use super::CiTarget;
use super::error::WorkflowError;
use crate::image_ref::ImageRef;

/// An action or an image, as the definition names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// `OWNER/NAME@REF` for GitHub, an image reference for GitLab.
    pub location: String,
    /// What a reader cannot see in it: the version.
    pub comment: Option<String>,
}

/// What the release that built this program has noted in it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Release<'a> {
    /// `OWNER/NAME` on GitHub.
    pub repository: &'a str,
    pub commit: &'a str,
    pub version: &'a str,
}

impl Release<'static> {
    /// Of this very program; empty when no release built it.
    pub fn of_this_program() -> Self {
        Self {
            repository: option_env!("NEXTDEPLOY_BUILD_REPOSITORY").unwrap_or_default(),
            commit: option_env!("NEXTDEPLOY_BUILD_COMMIT").unwrap_or_default(),
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}

impl Program {
    /// What was asked for with `--uses`, else the release that this program is.
    ///
    /// # Errors
    /// When nothing was asked for and this program is no release, or for a location that cannot be one.
    pub fn new(target: CiTarget, wanted: Option<&str>, release: Release<'_>) -> Result<Self, WorkflowError> {
        if let Some(wanted) = wanted {
            let fits = match target {
                CiTarget::GitHub => is_action(wanted),
                CiTarget::GitLab => ImageRef::parse(wanted).is_ok(),
            };
            return fits
                .then(|| Self { location: wanted.to_owned(), comment: None })
                .ok_or_else(|| WorkflowError::Location { target, value: wanted.to_owned() });
        }
        let Release { repository, commit, version } = release;
        if repository.is_empty() || commit.is_empty() {
            return Err(WorkflowError::NoRelease { target });
        }
        Ok(match target {
            CiTarget::GitHub => {
                Self { location: format!("{repository}@{commit}"), comment: Some(format!("v{version}")) }
            }
            CiTarget::GitLab => {
                Self { location: format!("ghcr.io/{}:{version}-shell", repository.to_ascii_lowercase()), comment: None }
            }
        })
    }

    /// True for an action that somebody could move to other code.
    pub fn can_move(&self) -> bool {
        let commit = self.location.rsplit_once('@').map_or("", |(_, commit)| commit);
        !(commit.len() == 40 && commit.bytes().all(|b| b.is_ascii_hexdigit()))
    }
}

/// `OWNER/NAME[/FOLDER]@REF`.
fn is_action(text: &str) -> bool {
    let word = |part: &str| {
        !part.is_empty()
            && !part.starts_with(['.', '-'])
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    text.split_once('@').is_some_and(|(name, reference)| {
        name.split('/').count() >= 2 && name.split('/').all(word) && reference.split('/').all(word)
    })
}
