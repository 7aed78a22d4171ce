//! The facts of a project, as plain values.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::dotenv::DotenvVariable;
use crate::diagnostic::Warning;
use crate::origin::{Origin, Sourced};
use crate::rel_path::RelPath;

/// Everything that detection knows about one app and its workspace.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProjectFacts {
    /// As written in the project; not yet normalised to an image name.
    pub name: Sourced<String>,
    /// The app's folder below the source root.
    pub app_dir: RelPath,
    /// The project of Next.js: the app's folder, unless its script names another one (`next build DIR`).
    pub next_dir: RelPath,
    pub version: Option<Sourced<String>>,
    pub description: Option<Sourced<String>>,
    /// As written; an SPDX expression in most projects.
    pub license: Option<Sourced<String>>,
    pub package_manager: Sourced<PackageManager>,
    pub lockfile: Lockfile,
    pub node: Sourced<NodeRequirement>,
    pub next: Sourced<NextVersion>,
    pub routers: Routers,
    /// `middleware.*` or `proxy.*`.
    pub middleware: Option<RelPath>,
    pub config: NextConfig,
    pub build: BuildScript,
    pub start: StartScript,
    /// Variables that the start script sets, where their values are known.
    pub start_environment: BTreeMap<String, Sourced<String>>,
    /// Packages that `next.config` and a custom server import when they start.
    #[serde(skip)]
    pub server_imports: Vec<ServerImport>,
    /// What the app and the root of its workspace declare.
    #[serde(skip)]
    pub declared: DeclaredPackages,
    /// Port named in the start script.
    pub port: Option<Sourced<u16>>,
    pub workspace: Option<Workspace>,
    pub install: InstallNeeds,
    /// `.env`, `.env.production` and every other `.env*` of the app and the root.
    pub env_files: Vec<DotenvFile>,
    /// Variables that templates of environment files and schemas name.
    pub wanted_variables: Vec<WantedVariable>,
    pub own_dockerfile: Option<RelPath>,
    pub warnings: Vec<Warning>,
}

impl ProjectFacts {
    /// Folder of the lockfile, where the install runs: the workspace root, or that of a standalone app.
    pub fn install_dir(&self) -> RelPath {
        self.lockfile.path.parent().unwrap_or_else(RelPath::root)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PackageManagerKind {
    Npm,
    /// Yarn 1.
    YarnClassic,
    /// Yarn 2 and later.
    YarnBerry,
    Pnpm,
    Bun,
}

impl PackageManagerKind {
    /// The command that users type: `npm`, `yarn`, `pnpm`, `bun`.
    pub fn command(self) -> &'static str {
        match self {
            Self::Npm => "npm",
            Self::YarnClassic | Self::YarnBerry => "yarn",
            Self::Pnpm => "pnpm",
            Self::Bun => "bun",
        }
    }
}

/// A package manager with the exact version that the image installs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PackageManager {
    pub kind: PackageManagerKind,
    /// Exact `MAJOR.MINOR.PATCH`; `None` only for npm: the version bundled with Node.js.
    pub version: Option<Sourced<String>>,
    /// Yarn Berry: the release committed to the repository (`yarnPath`).
    pub yarn_path: Option<RelPath>,
    /// Yarn Berry: the linker that the repository configures.
    pub yarn_linker: Option<YarnLinker>,
}

impl fmt::Display for PackageManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.command())?;
        if let Some(version) = &self.version {
            write!(f, " {}", version.value)?;
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum YarnLinker {
    NodeModules,
    Pnp,
    Pnpm,
}

/// The lockfile that the frozen install uses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Lockfile {
    pub path: RelPath,
    /// As written in the file: `3` (npm), `1` (Yarn 1), `8` (Berry `__metadata`), `9.0` (pnpm), `1` (bun.lock), `binary` (bun.lockb);
    /// `none` without a lockfile.
    pub format: String,
    pub install: LockfileUse,
}

/// Whether the lockfile decides every version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LockfileUse {
    #[default]
    Frozen,
    /// There is none, or it is out of date; `--unlocked` allows that.
    Unlocked,
}

/// The Node.js release line that the project requires.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeRequirement {
    /// Release line of the base image.
    pub major: u32,
    /// Exact version if the project pins one (`.nvmrc` with `22.11.0`).
    pub exact: Option<String>,
    /// As written in the project.
    pub requested: String,
}

impl NodeRequirement {
    /// The exact version, or the release line.
    pub fn version(&self) -> String {
        self.exact.clone().unwrap_or_else(|| self.major.to_string())
    }
}

/// Exact version from the lockfile, or the lowest version in the range of `package.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NextVersion {
    pub major: u32,
    pub minor: u32,
    pub patch: u32,
    /// As written, with any prerelease suffix.
    pub text: String,
}

impl fmt::Display for NextVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Where routes live.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Routers {
    pub app: Option<RelPath>,
    pub pages: Option<RelPath>,
    /// The routers live under `src/`.
    pub src_layout: bool,
}

/// A value of `next.config`, which may be known only when the file is run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
#[serde(rename_all = "camelCase", tag = "state", content = "value")]
pub enum StaticValue<T> {
    /// Not set: Next.js' own default holds.
    #[default]
    Absent,
    Value(Sourced<T>),
    /// Set, but not statically known.
    Unknown {
        reason: String,
        line: usize,
    },
}

impl<T> StaticValue<T> {
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Value(detected) => Some(&detected.value),
            Self::Absent | Self::Unknown { .. } => None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutputMode {
    /// `output` is not set: the build can set the standalone default.
    Default,
    Standalone,
    Export,
}

/// Options of `next.config.*`, read statically; all absent without a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
#[serde(rename_all = "camelCase")]
pub struct NextConfig {
    pub file: Option<RelPath>,
    pub output: StaticValue<OutputMode>,
    pub base_path: StaticValue<String>,
    pub asset_prefix: StaticValue<String>,
    pub dist_dir: StaticValue<String>,
    pub trailing_slash: StaticValue<bool>,
    pub generate_build_id: StaticValue<bool>,
    pub deployment_id: StaticValue<String>,
    pub output_file_tracing_root: StaticValue<String>,
    /// Locales of `i18n`.
    pub locales: StaticValue<Vec<String>>,
    /// `images.unoptimized`.
    pub images_unoptimized: StaticValue<bool>,
    /// `images.loader` or `images.loaderFile`.
    pub images_loader: StaticValue<String>,
    /// Keys of `env`, whose values Next.js inlines.
    pub env_keys: StaticValue<Vec<String>>,
}

/// The script that builds the app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BuildScript {
    /// Name and text of the app's script; `None` when there is none and `next build` is called directly.
    pub script: Option<Sourced<NamedScript>>,
    /// `--webpack` or `--turbopack`, if the script passes it.
    pub bundler_flag: Option<String>,
    /// `NODE_OPTIONS` of the build are lost, and with them the module that pins the build id.
    #[serde(skip)]
    pub replaces_node_options: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NamedScript {
    pub name: String,
    pub command: String,
}

/// How the project itself starts in production.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "script")]
pub enum StartScript {
    /// No start script, or one that only runs `next start` or standalone's own `server.js`.
    Next,
    /// Anything else: an Express server, a wrapper; the script with what it runs, package managers and runners left out.
    Custom(Sourced<NamedScript>),
}

/// A package that a file needs when the server starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerImport {
    pub package: String,
    /// The first file that imports it.
    pub file: RelPath,
}

/// Names of the packages that manifests declare.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeclaredPackages {
    /// Part of a production install.
    pub production: BTreeSet<String>,
    /// Development dependencies that are nothing else.
    pub development: BTreeSet<String>,
}

/// A repository with several packages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Workspace {
    pub declared_in: RelPath,
    pub tool: Option<Sourced<WorkspaceTool>>,
    /// The task of `tool` that builds the app with the packages it needs, where its configuration defines one.
    #[serde(skip)]
    pub build_task: Option<BuildTask>,
    /// Every package, sorted by folder; the root is not one.
    pub packages: Vec<WorkspacePackage>,
    /// Names of packages that the app needs, directly or not, dependencies before dependents, without the app.
    pub build_order: Vec<String>,
    /// Every Next.js app in it.
    pub apps: Vec<AppCandidate>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum WorkspaceTool {
    Turbo,
    Nx,
    Lerna,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BuildTask {
    /// `turbo run SCRIPT --filter=PACKAGE`.
    Turbo {
        /// Name in the app's `package.json`.
        package: String,
        /// The root package depends on `turbo`, so that it is on the `PATH` of root scripts.
        installed_in_root: bool,
    },
    /// `nx run PROJECT:TARGET`.
    Nx {
        project: String,
        target: String,
        /// The file that defines the target, or names the plugin that infers it.
        defined_in: RelPath,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkspacePackage {
    pub name: String,
    pub dir: RelPath,
    pub scripts: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AppCandidate {
    pub name: String,
    pub dir: RelPath,
}

/// Files and scripts that the install needs besides manifests and lockfile.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InstallNeeds {
    /// `package.json` of the root and of every workspace package.
    pub manifests: Vec<RelPath>,
    /// Manifests of workspace packages that are copied into `node_modules` instead of linked, and so need all their fields.
    pub copied_manifests: Vec<RelPath>,
    /// Package manager configuration: `.npmrc`, `.yarnrc`, `.yarnrc.yml`, `pnpm-workspace.yaml`, `.pnpmfile.cjs`, `bunfig.toml`.
    pub config_files: Vec<RelPath>,
    /// Files that the install reads: patches, pnpmfiles, Yarn releases and plugins, vendored tarballs, `file:` packages, copied
    /// workspace packages, programs (`bin`) of the others.
    pub files: Vec<RelPath>,
    /// Yarn's committed package cache (zero-install), a folder.
    pub yarn_cache: Option<RelPath>,
    pub prisma: Option<Prisma>,
    /// Variables that `prisma.config` requires.
    pub prisma_variables: Vec<Sourced<String>>,
    /// `preinstall`, `install`, `postinstall` and `prepare` of the root and of workspace packages.
    pub lifecycle_scripts: Vec<LifecycleScript>,
    /// Which of the install scripts run.
    pub scripts: ScriptPolicy,
    /// Direct dependency on `sharp`.
    pub sharp: Option<Sourced<String>>,
    /// A locked dependency is fetched by git.
    pub needs_git: bool,
    /// Direct dependencies that are fetched over SSH.
    pub ssh_dependencies: Vec<String>,
    /// Dependencies that are compiled when they are installed.
    pub native_modules: Vec<NativeModule>,
    /// What the app, and the packages of the workspace that it needs, depend on when they run.
    #[serde(skip)]
    pub production_dependencies: BTreeMap<String, Origin>,
    /// Variables that package manager configuration refers to (`${NPM_TOKEN}`).
    pub variables: Vec<Sourced<String>>,
    /// Those that it gives a default (`${NPM_TOKEN:-}`).
    pub optional_variables: Vec<Sourced<String>>,
}

/// A package that is compiled when it is installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NativeModule {
    pub name: String,
    /// From the lockfile; the range in `package.json` if that is binary, empty for an addon of the project.
    pub version: String,
    /// It is not part of the image.
    pub development_only: bool,
}

/// Which install scripts the configuration of the project lets its package manager run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ScriptPolicy {
    /// None at all, not even those of the project (`ignore-scripts`).
    pub none: bool,
    /// Those of dependencies, where the configuration says so (Yarn's `enableScripts`).
    pub of_dependencies: Option<bool>,
    /// Dependencies whose scripts npm 12 runs (`allowScripts`), and those whose scripts it shall not run.
    pub allowed: Vec<String>,
    pub denied: Vec<String>,
    /// Dependencies that have install scripts, as far as the lockfile says so (npm).
    pub existing: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Prisma {
    pub version: Option<String>,
    pub schemas: Vec<RelPath>,
    #[serde(skip)]
    pub client: PrismaClient,
}

/// What generates the Prisma client.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum PrismaClient {
    /// Scripts that run with the install or the build.
    #[default]
    Scripts,
    /// No script that is known. These steps can, unless the install of `@prisma/client` does.
    Missing(Vec<PrismaGenerate>),
}

/// `prisma generate` in the folder of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrismaGenerate {
    pub dir: RelPath,
    /// Its `--schema`, where Prisma does not find the schema by itself.
    pub schema: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LifecycleScript {
    /// Folder of the package.
    pub dir: RelPath,
    /// `preinstall`, `install`, `postinstall` or `prepare`.
    pub name: String,
    pub command: String,
}

/// One `.env*` file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DotenvFile {
    pub path: RelPath,
    /// git tracks it; always false outside a git work tree.
    pub tracked: bool,
    /// Variables in file order, for tracked `.env` and `.env.production` of the app, and for files that the start script reads.
    #[serde(skip)]
    pub variables: Vec<DotenvVariable>,
    /// The start script reads it, and Next.js does not.
    #[serde(skip)]
    pub read_by_start: bool,
}

/// A variable that the project names without a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WantedVariable {
    pub name: String,
    /// Template or schema.
    pub named_by: RelPath,
    pub need: VariableNeed,
}

/// How much a variable is needed, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum VariableNeed {
    /// A template names it.
    Named,
    /// A schema refuses to do without it.
    Required,
    /// The same, and `next.config` loads the schema.
    CheckedByConfig,
}

impl DotenvFile {
    pub fn sets(&self, name: &str) -> bool {
        self.variables.iter().any(|variable| variable.name == name)
    }
}
