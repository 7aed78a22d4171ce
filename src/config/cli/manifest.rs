//! `nextdeploy manifest`.

use clap::{Args, Subcommand};

use super::containers::DaemonArgs;
use super::launch::ContainerArgs;
use super::words::CliSettings;

/// Print what other engines need to run the same container.
///
/// The image is read from the daemon; the engine itself is not asked. Secrets are named, and their values stand nowhere.
#[derive(Debug, Clone, Args)]
#[command(subcommand_required = true, arg_required_else_help = true, disable_help_subcommand = true)]
pub struct Manifest {
    #[command(subcommand)]
    pub command: ManifestCommand,
}

#[derive(Debug, Clone, Subcommand)]
pub enum ManifestCommand {
    Kubernetes(Box<Kubernetes>),
    Compose(Box<Compose>),
    Ecs(Box<Ecs>),
}

/// What all of them are made of.
#[derive(Debug, Clone, Default, Args)]
pub struct ManifestArgs {
    /// Image that the daemon has, named as the engine shall pull it [default: that of the container document].
    #[arg(value_name = "IMAGE", required_unless_present = "spec", help_heading = "Arguments")]
    pub image: Option<String>,
    /// Container document (JSON or YAML, docs/container.md).
    #[arg(long, value_name = "FILE", help_heading = "Container")]
    pub spec: Option<String>,
    #[command(flatten)]
    pub container: ContainerArgs,
    #[command(flatten)]
    pub daemon: DaemonArgs,
}

/// Print Deployment, Service, `PodDisruptionBudget` and, with --host, Ingress for Kubernetes.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Kubernetes")]
pub struct Kubernetes {
    #[command(flatten)]
    pub manifest: ManifestArgs,
    /// How many pods run.
    #[arg(long, value_name = "NUMBER", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    pub replicas: u32,
    /// Namespace of all objects [default: that of the context].
    #[arg(long, value_name = "NAME")]
    pub namespace: Option<String>,
    /// Name that an Ingress leads to the app; repeatable.
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
    pub manifest: ManifestArgs,
    /// How many containers run.
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub replicas: u32,
    /// Caddy in front, from this image; it reads `./Caddyfile`.
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
    pub manifest: ManifestArgs,
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

impl Manifest {
    /// What is the same for all engines.
    pub fn args(&self) -> &ManifestArgs {
        match &self.command {
            ManifestCommand::Kubernetes(verb) => &verb.manifest,
            ManifestCommand::Compose(verb) => &verb.manifest,
            ManifestCommand::Ecs(verb) => &verb.manifest,
        }
    }

    pub(super) fn collect(&self, words: &mut CliSettings) {
        self.args().daemon.collect(words);
    }
}
