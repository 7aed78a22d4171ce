//! The checks: values of the other stages → findings.

use std::collections::BTreeMap;

use super::finding::{DoctorFinding, FindingArea, FindingLevel};
use crate::config::settings::PushPolicy;
use crate::diagnostic::{ExitCode, Location, Warning};
use crate::docker::connection::{Engine, MachineUsage};
use crate::host::Environment;
use crate::image::dockerfile::BuilderBackend;
use crate::image::plan::ImagePlan;
use crate::image_ref::{RegistryHost, RegistryKind};
use crate::project::ProjectFacts;
use crate::registry::{AuthError, Credential, Login, LoginStatus};
use crate::rel_path::RelPath;
use crate::repo::SourceTree;
use crate::repo::ci::{CiContext, CiSystem};
use crate::report::forge::{ForgeAction, RequestedReports};

/// Disk space that dependencies, build cache and image of an average app need together.
const COMFORTABLE_DISK: u64 = 5_000_000_000;
/// With less memory the kernel kills `next build` of an average app.
const COMFORTABLE_MEMORY: u64 = 2_000_000_000;

/// The repository as a build would see it.
pub fn check_repository(tree: &SourceTree, facts: &ProjectFacts, plan: &ImagePlan, ci: CiSystem) -> Vec<DoctorFinding> {
    let next = &facts.next.value.text;
    let manager = &facts.package_manager.value;
    let mut findings = vec![
        DoctorFinding::ok(
            FindingArea::Repository,
            "doctor/app",
            format!("{}: Next.js {next}, {}", facts.name.value, plan_node(plan)),
        ),
        DoctorFinding::ok(
            FindingArea::Repository,
            "doctor/lockfile",
            format!("{manager} with `{}`", facts.lockfile.path),
        ),
    ];
    // Otherwise a warning of the tree already says why git cannot be used.
    if tree.git.is_some() || tree.warnings.is_empty() {
        findings.extend(check_checkout(tree, ci));
    }
    let ignore = RelPath::new(".dockerignore").expect("a constant relative path");
    if !tree.has_file(&ignore) {
        findings.push(DoctorFinding::ok(
            FindingArea::Repository,
            "doctor/no-dockerignore",
            "no `.dockerignore`: everything except `.git`, `node_modules` and build output is sent to the daemon",
        ));
    }
    findings.extend(check_variables(plan));
    if facts.build.replaces_node_options && facts.config.generate_build_id.value().is_none() {
        findings.push(DoctorFinding::ok(
            FindingArea::Repository,
            "doctor/build-id",
            "the build script replaces `NODE_OPTIONS`, so that the build id is random and two images of one commit differ",
        ));
    }
    let mut warnings: Vec<_> = facts.warnings.iter().chain(&plan.warnings).collect();
    warnings.dedup();
    for (at, warning) in warnings.iter().enumerate() {
        if !warnings[..at].contains(warning) {
            findings.push(DoctorFinding::of_warning(FindingArea::Repository, warning));
        }
    }
    findings
}

/// Variables that a schema requires, or that `next build` writes into the code of the browser, and that the build does not get.
pub(super) fn check_variables(plan: &ImagePlan) -> Vec<DoctorFinding> {
    let is_given = |name: &&str| plan.build.environment.contains_key(*name);
    let skips = ["SKIP_ENV_VALIDATION", "SKIP_VALIDATION"].iter().any(is_given);
    let has_warning = |file: &RelPath| {
        let of_file = |place: &Location| place.file == std::path::Path::new(file.as_str());
        plan.warnings.iter().any(|w| w.code == "plan/missing-variables" && w.location.as_ref().is_some_and(of_file))
    };
    let mut required: BTreeMap<&RelPath, Vec<&str>> = BTreeMap::new();
    let mut public: BTreeMap<&RelPath, Vec<&str>> = BTreeMap::new();
    for missing in &plan.missing_variables {
        let file = &missing.named_by;
        if missing.is_required && !skips && !has_warning(file) {
            required.entry(file).or_default().push(&missing.name);
        } else if !missing.is_required && missing.name.starts_with("NEXT_PUBLIC_") {
            public.entry(file).or_default().push(&missing.name);
        }
    }
    let required = required.into_iter().map(|(file, names)| {
        let message = format!("`{file}` requires {}, which the build does not get", some_of(&names));
        let action = "pass what the build needs with `--build-env NAME=VALUE` or `--secret NAME`, the rest when the container starts";
        DoctorFinding::warning(FindingArea::Repository, "doctor/required-variables", message, action)
    });
    let public = public.into_iter().map(|(file, names)| {
        let message = format!(
            "`{file}` names {}, which the build does not get: `next build` writes them into the code of the browser as undefined",
            some_of(&names)
        );
        let action = "pass those that the app needs with `--env NAME=VALUE`";
        DoctorFinding::warning(FindingArea::Repository, "doctor/public-variables", message, action)
    });
    required.chain(public).collect()
}

/// The first names, and how many more there are.
fn some_of(names: &[&str]) -> String {
    const SHOWN: usize = 6;
    let shown: Vec<String> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    let more = names.len().saturating_sub(SHOWN);
    format!("{}{}", shown.join(", "), if more > 0 { format!(" and {more} more") } else { String::new() })
}

fn plan_node(plan: &ImagePlan) -> String {
    format!("Node.js {} ({})", plan.node.value.version(), plan.node.origin)
}

fn check_checkout(tree: &SourceTree, ci: CiSystem) -> Option<DoctorFinding> {
    match (&tree.git, ci) {
        (Some(git), _) if git.shallow => Some(DoctorFinding::ok(
            FindingArea::Repository,
            "doctor/shallow-checkout",
            "the checkout contains part of the history, which is enough for a build",
        )),
        (Some(_), _) => None,
        (None, CiSystem::GitHub) => Some(no_checkout("add the step `actions/checkout` before this one")),
        (None, CiSystem::None) => Some(no_checkout("run it in a clone of the repository")),
        (None, _) => Some(no_checkout("let the job check out the repository with git")),
    }
}

fn no_checkout(action: &str) -> DoctorFinding {
    DoctorFinding::warning(
        FindingArea::Repository,
        "doctor/no-checkout",
        "not a git checkout: the commit and the tracked `.env` files are unknown",
        action,
    )
}

/// `usage` is absent if the daemon does not report it. `own` is the platform of the daemon, `requested` the one of the image.
pub fn check_machine(
    engine: &Engine,
    usage: Option<&MachineUsage>,
    own: &str,
    requested: Option<&str>,
) -> Vec<DoctorFinding> {
    let text = format!("{engine} at {}, API {}, {}, {own}", engine.address(), engine.api, engine.builder);
    let mut findings = vec![DoctorFinding::ok(FindingArea::Machine, "doctor/daemon", text)];
    if engine.builder == BuilderBackend::Classic {
        findings.push(DoctorFinding::warning(
            FindingArea::Machine,
            "doctor/no-buildkit",
            "the daemon builds without BuildKit: no build secrets, and no cache between installs",
            "use Docker Engine 18.09 or later, and do not set `DOCKER_BUILDKIT=0`",
        ));
    }
    findings.extend(requested.and_then(|requested| check_platform(own, requested)));
    if let Some(usage) = usage {
        findings.extend(check_disk(usage));
        findings.extend(check_memory(usage));
    }
    findings
}

fn check_platform(own: &str, requested: &str) -> Option<DoctorFinding> {
    let architecture = |platform: &str| platform.split('/').nth(1).map(str::to_owned);
    (architecture(requested) != architecture(own)).then(|| {
        DoctorFinding::warning(
            FindingArea::Machine,
            "doctor/emulated-platform",
            format!("the daemon runs on {own} and emulates {requested}, which is many times slower"),
            "build on a runner of that platform, or install QEMU on this one (`tonistiigi/binfmt`)",
        )
    })
}

pub(super) fn check_disk(usage: &MachineUsage) -> Option<DoctorFinding> {
    let (free, root) = (usage.free?, usage.root.as_deref()?);
    let text = format!("{} free in {root}", gigabytes(free));
    Some(if free < COMFORTABLE_DISK {
        let action = "free disk space, for example with `docker builder prune` or `docker image prune`";
        DoctorFinding::warning(FindingArea::Machine, "doctor/little-disk", text, action)
    } else {
        DoctorFinding::ok(FindingArea::Machine, "doctor/disk", text)
    })
}

pub(super) fn check_memory(usage: &MachineUsage) -> Option<DoctorFinding> {
    let memory = usage.memory?;
    let cpus = usage.cpus.map_or_else(String::new, |cpus| format!(", {cpus} processors"));
    let text = format!("the daemon has {} of memory{cpus}", gigabytes(memory));
    Some(if memory < COMFORTABLE_MEMORY {
        DoctorFinding::warning(
            FindingArea::Machine,
            "doctor/little-memory",
            text,
            "give the daemon at least 4 GB, or add swap: `next build` is killed without a message when it runs out",
        )
    } else {
        DoctorFinding::ok(FindingArea::Machine, "doctor/memory", text)
    })
}

fn gigabytes(bytes: u64) -> String {
    format!("{}.{} GB", bytes / 1_000_000_000, bytes % 1_000_000_000 / 100_000_000)
}

/// A registry, the credentials found for it, and whether it accepts them.
pub struct RegistryState {
    pub host: RegistryHost,
    pub found: Result<Credential, AuthError>,
    pub status: LoginStatus,
}

pub fn check_credentials(registries: &[RegistryState], push: PushPolicy) -> Vec<DoctorFinding> {
    registries.iter().map(|registry| check_registry(registry, push)).collect()
}

fn check_registry(registry: &RegistryState, push: PushPolicy) -> DoctorFinding {
    let host = &registry.host;
    match &registry.found {
        Err(error) => {
            let problem = DoctorFinding::problem(FindingArea::Registry, error);
            // Without a push they are not needed.
            if push == PushPolicy::Never {
                DoctorFinding { level: FindingLevel::Warning, exit_code: None, ..problem }
            } else {
                problem
            }
        }
        Ok(Credential { login: Login::Anonymous, tried, .. }) => DoctorFinding::warning(
            FindingArea::Registry,
            "doctor/no-credentials",
            format!("no credentials for {host}: {}", tried.join("; ")),
            format!(
                "log in with `docker login {host}`, or pass `--registry {host} --username NAME --password env:NAME`"
            ),
        ),
        Ok(credentials) if registry.status == LoginStatus::Rejected => {
            let refused = DoctorFinding::warning(
                FindingArea::Registry,
                "doctor/login-refused",
                format!("{host} rejects the credentials from {}", credentials.origin),
                format!("check user name and password, or log in again with `docker login {host}`"),
            );
            if push == PushPolicy::Never {
                refused
            } else {
                DoctorFinding { level: FindingLevel::Problem, exit_code: Some(ExitCode::Authentication), ..refused }
            }
        }
        Ok(credentials) => {
            let taken = if registry.status == LoginStatus::Accepted { ", accepted" } else { "" };
            let message = format!("{host}: credentials from {}{taken}", credentials.origin);
            DoctorFinding::ok(FindingArea::Registry, "doctor/credentials", message)
        }
    }
}

/// Whether the service accepts the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenState {
    /// No requested report needs one.
    NotNeeded,
    /// Accepted; personal tokens have known scopes.
    Valid {
        scopes: Option<String>,
    },
    Refused(Warning),
}

/// What is known of the CI job.
pub struct CiState<'a> {
    pub ci: &'a CiContext,
    pub requested: &'a RequestedReports,
    pub token: TokenState,
    /// Registries of the tags.
    pub registries: &'a [RegistryHost],
    /// The job can get an identity token (OIDC).
    pub has_identity: bool,
    /// There are other AWS credentials.
    pub has_aws_credentials: bool,
}

impl<'a> CiState<'a> {
    /// Reads the available identities from `environment`.
    pub fn new(
        ci: &'a CiContext,
        requested: &'a RequestedReports,
        token: TokenState,
        registries: &'a [RegistryHost],
        environment: &Environment,
    ) -> Self {
        let has_any =
            |names: &[&str]| names.iter().any(|name| environment.get(name).is_some_and(|value| !value.is_empty()));
        Self {
            ci,
            requested,
            token,
            registries,
            has_identity: has_any(&["ACTIONS_ID_TOKEN_REQUEST_URL", "AWS_WEB_IDENTITY_TOKEN_FILE"]),
            has_aws_credentials: has_any(&[
                "AWS_ACCESS_KEY_ID",
                "AWS_PROFILE",
                "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
            ]),
        }
    }
}

pub fn check_ci(state: &CiState<'_>) -> Vec<DoctorFinding> {
    let ci = state.ci;
    if ci.system == CiSystem::None {
        return Vec::new();
    }
    let event =
        ci.pull_request.as_ref().map_or_else(String::new, |request| format!(", pull request {}", request.number));
    let mut findings =
        vec![DoctorFinding::ok(FindingArea::Ci, "doctor/ci", format!("{}{event}", system_name(ci.system)))];
    findings.extend(ci.warnings.iter().map(|warning| DoctorFinding::of_warning(FindingArea::Ci, warning)));
    if let Some(reason) = ci.without_secrets() {
        findings.push(DoctorFinding::warning(
            FindingArea::Ci,
            "doctor/no-secrets",
            format!("this run has no secrets: {reason}"),
            "use `--push=auto`, which skips the push in such runs",
        ));
    }
    findings.extend(check_token(state));
    findings.extend(check_identity(state));
    if ci.system == CiSystem::GitHub {
        findings.extend(check_permissions(state));
    }
    findings
}

fn system_name(system: CiSystem) -> &'static str {
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
        CiSystem::Other => "unknown CI system",
    }
}

fn check_token(state: &CiState<'_>) -> Option<DoctorFinding> {
    match &state.token {
        TokenState::NotNeeded => None,
        TokenState::Refused(warning) => Some(DoctorFinding::of_warning(FindingArea::Ci, warning)),
        TokenState::Valid { scopes: None } => {
            Some(DoctorFinding::ok(FindingArea::Ci, "doctor/token", "the token is accepted"))
        }
        TokenState::Valid { scopes: Some(scopes) } => Some(DoctorFinding::ok(
            FindingArea::Ci,
            "doctor/token",
            format!("the token is accepted, with the scopes {scopes}"),
        )),
    }
}

/// GitHub does not reveal the permissions of a job's token, so the ones that the settings need are listed.
fn check_permissions(state: &CiState<'_>) -> Option<DoctorFinding> {
    let requested = state.requested;
    let mut lines: Vec<&str> = [
        (requested.comment, ForgeAction::Comment),
        (requested.commit_status, ForgeAction::CommitStatus),
        (requested.deployment.is_some(), ForgeAction::Deployment),
    ]
    .into_iter()
    .filter(|(requested, _)| *requested)
    .map(|(_, action)| action.permission())
    .collect();
    if state.registries.iter().any(|host| host.kind() == RegistryKind::Ghcr) {
        lines.push("packages: write");
    }
    if lines.is_empty() {
        return None;
    }
    let lines: Vec<String> = lines.iter().map(|line| format!("`{line}`")).collect();
    let text = format!("the job needs these `permissions:`: `contents: read`, {}", lines.join(", "));
    Some(DoctorFinding::ok(FindingArea::Ci, "doctor/permissions", text))
}

fn check_identity(state: &CiState<'_>) -> Option<DoctorFinding> {
    let is_ecr = |host: &RegistryHost| matches!(host.kind(), RegistryKind::Ecr(_) | RegistryKind::EcrPublic);
    if !state.registries.iter().any(is_ecr) || state.has_aws_credentials {
        return None;
    }
    Some(match (state.ci.system, state.has_identity) {
        (_, true) => DoctorFinding::ok(FindingArea::Ci, "doctor/identity", "the job can get an identity token for AWS"),
        (CiSystem::GitHub, false) => DoctorFinding::warning(
            FindingArea::Ci,
            "doctor/no-identity",
            "the job cannot get an identity token, and there are no AWS credentials",
            "add `id-token: write` to `permissions:`, and the step `aws-actions/configure-aws-credentials`",
        ),
        (CiSystem::GitLab, false) => DoctorFinding::warning(
            FindingArea::Ci,
            "doctor/no-identity",
            "the job has no identity token, and there are no AWS credentials",
            "add `id_tokens:` to the job, and set `AWS_ROLE_ARN` and `AWS_WEB_IDENTITY_TOKEN_FILE`",
        ),
        (_, false) => DoctorFinding::warning(
            FindingArea::Ci,
            "doctor/no-identity",
            "there are no AWS credentials",
            "set `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, or `AWS_ROLE_ARN` with a web identity",
        ),
    })
}
