//! The one vocabulary of settings: the flag's name, from which the variable's and the action input's names follow.

/// Every setting that can also be given by variable, action input or file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Setting {
    Directory,
    Metadata,
    App,
    Name,
    PackageManager,
    NodeVersion,
    BuildCommand,
    StartCommand,
    Port,
    HealthPath,
    Env,
    BuildEnv,
    RuntimeEnv,
    EnvFiles,
    Base,
    Image,
    Tag,
    Flavor,
    Label,
    Platform,
    BuildArg,
    Secret,
    SecretFile,
    ReproducibleKey,
    Dockerfile,
    Target,
    NoCache,
    Pull,
    Network,
    CacheFrom,
    CacheDir,
    Memory,
    CaBundle,
    BuildTimeout,
    Builder,
    Progress,
    DryRun,
    MetadataFile,
    Iidfile,
    Push,
    Registry,
    Username,
    Password,
    GithubToken,
    AwsRegion,
    CreateRepository,
    Comment,
    CommitStatus,
    Deployment,
    EnvironmentUrl,
    AnnounceRequired,
    GitlabToken,
    Ci,
    Summary,
    EcrTagMutability,
    EcrMutabilityExclusion,
    EcrScanOnPush,
    EcrEncryption,
    EcrResourceTag,
    EcrKeepImages,
    EcrExpireUntaggedDays,
}

/// How many values a setting takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    One,
    /// Repeatable flag; one value per line in a variable.
    List,
    /// Flag without a value; `true` or `false` in a variable.
    Switch,
}

impl Setting {
    pub const ALL: &'static [Self] = &[
        Self::Directory,
        Self::Metadata,
        Self::App,
        Self::Name,
        Self::PackageManager,
        Self::NodeVersion,
        Self::BuildCommand,
        Self::StartCommand,
        Self::Port,
        Self::HealthPath,
        Self::Env,
        Self::BuildEnv,
        Self::RuntimeEnv,
        Self::EnvFiles,
        Self::Base,
        Self::Image,
        Self::Tag,
        Self::Flavor,
        Self::Label,
        Self::Platform,
        Self::BuildArg,
        Self::Secret,
        Self::SecretFile,
        Self::ReproducibleKey,
        Self::Dockerfile,
        Self::Target,
        Self::NoCache,
        Self::Pull,
        Self::Network,
        Self::CacheFrom,
        Self::CacheDir,
        Self::Memory,
        Self::CaBundle,
        Self::BuildTimeout,
        Self::Builder,
        Self::Progress,
        Self::DryRun,
        Self::MetadataFile,
        Self::Iidfile,
        Self::Push,
        Self::Registry,
        Self::Username,
        Self::Password,
        Self::GithubToken,
        Self::AwsRegion,
        Self::CreateRepository,
        Self::Comment,
        Self::CommitStatus,
        Self::Deployment,
        Self::EnvironmentUrl,
        Self::AnnounceRequired,
        Self::GitlabToken,
        Self::Ci,
        Self::Summary,
        Self::EcrTagMutability,
        Self::EcrMutabilityExclusion,
        Self::EcrScanOnPush,
        Self::EcrEncryption,
        Self::EcrResourceTag,
        Self::EcrKeepImages,
        Self::EcrExpireUntaggedDays,
    ];

    /// The long flag without dashes; for [`Setting::Directory`] the name of the positional argument.
    pub fn name(self) -> &'static str {
        match self {
            Self::Directory => "directory",
            Self::Metadata => "metadata",
            Self::App => "app",
            Self::Name => "name",
            Self::PackageManager => "package-manager",
            Self::NodeVersion => "node-version",
            Self::BuildCommand => "build-command",
            Self::StartCommand => "start-command",
            Self::Port => "port",
            Self::HealthPath => "health-path",
            Self::Env => "env",
            Self::BuildEnv => "build-env",
            Self::RuntimeEnv => "runtime-env",
            Self::EnvFiles => "env-files",
            Self::Base => "base",
            Self::Image => "image",
            Self::Tag => "tag",
            Self::Flavor => "flavor",
            Self::Label => "label",
            Self::Platform => "platform",
            Self::BuildArg => "build-arg",
            Self::Secret => "secret",
            Self::SecretFile => "secret-file",
            Self::ReproducibleKey => "reproducible-key",
            Self::Dockerfile => "dockerfile",
            Self::Target => "target",
            Self::NoCache => "no-cache",
            Self::Pull => "pull",
            Self::Network => "network",
            Self::CacheFrom => "cache-from",
            Self::CacheDir => "cache-dir",
            Self::Memory => "memory",
            Self::CaBundle => "ca-bundle",
            Self::BuildTimeout => "build-timeout",
            Self::Builder => "builder",
            Self::Progress => "progress",
            Self::DryRun => "dry-run",
            Self::MetadataFile => "metadata-file",
            Self::Iidfile => "iidfile",
            Self::Push => "push",
            Self::Registry => "registry",
            Self::Username => "username",
            Self::Password => "password",
            Self::GithubToken => "github-token",
            Self::AwsRegion => "aws-region",
            Self::CreateRepository => "create-repository",
            Self::Comment => "comment",
            Self::CommitStatus => "commit-status",
            Self::Deployment => "deployment",
            Self::EnvironmentUrl => "environment-url",
            Self::AnnounceRequired => "announce-required",
            Self::GitlabToken => "gitlab-token",
            Self::Ci => "ci",
            Self::Summary => "summary",
            Self::EcrTagMutability => "ecr-tag-mutability",
            Self::EcrMutabilityExclusion => "ecr-mutability-exclusion",
            Self::EcrScanOnPush => "ecr-scan-on-push",
            Self::EcrEncryption => "ecr-encryption",
            Self::EcrResourceTag => "ecr-resource-tag",
            Self::EcrKeepImages => "ecr-keep-images",
            Self::EcrExpireUntaggedDays => "ecr-expire-untagged-days",
        }
    }

    pub fn shape(self) -> Shape {
        match self {
            Self::Env
            | Self::BuildEnv
            | Self::RuntimeEnv
            | Self::Image
            | Self::Tag
            | Self::Flavor
            | Self::Label
            | Self::BuildArg
            | Self::Secret
            | Self::SecretFile
            | Self::CacheFrom
            | Self::EcrMutabilityExclusion
            | Self::EcrResourceTag => Shape::List,
            Self::NoCache
            | Self::Pull
            | Self::DryRun
            | Self::CreateRepository
            | Self::Comment
            | Self::CommitStatus
            | Self::AnnounceRequired => Shape::Switch,
            _ => Shape::One,
        }
    }

    /// `--node-version`, or `DIR` for the positional argument.
    pub fn flag(self) -> String {
        if self == Self::Directory { "DIR".to_owned() } else { format!("--{}", self.name()) }
    }

    /// The action input: the flag's name, in the plural where Docker's own actions use it (`tags`, `build-args`); the positional
    /// argument has the name that workflows use for it.
    pub fn input(self) -> String {
        match self {
            Self::Directory => "working-directory".to_owned(),
            Self::Image | Self::Tag | Self::Label | Self::BuildArg | Self::Secret | Self::SecretFile => {
                format!("{}s", self.name())
            }
            _ => self.name().to_owned(),
        }
    }

    /// `NEXTDEPLOY_NODE_VERSION`.
    pub fn variable(self) -> String {
        format!("NEXTDEPLOY_{}", upper(&self.input()))
    }

    /// The variables in which a CI system hands over the input: as GitHub's runner names it, and as a shell can.
    pub fn input_variables(self) -> [String; 2] {
        let input = self.input();
        [format!("INPUT_{}", input.to_ascii_uppercase()), format!("INPUT_{}", upper(&input))]
    }
}

fn upper(name: &str) -> String {
    name.to_ascii_uppercase().replace('-', "_")
}
