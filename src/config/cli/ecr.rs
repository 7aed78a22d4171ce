//! `nextdeploy ecr`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::flags::SettingFlags;

/// Repositories, policies and users in Amazon ECR.
#[derive(Debug, Clone, Args)]
#[command(subcommand_required = true, arg_required_else_help = true, disable_help_subcommand = true)]
pub struct EcrArgs {
    #[command(subcommand)]
    pub command: EcrCommand,
}

#[derive(Debug, Clone, Subcommand)]
pub enum EcrCommand {
    EnsureRepository(EnsureRepository),
    Policy(PolicyArgs),
    ProvisionUser(ProvisionUser),
}

/// The repository in ECR.
#[derive(Debug, Clone, Default, Args)]
pub struct EcrTarget {
    /// Repository: `ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME`, `public.ecr.aws/ALIAS/NAME`, or only its name.
    ///
    /// With only the name, the account is the one of the credentials and the region is --aws-region.
    #[arg(value_name = "REPOSITORY", help_heading = "Arguments")]
    pub repository: String,
}

/// Create the repository in ECR if it is missing.
///
/// An existing repository is never changed: differences from the settings are warnings with the command to change them. Standard
/// output carries the address of the repository, or with --json the whole result.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "AWS")]
pub struct EnsureRepository {
    #[command(flatten)]
    pub target: EcrTarget,
    #[command(flatten)]
    pub settings: SettingFlags,
    /// Print JSON.
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}

/// Print the IAM policy that allows pushing to this repository and nothing else.
///
/// With --github-repository also the trust policy of a role that workflows of that repository assume, without a stored key.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Policy")]
pub struct PolicyArgs {
    #[command(flatten)]
    pub target: EcrTarget,
    /// KMS key of the repository, for --create-repository.
    #[arg(long, value_name = "KEY-ARN", requires = "--create-repository")]
    pub kms_key: Option<String>,
    /// Repository on GitHub whose workflows may push, spelled as on GitHub.
    #[arg(long, value_name = "OWNER/NAME")]
    pub github_repository: Option<String>,
    /// Branch whose workflows may push; repeatable, `*` stands for any text [default: main].
    #[arg(long, value_name = "BRANCH", requires = "github_repository", conflicts_with = "any_ref")]
    pub branch: Vec<String>,
    /// Git tag whose workflows may push, such as `v*`; repeatable.
    #[arg(long, value_name = "TAG", requires = "github_repository", conflicts_with = "any_ref")]
    pub git_tag: Vec<String>,
    /// Environment on GitHub whose jobs may push; repeatable.
    #[arg(long, value_name = "NAME", requires = "github_repository", conflicts_with = "any_ref")]
    pub environment: Vec<String>,
    /// Let every workflow of the repository push, including those of its pull requests.
    #[arg(long, requires = "github_repository")]
    pub any_ref: bool,
    #[command(flatten)]
    pub settings: SettingFlags,
    /// Print only one of the two policies.
    #[arg(long, value_name = "WHICH", requires_if("trust", "github_repository"), help_heading = "Output")]
    pub document: Option<PolicyDocument>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PolicyDocument {
    /// Permissions to push.
    Push,
    /// Who may assume the role.
    Trust,
}

/// Create an IAM user with an access key that may push to this repository and nothing else.
///
/// For CI systems without OIDC; `ecr policy --github-repository` needs no key at all. The key is shown once, as JSON on standard
/// output, or goes to the file of --output.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "User")]
pub struct ProvisionUser {
    #[command(flatten)]
    pub target: EcrTarget,
    /// Name of the user [default: `nextdeploy-` and the name of the repository].
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// Delete and recreate the user with its keys and policies; only a user that this command created.
    #[arg(long)]
    pub fresh: bool,
    #[command(flatten)]
    pub settings: SettingFlags,
    /// New file for the key, readable only by you, instead of standard output; outside of every repository.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub output: Option<PathBuf>,
}

impl EcrArgs {
    pub fn target(&self) -> &EcrTarget {
        match &self.command {
            EcrCommand::EnsureRepository(verb) => &verb.target,
            EcrCommand::Policy(verb) => &verb.target,
            EcrCommand::ProvisionUser(verb) => &verb.target,
        }
    }
}
