//! Groups of flags that several verbs share.

use std::path::PathBuf;

use clap::Args;

use super::setting::Setting;
use super::words::CliSettings;

/// What the project is.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Project")]
pub struct ProjectArgs {
    /// Repository, or a folder in it [default: the current folder].
    #[arg(value_name = "DIR", help_heading = "Arguments")]
    pub directory: Option<PathBuf>,
    /// The app in a workspace that has several, by package name or by folder.
    #[arg(long, value_name = "NAME|PATH")]
    pub app: Option<String>,
    /// File to read instead of `metadata.json` and `.nextdeploy/metadata.json`.
    ///
    /// Any known shape of `metadata.json`; a file that ends with `.yml` or `.yaml` is read as `nextdeploy.yml`.
    #[arg(long, value_name = "FILE")]
    pub metadata: Option<String>,
    /// Name of the app, from which the image gets its name.
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Package manager: npm, yarn, pnpm or bun.
    ///
    /// The lockfile decides which yarn it is.
    #[arg(long, value_name = "NAME")]
    pub package_manager: Option<String>,
    /// Node.js release line or exact version, such as `22` or `22.11.0`.
    #[arg(long, value_name = "VERSION")]
    pub node_version: Option<String>,
    /// Command line that builds the app instead of its build script; a shell runs it.
    #[arg(long, value_name = "COMMAND")]
    pub build_command: Option<String>,
    /// Command that starts the app instead of its own server; no shell runs it.
    ///
    /// Words are split as a shell does, with quotes; operators and variables are refused.
    #[arg(long, value_name = "COMMAND")]
    pub start_command: Option<String>,
    /// Port that the container listens on.
    #[arg(long, value_name = "PORT")]
    pub port: Option<String>,
    /// Path that the health check asks for, such as `/api/health`.
    #[arg(long, value_name = "PATH")]
    pub health_path: Option<String>,
    /// Environment variable; repeatable.
    ///
    /// `NAME` alone takes the value from the environment. Who sees which variable is told in docs/environment.md; `NEXT_PUBLIC_*`
    /// always reaches the build.
    #[arg(long, value_name = "NAME[=VALUE]")]
    pub env: Vec<String>,
    /// Environment variable that only the build sees; repeatable.
    ///
    /// Not for secrets: see --secret.
    #[arg(long, value_name = "NAME[=VALUE]")]
    pub build_env: Vec<String>,
    /// Environment variable that only the image has, not the build; repeatable.
    #[arg(long, value_name = "NAME[=VALUE]")]
    pub runtime_env: Vec<String>,
    /// What becomes of tracked `.env` files: auto, keep or strip.
    ///
    /// `auto` turns harmless values into the image's environment and leaves secret-looking ones out; `keep` leaves the files
    /// in the image; `strip` uses neither files nor values, not even for the build.
    #[arg(long, value_name = "POLICY")]
    pub env_files: Option<String>,
}

impl ProjectArgs {
    pub(super) fn collect(&self, words: &mut CliSettings) {
        words.directory.clone_from(&self.directory);
        words.one(Setting::App, self.app.as_ref());
        words.one(Setting::Metadata, self.metadata.as_ref());
        words.one(Setting::Name, self.name.as_ref());
        words.one(Setting::PackageManager, self.package_manager.as_ref());
        words.one(Setting::NodeVersion, self.node_version.as_ref());
        words.one(Setting::BuildCommand, self.build_command.as_ref());
        words.one(Setting::StartCommand, self.start_command.as_ref());
        words.one(Setting::Port, self.port.as_ref());
        words.one(Setting::HealthPath, self.health_path.as_ref());
        words.list(Setting::Env, &self.env);
        words.list(Setting::BuildEnv, &self.build_env);
        words.list(Setting::RuntimeEnv, &self.runtime_env);
        words.one(Setting::EnvFiles, self.env_files.as_ref());
    }
}

/// What the image is.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Image")]
pub struct ImageArgs {
    /// Base image: slim, alpine, distroless, or any image reference [default: slim].
    #[arg(long, value_name = "BASE")]
    pub base: Option<String>,
    /// Repository that the tags are for, such as `ghcr.io/acme/shop`; repeatable.
    #[arg(long, value_name = "REPOSITORY")]
    pub image: Vec<String>,
    /// Tag, complete image reference, or tag rule such as `type=semver,pattern={{version}}`; repeatable.
    ///
    /// Rules mean what they mean to docker/metadata-action: docs/tags.md.
    #[arg(short, long, value_name = "TAG|REFERENCE|RULE")]
    pub tag: Vec<String>,
    /// What holds for all tag rules: `latest=auto|true|false`, `prefix=TEXT`, `suffix=TEXT`; repeatable.
    #[arg(long, value_name = "NAME=VALUE")]
    pub flavor: Vec<String>,
    /// Label of the image; repeatable.
    #[arg(long, value_name = "NAME=VALUE")]
    pub label: Vec<String>,
    /// Platform to build for, such as `linux/arm64` [default: the daemon's own].
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    pub platform: Option<String>,
    /// Build argument; repeatable.
    ///
    /// `NAME` alone takes the value from the environment. Build arguments can be read out of an image: use --secret for secrets.
    #[arg(long, value_name = "NAME[=VALUE]")]
    pub build_arg: Vec<String>,
    /// Secret for the build, never stored in the image; repeatable.
    ///
    /// `NAME` is the environment variable of that name, `id=ID,src=FILE` and `id=ID,env=NAME` are as docker takes them. During the
    /// build it is the file `/run/secrets/ID`, and the variable `ID` when that is a valid name.
    #[arg(long, value_name = "NAME|id=ID,src=FILE|id=ID,env=NAME")]
    pub secret: Vec<String>,
    /// Secret for the build that is in a file; repeatable.
    #[arg(long, value_name = "ID=PATH")]
    pub secret_file: Vec<String>,
    /// Key from which the values that Next.js draws at random are derived, so that builds repeat.
    ///
    /// Never typed itself: `env:NAME` is an environment variable, `file:PATH` a file.
    #[arg(long, value_name = "env:NAME|file:PATH")]
    pub reproducible_key: Option<String>,
    /// Dockerfile to build: generated, own (the repository's), or a path [default: generated].
    #[arg(long, value_name = "WHICH")]
    pub dockerfile: Option<String>,
    /// Stage of the Dockerfile at which to stop.
    #[arg(long, value_name = "STAGE")]
    pub target: Option<String>,
}

impl ImageArgs {
    pub(super) fn collect(&self, words: &mut CliSettings) {
        words.one(Setting::Base, self.base.as_ref());
        words.list(Setting::Image, &self.image);
        words.list(Setting::Tag, &self.tag);
        words.list(Setting::Flavor, &self.flavor);
        words.list(Setting::Label, &self.label);
        words.one(Setting::Platform, self.platform.as_ref());
        words.list(Setting::BuildArg, &self.build_arg);
        words.list(Setting::Secret, &self.secret);
        words.list(Setting::SecretFile, &self.secret_file);
        words.one(Setting::ReproducibleKey, self.reproducible_key.as_ref());
        words.one(Setting::Dockerfile, self.dockerfile.as_ref());
        words.one(Setting::Target, self.target.as_ref());
    }
}

/// Which registry, and who asks.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Registry")]
pub struct RegistryArgs {
    /// Registry that --username and --password are for, and that images without one go to, such as `ghcr.io`.
    #[arg(long, value_name = "HOST")]
    pub registry: Option<String>,
    /// User name for the registry.
    #[arg(long, value_name = "NAME")]
    pub username: Option<String>,
    /// Password or token for the registry.
    ///
    /// Never typed itself: `env:NAME` is an environment variable, `file:PATH` a file.
    #[arg(long, value_name = "env:NAME|file:PATH")]
    pub password: Option<String>,
    /// Token of GitHub, for ghcr.io and for what is told to GitHub [default: `GITHUB_TOKEN`].
    ///
    /// Never typed itself: `env:NAME` is an environment variable, `file:PATH` a file.
    #[arg(long, value_name = "env:NAME|file:PATH")]
    pub github_token: Option<String>,
    /// AWS region, where the registry's host does not tell it.
    #[arg(long, value_name = "REGION")]
    pub aws_region: Option<String>,
}

impl RegistryArgs {
    pub(super) fn collect(&self, words: &mut CliSettings) {
        words.one(Setting::Registry, self.registry.as_ref());
        words.one(Setting::Username, self.username.as_ref());
        words.one(Setting::Password, self.password.as_ref());
        words.one(Setting::GithubToken, self.github_token.as_ref());
        words.one(Setting::AwsRegion, self.aws_region.as_ref());
    }
}

/// What is told to GitHub or GitLab about the build.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Pull request")]
pub struct ForgeArgs {
    /// Write the result into one comment of the pull or merge request.
    #[arg(long)]
    pub comment: bool,
    /// Set a commit status on GitHub.
    #[arg(long)]
    pub commit_status: bool,
    /// Record a deployment to this environment on GitHub, such as `preview`.
    #[arg(long, value_name = "ENVIRONMENT")]
    pub deployment: Option<String>,
    /// Address at which the deployment can be visited.
    #[arg(long, value_name = "URL")]
    pub environment_url: Option<String>,
    /// Fail the run when comment, commit status or deployment cannot be written.
    #[arg(long)]
    pub announce_required: bool,
    /// Token of GitLab with the scope `api`, for --comment [default: `GITLAB_TOKEN`].
    ///
    /// Never typed itself: `env:NAME` is an environment variable, `file:PATH` a file.
    #[arg(long, value_name = "env:NAME|file:PATH")]
    pub gitlab_token: Option<String>,
}

impl ForgeArgs {
    pub(super) fn collect(&self, words: &mut CliSettings) {
        words.switch(Setting::Comment, self.comment);
        words.switch(Setting::CommitStatus, self.commit_status);
        words.one(Setting::Deployment, self.deployment.as_ref());
        words.one(Setting::EnvironmentUrl, self.environment_url.as_ref());
        words.switch(Setting::AnnounceRequired, self.announce_required);
        words.one(Setting::GitlabToken, self.gitlab_token.as_ref());
    }
}

/// How the daemon and registries are reached, and how that is shown.
#[derive(Debug, Clone, Default, Args)]
pub struct ConnectionArgs {
    /// PEM file with certificate authorities to trust besides the system's, also inside a build.
    #[arg(long, value_name = "FILE", help_heading = "Connection")]
    pub ca_bundle: Option<String>,
    /// Show progress as: auto, plain or tty [default: auto].
    #[arg(long, value_name = "STYLE", help_heading = "Output")]
    pub progress: Option<String>,
}

impl ConnectionArgs {
    pub(super) fn collect(&self, words: &mut CliSettings) {
        words.one(Setting::CaBundle, self.ca_bundle.as_ref());
        words.one(Setting::Progress, self.progress.as_ref());
    }
}
