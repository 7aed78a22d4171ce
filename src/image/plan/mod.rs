//! Every decision about the image, made once: `Settings` + `CiContext` + `ProjectFacts` in, [`ImagePlan`] out.
//!
//! Pure: the same input gives the same plan, and a plan can be printed without a daemon. Reads no file: what a file says is a fact.
//! Serialised plans never contain secrets.

mod build;
mod env_files;
mod environment;
mod error;
mod identity;
mod image;
mod install;
mod install_scripts;
mod lifecycle;
mod missing;
mod output;
#[cfg(test)]
pub(crate) mod sample;
mod secret_looking;
mod server;
mod sources;
mod system_packages;
mod tags;
#[cfg(test)]
mod tests;
mod variable_name;

pub use error::PlanError;
pub use image::*;
pub use secret_looking::{SecretLook, secret_look};

use std::collections::HashSet;

use sources::SentSources;

use crate::config::settings::EnvFilePolicy;
use crate::diagnostic::Warning;

/// Plans the image.
pub fn plan_image(inputs: Inputs<'_>) -> Result<ImagePlan, PlanError> {
    let Inputs { settings, facts, tree, .. } = inputs;
    let mut warnings = facts.warnings.clone();
    let name = identity::plan_name(inputs, &mut warnings)?;
    let names = tags::plan_names(inputs, &name.value, &mut warnings)?;
    let base = output::plan_base(inputs, &mut warnings)?;
    let output = output::plan_output(inputs, &base, &mut warnings)?;
    let sent = SentSources::of(inputs);
    sources::check(inputs, &sent, &mut warnings)?;
    let environment = environment::plan_environment(inputs, &sent, &mut warnings)?;
    let missing_variables = missing::plan_missing(inputs, &sent, &environment, &mut warnings);
    let needs = server::plan_needs(inputs, &output, &base)?;
    let install = install::plan_install(inputs, (output.mode, &needs), &environment.secrets, &mut warnings);
    let build = build::plan_build(inputs, &environment, &mut warnings);
    let own_labels = tags::render_labels(inputs)?;
    let labels = identity::plan_labels(inputs, &base, names.version, own_labels)?;
    let system_packages =
        system_packages::plan_system_packages(inputs, &base, output.mode, &environment.secrets, &mut warnings)?;
    let mut runtime = output::plan_runtime(inputs, &base, &output, environment.image);
    if let Some((name, value)) = system_packages::browser_variable(inputs) {
        runtime.environment.entry(name).or_insert(value);
    }
    Ok(ImagePlan {
        schema_version: 1,
        name,
        tags: names.tags,
        registries: names.registries,
        app_dir: facts.app_dir.clone(),
        next_dir: facts.next_dir.clone(),
        node: facts.node.clone(),
        next_version: facts.next.clone(),
        base,
        system_packages,
        install,
        build,
        output,
        runtime,
        labels,
        secrets: environment.secrets.into_values().collect(),
        missing_variables,
        env_files: settings.env_files.as_ref().map_or_else(EnvFilePolicy::default, |policy| policy.value),
        build_id_salt: identity::build_id_salt(inputs),
        source_date_epoch: tree.git.as_ref().and_then(|git| git.commit_time),
        warnings: deduplicate(warnings),
    })
}

fn deduplicate(mut warnings: Vec<Warning>) -> Vec<Warning> {
    let mut seen = HashSet::new();
    warnings.retain(|warning| seen.insert(warning.clone()));
    warnings
}
