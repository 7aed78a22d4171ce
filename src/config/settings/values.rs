//! Settings as plain values, each with its origin.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::config::metadata::{EnvScope, Overrides};
use crate::image_ref::ImageRef;
use crate::origin::Sourced;
use crate::project::{OutputMode, PackageManagerKind};
use crate::secret::Secret;
use crate::tags::{Flavor, TagEntry};

/// The settings of the image from flags, variables and configuration files, parsed and checked one by one.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Name or folder of the app in a workspace.
    pub app: Option<Sourced<String>>,
    /// App name for the image; not yet normalised.
    pub name: Option<Sourced<String>>,
    /// [`PackageManagerKind::YarnClassic`] stands for either yarn: the lockfile decides which.
    pub package_manager: Option<Sourced<PackageManagerKind>>,
    /// `22`, `22.11.0`, `22.x`.
    pub node_version: Option<Sourced<String>>,
    /// An install without a lockfile is allowed.
    pub unlocked: bool,
    /// A command line that replaces the project's build script.
    pub build_command: Option<Sourced<String>>,
    /// A command that replaces the way the app starts; already split in words.
    pub start_command: Option<Sourced<Vec<String>>>,
    /// Only from files.
    pub output_mode: Option<Sourced<OutputMode>>,
    pub port: Option<Sourced<u16>>,
    /// Path that the health check requests.
    pub health_path: Option<Sourced<String>>,
    /// `slim`, `alpine`, `distroless` or an image reference.
    pub base: Option<Sourced<String>>,
    /// Packages of the base image's distribution, for the image.
    pub packages: Vec<Sourced<String>>,
    /// The same for the build stages only.
    pub build_packages: Vec<Sourced<String>>,
    /// Variables by name.
    pub env: BTreeMap<String, Sourced<EnvSetting>>,
    /// Files with variables of the build, relative to the current folder.
    pub build_env_files: Vec<Sourced<PathBuf>>,
    /// What these files hold; empty until they are read.
    pub build_env_values: BTreeMap<String, Sourced<String>>,
    pub env_files: Option<Sourced<EnvFilePolicy>>,
    /// Repositories that tags and rules are for, without tag and digest.
    pub images: Vec<Sourced<ImageRef>>,
    pub tags: Vec<Sourced<TagEntry>>,
    /// Options of all tag rules.
    pub flavor: Flavor,
    /// Characters of a short commit id in tags.
    pub commit_length: Option<Sourced<usize>>,
    pub labels: BTreeMap<String, Sourced<String>>,
    pub build_args: BTreeMap<String, Sourced<String>>,
    /// Files or variables handed to the build as BuildKit secrets.
    pub secrets: Vec<Sourced<SecretSource>>,
    /// Key from which the values that Next.js draws at random are derived.
    pub reproducible_key: Option<Sourced<SecretValue>>,
    pub dockerfile: Option<Sourced<DockerfileChoice>>,
    pub platform: Option<Sourced<String>>,
    pub target: Option<Sourced<String>>,
    pub network: Option<Sourced<String>>,
    pub cache_from: Vec<Sourced<String>>,
    /// Memory for the build in bytes.
    pub memory: Option<Sourced<u64>>,
    /// PEM file with additional certificate authorities, for the daemon connection and inside the build.
    pub ca_bundle: Option<Sourced<PathBuf>>,
    pub build_timeout: Option<Sourced<Duration>>,
    pub cache: CacheUse,
    pub pull: PullPolicy,
}

impl Settings {
    /// The settings that the record of a project holds.
    pub fn overrides(&self) -> Overrides {
        Overrides {
            name: self.name.as_ref().map(|name| name.value.clone()),
            build_command: self.build_command.as_ref().map(|command| command.value.clone()),
            start_command: self.start_command.as_ref().map(|command| command.value.clone()),
            port: self.port.as_ref().map(|port| port.value),
            health_path: self.health_path.as_ref().map(|path| path.value.clone()),
        }
    }
}

/// How the build runs and where its result goes; nothing of this changes the image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunSettings {
    pub builder: BuilderKind,
    pub progress: Progress,
    pub dry_run: bool,
    /// Folder of the caches that survive between runs.
    pub cache_dir: Option<PathBuf>,
    /// File for the result as JSON.
    pub metadata_file: Option<PathBuf>,
    /// File for the image id.
    pub iidfile: Option<PathBuf>,
}

/// Where the image goes, with which credentials; nothing of this changes the image.
#[derive(Debug, Clone, Default)]
pub struct PublishSettings {
    pub push: Option<Sourced<PushPolicy>>,
    /// Host of the registry that the credentials are for: `ghcr.io`, `localhost:5000`.
    pub registry: Option<Sourced<String>>,
    pub username: Option<Sourced<String>>,
    pub password: Option<Sourced<SecretValue>>,
    pub github_token: Option<Sourced<SecretValue>>,
    pub aws_region: Option<Sourced<String>>,
    /// Create the repository in ECR when it is missing.
    pub create_repository: bool,
    /// Options of a new repository.
    pub ecr: EcrSettings,
}

/// What is reported to GitHub or GitLab; nothing of this changes the image.
#[derive(Debug, Clone, Default)]
pub struct ForgeSettings {
    /// One comment per pull request and app.
    pub comment: bool,
    pub commit_status: bool,
    /// Environment that a deployment is recorded for.
    pub deployment: Option<Sourced<String>>,
    /// `http` or `https`.
    pub environment_url: Option<Sourced<String>>,
    /// A failed report fails the run.
    pub announce_required: bool,
    pub gitlab_token: Option<Sourced<SecretValue>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum PushPolicy {
    #[default]
    Never,
    /// Not in a pull request from a fork, which gets no secrets.
    Auto,
    Always,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum BuilderKind {
    #[default]
    Docker,
}

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum Progress {
    /// `Tty` on a terminal outside CI, else `Plain`.
    #[default]
    Auto,
    Plain,
    Tty,
}

/// One environment variable of the app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvSetting {
    pub value: EnvValue,
    pub scope: EnvScope,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EnvValue {
    Plain(String),
    /// Marked as secret: a BuildKit secret for the build, never in the image.
    Secret(Secret),
}

/// How tracked `.env` files are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum EnvFilePolicy {
    /// Harmless values become the image's environment, secret-looking ones are left out; no file enters the image.
    #[default]
    Auto,
    /// The files stay in the image.
    Keep,
    /// Neither files nor values.
    Strip,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretSource {
    /// Identifier; the secret is a file `/run/secrets/ID` during the build, and the variable `ID` when that is a valid name.
    pub id: String,
    pub value: SecretValue,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretValue {
    File(PathBuf),
    Value(Secret),
}

/// Which Dockerfile is built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DockerfileChoice {
    Generated,
    /// The repository's own `Dockerfile`.
    Own,
    /// A path below the repository root.
    Path(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum CacheUse {
    #[default]
    Use,
    Ignore,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum PullPolicy {
    /// Only when the base image is not there.
    #[default]
    Missing,
    Always,
}

/// Options of new repositories in ECR; unset ones are `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EcrSettings {
    pub tag_mutability: Option<Sourced<TagMutability>>,
    pub scan_on_push: Option<Sourced<bool>>,
    pub encryption: Option<Sourced<RepositoryEncryption>>,
    /// Tags of the repository as a resource of AWS.
    pub resource_tags: BTreeMap<String, Sourced<String>>,
    /// More images than these expire; at least 1.
    pub keep_images: Option<Sourced<u32>>,
    /// Days after which untagged images expire; at least 1.
    pub expire_untagged_days: Option<Sourced<u32>>,
}

/// Whether a tag may be pushed again with another image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TagMutability {
    Mutable,
    Immutable,
    /// All tags may move except these: one to five patterns.
    MutableExcept(Vec<String>),
    /// No tag may move except these: one to five patterns.
    ImmutableExcept(Vec<String>),
}

impl TagMutability {
    /// The value in ECR's API.
    pub fn api_value(&self) -> &'static str {
        match self {
            Self::Mutable => "MUTABLE",
            Self::Immutable => "IMMUTABLE",
            Self::MutableExcept(_) => "MUTABLE_WITH_EXCLUSION",
            Self::ImmutableExcept(_) => "IMMUTABLE_WITH_EXCLUSION",
        }
    }

    /// The patterns of tags that are excepted.
    pub fn exclusions(&self) -> &[String] {
        match self {
            Self::Mutable | Self::Immutable => &[],
            Self::MutableExcept(patterns) | Self::ImmutableExcept(patterns) => patterns,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RepositoryEncryption {
    Aes256,
    /// With the account's own key for ECR, or with this one.
    Kms(Option<String>),
}
