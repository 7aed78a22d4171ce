//! The CI job: its rights, as far as they can be told without using them.

use super::{Area, Finding};
use crate::diagnostic::Warning;
use crate::image_ref::{RegistryHost, RegistryKind};
use crate::repo::ci::{CiContext, CiSystem};
use crate::report::forge::{Action, Wanted};

/// What became of the question whether the service takes the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenState {
    /// Nothing that was asked for needs one.
    NotNeeded,
    /// Taken; personal tokens say their scopes.
    Valid {
        scopes: Option<String>,
    },
    Refused(Warning),
}

/// What the checks look at.
pub struct CiState<'a> {
    pub ci: &'a CiContext,
    pub wanted: &'a Wanted,
    pub token: TokenState,
    /// Registries of the tags.
    pub registries: &'a [RegistryHost],
    /// The job can get an identity token (OIDC).
    pub has_identity: bool,
    /// AWS credentials are there in another way.
    pub has_aws_credentials: bool,
}

pub fn check_ci(state: &CiState<'_>) -> Vec<Finding> {
    let ci = state.ci;
    if ci.system == CiSystem::None {
        return Vec::new();
    }
    let event =
        ci.pull_request.as_ref().map_or_else(String::new, |request| format!(", pull request {}", request.number));
    let mut findings = vec![Finding::ok(Area::Ci, "doctor/ci", format!("{}{event}", name(ci.system)))];
    findings.extend(ci.warnings.iter().map(|warning| Finding::of_warning(Area::Ci, warning)));
    if let Some(reason) = ci.without_secrets() {
        findings.push(Finding::warning(
            Area::Ci,
            "doctor/no-secrets",
            format!("this run has no secrets: {reason}"),
            "push with `--push=auto`, which leaves such runs out",
        ));
    }
    findings.extend(check_token(state));
    findings.extend(check_identity(state));
    if ci.system == CiSystem::GitHub {
        findings.extend(check_permissions(state));
    }
    findings
}

fn name(system: CiSystem) -> &'static str {
    match system {
        CiSystem::None => "no CI",
        CiSystem::GitHub => "GitHub Actions",
        CiSystem::GitLab => "GitLab CI",
        CiSystem::Azure => "Azure Pipelines",
        CiSystem::CircleCi => "CircleCI",
        CiSystem::Buildkite => "Buildkite",
        CiSystem::Bitbucket => "Bitbucket Pipelines",
        CiSystem::Jenkins => "Jenkins",
        CiSystem::Forgejo => "Forgejo Actions",
        CiSystem::Gitea => "Gitea Actions",
        CiSystem::Other => "a CI that is not known",
    }
}

fn check_token(state: &CiState<'_>) -> Option<Finding> {
    match &state.token {
        TokenState::NotNeeded => None,
        TokenState::Refused(warning) => Some(Finding::of_warning(Area::Ci, warning)),
        TokenState::Valid { scopes: None } => Some(Finding::ok(Area::Ci, "doctor/token", "the token is taken")),
        TokenState::Valid { scopes: Some(scopes) } => {
            Some(Finding::ok(Area::Ci, "doctor/token", format!("the token is taken, with the scopes {scopes}")))
        }
    }
}

/// GitHub does not tell what a job's token may do, so the lines that the settings need are told.
fn check_permissions(state: &CiState<'_>) -> Option<Finding> {
    let wanted = state.wanted;
    let mut lines: Vec<&str> = [
        (wanted.comment, Action::Comment),
        (wanted.commit_status, Action::CommitStatus),
        (wanted.deployment.is_some(), Action::Deployment),
    ]
    .into_iter()
    .filter(|(wanted, _)| *wanted)
    .map(|(_, action)| action.permission())
    .collect();
    if state.registries.iter().any(|host| host.kind() == RegistryKind::Ghcr) {
        lines.push("packages: write");
    }
    if lines.is_empty() {
        return None;
    }
    let lines: Vec<String> = lines.iter().map(|line| format!("`{line}`")).collect();
    let text = format!("below `permissions:` the job needs `contents: read`, {}", lines.join(", "));
    Some(Finding::ok(Area::Ci, "doctor/permissions", text))
}

fn check_identity(state: &CiState<'_>) -> Option<Finding> {
    let is_ecr = |host: &RegistryHost| matches!(host.kind(), RegistryKind::Ecr(_) | RegistryKind::EcrPublic);
    if !state.registries.iter().any(is_ecr) || state.has_aws_credentials {
        return None;
    }
    Some(match (state.ci.system, state.has_identity) {
        (_, true) => Finding::ok(Area::Ci, "doctor/identity", "the job can get an identity token for AWS"),
        (CiSystem::GitHub, false) => Finding::warning(
            Area::Ci,
            "doctor/no-identity",
            "the job can get no identity token, and there are no AWS credentials",
            "add `id-token: write` below `permissions:`, and the step `aws-actions/configure-aws-credentials`",
        ),
        (CiSystem::GitLab, false) => Finding::warning(
            Area::Ci,
            "doctor/no-identity",
            "the job has no identity token, and there are no AWS credentials",
            "add `id_tokens:` to the job, and set `AWS_ROLE_ARN` and `AWS_WEB_IDENTITY_TOKEN_FILE`",
        ),
        (_, false) => Finding::warning(
            Area::Ci,
            "doctor/no-identity",
            "there are no AWS credentials",
            "set `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, or `AWS_ROLE_ARN` with a web identity",
        ),
    })
}
