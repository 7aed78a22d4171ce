//! What the run tells its CI system. Needed before any file can be read, so only flags and variables say it.

use std::path::PathBuf;

use super::error::{InvalidValue, SettingsError};
use super::parse;
use super::sources::Sources;
use crate::config::metadata::ConfigFiles;
use crate::config::{CliSettings, Setting};
use crate::diagnostic::shown;
use crate::host::Environment;
use crate::repo::ci::CiSystem;

/// Whom the run talks to, and how much it tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reporting {
    pub system: CiSystem,
    pub summary: SummaryChoice,
}

/// Where the job summary goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum SummaryChoice {
    /// To the CI system's own place, where it has one.
    #[default]
    Auto,
    /// Also where it has none: to `nextdeploy-summary.md`.
    On,
    Off,
    File(PathBuf),
}

/// Names of `--ci`.
const SYSTEMS: &[(&str, CiSystem)] = &[
    ("github", CiSystem::GitHub),
    ("gitlab", CiSystem::GitLab),
    ("azure", CiSystem::Azure),
    ("circleci", CiSystem::CircleCi),
    ("buildkite", CiSystem::Buildkite),
    ("bitbucket", CiSystem::Bitbucket),
    ("jenkins", CiSystem::Jenkins),
    ("forgejo", CiSystem::Forgejo),
    ("gitea", CiSystem::Gitea),
    ("none", CiSystem::None),
];
const NAMES: &[&str] =
    &["github", "gitlab", "azure", "circleci", "buildkite", "bitbucket", "jenkins", "forgejo", "gitea", "none"];

/// What flags and variables say about reporting; the system is detected where they say nothing.
///
/// # Errors
/// For a value that does not fit.
pub fn resolve_reporting(words: &CliSettings, environment: &Environment) -> Result<Reporting, SettingsError> {
    let files = ConfigFiles::default();
    let sources = Sources { words, environment, files: &files };
    let system = sources.one(Setting::Ci).map(|given| given.parsed(system)).transpose()?;
    let summary = sources.one(Setting::Summary).map(|given| given.parsed(summary)).transpose()?;
    Ok(Reporting {
        system: system.map_or_else(|| CiSystem::detect(environment), |system| system.value),
        summary: summary.map(|summary| summary.value).unwrap_or_default(),
    })
}

fn system(text: &str) -> Result<CiSystem, InvalidValue> {
    let known = SYSTEMS.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
    known.map(|(_, system)| *system).ok_or_else(|| InvalidValue::Choice { value: shown(text), known: NAMES })
}

fn summary(text: &str) -> Result<SummaryChoice, InvalidValue> {
    match parse::switch(text) {
        Ok(true) => Ok(SummaryChoice::On),
        Ok(false) => Ok(SummaryChoice::Off),
        Err(_) => Ok(SummaryChoice::File(PathBuf::from(parse::path(text)?))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(variables: &[(&str, &str)]) -> Result<Reporting, SettingsError> {
        resolve_reporting(&CliSettings::default(), &Environment::from_pairs(variables.iter().copied()))
    }

    #[test]
    fn the_system_is_detected_unless_it_is_named() {
        assert_eq!(check(&[("GITHUB_ACTIONS", "true")]).unwrap().system, CiSystem::GitHub);
        assert_eq!(check(&[("GITHUB_ACTIONS", "true"), ("NEXTDEPLOY_CI", "none")]).unwrap().system, CiSystem::None);
        assert_eq!(check(&[("INPUT_CI", "GitLab")]).unwrap().system, CiSystem::GitLab);
        let error = check(&[("NEXTDEPLOY_CI", "travis")]).unwrap_err();
        assert!(error.to_string().contains("`travis` is not one of github"), "{error}");
    }

    #[test]
    fn the_summary_is_a_switch_or_a_file() {
        assert_eq!(check(&[]).unwrap().summary, SummaryChoice::Auto);
        assert_eq!(check(&[("INPUT_SUMMARY", "true")]).unwrap().summary, SummaryChoice::On);
        assert_eq!(check(&[("INPUT_SUMMARY", "off")]).unwrap().summary, SummaryChoice::Off);
        let file = SummaryChoice::File(PathBuf::from("out/page.md"));
        assert_eq!(check(&[("NEXTDEPLOY_SUMMARY", "out/page.md")]).unwrap().summary, file);
    }

    #[test]
    fn every_system_has_its_name() {
        assert!(SYSTEMS.iter().map(|(name, _)| name).eq(NAMES));
    }
}
