//! The verbs that work on a repository or an image: `detect` to `pull`, `doctor`, `init`, and `schema`.

use std::path::PathBuf;

use clap::Args;

use super::flags::SettingFlags;

/// Print what is known about the project, and where it comes from.
///
/// Runs nothing and writes nothing. The exit code is 3 if the folder is not a Next.js project that can be built.
#[derive(Debug, Clone, Args)]
pub struct DetectArgs {
    #[command(flatten)]
    pub settings: SettingFlags,
    /// Print JSON.
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}

/// Write `.nextdeploy/metadata.json` and `.nextdeploy/build.lock`.
///
/// They record what the program knows about the project, without absolute paths or secrets.
#[derive(Debug, Clone, Args)]
pub struct MetadataArgs {
    #[command(flatten)]
    pub settings: SettingFlags,
    /// Write nothing; fail with exit code 3 if the two files do not match the repository.
    #[arg(long, help_heading = "Output")]
    pub check: bool,
}

/// Print the plan of the image: base, stages, layers, tags, labels, environment, health check, warnings.
#[derive(Debug, Clone, Args)]
pub struct PlanArgs {
    #[command(flatten)]
    pub settings: SettingFlags,
    /// Print JSON.
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}

/// Print the Dockerfile that would be built.
///
/// `--eject` writes everything that a plain `docker build` needs, to continue without this program.
#[derive(Debug, Clone, Args)]
pub struct DockerfileArgs {
    #[command(flatten)]
    pub settings: SettingFlags,
    /// Write a `Dockerfile`, a `.dockerignore` and the files that they need; existing files are never overwritten.
    #[arg(long, help_heading = "Output")]
    pub eject: bool,
    /// Folder to write to [default: the repository's root].
    #[arg(short, long, value_name = "DIR", requires = "eject", help_heading = "Output")]
    pub output: Option<PathBuf>,
}

/// Build the image.
///
/// The repository is read, never changed. Standard output carries the image reference, or with --json the whole result.
#[derive(Debug, Clone, Args)]
pub struct BuildArgs {
    #[command(flatten)]
    pub settings: SettingFlags,
    /// Print JSON.
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}

/// Check everything a build needs, and print an action for each problem.
///
/// Looks at the repository, the daemon, the credentials and the CI job with the settings of a build; builds and pushes nothing. The exit
/// code is the one that a build would end with, 0 if there is no problem.
#[derive(Debug, Clone, Args)]
pub struct DoctorArgs {
    #[command(flatten)]
    pub settings: SettingFlags,
    /// Print JSON.
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}

/// Push images that are already built.
///
/// Credentials are found as described in docs/registries.md and kept in memory only; no `docker login` is needed. Standard output
/// carries one line per pushed reference, with its digest, or with --json the whole result.
#[derive(Debug, Clone, Args)]
pub struct PushArgs {
    /// Reference of the image in the daemon, with the registry to push to.
    #[arg(value_name = "IMAGE", required = true, help_heading = "Arguments")]
    pub images: Vec<String>,
    #[command(flatten)]
    pub settings: SettingFlags,
    /// Print JSON.
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}

/// Pull an image into the daemon.
///
/// Credentials are found as described in docs/registries.md and kept in memory only. Standard output carries the reference with its
/// digest, or with --json the whole result.
#[derive(Debug, Clone, Args)]
pub struct PullArgs {
    /// Reference of the image, by tag or digest.
    #[arg(value_name = "IMAGE", help_heading = "Arguments")]
    pub image: String,
    #[command(flatten)]
    pub settings: SettingFlags,
    /// Print JSON.
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}

/// Write what a repository needs to build its image in CI: a workflow or job, and lines in ignore files.
///
/// Writes for the CI system given by --ci, github or gitlab, otherwise for the host of the remote `origin`. An existing definition is
/// never changed; --dry-run prints the files instead.
#[derive(Debug, Clone, Args)]
pub struct InitArgs {
    #[command(flatten)]
    pub settings: SettingFlags,
    /// Value of --ci: the system to write for, not the one that this run reports to.
    #[arg(skip)]
    pub ci: Option<String>,
    /// Registry to push to: ghcr, gitlab, ecr, or a host [default: the CI system's own].
    #[arg(long, value_name = "REGISTRY")]
    pub registry: Option<String>,
    /// Where CI gets this program: `OWNER/nextdeploy@COMMIT` or an image [default: the release of this program].
    #[arg(long, value_name = "LOCATION")]
    pub uses: Option<String>,
    /// Print the files instead of writing them.
    #[arg(long)]
    pub dry_run: bool,
}

/// Print the JSON Schema of a file that the program reads or writes; without a name, the list of names.
#[derive(Debug, Clone, Args)]
pub struct SchemaArgs {
    /// Name from the list.
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
}
