//! Which value of a setting counts: flag before variable before action input before file.
//!
//! [`resolve_reporting`] is needed before any file can be read, so only flags and variables count there.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::error::{InvalidValue, SettingsError};
use super::parse::SecretReference;
use super::sources::{Given, Sources};
use super::values::{
    CacheUse, ForgeSettings, Progress, PublishSettings, PullPolicy, RunSettings, SecretValue, Settings,
};
use super::{parse, variables};
use crate::config::metadata::{ConfigFiles, FileValue};
use crate::config::setting::{CliSettings, Setting};
use crate::diagnostic::{Warning, shown};
use crate::host::Environment;
use crate::image_ref::ImageRef;
use crate::origin::{Origin, Sourced};
use crate::repo::ci::CiSystem;
use crate::secret::Secret;
use crate::tags::{Flavor, TagEntry};

/// All settings of a run, with warnings about them.
#[derive(Debug, Clone, Default)]
pub struct Resolved {
    pub settings: Settings,
    pub run: RunSettings,
    pub publish: PublishSettings,
    pub forge: ForgeSettings,
    pub warnings: Vec<Warning>,
}

/// The two settings that are needed before any file can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectLocation {
    pub directory: Sourced<PathBuf>,
    /// File that takes the place of `metadata.json`; relative to the current folder.
    pub metadata: Option<Sourced<PathBuf>>,
}

/// Resolves the folder and the metadata file.
///
/// # Errors
/// For a value that cannot be a path.
pub fn locate(words: &CliSettings, environment: &Environment) -> Result<ProjectLocation, SettingsError> {
    let files = ConfigFiles::default();
    let sources = Sources { words, environment, files: &files };
    let directory = match &words.directory {
        Some(path) => Some(Sourced::new(path.clone(), Origin::Flag(Setting::Directory.flag().to_owned()))),
        None => sources.parsed(Setting::Directory, parse::path)?.map(|path| path.map(PathBuf::from)),
    };
    let directory =
        directory.unwrap_or_else(|| Sourced::new(PathBuf::from("."), Origin::Default("the current folder".to_owned())));
    let metadata = sources.parsed(Setting::Metadata, parse::path)?.map(|path| path.map(PathBuf::from));
    Ok(ProjectLocation { directory, metadata })
}

/// Resolves flags, variables and files, and checks every value that counts.
///
/// # Errors
/// The first value that does not fit, in the order of `docs/settings.md`.
pub fn resolve(words: &CliSettings, environment: &Environment, files: &ConfigFiles) -> Result<Resolved, SettingsError> {
    let sources = Sources { words, environment, files };
    let mut warnings = files.warnings.clone();
    warnings.extend(sources.unknown_variables());
    let settings = Settings {
        app: sources.parsed(Setting::App, parse::app)?,
        name: sources.parsed(Setting::Name, parse::app_name)?,
        package_manager: sources.parsed(Setting::PackageManager, parse::package_manager)?,
        node_version: sources.parsed(Setting::NodeVersion, parse::node_version)?,
        unlocked: sources.is_on(Setting::Unlocked)?,
        build_command: sources.build_command()?,
        start_command: sources.start_command()?,
        output_mode: files.files.iter().find_map(|file| file.output_mode.clone()),
        port: sources.parsed(Setting::Port, parse::port)?,
        health_path: sources.parsed(Setting::HealthPath, parse::health_path)?,
        base: sources.parsed(Setting::Base, parse::reference)?,
        packages: sources.parsed_list(Setting::Package, parse::system_package)?,
        build_packages: sources.parsed_list(Setting::BuildPackage, parse::system_package)?,
        env: variables::environment(sources, &mut warnings)?,
        build_env_files: sources.build_env_files()?,
        build_env_values: BTreeMap::new(),
        env_files: sources.parsed(Setting::EnvFiles, parse::env_file_policy)?,
        images: sources.images(&mut warnings)?,
        tags: sources.tags()?,
        flavor: sources.flavor()?,
        commit_length: sources.commit_length()?,
        labels: variables::labels(sources, &mut warnings)?,
        build_args: variables::build_args(sources, &mut warnings)?,
        secrets: variables::secrets(sources, &mut warnings)?,
        reproducible_key: sources.reproducible_key()?,
        dockerfile: sources.parsed(Setting::Dockerfile, parse::dockerfile)?,
        platform: sources.parsed(Setting::Platform, parse::platform)?,
        target: sources.parsed(Setting::Target, parse::word)?,
        network: sources.network()?,
        cache_from: sources.parsed_list(Setting::CacheFrom, parse::reference)?,
        memory: sources.parsed(Setting::Memory, parse::memory)?,
        ca_bundle: sources.parsed(Setting::CaBundle, parse::path)?.map(|path| path.map(PathBuf::from)),
        build_timeout: sources.parsed(Setting::BuildTimeout, parse::duration)?,
        cache: if sources.is_on(Setting::NoCache)? { CacheUse::Ignore } else { CacheUse::Use },
        pull: if sources.is_on(Setting::Pull)? { PullPolicy::Always } else { PullPolicy::Missing },
    };
    let run = RunSettings {
        builder: sources.parsed(Setting::Builder, parse::builder)?.map(|b| b.value).unwrap_or_default(),
        progress: sources.parsed(Setting::Progress, parse::progress)?.map_or(Progress::Auto, |p| p.value),
        dry_run: sources.is_on(Setting::DryRun)?,
        cache_dir: sources.parsed(Setting::CacheDir, parse::path)?.map(|path| PathBuf::from(path.value)),
        metadata_file: sources.parsed(Setting::MetadataFile, parse::path)?.map(|path| PathBuf::from(path.value)),
        iidfile: sources.parsed(Setting::Iidfile, parse::path)?.map(|path| PathBuf::from(path.value)),
    };
    let (publish, forge) = (sources.publish()?, sources.forge()?);
    Ok(Resolved { settings, run, publish, forge, warnings })
}

/// The settings of verbs that read no repository.
///
/// # Errors
/// The first value that does not fit.
pub fn resolve_publish(words: &CliSettings, environment: &Environment) -> Result<PublishSettings, SettingsError> {
    Sources { words, environment, files: &ConfigFiles::default() }.publish()
}

impl Sources<'_> {
    pub(super) fn parsed<T>(
        self,
        setting: Setting,
        parse: impl FnOnce(&str) -> Result<T, InvalidValue>,
    ) -> Result<Option<Sourced<T>>, SettingsError> {
        self.one(setting).map(|given| given.parsed(parse)).transpose()
    }

    /// All values of the first source that has any.
    pub(super) fn parsed_list<T>(
        self,
        setting: Setting,
        parse: impl Fn(&str) -> Result<T, InvalidValue>,
    ) -> Result<Vec<Sourced<T>>, SettingsError> {
        let values = self.levels(setting).into_iter().next().unwrap_or_default();
        values.iter().map(|given| given.parsed(&parse)).collect()
    }

    /// The values of the first source that has any, without comments.
    fn lines(self, setting: Setting) -> Vec<Given> {
        let is_comment =
            |given: &Given| matches!(&given.value, FileValue::Text(text) if text.trim_start().starts_with('#'));
        let mut values = self.levels(setting).into_iter().next().unwrap_or_default();
        values.retain(|given| !is_comment(given));
        values
    }

    fn tags(self) -> Result<Vec<Sourced<TagEntry>>, SettingsError> {
        let mut tags = Vec::new();
        for given in self.lines(Setting::Tag) {
            let Sourced { value, origin } = given.parsed(parse::tags)?;
            tags.extend(value.into_iter().map(|tag| Sourced::new(tag, origin.clone())));
        }
        Ok(tags)
    }

    /// Names in registries are lower case; owners on GitHub may not be.
    fn images(self, warnings: &mut Vec<Warning>) -> Result<Vec<Sourced<ImageRef>>, SettingsError> {
        let mut images: Vec<Sourced<ImageRef>> = Vec::new();
        for given in self.lines(Setting::Image) {
            let Sourced { value, origin } = given.parsed(parse::images)?;
            if let Some(image) = value.first()
                && given.checked_text()?.contains(|c: char| c.is_ascii_uppercase())
            {
                let message = format!("{}: the image is named `{image}`, in lower case", given.source);
                warnings.push(
                    Warning::new("settings/image-lower-case", message)
                        .with_hint(format!("write `{image}`; image names have no upper case letters")),
                );
            }
            for image in value {
                if images.iter().all(|known| known.value.fully_qualified() != image.fully_qualified()) {
                    images.push(Sourced::new(image, origin.clone()));
                }
            }
        }
        Ok(images)
    }

    fn flavor(self) -> Result<Flavor, SettingsError> {
        let mut flavor = Flavor::default();
        for given in self.lines(Setting::Flavor) {
            flavor
                .apply(parse::line(given.checked_text()?).map_err(|invalid| given.fail(invalid))?)
                .map_err(|error| given.fail(InvalidValue::Tag(error)))?;
        }
        Ok(flavor)
    }

    /// The variable that `docker/metadata-action` reads.
    fn commit_length(self) -> Result<Option<Sourced<usize>>, SettingsError> {
        const VARIABLE: &str = "DOCKER_METADATA_SHORT_SHA_LENGTH";
        let Some(text) = self.environment.get(VARIABLE).filter(|text| !text.trim().is_empty()) else { return Ok(None) };
        let origin = Origin::Variable(VARIABLE.to_owned());
        Given::text(text, origin).parsed(parse::commit_length).map(Some)
    }

    fn is_on(self, setting: Setting) -> Result<bool, SettingsError> {
        Ok(self.parsed(setting, parse::switch)?.is_some_and(|on| on.value))
    }

    fn build_env_files(self) -> Result<Vec<Sourced<PathBuf>>, SettingsError> {
        let files = self.parsed_list(Setting::BuildEnvFile, parse::path)?;
        Ok(files.into_iter().map(|file| file.map(PathBuf::from)).collect())
    }

    /// Only the user may choose the network of this machine, or of a container on it.
    fn network(self) -> Result<Option<Sourced<String>>, SettingsError> {
        let Some(given) = self.one(Setting::Network) else { return Ok(None) };
        let network = given.parsed(parse::word)?;
        let is_of_machine = network.value == "host" || network.value.starts_with("container:");
        if is_of_machine && matches!(given.source.origin, Origin::File(_)) {
            return Err(given.fail(InvalidValue::NetworkOfFile(network.value)));
        }
        Ok(Some(network))
    }

    /// A command that only names the project's own build script is not a setting.
    fn build_command(self) -> Result<Option<Sourced<String>>, SettingsError> {
        let own = |line: &str| parse::words(line).is_ok_and(|words| parse::is_own_script(&words, "build"));
        Ok(self.parsed(Setting::BuildCommand, parse::command_line)?.filter(|command| !own(&command.value)))
    }

    /// A command that only names the project's own start script is not a setting.
    fn start_command(self) -> Result<Option<Sourced<Vec<String>>>, SettingsError> {
        let Some(given) = self.one(Setting::StartCommand) else { return Ok(None) };
        let words = match &given.value {
            FileValue::Words(words) => {
                let words = words.clone();
                let invalid = match words.first().map(String::as_str) {
                    None | Some("") => Some(InvalidValue::Empty),
                    Some(_) => words.iter().any(|word| word.contains('\0')).then_some(InvalidValue::Nul),
                };
                invalid
                    .map_or(Ok(Sourced::new(words, given.source.origin.clone())), |invalid| Err(given.fail(invalid)))?
            }
            _ => given.parsed(parse::words)?,
        };
        Ok(Some(words).filter(|command| !parse::is_own_script(&command.value, "start")))
    }

    fn publish(self) -> Result<PublishSettings, SettingsError> {
        Ok(PublishSettings {
            push: self.parsed(Setting::Push, parse::push_policy)?,
            registry: self.parsed(Setting::Registry, parse::registry_host)?,
            username: self.parsed(Setting::Username, parse::word)?,
            password: self.secret_value(Setting::Password)?,
            github_token: self.secret_value(Setting::GithubToken)?,
            aws_region: self.parsed(Setting::AwsRegion, parse::aws_region)?,
            create_repository: self.is_on(Setting::CreateRepository)?,
            ecr: self.ecr()?,
        })
    }

    fn forge(self) -> Result<ForgeSettings, SettingsError> {
        Ok(ForgeSettings {
            comment: self.is_on(Setting::Comment)?,
            commit_status: self.is_on(Setting::CommitStatus)?,
            deployment: self.parsed(Setting::Deployment, parse::deployment_environment)?,
            environment_url: self.parsed(Setting::EnvironmentUrl, parse::web_address)?,
            announce_required: self.is_on(Setting::AnnounceRequired)?,
            gitlab_token: self.secret_value(Setting::GitlabToken)?,
        })
    }

    fn reproducible_key(self) -> Result<Option<Sourced<SecretValue>>, SettingsError> {
        const SHORTEST: usize = 16;
        let Some(given) = self.one(Setting::ReproducibleKey) else { return Ok(None) };
        match self.secret_value(Setting::ReproducibleKey)? {
            Some(Sourced { value: SecretValue::Value(key), .. }) if key.expose().len() < SHORTEST => {
                Err(given.fail(InvalidValue::ShortKey))
            }
            key => Ok(key),
        }
    }

    /// `env:NAME`, `file:PATH`; in a variable also the value itself.
    fn secret_value(self, setting: Setting) -> Result<Option<Sourced<SecretValue>>, SettingsError> {
        let Some(given) = self.one(setting) else { return Ok(None) };
        let text = given.checked_text()?;
        let value = match parse::secret_reference(text) {
            Some(SecretReference::File(path)) => SecretValue::File(PathBuf::from(path)),
            Some(SecretReference::Variable(name)) => {
                let name = parse::variable_name(name).map_err(|invalid| given.fail(invalid))?;
                let value = self.environment.get(&name).filter(|value| !value.is_empty());
                let value = value.ok_or_else(|| given.fail(InvalidValue::VariableNotSet(name)))?;
                SecretValue::Value(Secret::new(value.to_owned()))
            }
            None if given.is_typed() => return Err(given.fail(InvalidValue::KeySource)),
            None => SecretValue::Value(Secret::new(text.to_owned())),
        };
        Ok(Some(Sourced::new(value, given.source.origin)))
    }
}

impl Given {
    /// The value as text, neither empty nor with a NUL.
    pub(super) fn checked_text(&self) -> Result<&str, SettingsError> {
        let FileValue::Text(text) = &self.value else { return Err(self.fail(InvalidValue::NotText)) };
        match text {
            text if text.trim().is_empty() => Err(self.fail(InvalidValue::Empty)),
            text if text.contains('\0') => Err(self.fail(InvalidValue::Nul)),
            text => Ok(text),
        }
    }

    pub(super) fn parsed<T>(
        &self,
        parse: impl FnOnce(&str) -> Result<T, InvalidValue>,
    ) -> Result<Sourced<T>, SettingsError> {
        let text = self.checked_text()?;
        let value = parse(text).map_err(|invalid| self.fail(invalid))?;
        Ok(Sourced::new(value, self.source.origin.clone()))
    }
}

/// The CI system that the run reports to, and its job summary.
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

/// Resolves reporting from flags and variables; the CI system is detected if they do not name it.
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
        assert!(error.to_string().contains("unknown value `travis`, expected one of github"), "{error}");
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
