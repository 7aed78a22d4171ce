//! The registry that a definition pushes to.

use super::{CiTarget, WorkflowError};
use crate::image_ref::{EcrHost, ImageRef, RegistryHost, RegistryKind};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetRegistry {
    /// The CI system's own: GHCR for GitHub, the project's registry for GitLab. Its jobs have the credentials.
    Own,
    /// Amazon ECR, signed in by an identity token of the job. Without a host, variables of the CI system say where.
    Ecr(Option<(RegistryHost, EcrHost)>),
    /// Any other, with a user name and a password.
    Other(RegistryHost),
}

impl TargetRegistry {
    /// `ghcr`, `gitlab`, `ecr` or a host; `None` is the CI system's own.
    ///
    /// # Errors
    /// For a text that is none of them.
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
