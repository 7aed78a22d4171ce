//! Variables that the project names and that no setting and no file gives to the build.

use super::env_files;
use super::environment::PlannedEnvironment;
use super::image::{Inputs, MissingVariable};
use super::sources::SentSources;
use crate::diagnostic::{Location, Warning};
use crate::project::{VariableNeed, WantedVariable};

/// What templates and schemas name, and neither a setting nor a file gives.
pub(super) fn plan_missing(
    inputs: Inputs<'_>,
    sent: &SentSources<'_>,
    environment: &PlannedEnvironment,
    warnings: &mut Vec<Warning>,
) -> Vec<MissingVariable> {
    let is_given = |name: &str| {
        environment.build.contains_key(name)
            || environment.secrets.contains_key(name)
            || inputs.settings.env.contains_key(name)
            || env_files::sets(inputs, sent, name)
    };
    let wanted: Vec<&WantedVariable> =
        inputs.facts.wanted_variables.iter().filter(|wanted| !is_given(&wanted.name)).collect();
    let skips = ["SKIP_ENV_VALIDATION", "SKIP_VALIDATION"].iter().any(|name| is_given(name));
    if !skips && let Some(warning) = checked_by_build(inputs, &wanted) {
        warnings.push(warning);
    }
    let missing = wanted.into_iter().map(|wanted| MissingVariable {
        name: wanted.name.clone(),
        named_by: wanted.named_by.clone(),
        is_required: wanted.need >= VariableNeed::Required,
    });
    missing.collect()
}

/// Where `next.config` imports the schema, the build ends with its first line.
fn checked_by_build(inputs: Inputs<'_>, wanted: &[&WantedVariable]) -> Option<Warning> {
    let names: Vec<String> = wanted
        .iter()
        .filter(|wanted| wanted.need == VariableNeed::CheckedByConfig)
        .map(|wanted| format!("`{}`", wanted.name))
        .collect();
    let first = wanted.iter().find(|wanted| wanted.need == VariableNeed::CheckedByConfig)?;
    let config = inputs.facts.config.file.as_ref()?;
    let message = format!(
        "`{config}` checks the environment with `{}`, and the build has no {}",
        first.named_by,
        names.join(", ")
    );
    let hint = format!(
        "pass them with `--env NAME=VALUE`, `--secret NAME` or `--build-env-file FILE`; if the schema allows it, `--build-env SKIP_ENV_VALIDATION=1` skips the check of `{}`",
        first.named_by
    );
    Some(Warning::new("plan/missing-variables", message).with_hint(hint).at(Location::file(first.named_by.as_str())))
}
