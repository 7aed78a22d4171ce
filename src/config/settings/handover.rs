//! Which variables of the environment a file of the repository may name without their value.
//!
//! A pull request can change such a file, and the build passes the value to scripts of the same pull request. So the credentials of the
//! job and of this program also need a flag, a variable or an input that names them, and a pull request from a fork gets nothing without
//! one.

use super::error::{InvalidValue, SettingsError};
use super::parse::{self, SecretReference};
use super::sources::{Given, Sources};
use super::values::{SecretSource, SecretValue};
use crate::config::metadata::FileAuthor;
use crate::config::{Setting, SettingKind};
use crate::diagnostic::Warning;
use crate::origin::Origin;
use crate::secret::Secret;

/// The value of a variable, for a setting that names it.
pub(super) enum Handover<'a> {
    Value(&'a str),
    NotSet,
    /// Named by a file of a fork.
    Withheld,
}

/// Credentials of AWS, of CI systems and of their forges: words of names, behind the prefix of the system.
const CREDENTIALS: &[(&str, &[&str])] = &[
    ("ACTIONS", &["TOKEN"]),
    ("AWS", &["KEY", "TOKEN", "SECRET", "CREDENTIALS"]),
    ("GITHUB", &["TOKEN"]),
    ("GH", &["TOKEN"]),
    ("GITLAB", &["TOKEN"]),
    ("GITEA", &["TOKEN"]),
    ("FORGEJO", &["TOKEN"]),
    ("CI", &["TOKEN", "PASSWORD", "JWT"]),
    ("SYSTEM", &["ACCESSTOKEN"]),
    ("CIRCLE", &["TOKEN"]),
    ("BITBUCKET", &["TOKEN", "PASSWORD"]),
    ("BUILDKITE", &["TOKEN"]),
    ("RUNNER", &["TOKEN"]),
];
/// Prefixes of variables that are for the CI system, for Docker, for ssh and for this program alone.
const RESERVED: &[&str] = &["ACTIONS_", "NEXTDEPLOY_", "INPUT_", "DOCKER_", "SSH_"];
/// The address holds the job's token (GitLab, "Predefined CI/CD variables").
const WITH_CREDENTIALS: &str = "CI_REPOSITORY_URL";
/// Shorter values occur in others by chance.
const SHORTEST: usize = 8;

impl<'a> Sources<'a> {
    /// The variable `name` of the environment, which `given` names without a value.
    pub(super) fn variable(self, given: &Given, name: &str) -> Result<Handover<'a>, SettingsError> {
        let Some(value) = self.environment.get(name) else { return Ok(Handover::NotSet) };
        if !matches!(given.source.origin, Origin::File(_)) || self.is_named_outside_files(name) {
            return Ok(Handover::Value(value));
        }
        if is_credential(name) || self.holds_own_credential(value) {
            return Err(given.fail(InvalidValue::CredentialOfRun(name.to_owned())));
        }
        Ok(if self.files.author == FileAuthor::Fork { Handover::Withheld } else { Handover::Value(value) })
    }

    /// True if a flag, a variable or an input names the variable, too.
    fn is_named_outside_files(self, name: &str) -> bool {
        let settings = [Setting::Secret, Setting::Env, Setting::BuildEnv, Setting::RuntimeEnv];
        let mut given = settings.into_iter().flat_map(|setting| self.outside_files(setting)).flatten();
        given.any(|given| {
            let Ok(text) = given.checked_text() else { return false };
            let id = text.strip_prefix("id=").map_or(text, |rest| rest.split(',').next().unwrap_or_default());
            id.split('=').next() == Some(name)
        })
    }

    /// True for the password and the tokens of this run, under whatever name.
    fn holds_own_credential(self, value: &str) -> bool {
        let settings = Setting::ALL.iter().copied().filter(|setting| setting.kind() == SettingKind::Secret);
        let given = settings.flat_map(|setting| self.outside_files(setting)).flatten();
        let given = given.filter_map(|given| {
            let text = given.checked_text().ok()?.to_owned();
            match parse::secret_reference(&text) {
                Some(SecretReference::Variable(name)) => self.environment.get(name).map(str::to_owned),
                Some(SecretReference::File(_)) => None,
                None => Some(text),
            }
        });
        let of_job = self.environment.iter().filter(|(name, _)| is_of_job(name));
        given
            .chain(of_job.map(|(_, value)| value.to_owned()))
            .any(|secret| secret.len() >= SHORTEST && value.contains(&secret))
    }
}

impl Given {
    /// The secret that a file names: only by a variable, because a path would be one of this machine.
    pub(super) fn secret_of_file(
        &self,
        sources: Sources<'_>,
        warnings: &mut Vec<Warning>,
    ) -> Result<Option<SecretSource>, SettingsError> {
        let text = self.checked_text()?;
        if text.contains('=') {
            let problem = "is more than the name of a variable, which only a flag, a variable or an input may give";
            return Err(self.fail(InvalidValue::SecretSyntax(problem.into())));
        }
        let name = parse::variable_name(text).map_err(|invalid| self.fail(invalid))?;
        match sources.variable(self, &name)? {
            Handover::Value(value) if !value.is_empty() => {
                let value = SecretValue::Value(Secret::new(value.to_owned()));
                return Ok(Some(SecretSource { id: name, value }));
            }
            Handover::Withheld => warnings.push(self.withheld(&name)),
            // A file also names what the app needs at run time; the build may not need it.
            Handover::Value(_) | Handover::NotSet => {
                let message = format!("{}: the secret `{name}` is empty or not set, and is left out", self.source);
                let hint = "CI systems pass empty secrets to builds of forks; check that the secret exists";
                warnings.push(Warning::new("settings/empty-secret", message).with_hint(hint));
            }
        }
        Ok(None)
    }

    /// The warning for [`Handover::Withheld`].
    pub(super) fn withheld(&self, name: &str) -> Warning {
        let message = format!("{}: `{name}` is not passed to a file of a pull request from a fork", self.source);
        Warning::new("settings/withheld-from-fork", message)
            .with_hint(format!("if the build of a fork may have it, name it with `--secret {name}` or `--env {name}`"))
    }
}

fn is_credential(name: &str) -> bool {
    name == WITH_CREDENTIALS || RESERVED.iter().any(|prefix| name.starts_with(prefix)) || is_of_job(name)
}

fn is_of_job(name: &str) -> bool {
    let mut words = name.split('_');
    let system = words.next().unwrap_or_default();
    let rest: Vec<&str> = words.collect();
    CREDENTIALS.iter().any(|(prefix, secret)| *prefix == system && rest.iter().any(|word| secret.contains(word)))
}

#[cfg(test)]
mod tests {
    use super::is_credential;

    #[test]
    fn credentials_of_jobs() {
        for name in [
            "GITHUB_TOKEN",
            "GH_TOKEN",
            "GH_ENTERPRISE_TOKEN",
            "ACTIONS_ID_TOKEN_REQUEST_URL",
            "ACTIONS_RUNTIME_TOKEN",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
            "NEXTDEPLOY_PASSWORD",
            "INPUT_PASSWORD",
            "CI_JOB_TOKEN",
            "CI_JOB_JWT_V2",
            "CI_REGISTRY_PASSWORD",
            "CI_REPOSITORY_URL",
            "SYSTEM_ACCESSTOKEN",
            "BUILDKITE_AGENT_ACCESS_TOKEN",
            "BITBUCKET_STEP_OIDC_TOKEN",
            "CIRCLE_OIDC_TOKEN",
            "DOCKER_AUTH_CONFIG",
            "SSH_AUTH_SOCK",
        ] {
            assert!(is_credential(name), "{name}");
        }
        for name in [
            "NPM_TOKEN",
            "SENTRY_AUTH_TOKEN",
            "GITHUB_SHA",
            "GITHUB_CLIENT_SECRET",
            "CI_COMMIT_SHA",
            "CI",
            "AWS_REGION",
            "AWS_S3_BUCKET",
            "APP_ENV",
        ] {
            assert!(!is_credential(name), "{name}");
        }
    }
}
