//! Errors of settings: a value that does not fit, and where it was given.

use std::fmt;

use crate::diagnostic::{Diagnostic, ExitCode, Location, nearest, printable};
use crate::image_ref::InvalidReference;
use crate::origin::Origin;
use crate::tags::TagError;

/// A setting whose value makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{from}: {invalid}")]
pub struct SettingsError {
    /// Boxed, so that results stay small.
    pub from: Box<ValueSource>,
    pub invalid: InvalidValue,
}

/// Who gave the value; decides the exit code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueSource {
    pub origin: Origin,
    /// Place in the file, for values from files.
    pub location: Option<Location>,
}

impl fmt::Display for ValueSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::Flag(name) | Origin::Variable(name) | Origin::File(name) => write!(f, "`{}`", printable(name)),
            origin => write!(f, "{origin}"),
        }
    }
}

/// What is wrong with a value. Values shown are cut and on one line; secrets are never part of a invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidValue {
    #[error("the value is empty")]
    Empty,
    #[error("the value contains a NUL character")]
    Nul,
    #[error("the value has more than one line")]
    SeveralLines,
    #[error("`{0}` is not a port")]
    Port(String),
    #[error("`{0}` is not a package manager")]
    PackageManager(String),
    #[error("`{0}` is not a Node.js version that an image can have")]
    NodeVersion(String),
    #[error("`{value}` is not one of {}", known.join(", "))]
    Choice { value: String, known: &'static [&'static str] },
    #[error("`{0}` is neither true nor false")]
    Switch(String),
    #[error("`{0}` is not a path of a URL")]
    HealthPath(String),
    #[error("`{0}` is not an app name")]
    Name(String),
    #[error("`{0}` is not an image reference or tag")]
    Reference(String),
    #[error("{0}")]
    Tag(TagError),
    #[error("`{text}` is not an image repository: {reason}")]
    Image { text: String, reason: InvalidReference },
    #[error("`{0}` has a tag or a digest, and a repository has none")]
    ImageWithTag(String),
    #[error("`{0}` is not a number of characters of a commit id")]
    CommitLength(String),
    #[error("`{0}` is not a registry host")]
    RegistryHost(String),
    #[error("`{0}` is not an AWS region")]
    AwsRegion(String),
    #[error("`{0}` is not a name that an environment can have")]
    Environment(String),
    #[error("`{0}` is not a web address")]
    WebAddress(String),
    #[error("`{0}` is not a pattern for tags")]
    TagPattern(String),
    #[error("ECR takes five exclusions at most")]
    TooManyExclusions,
    #[error("an exclusion needs a mutability that it is an exclusion of")]
    ExclusionOfNothing,
    #[error("no exclusion is given")]
    NoExclusion,
    #[error("`{0}` is no encryption that ECR knows")]
    Encryption(String),
    #[error("`{0}` is not a tag of a resource of AWS")]
    ResourceTag(String),
    #[error("`{0}` is not a whole number from 1 to 100000")]
    Count(String),
    #[error("`{0}` is not a platform")]
    Platform(String),
    #[error("`{0}` is not a name that an environment variable can have")]
    VariableName(String),
    #[error("`{0}` is not a name that a label can have")]
    LabelName(String),
    #[error("the label `{0}` is this program's own")]
    OwnLabel(String),
    #[error("`{0}` has no value")]
    NoValue(String),
    #[error("`{0}` is not an amount of memory")]
    Memory(String),
    #[error("`{0}` is too little memory: no container runs with less than 6 MiB")]
    TooLittleMemory(String),
    #[error("`{0}` is not a duration")]
    Duration(String),
    #[error("`{0}` is needed by a shell, and no shell runs this command")]
    ShellSyntax(String),
    #[error("a quote is not closed")]
    OpenQuote,
    #[error("the secret {0}")]
    SecretSyntax(String),
    #[error("the file of a secret is not given as `ID=PATH`")]
    SecretFileSyntax,
    #[error("the secret `{0}` is given twice")]
    SecretTwice(String),
    #[error("the environment variable `{0}` is not set")]
    VariableNotSet(String),
    #[error("`{0}` holds a credential of this run, which a file of the repository cannot hand to the build")]
    CredentialOfRun(String),
    #[error("the network `{0}` gives the build access to this machine, which a file of the repository cannot choose")]
    NetworkOfFile(String),
    #[error("a secret is not typed: this is neither `env:NAME` nor `file:PATH`")]
    KeySource,
    #[error("the key is too short to keep anything secret")]
    ShortKey,
    #[error("`{0}` is given for different receivers")]
    TwoScopes(String),
    #[error("line {0} is neither `NAME=VALUE` nor the name of a variable that is set")]
    UnknownLine(usize),
    #[error("a text is needed here")]
    NotText,
    #[error("`{0}` is not a name of one word")]
    Word(String),
    #[error("`{0}` is outside the repository")]
    OutsideRepository(String),
}

impl InvalidValue {
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Empty => "settings/empty-value",
            Self::Nul => "settings/nul-in-value",
            Self::SeveralLines => "settings/several-lines",
            Self::Port(_) => "settings/port",
            Self::PackageManager(_) => "settings/package-manager",
            Self::NodeVersion(_) => "settings/node-version",
            Self::Choice { .. } => "settings/unknown-choice",
            Self::Switch(_) => "settings/not-a-switch",
            Self::HealthPath(_) => "settings/health-path",
            Self::Name(_) => "settings/app-name",
            Self::Reference(_) => "settings/reference",
            Self::Tag(error) => error.code(),
            Self::Image { .. } => "settings/image",
            Self::ImageWithTag(_) => "settings/image-with-tag",
            Self::CommitLength(_) => "settings/commit-length",
            Self::RegistryHost(_) => "settings/registry-host",
            Self::AwsRegion(_) => "settings/aws-region",
            Self::Environment(_) => "settings/environment",
            Self::WebAddress(_) => "settings/web-address",
            Self::TagPattern(_) => "settings/tag-pattern",
            Self::TooManyExclusions | Self::ExclusionOfNothing | Self::NoExclusion => "settings/mutability",
            Self::Encryption(_) => "settings/encryption",
            Self::ResourceTag(_) => "settings/resource-tag",
            Self::Count(_) => "settings/count",
            Self::Platform(_) => "settings/platform",
            Self::VariableName(_) => "settings/variable-name",
            Self::LabelName(_) => "settings/label-name",
            Self::NoValue(_) => "settings/no-value",
            Self::OwnLabel(_) => "settings/own-label",
            Self::Memory(_) => "settings/memory",
            Self::TooLittleMemory(_) => "settings/too-little-memory",
            Self::Duration(_) => "settings/duration",
            Self::ShellSyntax(_) | Self::OpenQuote => "settings/start-command",
            Self::SecretSyntax(_) | Self::SecretFileSyntax | Self::SecretTwice(_) => "settings/secret",
            Self::VariableNotSet(_) => "settings/variable-not-set",
            Self::CredentialOfRun(_) => "settings/credential-of-run",
            Self::NetworkOfFile(_) => "settings/network-of-file",
            Self::KeySource => "settings/secret-source",
            Self::ShortKey => "settings/reproducible-key",
            Self::TwoScopes(_) => "settings/two-scopes",
            Self::UnknownLine(_) => "settings/unknown-line",
            Self::NotText => "settings/not-text",
            Self::Word(_) => "settings/word",
            Self::OutsideRepository(_) => "settings/outside-repository",
        }
    }

    pub(crate) fn hint(&self) -> String {
        match self {
            Self::Empty => "leave the setting out, or give it a value".into(),
            Self::Nul => "remove the NUL character; no environment variable or argument can carry one".into(),
            Self::SeveralLines => "give one line".into(),
            Self::Port(_) => "give a whole number from 1 to 65535, such as 3000".into(),
            Self::PackageManager(_) => "give npm, yarn, pnpm or bun".into(),
            Self::NodeVersion(_) => "give a release line such as 22, or an exact version such as 22.11.0".into(),
            Self::Choice { value, known } => match nearest(value, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("give one of {}", known.join(", ")),
            },
            Self::Switch(_) => "give `true` or `false`".into(),
            Self::HealthPath(_) => "give an absolute path without spaces, such as `/api/health`".into(),
            Self::Name(_) => "give a name with at least one ASCII letter or digit, such as `my-shop`".into(),
            Self::Reference(_) => "give a reference such as `ghcr.io/owner/shop:1.2`, or a tag such as `1.2`".into(),
            Self::Tag(error) => error.hint(),
            Self::Image { reason, .. } => reason.hint(),
            Self::ImageWithTag(_) => "give the repository here, and the tag with `--tag`".into(),
            Self::CommitLength(_) => "give a whole number from 4 to 64, such as 12".into(),
            Self::RegistryHost(_) => {
                "give the host as it stands in image references, such as `ghcr.io` or `localhost:5000`".into()
            }
            Self::AwsRegion(_) => "give a region such as `eu-central-1`".into(),
            Self::Environment(_) => "use at most 255 characters on one line, such as `preview`".into(),
            Self::WebAddress(_) => "give the whole address, such as `https://preview.example.com`".into(),
            Self::TagPattern(_) => {
                "use letters, digits, `.`, `_`, `-`, and `*` for any text, such as `dev-*`; at most 128 characters"
                    .into()
            }
            Self::TooManyExclusions => "join exclusions with `*`, such as `dev-*`".into(),
            Self::ExclusionOfNothing => {
                "give `--ecr-tag-mutability immutable` too, or `mutable` when these tags shall not move".into()
            }
            Self::NoExclusion => "give `--ecr-mutability-exclusion PATTERN`, or leave `-with-exclusion` out".into(),
            Self::Encryption(_) => "give `aes256`, `kms`, or `kms:` and the ARN of a key".into(),
            Self::ResourceTag(_) => {
                "give `KEY=VALUE` of letters, digits, spaces and `_.:/=+-@`; the key without `aws:` in front".into()
            }
            Self::Count(_) => "give a whole number, such as 30".into(),
            Self::Platform(_) => "give an operating system and an architecture, such as `linux/amd64`".into(),
            Self::VariableName(_) => "use ASCII letters, digits and `_`, and no digit at the start".into(),
            Self::LabelName(_) => "give `NAME=VALUE`, the name without spaces or quotes".into(),
            Self::NoValue(name) => format!("give `{name}=VALUE`"),
            Self::OwnLabel(_) => "leave it out: `ps`, `stop` and `rollback` know their containers by it".into(),
            Self::Memory(_) => "give a whole number of bytes with an optional unit, such as `512m` or `2g`".into(),
            Self::TooLittleMemory(_) => "give `6m` or more, such as `512m`".into(),
            Self::Duration(_) => "give a number with a unit, such as `90s`, `10m` or `1h30m`".into(),
            Self::ShellSyntax(_) => {
                "put the command line into a script of `package.json` and give `npm run NAME`; variables go to `--env`"
                    .into()
            }
            Self::OpenQuote => "close the quote".into(),
            Self::SecretSyntax(_) => "give `NAME`, `id=ID,src=FILE` or `id=ID,env=NAME`".into(),
            Self::SecretFileSyntax => "give `ID=PATH`; an id has letters, digits, `-`, `_` and `.`".into(),
            Self::SecretTwice(_) => "give each secret once".into(),
            Self::VariableNotSet(name) => format!("set `{name}` for this command"),
            Self::CredentialOfRun(name) => format!(
                "remove `{name}` from the file; if the build may have it, name it with `--secret {name}` (`NEXTDEPLOY_SECRETS`)"
            ),
            Self::NetworkOfFile(network) => format!("if the build may have it, give `--network {network}`"),
            Self::KeySource => {
                "put it into an environment variable and give `env:NAME`, or into a file and give `file:PATH`".into()
            }
            Self::ShortKey => "give at least 16 characters, such as the output of `openssl rand -hex 32`".into(),
            Self::TwoScopes(name) => format!("give `{name}` once; `--env` is for build and image"),
            Self::UnknownLine(_) => {
                "write each entry on one line; give a secret of several lines as a file, with `id=ID,src=FILE`".into()
            }
            Self::NotText => "give a text".into(),
            Self::Word(_) => "give one word without spaces or control characters".into(),
            Self::OutsideRepository(_) => "give a folder inside the repository, relative to its root".into(),
        }
    }
}

impl Diagnostic for SettingsError {
    fn code(&self) -> &'static str {
        self.invalid.code()
    }

    fn hints(&self) -> Vec<String> {
        vec![self.invalid.hint()]
    }

    fn exit_code(&self) -> ExitCode {
        if matches!(self.from.origin, Origin::File(_)) { ExitCode::Project } else { ExitCode::Usage }
    }

    fn location(&self) -> Option<Location> {
        self.from.location.clone()
    }
}
