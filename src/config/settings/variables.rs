//! Settings that are lists of names with values: environment, labels, build arguments, secrets.
//!
//! Sources are merged name by name; for each name the highest source counts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::error::{InvalidValue, SettingsError};
use super::handover::Handover;
use super::parse;
use super::sources::{Given, Sources};
use super::values::{EnvSetting, EnvValue, SecretSource, SecretValue};
use crate::config::Setting;
use crate::config::metadata::{EnvScope, FileEnvValue, FileValue};
use crate::diagnostic::{Warning, shown};
use crate::host::Environment;
use crate::origin::{Origin, Sourced};
use crate::secret::Secret;

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
            let pair = given.pair(sources, name)?;
            if setting == Setting::Label && pair.value.is_none() {
                return Err(given.fail_without_value(&pair.name, InvalidValue::NoValue(shown(&pair.name))));
            }
            let Some(EnvValue::Plain(value)) = given.value_or_warning(&pair, warnings) else { continue };
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
