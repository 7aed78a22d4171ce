use super::checks::{check_disk, check_memory, check_variables};
use super::*;
use crate::diagnostic::{ExitCode, Warning};
use crate::docker::connection::MachineUsage;
use crate::image::plan::MissingVariable;
use crate::image::plan::sample::Sample;
use crate::registry::Credential;
use crate::rel_path::RelPath;
use crate::repo::ci::{CiContext, CiSystem, PullRequest, PullRequestSource};
use crate::report::forge::RequestedReports;

#[track_caller]
fn check(finding: &DoctorFinding, level: FindingLevel, code: &str, part: &str) {
    let text = format!("{} | {}", finding.message, finding.action.as_deref().unwrap_or_default());
    assert_eq!((finding.level, finding.code.as_str()), (level, code), "{text}");
    assert!(text.contains(part), "{text}");
    assert_eq!(finding.action.is_some(), level != FindingLevel::Ok, "one action unless it is ok: {text}");
}

#[test]
fn low_disk_space_and_memory_are_warnings() {
    let usage = |free: Option<u64>, memory: u64| MachineUsage {
        memory: Some(memory),
        cpus: Some(2),
        root: Some("/var/lib/docker".to_owned()),
        free,
        warnings: Vec::new(),
    };
    let little = usage(Some(1_240_000_000), 1_000_000_000);
    check(&check_disk(&little).unwrap(), FindingLevel::Warning, "doctor/little-disk", "1.2 GB free in /var/lib/docker");
    check(&check_memory(&little).unwrap(), FindingLevel::Warning, "doctor/little-memory", "2 processors");
    let much = usage(Some(50_000_000_000), 8_000_000_000);
    check(&check_disk(&much).unwrap(), FindingLevel::Ok, "doctor/disk", "50.0 GB");
    check(&check_memory(&much).unwrap(), FindingLevel::Ok, "doctor/memory", "8.0 GB");
    assert_eq!(check_disk(&usage(None, 1)), None, "no finding for an unknown disk");
}

#[test]
fn credentials_are_only_a_problem_for_a_push() {
    let state = |found| vec![RegistryState { host: RegistryHost::new("ghcr.io"), found, status: LoginStatus::Unknown }];
    let found =
        |login| Ok(Credential { login, origin: "`config.json`".to_owned(), tried: vec!["x is not set".to_owned()] });
    let token = || Login::RegistryToken(crate::secret::Secret::new("hidden".to_owned()));
    let one = |states: Vec<RegistryState>, push| check_credentials(&states, push).remove(0);
    check(
        &one(state(found(token())), PushPolicy::Always),
        FindingLevel::Ok,
        "doctor/credentials",
        "ghcr.io: credentials from `config.json`",
    );
    let answered = |status| vec![RegistryState { host: RegistryHost::new("ghcr.io"), found: found(token()), status }];
    check(
        &one(answered(LoginStatus::Accepted), PushPolicy::Auto),
        FindingLevel::Ok,
        "doctor/credentials",
        ", accepted",
    );
    let refused = one(answered(LoginStatus::Rejected), PushPolicy::Auto);
    check(&refused, FindingLevel::Problem, "doctor/login-refused", "`config.json`");
    assert_eq!(exit_code(&[refused]), ExitCode::Authentication);
    let unused = one(answered(LoginStatus::Rejected), PushPolicy::Never);
    check(&unused, FindingLevel::Warning, "doctor/login-refused", "docker login ghcr.io");
    check(
        &one(state(found(Login::Anonymous)), PushPolicy::Always),
        FindingLevel::Warning,
        "doctor/no-credentials",
        "x is not set",
    );
    let broken =
        || state(Err(AuthError::SeveralRegistries { hosts: vec![RegistryHost::new("a"), RegistryHost::new("b")] }));
    let problem = one(broken(), PushPolicy::Always);
    check(&problem, FindingLevel::Problem, "auth/several-registries", "`a`, `b`");
    let harmless = one(broken(), PushPolicy::Never);
    check(&harmless, FindingLevel::Warning, "auth/several-registries", "`a`, `b`");
    assert_ne!(exit_code(&[problem]), ExitCode::Ok);
    assert_eq!(exit_code(&[harmless]), ExitCode::Ok);
}

fn ci(system: CiSystem, registries: &[RegistryHost], has_identity: bool, token: TokenState) -> Vec<DoctorFinding> {
    let request = PullRequest { number: 7, from: PullRequestSource::Fork, ..PullRequest::default() };
    let ci = CiContext { system, pull_request: Some(request), ..CiContext::default() };
    let requested = RequestedReports { comment: true, ..RequestedReports::default() };
    check_ci(&CiState { ci: &ci, requested: &requested, token, registries, has_identity, has_aws_credentials: false })
}

#[test]
fn missing_permissions_of_a_job_are_found() {
    let hosts = ["012345678901.dkr.ecr.eu-central-1.amazonaws.com", "ghcr.io"].map(RegistryHost::new);
    let refused = Warning::new("forge/unauthorized", "refused").with_hint("another token");
    let findings = ci(CiSystem::GitHub, &hosts, false, TokenState::Refused(refused));
    check(&findings[0], FindingLevel::Ok, "doctor/ci", "GitHub Actions, pull request 7");
    check(&findings[1], FindingLevel::Warning, "doctor/no-secrets", "from a fork");
    check(&findings[2], FindingLevel::Warning, "forge/unauthorized", "another token");
    check(&findings[3], FindingLevel::Warning, "doctor/no-identity", "`id-token: write`");
    check(&findings[4], FindingLevel::Ok, "doctor/permissions", "`pull-requests: write`, `packages: write`");
    assert_eq!(findings.len(), 5);

    let findings = ci(CiSystem::GitLab, &hosts, true, TokenState::Valid { scopes: Some("api".to_owned()) });
    check(&findings[2], FindingLevel::Ok, "doctor/token", "with the scopes api");
    check(&findings[3], FindingLevel::Ok, "doctor/identity", "identity token");
    assert_eq!(findings.len(), 4);
    assert_eq!(ci(CiSystem::None, &hosts, false, TokenState::NotNeeded), []);
}

#[test]
fn variables_that_the_build_does_not_get() {
    let missing = |name: &str, file: &str, is_required| MissingVariable {
        name: name.to_owned(),
        named_by: RelPath::new(file).unwrap(),
        is_required,
    };
    let mut plan = Sample::npm().plan();
    plan.missing_variables = vec![missing("DATABASE_URL", "src/env.ts", true), missing("MAIL", ".env.example", false)];
    let public = (1..=8).map(|number| missing(&format!("NEXT_PUBLIC_{number}"), ".env.example", false));
    plan.missing_variables.extend(public);
    let findings = check_variables(&plan);
    assert_eq!(findings.len(), 2);
    check(&findings[0], FindingLevel::Warning, "doctor/required-variables", "`src/env.ts` requires `DATABASE_URL`,");
    check(&findings[1], FindingLevel::Warning, "doctor/public-variables", "`NEXT_PUBLIC_6` and 2 more,");
    plan.build.environment.insert("SKIP_ENV_VALIDATION".to_owned(), "1".to_owned());
    assert_eq!(check_variables(&plan).len(), 1);
}
