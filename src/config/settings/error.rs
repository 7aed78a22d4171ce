//! Errors of settings: what is wrong with a value, and where it came from.

use std::fmt;

use crate::diagnostic::{Diagnostic, ExitCode, Location, diagnostics, nearest, printable};
use crate::image_ref::InvalidReference;
use crate::origin::Origin;
use crate::tags::TagError;

/// A setting with an invalid value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{from}: {invalid}")]
pub struct SettingsError {
    /// Boxed, so that results stay small.
    pub from: Box<ValueSource>,
    pub invalid: InvalidValue,
}

impl Diagnostic for SettingsError {
    fn code(&self) -> &'static str {
        self.invalid.code()
    }

    fn hints(&self) -> Vec<String> {
        self.invalid.hints()
    }

    fn exit_code(&self) -> ExitCode {
        if matches!(self.from.origin, Origin::File(_)) { ExitCode::Project } else { ExitCode::Usage }
    }

    fn location(&self) -> Option<Location> {
        self.from.location.clone()
    }
}

/// Where a value came from; decides the exit code.
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

diagnostics! {
    /// What is wrong with a value. Values shown are cut and on one line; secrets are never part of it.
    #[exit(Usage)]
    #[derive(Clone, PartialEq, Eq)]
    pub enum InvalidValue {
        #[error("the value is empty")]
        #[code("settings/empty-value")]
        #[hint("remove the setting, or give it a value")]
        Empty,
        #[error("the value contains a NUL character")]
        #[code("settings/nul-in-value")]
        #[hint("remove the NUL character; no environment variable or argument can hold one")]
        Nul,
        #[error("the value has more than one line")]
        #[code("settings/several-lines")]
        #[hint("use a single line")]
        SeveralLines,
        #[error("invalid port `{0}`")]
        #[code("settings/port")]
        #[hint("use a whole number from 1 to 65535, such as 3000")]
        Port(text: String),
        #[error("unknown package manager `{0}`")]
        #[code("settings/package-manager")]
        #[hint("use npm, yarn, pnpm or bun")]
        PackageManager(text: String),
        #[error("invalid Node.js version `{0}`")]
        #[code("settings/node-version")]
        #[hint("use a release line such as 22, or an exact version such as 22.11.0")]
        NodeVersion(text: String),
        #[error("invalid package `{0}`")]
        #[code("settings/package")]
        #[hint("use the name of a Debian or Alpine package, such as `ffmpeg`, with a version after `=` if it must be exact")]
        SystemPackage(text: String),
        #[error("unknown value `{value}`, expected one of {}", known.join(", "))]
        #[code("settings/unknown-choice")]
        #[hint("{}", match nearest(value, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("use one of {}", known.join(", ")),
        })]
        Choice { value: String, known: &'static [&'static str] },
        #[error("`{0}` is neither true nor false")]
        #[code("settings/not-a-switch")]
        #[hint("use `true` or `false`")]
        Switch(text: String),
        #[error("invalid URL path `{0}`")]
        #[code("settings/health-path")]
        #[hint("use an absolute path without spaces, such as `/api/health`")]
        HealthPath(text: String),
        #[error("invalid app name `{0}`")]
        #[code("settings/app-name")]
        #[hint("use a name with at least one ASCII letter or digit, such as `my-shop`")]
        Name(text: String),
        #[error("invalid image reference or tag `{0}`")]
        #[code("settings/reference")]
        #[hint("use a reference such as `ghcr.io/owner/shop:1.2`, or a tag such as `1.2`")]
        Reference(text: String),
        #[transparent]
        Tag(error: TagError),
        #[error("invalid image repository `{text}`: {reason}")]
        #[code("settings/image")]
        #[hint("{}", reason.hint())]
        Image { text: String, reason: InvalidReference },
        #[error("`{0}` has a tag or a digest, but must be a repository")]
        #[code("settings/image-with-tag")]
        #[hint("give the repository here, and the tag with `--tag`")]
        ImageWithTag(text: String),
        #[error("invalid length of a commit id `{0}`")]
        #[code("settings/commit-length")]
        #[hint("use a whole number from 4 to 64, such as 12")]
        CommitLength(text: String),
        #[error("invalid registry host `{0}`")]
        #[code("settings/registry-host")]
        #[hint("use the host as in image references, such as `ghcr.io` or `localhost:5000`")]
        RegistryHost(text: String),
        #[error("invalid AWS region `{0}`")]
        #[code("settings/aws-region")]
        #[hint("use a region such as `eu-central-1`")]
        AwsRegion(text: String),
        #[error("invalid environment name `{0}`")]
        #[code("settings/environment")]
        #[hint("use at most 255 characters on one line, such as `preview`")]
        Environment(text: String),
        #[error("invalid URL `{0}`")]
        #[code("settings/web-address")]
        #[hint("use a complete URL, such as `https://preview.example.com`")]
        WebAddress(text: String),
        #[error("invalid tag pattern `{0}`")]
        #[code("settings/tag-pattern")]
        #[hint("use letters, digits, `.`, `_`, `-`, and `*` for any text, such as `dev-*`; at most 128 characters")]
        TagPattern(text: String),
        #[error("too many exclusions: ECR allows five")]
        #[code("settings/mutability")]
        #[hint("combine exclusions with `*`, such as `dev-*`")]
        TooManyExclusions,
        #[error("an exclusion needs a tag mutability to be exempt from")]
        #[code("settings/mutability")]
        #[hint("add `--ecr-tag-mutability immutable`, or `mutable` if these tags must not move")]
        ExclusionOfNothing,
        #[error("the tag mutability needs an exclusion")]
        #[code("settings/mutability")]
        #[hint("add `--ecr-mutability-exclusion PATTERN`, or remove `-with-exclusion`")]
        NoExclusion,
        #[error("unknown ECR encryption `{0}`")]
        #[code("settings/encryption")]
        #[hint("use `aes256`, `kms`, or `kms:` and the ARN of a key")]
        Encryption(text: String),
        #[error("invalid AWS resource tag `{0}`")]
        #[code("settings/resource-tag")]
        #[hint("use `KEY=VALUE` of letters, digits, spaces and `_.:/=+-@`; the key must not start with `aws:`")]
        ResourceTag(text: String),
        #[error("`{0}` is not a whole number from 1 to 100000")]
        #[code("settings/count")]
        #[hint("use a whole number, such as 30")]
        Count(text: String),
        #[error("invalid platform `{0}`")]
        #[code("settings/platform")]
        #[hint("use an operating system and an architecture, such as `linux/amd64`")]
        Platform(text: String),
        #[error("a run builds one platform, and the value names several")]
        #[code("settings/several-platforms")]
        #[hint(
            "run once for each platform, first with `{first}` (in CI a matrix of native runners), and join the pushed images with `docker buildx imagetools create`"
        )]
        SeveralPlatforms { first: String },
        #[error("invalid environment variable name `{0}`")]
        #[code("settings/variable-name")]
        #[hint("use ASCII letters, digits and `_`, and start with a letter or `_`")]
        VariableName(text: String),
        #[error("invalid label name `{0}`")]
        #[code("settings/label-name")]
        #[hint("use `NAME=VALUE`, with a name without spaces or quotes")]
        LabelName(text: String),
        #[error("the label `{0}` is reserved")]
        #[code("settings/own-label")]
        #[hint("remove it: `ps`, `stop` and `rollback` find their containers by it")]
        OwnLabel(name: String),
        #[error("`{0}` has no value")]
        #[code("settings/no-value")]
        #[hint("use `{name}=VALUE`")]
        NoValue(name: String),
        #[error("invalid amount of memory `{0}`")]
        #[code("settings/memory")]
        #[hint("use a whole number of bytes with an optional unit, such as `512m` or `2g`")]
        Memory(text: String),
        #[error("`{0}` is too little memory: no container runs with less than 6 MiB")]
        #[code("settings/too-little-memory")]
        #[hint("use `6m` or more, such as `512m`")]
        TooLittleMemory(text: String),
        #[error("invalid duration `{0}`")]
        #[code("settings/duration")]
        #[hint("use a number with a unit, such as `90s`, `10m` or `1h30m`")]
        Duration(text: String),
        #[error("`{0}` needs a shell, and this command is run without one")]
        #[code("settings/start-command")]
        #[hint("move the command line into a script of `package.json` and use `npm run NAME`; set variables with `--env`")]
        ShellSyntax(text: String),
        #[error("a quote is not closed")]
        #[code("settings/start-command")]
        #[hint("close the quote")]
        OpenQuote,
        #[error("the secret {0}")]
        #[code("settings/secret")]
        #[hint("use `NAME`, `id=ID,src=FILE` or `id=ID,env=NAME`")]
        SecretSyntax(problem: String),
        #[error("the file of a secret must be given as `ID=PATH`")]
        #[code("settings/secret")]
        #[hint("use `ID=PATH`; an id has letters, digits, `-`, `_` and `.`")]
        SecretFileSyntax,
        #[error("the secret `{0}` is given twice")]
        #[code("settings/secret")]
        #[hint("give each secret once")]
        SecretTwice(id: String),
        #[error("the environment variable `{0}` is not set")]
        #[code("settings/variable-not-set")]
        #[hint("set `{name}` for this command")]
        VariableNotSet(name: String),
        #[error("`{0}` holds a credential of this run, which a file of the repository cannot pass to the build")]
        #[code("settings/credential-of-run")]
        #[hint("remove `{name}` from the file; if the build may have it, name it with `--secret {name}` (`NEXTDEPLOY_SECRETS`)")]
        CredentialOfRun(name: String),
        #[error("the network `{0}` gives the build access to this machine, which a file of the repository cannot choose")]
        #[code("settings/network-of-file")]
        #[hint("if the build may have it, use `--network {network}`")]
        NetworkOfFile(network: String),
        #[error("a secret cannot be passed on the command line: expected `env:NAME` or `file:PATH`")]
        #[code("settings/secret-source")]
        #[hint("put it in an environment variable and use `env:NAME`, or in a file and use `file:PATH`")]
        KeySource,
        #[error("the key is too short to be secure")]
        #[code("settings/reproducible-key")]
        #[hint("use at least 16 characters, such as the output of `openssl rand -hex 32`")]
        ShortKey,
        #[error("`{0}` is given with different scopes")]
        #[code("settings/two-scopes")]
        #[hint("give `{name}` once; `--env` is for build and image")]
        TwoScopes(name: String),
        #[error("line {0} is neither `NAME=VALUE` nor the name of a variable that is set")]
        #[code("settings/unknown-line")]
        #[hint("write each entry on one line; give a secret of several lines as a file, with `id=ID,src=FILE`")]
        UnknownLine(line: usize),
        #[error("expected a text")]
        #[code("settings/not-text")]
        #[hint("use a text")]
        NotText,
        #[error("invalid name `{0}`")]
        #[code("settings/word")]
        #[hint("use a single word without spaces or control characters")]
        Word(text: String),
        #[error("`{0}` is outside the repository")]
        #[code("settings/outside-repository")]
        #[hint("use a folder inside the repository, relative to its root")]
        OutsideRepository(path: String),
    }
}

impl InvalidValue {
    /// The one hint of it.
    pub(crate) fn hint(&self) -> String {
        self.hints().swap_remove(0)
    }
}
