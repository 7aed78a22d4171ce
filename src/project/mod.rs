//! Facts about the project in a repository: `SourceTree` in, [`ProjectFacts`] out.
//!
//! Pure: never reads the disk, never runs anything of the project. Every fact carries its [`Origin`](crate::origin::Origin).

mod apps;
mod build_needs;
mod build_script;
mod checkout;
mod dotenv;
mod env_files;
mod error;
mod facts;
mod install;
mod lockfile;
mod next;
mod next_config;
mod node;
mod package_json;
mod package_manager;
mod prisma;
mod releases;
mod scripts;
mod start;
mod task_runner;
mod text;
mod tool_versions;
mod version;
mod wanted;
mod workspace;

pub(crate) use dotenv::parse as parse_dotenv;
pub use dotenv::{DotenvVariable, PROCESS_VARIABLES};
pub use error::ProjectError;
pub use facts::*;
pub use releases::{DISTROLESS_LINES, bundled_npm};
pub(crate) use scripts::started_programs;
pub use text::line_of_key;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use serde_json::{Map, Value};

use crate::diagnostic::{Location, Warning};
use crate::origin::{Origin, Sourced};
use crate::rel_path::RelPath;
use crate::repo::SourceTree;

use apps::ChosenApp;
use build_needs::BuildSource;
use build_script::BuildDetection;
use dotenv::{DotenvReader, Grammar};
use install::InstallInputs;
use lockfile::Locked;
use node::{NodeFloor, NodeSources};
use package_json::{PackageJson, PackageJsonCache};
use package_manager::{PackageManagerChoice, PackageManagerSources};
use prisma::ClientInputs;
use start::{StartDetection, StartInputs};
use task_runner::BuiltApp;
use tool_versions::VersionFolder;
use version::{Range, Version, parse_version};

/// What the user specified; everything else is detected.
#[derive(Debug, Clone, Default)]
pub struct DetectOptions {
    /// Name or folder of the app: from `--app`, or the folder that the run was started in.
    pub app: Option<Sourced<String>>,
    pub package_manager: Option<Sourced<PackageManagerKind>>,
    /// A version, a range or a name (`lts/jod`) of Node.js.
    pub node: Option<Sourced<String>>,
    /// A command line that builds the app instead of its script.
    pub build_command: Option<Sourced<String>>,
    /// Variables of the build that environment files may refer to, without secrets.
    pub variables: BTreeMap<String, String>,
    /// An install without a lockfile, or with one that is out of date, is allowed.
    pub unlocked: bool,
}

/// Finds the app and everything about it.
pub fn detect(tree: &SourceTree, options: &DetectOptions) -> Result<ProjectFacts, ProjectError> {
    let mut warnings = Vec::new();
    let manifests = PackageJsonCache::new(tree);
    let chosen = apps::locate(&manifests, options.app.as_ref(), &mut warnings)?;
    let install_dir = install_dir(&manifests, &chosen, &mut warnings);
    let root = root_manifest(&manifests, &install_dir, &chosen)?;
    let (app, app_dir) = (&*chosen.app, &chosen.app_dir);
    let layout = ProjectLayout { tree, chosen: &chosen, root: &root, install_dir: &install_dir };

    let choice = layout.package_manager(options)?;
    let below = if install_dir.contains(app_dir) { workspace::relative(&install_dir, app_dir) } else { "" };
    let next = next::version(tree, app, &root, (&choice.locked, below), &mut warnings)?;
    let node = layout.node(options, (&next.value, &choice), &mut warnings)?;
    let mut install = layout.install(&choice, &mut warnings)?;
    let build = build_script::detect(tree, app, options.build_command.as_ref(), &mut warnings);
    let next_dir = build.next_dir.clone();
    let workspace = layout.workspace(&build.script, &mut warnings);
    if let Some(needs) = &install.prisma {
        let inputs = layout.prisma_inputs((&install, choice.locked.kind), (&build, workspace.as_ref()), options);
        let client = prisma::client(&inputs, needs);
        install.prisma.as_mut().expect("it was there above").client = client;
    }
    build_needs::check(tree, app, build_source(options, &build.script), &mut warnings);
    checkout::check(tree, app_dir, workspace.as_ref(), &mut warnings);

    let evaluated = (&next.value, &options.variables);
    let Routing { config, routers, middleware } = detect_routing(tree, &build, evaluated, &mut warnings)?;
    let start = layout.start((&next.value, &next_dir), &config, workspace.as_ref(), &mut warnings)?;
    let env_files = layout.env_files(evaluated, &next_dir, &start, &mut warnings)?;
    let field = |value: &Option<String>, name| {
        value.clone().map(|value| Sourced::new(value, Origin::field(app.path.as_str(), name)))
    };
    let own_dockerfile = [app_dir, &RelPath::root()].map(|dir| dir.child("Dockerfile"));
    let environment_folders = [&next_dir, app_dir, &install_dir];
    Ok(ProjectFacts {
        version: field(&app.version, "version"),
        description: field(&app.description, "description"),
        license: field(&app.license, "license"),
        lockfile: Lockfile {
            path: choice.locked.path.clone(),
            format: choice.locked.format.clone(),
            install: choice.locked.install,
        },
        package_manager: choice.finish(node.value.major, &mut warnings),
        middleware,
        env_files,
        wanted_variables: wanted::detect(tree, &next_dir, &environment_folders, &needed_packages(workspace.as_ref())),
        own_dockerfile: own_dockerfile.into_iter().find(|path| tree.has_file(path)),
        node,
        next,
        routers,
        config,
        build: build.script,
        next_dir,
        start: start.script,
        start_environment: start.environment,
        server_imports: start.imports,
        declared: package_json::declared(&distinct(&root, app)),
        port: start.port,
        workspace,
        install,
        name: chosen.name,
        app_dir: chosen.app_dir,
        warnings,
    })
}

/// What Next.js serves, and by which configuration.
struct Routing {
    config: NextConfig,
    routers: Routers,
    /// `middleware.*` or `proxy.*`.
    middleware: Option<RelPath>,
}

fn detect_routing(
    tree: &SourceTree,
    build: &BuildDetection,
    (next, variables): (&NextVersion, &BTreeMap<String, String>),
    warnings: &mut Vec<Warning>,
) -> Result<Routing, ProjectError> {
    let dir = &build.next_dir;
    let read = next_config::detect(tree, dir, (next, &build.variables(variables)), warnings)?;
    warnings.extend(read.warning);
    let routers = next::routers(tree, dir, (next, has_app_router(next, read.app_dir)), warnings);
    warnings.extend(build.impossible(next, &routers));
    let extensions = read.page_extensions.as_deref();
    let middleware = next::MiddlewarePlaces { tree, dir, routers: &routers, next, extensions }.find(warnings);
    Ok(Routing { config: read.config, routers, middleware })
}

/// The app, and the root that its packages are installed in.
#[derive(Clone, Copy)]
struct ProjectLayout<'a> {
    tree: &'a SourceTree,
    chosen: &'a ChosenApp,
    /// Manifest of `install_dir`, or the app's.
    root: &'a PackageJson,
    /// Folder of the lockfile.
    install_dir: &'a RelPath,
}

impl<'a> ProjectLayout<'a> {
    fn package_manager(self, options: &DetectOptions) -> Result<PackageManagerChoice, ProjectError> {
        let settings = workspace::pnpm_workspace(self.tree, self.install_dir)?.map(|(_, values)| values);
        let overrides = settings.as_ref().and_then(|values| values.get("overrides")?.as_object());
        let overridden = overrides.into_iter().flat_map(|overrides| overrides.keys());
        let members = self.chosen.workspace.iter().flat_map(|workspace| &workspace.manifests);
        package_manager::choose(&PackageManagerSources {
            tree: self.tree,
            dir: self.install_dir,
            manifests: distinct(self.root, &self.chosen.app),
            requested: options.package_manager.as_ref(),
            unlocked: options.unlocked,
            pnpm_settings: settings.as_ref().is_some_and(has_settings),
            unchecked: overridden
                .map(|key| package_json::override_name(key))
                .chain(members.filter_map(|member| member.name.as_deref()))
                .collect(),
        })
    }

    fn node(
        self,
        options: &DetectOptions,
        (next, choice): (&NextVersion, &PackageManagerChoice),
        warnings: &mut Vec<Warning>,
    ) -> Result<Sourced<NodeRequirement>, ProjectError> {
        let folders = VersionFolder::upwards(self.tree, &self.chosen.app_dir);
        let manifests = distinct(&self.chosen.app, self.root);
        let types = manifests.iter().find_map(|manifest| self.types_of_node(manifest, &choice.locked));
        let sources =
            NodeSources { tree: self.tree, manifests, folders, requested: options.node.as_ref(), next, types };
        let (node, node_warnings) = node::resolve(&sources, &floors(next, choice))?;
        warnings.extend(node_warnings);
        Ok(node)
    }

    /// The version of `@types/node`: the locked one, else the lowest in the range.
    fn types_of_node(self, manifest: &PackageJson, locked: &Locked) -> Option<Version> {
        let (_, range) = manifest.dependency("@types/node")?;
        let locked = locked.version_for("@types/node", manifest, self.install_dir).and_then(parse_version);
        locked.or_else(|| Range::parse(range)?.lowest())
    }

    fn members(self) -> &'a [Rc<PackageJson>] {
        self.chosen.workspace.as_ref().map_or(&[], |workspace| workspace.manifests.as_slice())
    }

    /// The packages that the app cannot do without: those that it depends on, the root's, and its own.
    fn needed(self) -> impl Iterator<Item = &'a PackageJson> {
        let order: BTreeSet<String> = workspace::build_order(self.members(), &self.chosen.app).into_iter().collect();
        let used = self.members().iter().filter(move |member| order.contains(&member.display_name()));
        used.map(|member| &**member).chain(distinct(self.root, &self.chosen.app))
    }

    fn prisma_inputs(
        self,
        (install, kind): (&'a InstallNeeds, PackageManagerKind),
        (build, workspace): (&'a BuildDetection, Option<&Workspace>),
        options: &DetectOptions,
    ) -> ClientInputs<'a> {
        let task = workspace.and_then(|workspace| workspace.build_task.as_ref());
        let task = task.filter(|_| options.build_command.is_none());
        let script = build.script.script.as_ref().map_or("build", |script| script.value.name.as_str());
        let (app, root) = (&self.chosen.app, self.root);
        let tasks = match task {
            Some(task) => task_runner::tasks_of(self.tree, root, (&self.chosen.app_dir, task, script)),
            None => BTreeSet::from(["build".to_owned()]),
        };
        // Without a task runner, what the app runs is its build.
        let runs = |package: &&PackageJson| {
            if package.dir == app.dir { task.is_some() } else { package.dir != root.dir }
        };
        ClientInputs {
            tree: self.tree,
            packages: self.needed().map(|package| (&package.dir, package)).collect(),
            install,
            kind,
            build: &build.commands,
            tasks,
            task_dirs: self.needed().filter(runs).map(|package| package.dir.clone()).collect(),
        }
    }

    fn install(self, choice: &PackageManagerChoice, warnings: &mut Vec<Warning>) -> Result<InstallNeeds, ProjectError> {
        let members = self.members();
        let mut manifests: Vec<&'a PackageJson> = vec![self.root];
        manifests.extend(members.iter().map(|manifest| &**manifest).filter(|member| member.path != self.root.path));
        if !manifests.iter().any(|manifest| manifest.path == self.chosen.app.path) {
            manifests.push(&self.chosen.app);
        }
        let needed = self.needed().map(|manifest| manifest.dir.clone()).collect();
        let inputs = InstallInputs {
            tree: self.tree,
            dir: self.install_dir,
            app_dir: &self.chosen.app_dir,
            app: &self.chosen.app,
            manifests,
            needed,
            locked: &choice.locked,
            yarn: &choice.yarn,
        };
        let mut needs = install::needs(&inputs, warnings)?;
        for manifest in distinct(&self.chosen.app, self.root) {
            build_script::name_git_calls(manifest, &mut needs.lifecycle_scripts);
        }
        Ok(needs)
    }

    /// How the app starts; checks that the files which its server needs are in the image.
    fn start(
        self,
        (next, next_dir): (&NextVersion, &RelPath),
        config: &NextConfig,
        workspace: Option<&Workspace>,
        warnings: &mut Vec<Warning>,
    ) -> Result<StartDetection, ProjectError> {
        let manifest = &self.chosen.app;
        let mut start =
            start::start(StartInputs { tree: self.tree, manifest, next, next_dir, config: config.file.as_ref() })?;
        warnings.append(&mut start.warnings);
        if start.script == StartScript::Next && config.output.value() != Some(&OutputMode::Export) {
            warnings.extend(next::check_tracing(next_dir, config, &needed_folders(self.install_dir, workspace)));
        }
        Ok(start)
    }

    fn env_files(
        self,
        (next, variables): (&NextVersion, &BTreeMap<String, String>),
        next_dir: &RelPath,
        start: &StartDetection,
        warnings: &mut Vec<Warning>,
    ) -> Result<Vec<DotenvFile>, ProjectError> {
        let reader = DotenvReader::new(Grammar::of(next), variables, &PROCESS_VARIABLES);
        let mut files = env_files::detect(self.tree, next_dir, self.install_dir, reader, warnings)?;
        for path in &start.env_files {
            env_files::read_by_start(self.tree, path, &mut files, warnings)?;
        }
        Ok(files)
    }

    fn workspace(self, build: &BuildScript, warnings: &mut Vec<Warning>) -> Option<Workspace> {
        let Self { tree, chosen, root, .. } = self;
        let app = (&*chosen.app, &chosen.app_dir, build);
        let Some(found) = chosen.workspace.as_ref() else { return self.integrated_workspace(app, warnings) };
        for (manifest, name) in workspace::missing(root, &found.manifests) {
            let message = format!("`{manifest}` depends on `{name}` of the workspace, which has no such package");
            let hint = "check the globs of the workspace and the name of the package";
            let place = Location::file(manifest.as_str());
            warnings.push(Warning::new("project/workspace-package-missing", message).with_hint(hint).at(place));
        }
        let package = |manifest: &PackageJson| WorkspacePackage {
            name: manifest.display_name(),
            dir: manifest.dir.clone(),
            scripts: manifest.scripts.clone(),
        };
        let tool = task_runner::tool(tree, root, &chosen.app, warnings);
        Some(Workspace {
            declared_in: found.declared_in.clone(),
            build_task: tool.as_ref().and_then(|tool| task_runner::build_task(tree, tool.value, root, app, warnings)),
            tool,
            packages: found.manifests.iter().map(|manifest| package(manifest)).collect(),
            build_order: workspace::build_order(&found.manifests, &chosen.app),
            apps: chosen.apps.clone(),
        })
    }
}

impl ProjectLayout<'_> {
    /// An integrated repository of Nx: one manifest, and projects that no package manager knows.
    fn integrated_workspace(self, app: BuiltApp<'_>, warnings: &mut Vec<Warning>) -> Option<Workspace> {
        let Self { tree, root, .. } = self;
        let declared_in = Some(root.dir.child("nx.json")).filter(|path| tree.has_file(path))?;
        let tool = task_runner::tool(tree, root, app.0, warnings).filter(|tool| tool.value == WorkspaceTool::Nx)?;
        let build_task = task_runner::build_task(tree, tool.value, root, app, warnings)?;
        let (packages, build_order, apps) = (Vec::new(), Vec::new(), Vec::new());
        Some(Workspace { declared_in, tool: Some(tool), build_task: Some(build_task), packages, build_order, apps })
    }
}

fn build_source<'a>(options: &'a DetectOptions, build: &'a BuildScript) -> BuildSource<'a> {
    match (&options.build_command, &build.script) {
        (Some(command), _) => BuildSource::Command(&command.value),
        (None, Some(script)) => BuildSource::Script(&script.value.name),
        (None, None) => BuildSource::Script("build"),
    }
}

/// The folder of the lockfile: the workspace's, else the nearest at or above the app.
fn install_dir(manifests: &PackageJsonCache<'_>, chosen: &ChosenApp, warnings: &mut Vec<Warning>) -> RelPath {
    let tree = manifests.tree;
    let app_dir = &chosen.app_dir;
    let lockfile = |dir: &RelPath| lockfile::NAMES.iter().map(|name| dir.child(name)).find(|path| tree.has_file(path));
    let Some(workspace) = &chosen.workspace else {
        let above = std::iter::successors(Some(app_dir.clone()), RelPath::parent);
        // A lockfile further up is the app's only where the app itself, or the manifest beside the lockfile, installs Next.js
        // from there: the root may have one for its own tools.
        let own = chosen.app.dir == *app_dir && chosen.app.dependency("next").is_some();
        let serves = |dir: &RelPath| {
            dir == app_dir || !own || matches!(manifests.load(dir), Ok(Some(root)) if root.dependency("next").is_some())
        };
        let found = above.into_iter().find(|dir| lockfile(dir).is_some() && serves(dir));
        return found.unwrap_or_else(|| app_dir.clone());
    };
    if *app_dir == workspace.dir {
        return workspace.dir.clone();
    }
    match (lockfile(&workspace.dir), lockfile(app_dir)) {
        (Some(used), Some(stray)) => {
            let message = format!("`{stray}` is not used: the workspace installs from `{used}`");
            let hint = format!("delete `{stray}`, which also confuses the root detection of Next.js");
            let place = Location::file(stray.as_str());
            warnings.push(Warning::new("project/stray-lockfile", message).with_hint(hint).at(place));
            workspace.dir.clone()
        }
        // Each package has its own lockfile (`shared-workspace-lockfile=false`).
        (None, Some(_)) => app_dir.clone(),
        _ => workspace.dir.clone(),
    }
}

/// The manifest next to the lockfile, or else the app's.
fn root_manifest(
    manifests: &PackageJsonCache<'_>,
    dir: &RelPath,
    chosen: &ChosenApp,
) -> Result<Rc<PackageJson>, ProjectError> {
    let app = || Rc::clone(&chosen.app);
    if *dir == chosen.app.dir {
        return Ok(app());
    }
    Ok(manifests.load(dir)?.unwrap_or_else(app))
}

fn distinct<'m>(first: &'m PackageJson, second: &'m PackageJson) -> Vec<&'m PackageJson> {
    if first.path == second.path { vec![first] } else { vec![first, second] }
}

/// pnpm 9 reads `packages` and catalogs of `pnpm-workspace.yaml` only; other settings mean pnpm 10 or later.
fn has_settings(values: &Map<String, Value>) -> bool {
    let known = ["packages", "catalog", "catalogs"];
    !values.contains_key("packages") || values.keys().any(|key| !known.contains(&key.as_str()))
}

/// Folders with packages that the server may load: that of the install, and the workspace packages that the app needs.
fn needed_folders(install_dir: &RelPath, workspace: Option<&Workspace>) -> Vec<RelPath> {
    std::iter::once(install_dir.clone()).chain(needed_packages(workspace)).collect()
}

/// Folders of the workspace packages that the app needs.
fn needed_packages(workspace: Option<&Workspace>) -> Vec<RelPath> {
    let needed = workspace.iter().flat_map(|workspace| {
        workspace.packages.iter().filter(|package| workspace.build_order.contains(&package.name))
    });
    needed.map(|package| package.dir.clone()).collect()
}

fn floors(next: &NextVersion, choice: &PackageManagerChoice) -> Vec<NodeFloor> {
    let released = Version::new(next.major.into(), next.minor.into(), next.patch.into());
    let version = releases::next_node_floor(&released).clone();
    let mut floors = vec![NodeFloor { version, needed_by: format!("Next.js {next}") }];
    floors.extend(choice.node_floor().map(|(needed_by, version)| NodeFloor { version, needed_by }));
    floors
}

/// The app router was experimental in 13.0 and became stable in 13.4.
fn has_app_router(next: &NextVersion, requested: Option<bool>) -> bool {
    match (next.major, next.minor) {
        (..=12, _) => false,
        (13, ..=3) => requested == Some(true),
        _ => true,
    }
}

#[cfg(test)]
mod tests;
