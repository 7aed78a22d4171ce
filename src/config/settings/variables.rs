//! Settings that are lists of names with values: environment, labels, build arguments, secrets.
//!
//! Sources are merged name by name; for each name the highest source counts. A file of the repository may name a variable of the
//! environment without its value. A pull request can change such a file, and the build passes the value to scripts of the same pull
//! request. So the credentials of the job and of this program also need a flag, a variable or an input that names them, and a pull
//! request from a fork gets nothing without one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::error::{InvalidValue, SettingsError};
use super::parse::{self, SecretReference};
use super::sources::{Given, Sources};
use super::values::{EnvSetting, EnvValue, SecretSource, SecretValue};
use crate::config::metadata::{EnvScope, FileAuthor, FileEnvValue, FileValue};
use crate::config::setting::{Setting, SettingKind};
use crate::diagnostic::{Warning, shown};
use crate::host::Environment;
use crate::origin::{Origin, Sourced};
use crate::secret::Secret;
use crate::tags::{RunFacts, render_text};

/// A name with its value; `None` if only the name was given and the environment has no such variable.
struct Pair {
    name: String,
    value: Option<EnvValue>,
    scope: Option<EnvScope>,
    /// The value exists, but the file that names it may not have it.
    withheld: bool,
}

pub(super) fn environment(
    sources: Sources<'_>,
    warnings: &mut Vec<Warning>,
) -> Result<BTreeMap<String, Sourced<EnvSetting>>, SettingsError> {
    let scopes =
        [(Setting::Env, EnvScope::Auto), (Setting::BuildEnv, EnvScope::Build), (Setting::RuntimeEnv, EnvScope::Image)];
    let mut merged: BTreeMap<String, Sourced<EnvSetting>> = BTreeMap::new();
    // Per name, the rank of its source: sources of equal rank must agree, lower ones are ignored.
    let mut ranks: BTreeMap<String, usize> = BTreeMap::new();
    for (setting, scope) in scopes {
        for given in sources.levels(setting).into_iter().flatten() {
            let pair = given.pair(sources, parse::variable_name)?;
            let Some(value) = given.value_or_warning(&pair, warnings) else { continue };
            let wanted = EnvSetting { value, scope: pair.scope.unwrap_or(scope) };
            let other_scope = |known: &Sourced<EnvSetting>| known.value.scope != wanted.scope;
            match ranks.get(&pair.name) {
                Some(known) if *known < given.rank => continue,
                Some(known) if *known == given.rank && merged.get(&pair.name).is_some_and(other_scope) => {
                    return Err(given.fail(InvalidValue::TwoScopes(shown(&pair.name))));
                }
                _ => {}
            }
            ranks.insert(pair.name.clone(), given.rank);
            merged.insert(pair.name, Sourced::new(wanted, given.source.origin));
        }
    }
    Ok(merged)
}

pub(super) fn labels(
    sources: Sources<'_>,
    warnings: &mut Vec<Warning>,
) -> Result<BTreeMap<String, Sourced<String>>, SettingsError> {
    plain_pairs(sources, Setting::Label, warnings)
}

pub(super) fn build_args(
    sources: Sources<'_>,
    warnings: &mut Vec<Warning>,
) -> Result<BTreeMap<String, Sourced<String>>, SettingsError> {
    plain_pairs(sources, Setting::BuildArg, warnings)
}

fn plain_pairs(
    sources: Sources<'_>,
    setting: Setting,
    warnings: &mut Vec<Warning>,
) -> Result<BTreeMap<String, Sourced<String>>, SettingsError> {
    let name = if setting == Setting::Label { parse::label_name } else { parse::variable_name };
    let mut merged = BTreeMap::new();
    for level in sources.levels(setting).into_iter().rev() {
        for given in level {
            let is_comment = |text: &str| text.trim_start().starts_with('#');
            if setting == Setting::Label && matches!(&given.value, FileValue::Text(text) if is_comment(text)) {
                continue;
            }
            let pair = given.pair(sources, name)?;
            if setting == Setting::Label && pair.value.is_none() {
                return Err(given.fail_without_value(&pair.name, InvalidValue::NoValue(shown(&pair.name))));
            }
            let Some(EnvValue::Plain(value)) = given.value_or_warning(&pair, warnings) else { continue };
            if setting == Setting::Label {
                render_text(&value, &RunFacts::default()).map_err(|error| given.fail(InvalidValue::Tag(error)))?;
            }
            merged.insert(pair.name, Sourced::new(value, given.source.origin));
        }
    }
    Ok(merged)
}

pub(super) fn secrets(
    sources: Sources<'_>,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<Sourced<SecretSource>>, SettingsError> {
    let mut merged: Vec<Sourced<SecretSource>> = Vec::new();
    for level in sources.levels(Setting::Secret) {
        let mut of_level: Vec<Sourced<SecretSource>> = Vec::new();
        let mut ids = BTreeSet::new();
        for given in level {
            if matches!(given.source.origin, Origin::File(_)) {
                let source = given.secret_of_file(sources, warnings)?;
                of_level.extend(source.map(|source| Sourced::new(source, given.source.origin)));
                continue;
            }
            let Some(source) = given.secret(sources)? else {
                warnings.push(
                    Warning::new(
                        "settings/empty-secret",
                        format!("{}: the secret is empty or not set, and is left out", given.source),
                    )
                    .with_hint("CI systems pass empty secrets to builds of forks; check that the secret exists"),
                );
                continue;
            };
            if !ids.insert(source.id.clone()) {
                return Err(given.fail(InvalidValue::SecretTwice(shown(&source.id))));
            }
            of_level.push(Sourced::new(source, given.source.origin));
        }
        add_new(&mut merged, of_level);
    }
    let mut files: Vec<Sourced<SecretSource>> = Vec::new();
    for level in sources.levels(Setting::SecretFile) {
        let mut of_level: Vec<Sourced<SecretSource>> = Vec::new();
        let mut ids: BTreeSet<String> = merged.iter().map(|known| known.value.id.clone()).collect();
        for given in level {
            let source = given.secret_file()?;
            if !ids.insert(source.id.clone()) {
                return Err(given.fail(InvalidValue::SecretTwice(shown(&source.id))));
            }
            of_level.push(Sourced::new(source, given.source.origin));
        }
        add_new(&mut files, of_level);
    }
    merged.extend(files);
    Ok(merged)
}

/// Adds those that no higher source has given.
fn add_new(merged: &mut Vec<Sourced<SecretSource>>, mut of_level: Vec<Sourced<SecretSource>>) {
    let known: BTreeSet<String> = merged.iter().map(|known| known.value.id.clone()).collect();
    of_level.retain(|source| !known.contains(&source.value.id));
    merged.extend(of_level);
}

impl Given {
    /// `NAME=VALUE`, or `NAME` for the environment's value.
    fn pair(
        &self,
        sources: Sources<'_>,
        check_name: fn(&str) -> Result<String, InvalidValue>,
    ) -> Result<Pair, SettingsError> {
        let pair = if let FileValue::Pair { name, value, scope } = &self.value {
            let value = match value {
                FileEnvValue::Plain(value) => EnvValue::Plain(value.clone()),
                FileEnvValue::Secret(value) => EnvValue::Secret(value.clone()),
            };
            Pair { name: name.clone(), value: Some(value), scope: *scope, withheld: false }
        } else {
            let text = self.checked_text()?;
            let (name, value, withheld) = match text.split_once('=') {
                Some((name, value)) => (name, Some(value), false),
                None => match sources.variable(self, text)? {
                    Handover::Value(value) => (text, Some(value), false),
                    Handover::NotSet => (text, None, false),
                    Handover::Withheld => (text, None, true),
                },
            };
            let value = value.map(|value| EnvValue::Plain(value.to_owned()));
            Pair { name: name.to_owned(), value, scope: None, withheld }
        };
        check_name(&pair.name).map_err(|invalid| self.fail_without_value(&pair.name, invalid))?;
        let text = match &pair.value {
            Some(EnvValue::Plain(value)) => value.as_str(),
            Some(EnvValue::Secret(value)) => value.expose().as_str(),
            None => "",
        };
        if text.contains('\0') { Err(self.fail(InvalidValue::Nul)) } else { Ok(pair) }
    }

    fn value_or_warning(&self, pair: &Pair, warnings: &mut Vec<Warning>) -> Option<EnvValue> {
        match (&pair.value, self.line) {
            _ if pair.withheld => warnings.push(self.withheld(&pair.name)),
            (Some(_), _) => {}
            (None, Some(line)) if !parse::looks_like_variable(&pair.name) => {
                let message =
                    format!("{}: line {line} is not the name of a variable that is set, and is left out", self.source);
                let hint = "write each entry on one line, as `NAME=VALUE`";
                warnings.push(Warning::new("settings/variable-not-set", message).with_hint(hint));
            }
            (None, _) => {
                let message =
                    format!("{}: the environment variable `{}` is not set, and is left out", self.source, pair.name);
                let hint = format!("set `{0}`, or use `{0}=VALUE`", pair.name);
                warnings.push(Warning::new("settings/variable-not-set", message).with_hint(hint));
            }
        }
        pair.value.clone()
    }

    /// `NAME`, docker's `id=ID,src=FILE` or `id=ID,env=NAME`, and in a variable also `NAME=VALUE`. `None` for an empty secret.
    fn secret(&self, sources: Sources<'_>) -> Result<Option<SecretSource>, SettingsError> {
        let text = self.checked_text()?;
        let from_variable = |id: &str, name: &str| -> Result<Option<SecretSource>, SettingsError> {
            let name = parse::variable_name(name).map_err(|invalid| self.fail_without_value(name, invalid))?;
            match sources.environment.get(&name) {
                Some(value) => Ok(secret_value(id, value)),
                None => Err(self.fail_without_value(&name, InvalidValue::VariableNotSet(name.clone()))),
            }
        };
        let Some((key, value)) = text.split_once('=') else { return from_variable(text, text) };
        if !matches!(key, "id" | "src" | "source" | "env" | "type") {
            if self.is_typed() {
                return Err(self.fail(InvalidValue::SecretSyntax(
                    "is passed in clear on the command line, which every user of the machine can read".into(),
                )));
            }
            // What is left of a line of Base64 is its padding.
            let is_padding = !value.is_empty() && value.bytes().all(|byte| byte == b'=');
            let id = parse::variable_name(key)
                .ok()
                .filter(|id| !is_padding || parse::looks_like_variable(id))
                .ok_or_else(|| self.fail_without_value("", InvalidValue::SecretSyntax("has no usable name".into())))?;
            return Ok(secret_value(&id, value));
        }
        let fields = DockerSecret::parse(text).map_err(|problem| self.fail(InvalidValue::SecretSyntax(problem)))?;
        match (fields.file, fields.variable) {
            (Some(file), None) => {
                Ok(Some(SecretSource { id: fields.id, value: SecretValue::File(PathBuf::from(file)) }))
            }
            (None, Some(name)) => from_variable(&fields.id, &name),
            (None, None) => from_variable(&fields.id, &fields.id),
            (Some(_), Some(_)) => Err(self.fail(InvalidValue::SecretSyntax("has both `src` and `env`".into()))),
        }
    }

    /// `ID=PATH`.
    fn secret_file(&self) -> Result<SecretSource, SettingsError> {
        let text = self.checked_text()?;
        match text.split_once('=') {
            Some((id, path)) if is_secret_id(id) && !path.is_empty() => {
                Ok(SecretSource { id: id.to_owned(), value: SecretValue::File(PathBuf::from(path)) })
            }
            _ => Err(self.fail(InvalidValue::SecretFileSyntax)),
        }
    }
}

/// A secret of a container: `NAME`, `id=ID,src=FILE` or `id=ID,env=NAME`. The app relies on it, so it must not be empty.
pub(crate) fn typed_secret(text: &str, environment: &Environment) -> Result<SecretSource, InvalidValue> {
    let from_variable = |id: &str, name: &str| {
        let name = parse::variable_name(name)?;
        let value = environment.get(&name).ok_or_else(|| InvalidValue::VariableNotSet(name.clone()))?;
        secret_value(id, value)
            .ok_or_else(|| InvalidValue::SecretSyntax(format!("is empty: the variable `{name}` has no value")))
    };
    let Some((key, _)) = text.split_once('=') else { return from_variable(text, text) };
    if !matches!(key, "id" | "src" | "source" | "env" | "type") {
        return Err(InvalidValue::SecretSyntax("is given in clear, where others can read it".into()));
    }
    let fields = DockerSecret::parse(text).map_err(InvalidValue::SecretSyntax)?;
    match (fields.file, fields.variable) {
        (Some(file), None) => Ok(SecretSource { id: fields.id, value: SecretValue::File(PathBuf::from(file)) }),
        (None, Some(name)) => from_variable(&fields.id, &name),
        (None, None) => from_variable(&fields.id, &fields.id),
        (Some(_), Some(_)) => Err(InvalidValue::SecretSyntax("has both `src` and `env`".into())),
    }
}

fn secret_value(id: &str, value: &str) -> Option<SecretSource> {
    let source = SecretSource { id: id.to_owned(), value: SecretValue::Value(Secret::new(value.to_owned())) };
    (!value.is_empty()).then_some(source)
}

/// docker's comma-separated form.
#[derive(Default)]
struct DockerSecret {
    id: String,
    file: Option<String>,
    variable: Option<String>,
}

fn is_secret_id(id: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    !id.is_empty() && !id.starts_with('.') && id.bytes().all(plain)
}

impl DockerSecret {
    fn parse(text: &str) -> Result<Self, String> {
        let mut secret = Self::default();
        for field in text.split(',') {
            match field.split_once('=') {
                Some(("id", id)) => id.clone_into(&mut secret.id),
                Some(("src" | "source", path)) if !path.is_empty() => secret.file = Some(path.to_owned()),
                Some(("env", name)) => secret.variable = Some(name.to_owned()),
                Some(("type", "file" | "env")) => {}
                // Neither the field nor its value is shown: it may be part of a secret.
                _ => return Err("has a field that docker does not have".to_owned()),
            }
        }
        if is_secret_id(&secret.id) {
            Ok(secret)
        } else {
            Err("has no usable `id` (letters, digits, `-`, `_`, `.`)".to_owned())
        }
    }
}

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
