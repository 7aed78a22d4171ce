//! `nextdeploy ecr`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::setting::Setting;
use super::words::CliSettings;

/// Repositories, policies and users in Amazon ECR.
#[derive(Debug, Clone, Args)]
#[command(subcommand_required = true, arg_required_else_help = true, disable_help_subcommand = true)]
pub struct Ecr {
    #[command(subcommand)]
    pub command: EcrCommand,
}

#[derive(Debug, Clone, Subcommand)]
pub enum EcrCommand {
    EnsureRepository(EnsureRepository),
    Policy(PolicyArgs),
    ProvisionUser(ProvisionUser),
}

/// Which repository is meant, and how AWS is reached.
#[derive(Debug, Clone, Default, Args)]
pub struct EcrTarget {
    /// Repository: `ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME`, `public.ecr.aws/ALIAS/NAME`, or only its name.
    ///
    /// With only the name, the account is the one of the credentials and the region is --aws-region.
    #[arg(value_name = "REPOSITORY", help_heading = "Arguments")]
    pub repository: String,
    /// AWS region, where the registry's host does not tell it.
    #[arg(long, value_name = "REGION")]
    pub aws_region: Option<String>,
    /// PEM file with certificate authorities to trust besides the system's, also inside a build.
    #[arg(long, value_name = "FILE")]
    pub ca_bundle: Option<String>,
}

/// Create the repository in ECR unless it is there.
///
/// An existing repository is never changed: differences to what was asked for are warnings that say how to change it. Standard
/// output carries the address of the repository, or with --json the whole result.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "AWS")]
pub struct EnsureRepository {
    #[command(flatten)]
    pub target: EcrTarget,
    #[command(flatten)]
    pub ecr: EcrRepositoryArgs,
    /// Ask nothing of AWS, and print what would be asked.
    #[arg(long, help_heading = "Output")]
    pub dry_run: bool,
    /// Print JSON.
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}

/// Print the policy that allows to push to this repository and nothing else.
///
/// With --github-repository also the trust policy of a role that workflows of that repository take on, without any stored key.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Policy")]
pub struct PolicyArgs {
    #[command(flatten)]
    pub target: EcrTarget,
    /// Also allow what --create-repository needs.
    #[arg(long)]
    pub create_repository: bool,
    /// Key that encrypts the repository, when --create-repository shall use one.
    #[arg(long, value_name = "KEY-ARN", requires = "create_repository")]
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
    /// Let every workflow of the repository push, also those of its pull requests.
    #[arg(long, requires = "github_repository")]
    pub any_ref: bool,
    /// Print only one of the two policies.
    #[arg(long, value_name = "WHICH", requires_if("trust", "github_repository"), help_heading = "Output")]
    pub document: Option<PolicyDocument>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PolicyDocument {
    /// What may be done.
    Push,
    /// Who may do it.
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
    /// Remove the user with its keys and rights first, and make it again; only a user that this command made.
    #[arg(long)]
    pub fresh: bool,
    /// Also allow what --create-repository needs.
    #[arg(long)]
    pub create_repository: bool,
    /// New file for the key, readable only by you, instead of standard output; outside of every repository.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub output: Option<PathBuf>,
    /// Ask nothing of AWS, and print what would be asked.
    #[arg(long, help_heading = "Output")]
    pub dry_run: bool,
}

impl Ecr {
    pub fn target(&self) -> &EcrTarget {
        match &self.command {
            EcrCommand::EnsureRepository(verb) => &verb.target,
            EcrCommand::Policy(verb) => &verb.target,
            EcrCommand::ProvisionUser(verb) => &verb.target,
        }
    }

    pub(super) fn collect(&self, words: &mut CliSettings) {
        let target = self.target();
        words.one(Setting::AwsRegion, target.aws_region.as_ref());
        words.one(Setting::CaBundle, target.ca_bundle.as_ref());
        match &self.command {
            EcrCommand::EnsureRepository(verb) => {
                verb.ecr.collect(words);
                words.switch(Setting::DryRun, verb.dry_run);
            }
            EcrCommand::Policy(verb) => words.switch(Setting::CreateRepository, verb.create_repository),
            EcrCommand::ProvisionUser(verb) => {
                words.switch(Setting::CreateRepository, verb.create_repository);
                words.switch(Setting::DryRun, verb.dry_run);
            }
        }
    }
}

/// What a repository is like that is made in ECR. The `ecr` verbs know these flags without `ecr-`, too.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "New repository in ECR")]
pub struct EcrRepositoryArgs {
    /// Whether tags may move: mutable, immutable, mutable-with-exclusion or immutable-with-exclusion [default: mutable].
    #[arg(long, alias = "tag-mutability", value_name = "MUTABILITY")]
    pub ecr_tag_mutability: Option<String>,
    /// Pattern of tags that the mutability does not hold for, such as `latest` or `dev-*`; repeatable, up to five.
    #[arg(long, alias = "mutability-exclusion", value_name = "PATTERN")]
    pub ecr_mutability_exclusion: Vec<String>,
    /// Search pushed images for known weaknesses: true or false [default: true].
    #[arg(long, alias = "scan-on-push", value_name = "WHETHER")]
    pub ecr_scan_on_push: Option<String>,
    /// Encryption of the images: aes256, kms, or kms with the ARN of a key [default: aes256].
    #[arg(long, alias = "encryption", value_name = "aes256|kms[:KEY-ARN]")]
    pub ecr_encryption: Option<String>,
    /// Tag of the repository itself, as a resource of AWS; repeatable.
    #[arg(long, alias = "resource-tag", value_name = "KEY=VALUE")]
    pub ecr_resource_tag: Vec<String>,
    /// Keep this number of images, and expire older ones.
    #[arg(long, alias = "keep-images", value_name = "NUMBER")]
    pub ecr_keep_images: Option<String>,
    /// Expire images without a tag after this number of days.
    #[arg(long, alias = "expire-untagged-days", value_name = "DAYS")]
    pub ecr_expire_untagged_days: Option<String>,
}

impl EcrRepositoryArgs {
    pub(super) fn collect(&self, words: &mut CliSettings) {
        words.one(Setting::EcrTagMutability, self.ecr_tag_mutability.as_ref());
        words.list(Setting::EcrMutabilityExclusion, &self.ecr_mutability_exclusion);
        words.one(Setting::EcrScanOnPush, self.ecr_scan_on_push.as_ref());
        words.one(Setting::EcrEncryption, self.ecr_encryption.as_ref());
        words.list(Setting::EcrResourceTag, &self.ecr_resource_tag);
        words.one(Setting::EcrKeepImages, self.ecr_keep_images.as_ref());
        words.one(Setting::EcrExpireUntaggedDays, self.ecr_expire_untagged_days.as_ref());
    }
}
