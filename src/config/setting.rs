//! The one table of settings: for each its name, kind, input, default, verbs and help.
//!
//! A setting is anything that can be given by flag, `NEXTDEPLOY_*` variable, action input or configuration file. From its row follow
//! the flag of each verb with its help (`cli/`), the names of its variables and of its input, the table in `docs/settings.md` and the
//! inputs of `action.yml` (held by tests). A new setting is one row here, one field of a struct in `settings/values.rs`, and the line
//! of `settings/resolve.rs` that fills it.
//!
//! The rows generate no fields and no resolution: most settings are resolved in one line anyway, and those that need more (secrets,
//! environment, tag rules) would not fit in a row. Flags that concern a single call, such as `--json` or those of `supervise`, are no
//! settings; they are ordinary clap fields of their verb.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// How many values a setting takes, and which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingKind {
    Single,
    /// Repeatable flag; one value per line in a variable.
    List,
    /// Flag without a value; `true` or `false` in a variable.
    Switch,
    /// A credential: `env:NAME` or `file:PATH`, and in a variable also the value itself.
    Secret,
}

/// What the table says about one setting.
#[derive(Debug)]
pub struct SettingRow {
    /// The long flag without dashes.
    pub name: &'static str,
    /// The same with dashes; also the id of the argument, which no field of a verb has.
    pub flag: &'static str,
    pub kind: SettingKind,
    /// Placeholder of the value in help.
    pub value_name: Option<&'static str>,
    /// Name of the action input, if it is not the flag's: plural where Docker's own actions use it (`tags`, `build-args`).
    input: Option<&'static str>,
    pub short: Option<char>,
    /// What the flag means without a value.
    pub alone: Option<&'static str>,
    default: Option<&'static str>,
    /// Heading in help.
    pub heading: &'static str,
    /// Groups of verbs that have the flag.
    verbs: &'static [&'static [&'static str]],
    /// Lines of the documentation comment.
    help: &'static [&'static str],
}

/// Name of the program: a flag of it is one of all verbs.
const PROGRAM: &str = "nextdeploy";
const PROJECT: &[&str] = &["detect", "metadata", "plan", "dockerfile", "build", "doctor"];
const IMAGE: &[&str] = &["plan", "dockerfile", "build", "doctor"];
const BUILD: &[&str] = &["build"];
const REGISTRY: &[&str] = &["build", "doctor", "push", "pull", "run"];
const ECR: &[&str] = &["ensure-repository", "policy", "provision-user"];
const NEW_REPOSITORY: &[&str] = &["build", "push", "ensure-repository"];
const FORGE: &[&str] = &["build", "doctor"];
const DAEMON: &[&str] = &[
    "rollback",
    "kubernetes",
    "compose",
    "ecs",
    "ps",
    "logs",
    "exec",
    "stats",
    "health",
    "stop",
    "restart",
    "rm",
    "supervise",
];

macro_rules! settings {
    ($(
        $(#[doc = $help:literal])+
        $setting:ident = $name:literal: $kind:ident
            $(, value $value:literal)? $(, input $input:literal)? $(, short $short:literal)? $(, alone $alone:literal)?
            $(, default $default:literal)?, under $heading:literal, for [$($verbs:expr),+];
    )+) => {
        /// Every setting, in the order of `docs/settings.md`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Setting {
            $($(#[doc = $help])+ $setting,)+
        }

        impl Setting {
            pub const ALL: &'static [Self] = &[$(Self::$setting),+];
        }

        const ROWS: &[SettingRow] = &[$(SettingRow {
            name: $name,
            flag: concat!("--", $name),
            kind: SettingKind::$kind,
            value_name: optional!($($value)?),
            input: optional!($($input)?),
            short: optional!($($short)?),
            alone: optional!($($alone)?),
            default: optional!($($default)?),
            heading: $heading,
            verbs: &[$($verbs),+],
            help: &[$($help),+],
        }),+];
    };
}

macro_rules! optional {
    () => {
        None
    };
    ($value:expr) => {
        Some($value)
    };
}

settings! {
    /// Repository, or a folder in it.
    Directory = "directory": Single, value "DIR", input "working-directory", default "the current folder",
        under "Arguments", for [PROJECT, &["init", "caddy"]];
    /// App in a workspace with several apps, by package name or by folder.
    App = "app": Single, value "NAME|PATH", under "Project", for [PROJECT, &["init", "caddy", "run"]];
    /// File to read instead of `metadata.json` and `.nextdeploy/metadata.json`.
    ///
    /// Any known shape of `metadata.json`; a file that ends with `.yml` or `.yaml` is read as `nextdeploy.yml`.
    Metadata = "metadata": Single, value "FILE", under "Project", for [PROJECT, &["caddy"]];
    /// Name of the app, from which the image gets its name.
    Name = "name": Single, value "NAME", under "Project", for [PROJECT, &["caddy"]];
    /// Package manager: npm, yarn, pnpm or bun.
    ///
    /// The lockfile decides which version of Yarn it is.
    PackageManager = "package-manager": Single, value "NAME", under "Project", for [PROJECT];
    /// Node.js release line or exact version, such as `22` or `22.11.0`.
    NodeVersion = "node-version": Single, value "VERSION", under "Project", for [PROJECT];
    /// Install without a lockfile, or with one that is out of date; the image is not reproducible then.
    ///
    /// Without it, a missing lockfile is an error. An up-to-date lockfile is used as always.
    Unlocked = "unlocked": Switch, under "Project", for [PROJECT];
    /// Command line that builds the app instead of its build script; run by a shell.
    BuildCommand = "build-command": Single, value "COMMAND", under "Project", for [PROJECT];
    /// Command that starts the app instead of its own server; run without a shell.
    ///
    /// Words are split as a shell does, with quotes; operators and variables are rejected.
    StartCommand = "start-command": Single, value "COMMAND", under "Project", for [PROJECT];
    /// Port that the container listens on.
    Port = "port": Single, value "PORT", under "Project", for [PROJECT, &["caddy"]];
    /// Path that the health check requests, such as `/api/health`.
    HealthPath = "health-path": Single, value "PATH", under "Project", for [PROJECT, &["caddy"]];
    /// Environment variable; repeatable.
    ///
    /// `NAME` alone takes the value from the environment. docs/environment.md lists which variable reaches the build and
    /// which the image; `NEXT_PUBLIC_*` always reaches the build.
    Env = "env": List, value "NAME[=VALUE]", under "Project", for [PROJECT];
    /// Environment variable of the build only; repeatable.
    ///
    /// Not for secrets: see --secret.
    BuildEnv = "build-env": List, value "NAME[=VALUE]", under "Project", for [PROJECT];
    /// File with environment variables of the build only, such as `.env.example`; repeatable.
    ///
    /// Read on this machine as Next.js reads a `.env` file, whether or not git tracks it; nothing of it is in the image. Variables that
    /// are set elsewhere, also in a tracked `.env`, keep their value.
    BuildEnvFile = "build-env-file": List, value "FILE", under "Project", for [PROJECT];
    /// Environment variable of the image only; repeatable.
    RuntimeEnv = "runtime-env": List, value "NAME[=VALUE]", under "Project", for [PROJECT];
    /// How to treat tracked `.env` files: auto, keep or strip.
    ///
    /// `auto` turns harmless values into the image's environment and leaves out those that look like secrets; `keep` leaves
    /// the files in the image; `strip` uses neither files nor values, not even for the build.
    EnvFiles = "env-files": Single, value "POLICY", under "Project", for [PROJECT];
    /// Base image: slim, alpine, distroless, or any image reference.
    Base = "base": Single, value "BASE", default "slim", under "Image", for [IMAGE];
    /// Package of the base image's distribution, such as `ffmpeg`, for the image and its build; repeatable.
    ///
    /// Debian and Alpine only: a name, or `NAME=VERSION`. The base image decides which versions exist.
    Package = "package": List, value "NAME", input "packages", under "Image", for [IMAGE];
    /// Package of the base image's distribution, such as `libpq-dev`, for the build only; repeatable.
    BuildPackage = "build-package": List, value "NAME", input "build-packages", under "Image", for [IMAGE];
    /// Repository that the tags are for, such as `ghcr.io/acme/shop`; repeatable.
    Image = "image": List, value "REPOSITORY", input "images", under "Image", for [IMAGE];
    /// Tag, complete image reference, or tag rule such as `type=semver,pattern={{version}}`; repeatable.
    ///
    /// Rules have the meaning that docker/metadata-action gives them: docs/tags.md.
    Tag = "tag": List, value "TAG|REFERENCE|RULE", input "tags", short 't', under "Image", for [IMAGE];
    /// Options of all tag rules: `latest=auto|true|false`, `prefix=TEXT`, `suffix=TEXT`; repeatable.
    Flavor = "flavor": List, value "NAME=VALUE", under "Image", for [IMAGE];
    /// Label of the image; repeatable.
    Label = "label": List, value "NAME=VALUE", input "labels", under "Image", for [IMAGE];
    /// Platform of the image, such as `linux/arm64`.
    Platform = "platform": Single, value "OS/ARCH[/VARIANT]", default "the daemon's own", under "Image",
        for [IMAGE, &["pull"]];
    /// Build argument; repeatable.
    ///
    /// `NAME` alone takes the value from the environment. Build arguments can be read out of an image: use --secret for secrets.
    BuildArg = "build-arg": List, value "NAME[=VALUE]", input "build-args", under "Image", for [IMAGE];
    /// Secret for the build, never stored in the image; repeatable.
    ///
    /// `NAME` is the environment variable of that name; `id=ID,src=FILE` and `id=ID,env=NAME` have the syntax of docker. During
    /// the build it is the file `/run/secrets/ID`, and the variable `ID` when that is a valid name.
    Secret = "secret": List, value "NAME|id=ID,src=FILE|id=ID,env=NAME", input "secrets", under "Image", for [IMAGE];
    /// Secret for the build that is in a file; repeatable.
    SecretFile = "secret-file": List, value "ID=PATH", input "secret-files", under "Image", for [IMAGE];
    /// Key from which the values that Next.js draws at random are derived, for reproducible builds.
    ReproducibleKey = "reproducible-key": Secret, under "Image", for [IMAGE];
    /// Dockerfile to build: generated, own (the repository's), or a path.
    Dockerfile = "dockerfile": Single, value "WHICH", default "generated", under "Image", for [IMAGE];
    /// Stage of the Dockerfile to stop at.
    Target = "target": Single, value "STAGE", under "Image", for [IMAGE];
    /// Do not use the build cache.
    NoCache = "no-cache": Switch, under "Build", for [BUILD];
    /// Check the registry for a newer base image.
    Pull = "pull": Switch, under "Build", for [BUILD];
    /// Network of the build steps: default, host, none, or the name of a network of the daemon.
    Network = "network": Single, value "MODE", under "Build", for [BUILD];
    /// Image whose layers may be reused; repeatable.
    CacheFrom = "cache-from": List, value "REFERENCE", under "Build", for [BUILD];
    /// Folder that keeps the package store and `.next/cache`, for machines that live for one run.
    ///
    /// Read before the build, written after it; docs/caches.md. Only with BuildKit.
    CacheDir = "cache-dir": Single, value "DIR", under "Build", for [BUILD];
    /// Memory limit of the build steps, such as `2g`; only for builders without BuildKit.
    Memory = "memory": Single, value "SIZE", under "Build", for [BUILD];
    /// Stop the build after this time, such as `90s`, `10m` or `1h30m`.
    BuildTimeout = "build-timeout": Single, value "DURATION", under "Build", for [BUILD];
    /// Builder to use: docker.
    Builder = "builder": Single, value "NAME", default "docker", under "Build", for [BUILD];
    /// Push the image: true, false, or auto.
    ///
    /// `auto` does not push for pull requests from forks, which have no credentials; `--push` alone means `true`.
    Push = "push": Single, value "WHEN", alone "true", default "false", under "Registry", for [BUILD, &["doctor"]];
    /// Create the repository in ECR if it is missing.
    CreateRepository = "create-repository": Switch, under "Registry",
        for [BUILD, &["doctor", "push", "policy", "provision-user"]];
    /// Registry that --username and --password are for, and that images without one go to, such as `ghcr.io`.
    Registry = "registry": Single, value "HOST", under "Registry", for [REGISTRY];
    /// User name for the registry.
    Username = "username": Single, value "NAME", under "Registry", for [REGISTRY];
    /// Password or token for the registry.
    Password = "password": Secret, under "Registry", for [REGISTRY];
    /// GitHub token, for ghcr.io and for comments, commit statuses and deployments.
    GithubToken = "github-token": Secret, default "`GITHUB_TOKEN`", under "Registry", for [REGISTRY];
    /// AWS region, if the registry's host does not name it.
    AwsRegion = "aws-region": Single, value "REGION", under "Registry", for [REGISTRY, ECR];
    /// Whether tags may move: mutable, immutable, mutable-with-exclusion or immutable-with-exclusion.
    EcrTagMutability = "ecr-tag-mutability": Single, value "MUTABILITY", default "mutable",
        under "New repository in ECR", for [NEW_REPOSITORY];
    /// Pattern of tags that are exempt from the mutability, such as `latest` or `dev-*`; repeatable, up to five.
    EcrMutabilityExclusion = "ecr-mutability-exclusion": List, value "PATTERN",
        under "New repository in ECR", for [NEW_REPOSITORY];
    /// Scan pushed images for known vulnerabilities: true or false.
    EcrScanOnPush = "ecr-scan-on-push": Single, value "WHETHER", default "true",
        under "New repository in ECR", for [NEW_REPOSITORY];
    /// Encryption of the images: aes256, kms, or kms with the ARN of a key.
    EcrEncryption = "ecr-encryption": Single, value "aes256|kms[:KEY-ARN]", default "aes256",
        under "New repository in ECR", for [NEW_REPOSITORY];
    /// AWS resource tag of the repository; repeatable.
    EcrResourceTag = "ecr-resource-tag": List, value "KEY=VALUE",
        under "New repository in ECR", for [NEW_REPOSITORY];
    /// Keep this number of images, and expire older ones.
    EcrKeepImages = "ecr-keep-images": Single, value "NUMBER",
        under "New repository in ECR", for [NEW_REPOSITORY];
    /// Expire images without a tag after this number of days.
    EcrExpireUntaggedDays = "ecr-expire-untagged-days": Single, value "DAYS",
        under "New repository in ECR", for [NEW_REPOSITORY];
    /// Write the result into one comment of the pull or merge request.
    Comment = "comment": Switch, under "Pull request", for [FORGE];
    /// Set a commit status on GitHub.
    CommitStatus = "commit-status": Switch, under "Pull request", for [FORGE];
    /// Record a deployment to this environment on GitHub, such as `preview`.
    Deployment = "deployment": Single, value "ENVIRONMENT", under "Pull request", for [FORGE];
    /// URL of the deployment.
    EnvironmentUrl = "environment-url": Single, value "URL", under "Pull request", for [FORGE];
    /// Fail the run if the comment, commit status or deployment cannot be written.
    AnnounceRequired = "announce-required": Switch, under "Pull request", for [FORGE];
    /// GitLab token with the scope `api`, for --comment.
    GitlabToken = "gitlab-token": Secret, default "`GITLAB_TOKEN`", under "Pull request", for [FORGE];
    /// PEM file with certificate authorities to trust besides the system's; trusted inside a build, too.
    CaBundle = "ca-bundle": Single, value "FILE", under "Connection", for [REGISTRY, ECR, DAEMON];
    /// Progress output: auto, plain or tty.
    Progress = "progress": Single, value "STYLE", default "auto", under "Output",
        for [BUILD, &["push", "pull", "run", "rollback"]];
    /// Print what would be done, without talking to the daemon or to AWS.
    DryRun = "dry-run": Switch, under "Output", for [BUILD, &["ensure-repository", "provision-user"]];
    /// Write the result as JSON to a file, with the field names that docker uses.
    MetadataFile = "metadata-file": Single, value "FILE", under "Output", for [BUILD];
    /// Write the image id to a file.
    Iidfile = "iidfile": Single, value "FILE", under "Output", for [BUILD];
    /// Job summary as Markdown: true, false, or a file to write it to.
    Summary = "summary": Single, value "FILE|WHEN", default "true if the CI system shows one",
        under "Output", for [BUILD];
    /// CI system to write the log for: github, gitlab, azure, circleci, buildkite, bitbucket, jenkins, forgejo, gitea or none.
    Ci = "ci": Single, value "NAME", default "detected", under "Messages", for [&[PROGRAM]];
}

impl Setting {
    pub fn row(self) -> &'static SettingRow {
        &ROWS[self as usize]
    }

    /// The long flag without dashes; for [`Setting::Directory`] the name of the positional argument.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    pub fn kind(self) -> SettingKind {
        self.row().kind
    }

    /// `--node-version`, or `DIR` for the positional argument.
    pub fn flag(self) -> &'static str {
        if self == Self::Directory { "DIR" } else { self.row().flag }
    }

    /// Name of the action input.
    pub fn input(self) -> &'static str {
        self.row().input.unwrap_or(self.name())
    }

    /// `NEXTDEPLOY_NODE_VERSION`.
    pub fn variable(self) -> String {
        format!("NEXTDEPLOY_{}", upper(self.input()))
    }

    /// The variables of the action input: as GitHub's runner names it, and as a shell can.
    pub fn input_variables(self) -> [String; 2] {
        [format!("INPUT_{}", self.input().to_ascii_uppercase()), format!("INPUT_{}", upper(self.input()))]
    }

    /// Whether the verb, or the program for `nextdeploy`, has the flag.
    pub fn is_flag_of(self, verb: &str) -> bool {
        self.row().verbs.iter().any(|group| group.contains(&verb))
    }

    /// Help in one line, as clap has it: without a final period, with the default.
    pub fn help(self, verb: &str) -> String {
        let help = match (self, verb) {
            (Self::CreateRepository, "policy" | "provision-user") => {
                "Also allow creating the repository, as --create-repository of `build` does".to_owned()
            }
            _ => self.paragraphs().swap_remove(0).trim_end_matches('.').to_owned(),
        };
        match self.row().default {
            Some(default) => format!("{help} [default: {default}]"),
            None => help,
        }
    }

    /// The whole help, if it says more than [`help`](Self::help).
    pub fn long_help(self, verb: &str) -> Option<String> {
        let mut paragraphs = self.paragraphs();
        if self.kind() == SettingKind::Secret {
            paragraphs.push(SECRET_HELP.to_owned());
        }
        paragraphs[0] = self.help(verb);
        (paragraphs.len() > 1).then(|| paragraphs.join("\n\n"))
    }

    fn paragraphs(self) -> Vec<String> {
        let lines: Vec<&str> = self.row().help.iter().map(|line| line.trim()).collect();
        lines.split(|line| line.is_empty()).map(|paragraph| paragraph.join(" ")).collect()
    }
}

const SECRET_HELP: &str = "Never the value itself: `env:NAME` reads an environment variable, `file:PATH` a file.";

fn upper(name: &str) -> String {
    name.to_ascii_uppercase().replace('-', "_")
}

/// The settings given by flags, still text: values of a flag in the order in which they were typed. A switch that is on has the
/// value `true`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CliSettings {
    values: BTreeMap<Setting, Vec<String>>,
    /// `DIR`, which need not be UTF-8.
    pub directory: Option<PathBuf>,
}

impl CliSettings {
    /// The values typed for `setting`; empty when its flag was not given.
    pub fn get(&self, setting: Setting) -> &[String] {
        self.values.get(&setting).map_or(&[], Vec::as_slice)
    }

    /// Adds a value, as if the flag had been typed.
    pub fn push(&mut self, setting: Setting, value: impl Into<String>) {
        self.values.entry(setting).or_default().push(value.into());
    }

    /// Takes the value of a setting out, the last one if it was repeated.
    pub fn take(&mut self, setting: Setting) -> Option<String> {
        self.values.remove(&setting)?.pop()
    }
}
