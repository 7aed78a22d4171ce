//! What a CI definition depends on: the CI system, the registry, the release of this program; and why one cannot be written.

use std::path::PathBuf;

use crate::diagnostic::{Warning, diagnostics, printable_path, shown};
use crate::image_ref::{EcrHost, ImageRef, RegistryHost, RegistryKind};
use crate::rel_path::RelPath;

diagnostics! {
    #[exit(Usage)]
    pub enum WorkflowError {
        #[error("`{}` already exists", printable_path(path))]
        #[code("init/exists")]
        #[hint("use `--dry-run` to print the definition, and merge it by hand")]
        Exists { path: PathBuf },

        #[error("{}", unknown_ci(remote.as_deref()))]
        #[code("init/unknown-ci")]
        #[hint("pass `--ci github` or `--ci gitlab`")]
        UnknownCi { remote: Option<String> },

        #[error("invalid `--ci`: definitions for `{}` are not supported", shown(ci))]
        #[code("init/no-definition")]
        #[hint("pass `--ci github` or `--ci gitlab`; docs/ci.md has examples for other systems")]
        NoDefinition { ci: String },

        #[error("this build of nextdeploy is not a release, so the definition cannot refer to one")]
        #[code("init/no-release")]
        #[hint("{}", uses_hint(*target))]
        NoRelease { target: CiTarget },

        #[error("invalid `--uses`: `{}` is not a valid {}", shown(value), kind(*target))]
        #[code("init/uses")]
        #[hint("{}", uses_hint(*target))]
        Location { target: CiTarget, value: String },

        #[error("invalid `--registry`: `{}`", shown(value))]
        #[code("init/registry")]
        #[hint("use `ghcr`, `gitlab`, `ecr`, or a host such as `registry.example.com`")]
        Registry { value: String },
    }
}

fn unknown_ci(remote: Option<&str>) -> String {
    match remote {
        Some(remote) => format!("cannot derive the CI system from the remote `{}`", shown(remote)),
        None => "cannot derive the CI system: the repository has no remote `origin`".to_owned(),
    }
}

fn kind(target: CiTarget) -> &'static str {
    match target {
        CiTarget::GitHub => "action",
        CiTarget::GitLab => "image",
    }
}

fn uses_hint(target: CiTarget) -> &'static str {
    match target {
        CiTarget::GitHub => "pass `--uses OWNER/nextdeploy@COMMIT`, with the commit of a release",
        CiTarget::GitLab => "pass `--uses IMAGE`, the image of a release that has a shell",
    }
}

/// A CI system that definitions can be written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CiTarget {
    GitHub,
    GitLab,
}

/// Everything that a definition contains.
#[derive(Debug, Clone)]
pub struct Choices {
    pub target: CiTarget,
    pub registry: TargetRegistry,
    /// Folder of the app; the root if it is the top of the repository.
    pub directory: RelPath,
    /// The branch whose image is pushed.
    pub branch: String,
    pub program: Program,
}

impl CiTarget {
    /// The target named by `--ci`, else the one that hosts the remote.
    ///
    /// # Errors
    /// For a system without definitions, and for a remote that does not identify one.
    pub fn find(ci: Option<&str>, remote: Option<&str>) -> Result<Self, WorkflowError> {
        if let Some(name) = ci {
            return Self::named(name).ok_or_else(|| WorkflowError::NoDefinition { ci: name.to_owned() });
        }
        let target = remote.and_then(Self::of_remote);
        target.ok_or_else(|| WorkflowError::UnknownCi { remote: remote.map(str::to_owned) })
    }

    fn named(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "github" => Some(Self::GitHub),
            "gitlab" => Some(Self::GitLab),
            _ => None,
        }
    }

    /// The system that hosts the repository, if the host name of its remote shows it.
    pub fn of_remote(remote: &str) -> Option<Self> {
        let host = remote.rsplit("://").next()?.split(['/', ':']).next()?.to_ascii_lowercase();
        let has = |word: &str| host.split(['.', '-']).any(|part| part == word);
        match (has("github"), has("gitlab")) {
            (true, false) => Some(Self::GitHub),
            (false, true) => Some(Self::GitLab),
            _ => None,
        }
    }
}

/// The registry that a definition pushes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetRegistry {
    /// The CI system's own: GHCR for GitHub, the project's registry for GitLab. Jobs have credentials for it.
    Own,
    /// Amazon ECR, with an identity token of the job. Without a host, variables of the CI system name it.
    Ecr(Option<(RegistryHost, EcrHost)>),
    /// Any other, with user name and password.
    Other(RegistryHost),
}

impl TargetRegistry {
    /// `ghcr`, `gitlab`, `ecr` or a host; `None` is the CI system's own.
    ///
    /// # Errors
    /// For any other text.
    pub fn parse(text: Option<&str>, target: CiTarget) -> Result<Self, WorkflowError> {
        let text = match (text, target) {
            (None, _) | (Some("ghcr" | "ghcr.io"), CiTarget::GitHub) | (Some("gitlab"), CiTarget::GitLab) => {
                return Ok(Self::Own);
            }
            (Some("ecr"), _) => return Ok(Self::Ecr(None)),
            (Some("ghcr"), CiTarget::GitLab) => "ghcr.io",
            (Some(text), _) => text,
        };
        let reference = ImageRef::parse(&format!("{text}/name")).ok();
        let reference = reference.filter(|reference| reference.path == "name" && reference.domain.is_some());
        let reference = reference.ok_or_else(|| WorkflowError::Registry { value: text.to_owned() })?;
        let host = reference.registry();
        Ok(match host.kind() {
            RegistryKind::Ecr(ecr) => Self::Ecr(Some((host, ecr))),
            _ => Self::Other(host),
        })
    }
}

/// Where a CI job gets this program from: an action or an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// `OWNER/NAME@REF` for GitHub, an image reference for GitLab.
    pub location: String,
    /// The version, which the location does not show.
    pub comment: Option<String>,
}

/// The release that this program was built from.
#[derive(Debug, Clone, Copy, Default)]
pub struct Release<'a> {
    /// `OWNER/NAME` on GitHub.
    pub repository: &'a str,
    pub commit: &'a str,
    pub version: &'a str,
}

impl Release<'static> {
    /// The release of the running program; empty for other builds.
    pub fn of_this_program() -> Self {
        Self {
            repository: option_env!("NEXTDEPLOY_BUILD_REPOSITORY").unwrap_or_default(),
            commit: option_env!("NEXTDEPLOY_BUILD_COMMIT").unwrap_or_default(),
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}

impl Program {
    /// The location passed with `--uses`, else the release of this program.
    ///
    /// # Errors
    /// For an invalid location, and without one if this program is not a release.
    pub fn new(target: CiTarget, uses: Option<&str>, release: Release<'_>) -> Result<Self, WorkflowError> {
        if let Some(uses) = uses {
            let valid = match target {
                CiTarget::GitHub => is_action(uses),
                CiTarget::GitLab => ImageRef::parse(uses).is_ok(),
            };
            return valid
                .then(|| Self { location: uses.to_owned(), comment: None })
                .ok_or_else(|| WorkflowError::Location { target, value: uses.to_owned() });
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

    /// Whether the reference of an action can be moved to other code: it is not a commit.
    pub fn is_movable(&self) -> bool {
        let commit = self.location.rsplit_once('@').map_or("", |(_, commit)| commit);
        !(commit.len() == 40 && commit.bytes().all(|b| b.is_ascii_hexdigit()))
    }

    /// A warning about an action that is not pinned.
    pub fn warning(&self, target: CiTarget) -> Option<Warning> {
        if target != CiTarget::GitHub || !self.is_movable() {
            return None;
        }
        let message = format!("`{}` is not pinned: its owner can change the code", self.location);
        Some(
            Warning::new("init/not-pinned", message)
                .with_hint("pass the commit of a release: `OWNER/nextdeploy@COMMIT`"),
        )
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
