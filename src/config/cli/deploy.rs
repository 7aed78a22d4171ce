//! The verbs that deploy: `run`, `rollback`, `manifest`, `proxy`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::flags::SettingFlags;

/// Run an app in a container and wait until it is healthy.
///
/// From an image (pulled if the daemon lacks it), a repository (built first, with the settings of `build` from variables and files), or
/// a container document. Defaults are derived from what the image says about the app: docs/running.md. Standard output carries the
/// name of the container, or with --json the whole result.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Container")]
pub struct RunArgs {
    /// Image reference, folder of a repository, or container document (`.json`, `.yml`, `.yaml`) [default: the current folder].
    #[arg(value_name = "IMAGE|DIR|DOCUMENT", help_heading = "Arguments")]
    pub target: Option<String>,
    /// Container document (docs/container.md); flags override it.
    #[arg(long, value_name = "FILE", help_heading = "Arguments")]
    pub spec: Option<String>,
    #[command(flatten)]
    pub container: ContainerArgs,
    #[command(flatten)]
    pub replace: ReplaceArgs,
    #[command(flatten)]
    pub swarm: SwarmArgs,
    /// Time limit for the container to become healthy, such as `90s` or `5m` [default: 2m].
    #[arg(long, value_name = "DURATION")]
    pub wait_timeout: Option<String>,
    #[command(flatten)]
    pub settings: SettingFlags,
    /// Print what would be run, with the reason for each choice, and run nothing.
    #[arg(long, help_heading = "Output")]
    pub dry_run: bool,
    /// Print JSON.
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}

/// The container's own options.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Container")]
pub struct ContainerArgs {
    /// Name of the container [default: the app and its commit].
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Host port to publish the app at; repeatable; `none` publishes nothing [default: the app's port on 127.0.0.1].
    ///
    /// `[ADDRESS:]PORT`, or `[ADDRESS:]PORT:CONTAINER_PORT`; port 0 picks a free one.
    #[arg(short, long, value_name = "[ADDRESS:]PORT")]
    pub publish: Vec<String>,
    /// Network to join, created if missing [default: nextdeploy].
    #[arg(long, value_name = "NAME")]
    pub network: Option<String>,
    /// Environment variable; repeatable.
    ///
    /// `NAME` alone takes the value from the environment. Not for secrets: see --secret.
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    pub env: Vec<String>,
    /// File with environment variables, as Next.js reads `.env`; repeatable.
    #[arg(long, value_name = "FILE")]
    pub env_file: Vec<String>,
    /// Secret for the app; repeatable.
    ///
    /// `NAME` is the environment variable of that name, `id=ID,src=FILE` and `id=ID,env=NAME` are as for `build`. The app sees the file
    /// `/run/secrets/ID`, and the variable `ID` when that is a valid name.
    #[arg(long, value_name = "NAME|id=ID,src=FILE|id=ID,env=NAME")]
    pub secret: Vec<String>,
    /// How secrets reach the app [default: files].
    ///
    /// `files` are kept in memory and not shown by the daemon; `env` sets variables, which every user of the daemon can read.
    #[arg(long, value_name = "KIND")]
    pub secrets_as: Option<SecretsAsArg>,
    /// Memory limit, such as `512m`, or `none` [default: 512m with server-rendered routes, else 256m].
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<String>,
    /// CPU limit, such as `1.5`, or `none` [default: none].
    #[arg(long, value_name = "NUMBER")]
    pub cpus: Option<String>,
    /// Limit of processes and threads, or `none` [default: 512].
    #[arg(long, value_name = "NUMBER")]
    pub pids: Option<String>,
    /// Restart policy: no, on-failure[:TIMES], always or unless-stopped [default: unless-stopped].
    #[arg(long, value_name = "POLICY")]
    pub restart: Option<String>,
    /// Mount; repeatable: `VOLUME:TARGET`, `/PATH:TARGET` or `./PATH:TARGET`, with `:ro` to forbid writing.
    #[arg(long, value_name = "SOURCE:TARGET[:ro]")]
    pub volume: Vec<String>,
    /// Make the file system read-only except where the app writes [default: if those places are known].
    #[arg(long, conflicts_with = "writable")]
    pub read_only: bool,
    /// Keep the file system writable.
    #[arg(long)]
    pub writable: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SecretsAsArg {
    Files,
    Env,
}

/// How a container replaces another one.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Replacing")]
pub struct ReplaceArgs {
    /// Replace the running container of the same app; if the new one fails, the old one keeps running.
    #[arg(long)]
    pub replace: bool,
    /// Admin API of the Caddy in front, such as `http://127.0.0.1:2019`; switched to the new container without losing a request.
    #[arg(long, value_name = "URL", requires = "replace")]
    pub proxy: Option<String>,
    /// Time for the old container to finish requests before it stops [default: 10s].
    #[arg(long, value_name = "DURATION", requires = "replace")]
    pub drain: Option<String>,
    /// Host folder that receives the hashed assets (`_next/static`) of the new image beside those of the old one.
    ///
    /// For the proxy to serve; without --proxy the container serves them from there itself.
    #[arg(long, value_name = "DIR")]
    pub assets: Option<String>,
}

/// A service instead of a container.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Swarm")]
pub struct SwarmArgs {
    /// Create or update a Swarm service: rolled out task by task, rolled back if a task fails.
    #[arg(long, conflicts_with_all = ["replace", "assets"])]
    pub swarm: bool,
    /// Number of tasks of the service [default: unchanged, 1 for a new service].
    #[arg(long, value_name = "NUMBER", requires = "swarm", value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub replicas: Option<u64>,
}

/// Roll back to the previous container.
///
/// It is started beside the current one and, once healthy, replaces it as `run --replace` does. Standard output carries its name,
/// or with --json the whole result.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Replacing")]
pub struct RollbackArgs {
    /// Name of the app.
    #[arg(value_name = "APP", help_heading = "Arguments")]
    pub app: String,
    /// Admin API of the Caddy in front, such as `http://127.0.0.1:2019`.
    #[arg(long, value_name = "URL")]
    pub proxy: Option<String>,
    /// Time for the current container to finish requests before it stops [default: 10s].
    #[arg(long, value_name = "DURATION")]
    pub drain: Option<String>,
    /// Time limit for the container to become healthy [default: 2m].
    #[arg(long, value_name = "DURATION")]
    pub wait_timeout: Option<String>,
    /// Roll the service back to its state before the last update.
    #[arg(long, help_heading = "Swarm", conflicts_with_all = ["proxy", "drain"])]
    pub swarm: bool,
    #[command(flatten)]
    pub settings: SettingFlags,
    /// Print JSON.
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}

/// Print manifests that run the same container on other platforms.
///
/// The image is read from the daemon; the other platform is not contacted. Secrets are referenced by name, never by value.
#[derive(Debug, Clone, Args)]
#[command(subcommand_required = true, arg_required_else_help = true, disable_help_subcommand = true)]
pub struct ManifestArgs {
    #[command(subcommand)]
    pub command: ManifestCommand,
}

#[derive(Debug, Clone, Subcommand)]
pub enum ManifestCommand {
    Kubernetes(Box<Kubernetes>),
    Compose(Box<Compose>),
    Ecs(Box<Ecs>),
}

/// Arguments of all manifests.
#[derive(Debug, Clone, Default, Args)]
pub struct SharedManifestArgs {
    /// Image in the daemon, named as the platform pulls it [default: that of the container document].
    #[arg(value_name = "IMAGE", required_unless_present = "spec", help_heading = "Arguments")]
    pub image: Option<String>,
    /// Container document (JSON or YAML, docs/container.md).
    #[arg(long, value_name = "FILE", help_heading = "Container")]
    pub spec: Option<String>,
    #[command(flatten)]
    pub container: ContainerArgs,
    #[command(flatten)]
    pub settings: SettingFlags,
}

/// Print Deployment, Service, `PodDisruptionBudget` and, with --host, Ingress for Kubernetes.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Kubernetes")]
pub struct Kubernetes {
    #[command(flatten)]
    pub manifest: SharedManifestArgs,
    /// Number of pods.
    #[arg(long, value_name = "NUMBER", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    pub replicas: u32,
    /// Namespace of all objects [default: that of the context].
    #[arg(long, value_name = "NAME")]
    pub namespace: Option<String>,
    /// Host name that an Ingress routes to the app; repeatable.
    #[arg(long, value_name = "HOST")]
    pub host: Vec<String>,
    /// Class of the Ingress.
    #[arg(long, value_name = "NAME", requires = "host")]
    pub ingress_class: Option<String>,
    /// Secret with the certificate of the hosts.
    #[arg(long, value_name = "NAME", requires = "host")]
    pub tls_secret: Option<String>,
    /// Secret with the values of the app's secrets, one key for each [default: the app's name and `-secrets`].
    #[arg(long, value_name = "NAME")]
    pub secret_name: Option<String>,
    /// Secret with the credentials of the registry.
    #[arg(long, value_name = "NAME")]
    pub pull_secret: Option<String>,
}

/// Print a Compose file.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Compose")]
pub struct Compose {
    #[command(flatten)]
    pub manifest: SharedManifestArgs,
    /// Number of containers.
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub replicas: u32,
    /// Add Caddy in front, from this image; it reads `./Caddyfile`.
    #[arg(long, value_name = "IMAGE", num_args = 0..=1, require_equals = true, default_missing_value = "caddy:2")]
    pub caddy: Option<String>,
    /// Folder with one file for each secret.
    #[arg(long, value_name = "DIR", default_value = "./secrets")]
    pub secrets_dir: String,
}

/// Print a task definition for Amazon ECS on Fargate.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Amazon ECS")]
pub struct Ecs {
    #[command(flatten)]
    pub manifest: SharedManifestArgs,
    /// Region of AWS.
    #[arg(long, value_name = "REGION")]
    pub aws_region: String,
    /// Role that pulls the image, reads the secrets and writes the log.
    #[arg(long, value_name = "ARN")]
    pub execution_role: String,
    /// Role of the app itself.
    #[arg(long, value_name = "ARN")]
    pub task_role: Option<String>,
    /// Where a secret is, in Secrets Manager or as a parameter of Systems Manager; repeatable.
    #[arg(long, value_name = "NAME=ARN")]
    pub secret_arn: Vec<String>,
    /// Log group [default: `/ecs/` and the app's name].
    #[arg(long, value_name = "NAME")]
    pub log_group: Option<String>,
}

impl ManifestArgs {
    /// Arguments of all manifests.
    pub fn args(&self) -> &SharedManifestArgs {
        match &self.command {
            ManifestCommand::Kubernetes(verb) => &verb.manifest,
            ManifestCommand::Compose(verb) => &verb.manifest,
            ManifestCommand::Ecs(verb) => &verb.manifest,
        }
    }
}

/// Configure the proxy in front of the app.
#[derive(Debug, Clone, Args)]
#[command(subcommand_required = true, arg_required_else_help = true, disable_help_subcommand = true)]
pub struct ProxyArgs {
    #[command(subcommand)]
    pub command: ProxyCommand,
}

#[derive(Debug, Clone, Subcommand)]
pub enum ProxyCommand {
    Caddy(Box<Caddy>),
}

/// Print a Caddy configuration for the app, or load it into a running Caddy.
///
/// Name, port, base path and health path are those of the app in DIR. With --name and --upstream and without DIR no
/// repository is read, for use on servers.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Site")]
pub struct Caddy {
    #[command(flatten)]
    pub settings: SettingFlags,
    /// Address of the site: a domain (with TLS), `localhost`, `localhost:8080` or `:8080` (without); repeatable.
    #[arg(long, value_name = "ADDRESS", required_unless_present = "remove")]
    pub domain: Vec<String>,
    /// Where the app listens, as the proxy sees it [default: 127.0.0.1 and the port of the app].
    #[arg(long, value_name = "HOST:PORT")]
    pub upstream: Option<String>,
    /// `basePath` of the app [default: that of next.config].
    #[arg(long, value_name = "PATH")]
    pub base_path: Option<String>,
    /// Folder on the machine of the proxy with hashed files of this and of earlier versions: `DIR/_next/static/…`.
    ///
    /// Its layout matches the URLs. Files that are missing in it are requested from the app.
    #[arg(long, value_name = "DIR")]
    pub assets: Option<String>,
    /// Output format: caddyfile, site (a Caddyfile to import in another one) or json.
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "caddyfile",
        hide_possible_values = true,
        help_heading = "Output"
    )]
    pub format: CaddyFormat,
    /// Load the site into the running Caddy instead of printing it; its other sites are kept.
    #[arg(long, visible_alias = "reload", conflicts_with = "format", help_heading = "Running Caddy")]
    pub load: bool,
    /// Folder that this user writes and Caddy's user reads: `run --replace` switches there without a new configuration, or `none`
    /// [default: `/var/lib/nextdeploy/proxy` as root, else `nextdeploy/proxy` in the user's state folder].
    #[arg(long, value_name = "DIR", requires = "load", help_heading = "Running Caddy")]
    pub switch_dir: Option<PathBuf>,
    /// Remove the app's site from the running Caddy.
    #[arg(long, conflicts_with_all = ["load", "format", "domain"], help_heading = "Running Caddy")]
    pub remove: bool,
    /// Caddy's admin API.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:2019", help_heading = "Running Caddy")]
    pub admin: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum CaddyFormat {
    #[default]
    Caddyfile,
    Site,
    Json,
}
