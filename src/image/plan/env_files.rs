//! What the app's `.env` and `.env.production` give to the image.
//!
//! The build reads the files themselves. Values become variables of the image unless they look like secrets, decide how processes start,
//! or depend on what only the container knows.

use std::collections::BTreeMap;

use super::image::Inputs;
use super::secret_looking::secret_look;
use super::sources::SentSources;
use super::variable_name::{FIXED, is_of_process, is_variable_name};
use crate::config::settings::{EnvFilePolicy, EnvValue};
use crate::diagnostic::{Location, Warning};
use crate::origin::{Origin, Sourced};
use crate::project::{DotenvFile, DotenvVariable};

/// Files in the order in which later ones take precedence.
const NAMES: [&str; 2] = [".env", ".env.production"];

/// The files that the build reads.
fn read_by_build<'i>(inputs: Inputs<'i>, sent: &SentSources<'_>) -> impl Iterator<Item = &'i DotenvFile> {
    let of_app = NAMES.iter().filter_map(move |name| {
        let path = inputs.facts.next_dir.child(name);
        inputs.facts.env_files.iter().find(|file| file.path == path)
    });
    let policy = policy(inputs);
    let by_start = inputs.facts.env_files.iter().filter(|file| file.read_by_start);
    of_app.chain(by_start).filter(move |file| file.tracked && policy != EnvFilePolicy::Strip && sent.has(&file.path))
}

fn policy(inputs: Inputs<'_>) -> EnvFilePolicy {
    inputs.settings.env_files.as_ref().map_or(EnvFilePolicy::Auto, |policy| policy.value)
}

/// True when the build has a value for `name` from a file.
pub(super) fn sets(inputs: Inputs<'_>, sent: &SentSources<'_>, name: &str) -> bool {
    read_by_build(inputs, sent).any(|file| file.variables.iter().any(|variable| variable.name == name))
}

/// The values that the image gets; as in Next.js, `.env.production` takes precedence.
pub(super) fn image_values(
    inputs: Inputs<'_>,
    sent: &SentSources<'_>,
    warnings: &mut Vec<Warning>,
) -> BTreeMap<String, Sourced<String>> {
    let policy = policy(inputs);
    let of_app = |file: &&DotenvFile| {
        file.path.parent().as_ref() == Some(&inputs.facts.next_dir) && NAMES.contains(&file.path.name())
    };
    for file in inputs.facts.env_files.iter().filter(of_app) {
        if !file.tracked {
            warnings.push(untracked(file));
        } else if policy != EnvFilePolicy::Strip && !sent.has(&file.path) {
            warnings.push(ignored(file));
        }
    }
    let mut values: BTreeMap<&str, (&DotenvVariable, &DotenvFile)> = BTreeMap::new();
    for file in read_by_build(inputs, sent) {
        values.extend(file.variables.iter().map(|variable| (variable.name.as_str(), (variable, file))));
        if policy == EnvFilePolicy::Keep {
            warnings.extend(kept_secrets(file));
        }
    }
    if policy != EnvFilePolicy::Auto {
        return BTreeMap::new();
    }
    let mut image = BTreeMap::new();
    let mut left_out = LeftOut::default();
    for (name, (variable, file)) in values {
        if !is_variable_name(name) || variable.value.contains('\0') || FIXED.contains(&name) {
            continue;
        }
        if is_of_process(name) {
            left_out.of_process.push((file, name));
        } else if secret_look(name, &variable.value).is_some() {
            if !inputs.settings.env.contains_key(name) {
                left_out.secrets.push((file, name));
            }
        } else if let Some(unknown) = variable.unknown.iter().find(|unknown| is_known_later(inputs, unknown)) {
            left_out.later.push((file, name, unknown));
        } else {
            left_out.empty.extend(variable.unknown.iter().map(|unknown| (file, name, unknown.as_str())));
            image.insert(name.to_owned(), Sourced::new(variable.value.clone(), Origin::File(file.path.to_string())));
        }
    }
    left_out.warn(warnings);
    image
}

/// Secrets, and what a container has anyway.
fn is_known_later(inputs: Inputs<'_>, name: &str) -> bool {
    let settings = inputs.settings;
    let is_secret = |setting: &EnvValue| matches!(setting, EnvValue::Secret(_));
    is_of_process(name)
        || settings.env.get(name).is_some_and(|setting| is_secret(&setting.value.value))
        || settings.secrets.iter().any(|secret| secret.value.id == name)
}

/// Variables that the image does not have as the file sets them.
#[derive(Default)]
struct LeftOut<'a> {
    secrets: Vec<(&'a DotenvFile, &'a str)>,
    of_process: Vec<(&'a DotenvFile, &'a str)>,
    /// With the name that they refer to.
    later: Vec<(&'a DotenvFile, &'a str, &'a str)>,
    /// The same, in the image with nothing in the place of the reference.
    empty: Vec<(&'a DotenvFile, &'a str, &'a str)>,
}

impl LeftOut<'_> {
    fn warn(self, warnings: &mut Vec<Warning>) {
        let mut by_file: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (file, name) in &self.secrets {
            by_file.entry(file.path.as_str()).or_default().push(name);
        }
        warnings.extend(by_file.into_iter().map(|(file, names)| secrets_in_file(file, &names)));
        for (file, name) in self.of_process {
            let message = format!(
                "`{name}` in `{}` is not copied into the image: it decides how processes start, before any file is read",
                file.path
            );
            let hint = format!("if the container needs it, pass `--runtime-env {name}=VALUE`");
            warnings.push(at(file, Warning::new("plan/process-variable-in-env-file", message).with_hint(hint)));
        }
        for (file, name, unknown) in self.later {
            let message = format!("`{name}` in `{}` refers to `{unknown}`, and is left out of the image", file.path);
            let hint = format!("start the container with `--env {name}=VALUE`");
            warnings.push(at(file, Warning::new("plan/env-file-reference", message).with_hint(hint)));
        }
        for (file, name, unknown) in self.empty {
            let message = format!(
                "`{name}` in `{}` refers to `{unknown}`, which has no value: the reference becomes empty",
                file.path
            );
            let hint = format!("set it with `--env {unknown}=VALUE`, or write `\\$` for a dollar sign");
            warnings.push(at(file, Warning::new("plan/env-file-reference", message).with_hint(hint)));
        }
    }
}

fn at(file: &DotenvFile, warning: Warning) -> Warning {
    warning.at(Location::file(file.path.as_str()))
}

fn untracked(file: &DotenvFile) -> Warning {
    let message = format!("`{}` is not tracked by git, so the build does not see it", file.path);
    let hint = format!(
        "pass what the build needs with `--env NAME=VALUE`, `--secret NAME` or `--build-env-file {}`",
        file.path
    );
    at(file, Warning::new("plan/untracked-env-file", message).with_hint(hint))
}

fn ignored(file: &DotenvFile) -> Warning {
    let message =
        format!("`.dockerignore` leaves out `{}`, so neither the build nor the image has its values", file.path);
    let hint = format!("add `!{}` to `.dockerignore`, or pass the values with `--env NAME=VALUE`", file.path);
    at(file, Warning::new("plan/env-file-ignored", message).with_hint(hint))
}

fn kept_secrets(file: &DotenvFile) -> Option<Warning> {
    let is_secret = |variable: &&DotenvVariable| secret_look(&variable.name, &variable.value).is_some();
    let names: Vec<String> =
        file.variables.iter().filter(is_secret).map(|variable| format!("`{}`", variable.name)).collect();
    (!names.is_empty()).then(|| {
        let message = format!(
            "`{}` is kept in the image as requested, with values that look like secrets: {}",
            file.path,
            names.join(", ")
        );
        at(file, Warning::new("plan/env-file-kept", message).with_hint("use `--env-files auto` to leave it out"))
    })
}

pub(super) fn secrets_in_file(file: &str, names: &[&str]) -> Warning {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    let flags: Vec<String> = names.iter().map(|name| format!("--env {name}")).collect();
    Warning::new(
        "plan/secret-in-env-file",
        format!("values in `{file}` look like secrets and are left out of the image: {}", quoted.join(", ")),
    )
    .with_hint(format!("start the container with `{}`", flags.join(" ")))
    .at(Location::file(file))
}
