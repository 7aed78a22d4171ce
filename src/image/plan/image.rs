//! Input and output of planning: [`Inputs`], and [`ImagePlan`], the image as it will be built, in the order of the Dockerfile.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::config::settings::{EnvFilePolicy, PublishSettings, SecretValue, Settings};
use crate::diagnostic::Warning;
use crate::image_ref::{ImageRef, RegistryHost};
use crate::origin::Sourced;
use crate::project::{NextVersion, NodeRequirement, PackageManager, ProjectFacts};
use crate::rel_path::RelPath;
use crate::repo::SourceTree;
use crate::repo::ci::CiContext;

/// Input of planning.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    pub settings: &'a Settings,
    /// The destination only determines the names of the image.
    pub publish: &'a PublishSettings,
    pub ci: &'a CiContext,
    pub facts: &'a ProjectFacts,
    pub tree: &'a SourceTree,
}

/// Everything that determines the Dockerfile, the build context and the build request.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImagePlan {
    pub schema_version: u32,
    /// Last part of the default tags; a valid repository name.
    pub name: Sourced<String>,
    /// Complete references, the primary one first.
    pub tags: Vec<Sourced<ImageRef>>,
    /// The registries of `tags`, each with the origin of its host. Determines who gets credentials; not part of the image.
    #[serde(skip)]
    pub registries: Vec<Sourced<RegistryHost>>,
    pub app_dir: RelPath,
    /// The project of Next.js.
    pub next_dir: RelPath,
    pub node: Sourced<NodeRequirement>,
    pub next_version: Sourced<NextVersion>,
    pub base: BasePlan,
    pub system_packages: Vec<SystemPackage>,
    pub install: InstallPlan,
    pub build: BuildPlan,
    pub output: OutputPlan,
    pub runtime: RuntimePlan,
    pub labels: BTreeMap<String, String>,
    pub secrets: Vec<PlannedSecret>,
    /// What the project says it needs and the build does not get.
    pub missing_variables: Vec<MissingVariable>,
    /// How tracked `.env` files are treated.
    pub env_files: EnvFilePolicy,
    /// Makes the build ids of two projects with the same sources differ.
    pub build_id_salt: String,
    /// Time of the commit in seconds since the epoch.
    pub source_date_epoch: Option<i64>,
    pub warnings: Vec<Warning>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BasePlan {
    pub flavour: BaseFlavour,
    /// Image of the stages that install and build.
    pub build: Sourced<ImageRef>,
    /// Image that the result is based on.
    pub runtime: Sourced<ImageRef>,
    pub libc: Libc,
    /// Node.js in the runtime image: a name on `PATH`, or an absolute path where there is no shell to look it up.
    pub node_path: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BaseFlavour {
    /// Minimal Debian.
    Slim,
    Alpine,
    /// No shell and no package manager in the result.
    Distroless,
    /// Any other image, chosen by the user.
    Custom,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Libc {
    Glibc,
    Musl,
}

/// A package of the distribution that the base images lack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SystemPackage {
    /// Name on Debian and its relatives.
    pub debian: String,
    pub alpine: String,
    /// A command that makes the package unnecessary where it exists.
    pub command: Option<&'static str>,
    pub reason: String,
    /// Installed in the image as well, not only in the build stages.
    pub runtime: bool,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InstallPlan {
    pub package_manager: Sourced<PackageManager>,
    pub setup: ManagerSetup,
    /// Folder of the lockfile, in which the install runs.
    pub dir: RelPath,
    /// `.npmrc` next to the lockfile, which may name another registry for the package manager itself.
    pub npmrc: Option<RelPath>,
    /// Variables of the install steps, not of the image.
    pub environment: BTreeMap<String, String>,
    pub command: Vec<String>,
    /// Second install without development dependencies, for apps with a custom server.
    pub production_command: Option<Vec<String>>,
    pub cache: CacheMount,
    /// Manifests, sent without the fields that no install reads.
    pub manifests: Vec<RelPath>,
    /// Manifests of packages that are copied into `node_modules`, sent without their scripts only.
    pub copied_manifests: Vec<RelPath>,
    /// Files sent as they are: lockfile, configuration, patches, schemas.
    pub files: Vec<RelPath>,
    /// Folders sent as they are.
    pub folders: Vec<RelPath>,
    /// Ids of the secrets that this step reads.
    pub secrets: Vec<String>,
}

/// How the package manager is installed in the build stages; never with Corepack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "kind", content = "value")]
pub enum ManagerSetup {
    /// The npm of the base image.
    Bundled,
    /// An exact package from the npm registry: `pnpm@10.12.4`.
    Package(String),
    /// The Yarn release committed to the repository.
    File(RelPath),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CacheMount {
    pub id: String,
    pub target: String,
    pub sharing: CacheSharing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CacheSharing {
    Shared,
    /// One build at a time.
    Locked,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BuildPlan {
    /// Variables of the build stage, not of the image.
    pub environment: BTreeMap<String, String>,
    /// Scripts of the project that an install would have run, and code generators.
    pub prepare: Vec<PlannedCommand>,
    /// Workspace dependencies first, then the app.
    pub commands: Vec<PlannedCommand>,
    /// Folders that Next.js writes to, which are never sent.
    pub outputs: Vec<RelPath>,
    /// `.next/cache`, never shared between projects; `None` if its path cannot be used as a mount target.
    pub cache: Option<CacheMount>,
    /// Heap limit of Node.js in MiB; `None`: derived from the memory limit found during the build.
    pub heap_limit: Option<u64>,
    /// Ids of the secrets that these steps read.
    pub secrets: Vec<String>,
}

/// A command in a folder of the project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedCommand {
    pub dir: RelPath,
    pub argv: Vec<String>,
    /// Why it runs.
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OutputPlan {
    pub mode: ImageMode,
    pub reason: String,
    /// How the app starts when it has a custom server.
    pub start_command: Option<Sourced<Vec<String>>>,
    /// Version of the added image optimiser, if Next.js has none.
    pub sharp: Option<&'static str>,
    /// `.env` files stay in the image.
    pub keep_env_files: bool,
    /// A program of the build stages that the start command needs.
    pub added_program: Option<&'static str>,
}

/// What the image serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImageMode {
    /// Next.js' traced server.
    Standalone,
    /// Files of `output: 'export'`.
    Export,
    /// A custom server of the project, with production dependencies.
    Server,
    /// `output` cannot be known before the build: standalone or export, depending on what the build produces.
    Unknown,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RuntimePlan {
    pub environment: BTreeMap<String, Sourced<String>>,
    pub port: Sourced<u16>,
    pub health_path: Option<Sourced<String>>,
    pub base_path: Option<Sourced<String>>,
    /// Numeric, so that platforms can verify that it is not root.
    pub user: &'static str,
    pub entrypoint: Vec<String>,
    pub command: Vec<String>,
    pub health_check: Vec<String>,
}

/// A secret of the build: a file below `/run/secrets`, never part of a layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedSecret {
    pub id: String,
    pub use_as: SecretUse,
    #[serde(skip)]
    pub value: SecretValue,
}

/// A variable that a template or a schema of the project names, without a value in this build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MissingVariable {
    pub name: String,
    pub named_by: RelPath,
    /// A schema refuses to do without it.
    pub is_required: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretUse {
    /// Also a variable of that name.
    Variable,
    File,
    /// npm's user configuration, at `/root/.npmrc`.
    Npmrc,
    /// Additional certificate authorities (PEM).
    CaBundle,
    /// Private key of SSH, for dependencies that git fetches.
    SshKey,
    /// Key from which Next.js' own keys are derived.
    ReproducibleKey,
}

/// Working directory of the build stages, and of the app in the image.
pub const WORKSPACE: &str = "/app";
/// Where the package manager is installed.
pub const MANAGER_PREFIX: &str = "/opt/nextdeploy";
/// Id of the secret that the in-image scripts read.
pub const KEY_SECRET: &str = "nextdeploy-key";
/// Id of the secret with certificate authorities.
pub const CA_SECRET: &str = "nextdeploy-ca";
/// Id of the secret with the private key of SSH.
pub const SSH_SECRET: &str = "ssh-key";
/// Longest value on one line of a Dockerfile, in bytes; Docker reads lines of at most 64 KiB.
pub const MAX_LINE_VALUE: usize = 24 * 1024;
