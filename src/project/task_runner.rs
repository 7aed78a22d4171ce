//! turbo, Nx and Lerna: configuration in, the tool and the task that builds the app out.
//!
//! A tool counts when it is installed as well as configured. Never runs a task that only calls the tool again.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::diagnostic::{Diagnostic, Location, Warning};
use crate::origin::{Origin, Sourced};
use crate::rel_path::RelPath;
use crate::repo::SourceTree;

use super::error::ProjectError;
use super::facts::{BuildScript, BuildTask, NamedScript, WorkspaceTool};
use super::package_json::PackageJson;
use super::scripts;
use super::text;

/// The task runner of the workspace; it must be installed as well as configured.
pub(super) fn tool(
    tree: &SourceTree,
    root: &PackageJson,
    app: &PackageJson,
    warnings: &mut Vec<Warning>,
) -> Option<Sourced<WorkspaceTool>> {
    let tools = [
        ("turbo.json", "turbo", WorkspaceTool::Turbo),
        ("turbo.jsonc", "turbo", WorkspaceTool::Turbo),
        ("nx.json", "nx", WorkspaceTool::Nx),
        ("lerna.json", "lerna", WorkspaceTool::Lerna),
    ];
    for (file, package, tool) in tools {
        let path = root.dir.child(file);
        if !tree.has_file(&path) {
            continue;
        }
        if root.dependency(package).or_else(|| app.dependency(package)).is_some() {
            return Some(Sourced::new(tool, Origin::File(path.as_str().to_owned())));
        }
        let message = format!("there is `{path}`, but `{}` does not depend on `{package}`: it is not used", root.path);
        let hint = format!("add `{package}` to `devDependencies`");
        let place = Location::file(path.as_str());
        warnings.push(Warning::new("project/workspace-tool-missing", message).with_hint(hint).at(place));
    }
    None
}

/// The app, its folder and its build script.
pub(super) type BuiltApp<'a> = (&'a PackageJson, &'a RelPath, &'a BuildScript);

/// The task of `tool` that builds `app`. Configuration that cannot be read is a warning: the packages are then built one by one.
pub(super) fn build_task(
    tree: &SourceTree,
    tool: WorkspaceTool,
    root: &PackageJson,
    (app, app_dir, build): BuiltApp<'_>,
    warnings: &mut Vec<Warning>,
) -> Option<BuildTask> {
    let script = build.script.as_ref().map(|script| &script.value);
    let task = match (tool, script) {
        (WorkspaceTool::Turbo, Some(script)) => turbo_task(tree, root, app, &script.name),
        (WorkspaceTool::Nx, script) => nx_task(tree, root, (app, app_dir), script),
        _ => Ok(None),
    };
    task.unwrap_or_else(|error| {
        let message = format!("{error}; the packages of the workspace are built one by one");
        let warning = Warning::new("project/workspace-tool-config", message);
        let warning = error.hints().into_iter().fold(warning, Warning::with_hint);
        warnings.push(error.location().into_iter().fold(warning, Warning::at));
        None
    })
}

#[derive(Deserialize)]
struct TurboConfig {
    tasks: Option<Map<String, Value>>,
    /// `tasks` before turbo 2.
    pipeline: Option<Map<String, Value>>,
}

fn turbo_tasks(tree: &SourceTree, root: &PackageJson) -> Result<Map<String, Value>, ProjectError> {
    let mut files = ["turbo.json", "turbo.jsonc"].into_iter().map(|name| root.dir.child(name));
    let Some(path) = files.find(|path| tree.has_file(path)) else { return Ok(Map::new()) };
    let Some(content) = text::read(tree, &path)? else { return Ok(Map::new()) };
    let config: TurboConfig = text::parse_jsonc(&path, content)?;
    Ok(config.tasks.or(config.pipeline).unwrap_or_default())
}

fn turbo_task(
    tree: &SourceTree,
    root: &PackageJson,
    app: &PackageJson,
    script: &str,
) -> Result<Option<BuildTask>, ProjectError> {
    let Some(package) = &app.name else { return Ok(None) };
    let tasks = turbo_tasks(tree, root)?;
    let is_defined = tasks.contains_key(script) || tasks.contains_key(&format!("{package}#{script}"));
    let installed_in_root = root.dependency("turbo").is_some();
    Ok(is_defined.then(|| BuildTask::Turbo { package: package.clone(), installed_in_root }))
}

/// `project.json` of Nx, or `nx` in a `package.json`.
#[derive(Default, Deserialize)]
pub(super) struct NxProject {
    pub name: Option<String>,
    #[serde(default)]
    targets: Map<String, Value>,
}

impl NxProject {
    /// The project in `dir`, and the file that declares it; `None` when there is none.
    pub fn load(tree: &SourceTree, dir: &RelPath) -> Result<Option<(Self, RelPath)>, ProjectError> {
        #[derive(Deserialize)]
        struct Manifest {
            nx: Option<NxProject>,
        }
        let path = dir.child("project.json");
        if let Some(content) = text::read(tree, &path)? {
            return Ok(Some((text::parse_jsonc(&path, content)?, path)));
        }
        let path = dir.child("package.json");
        let Some(content) = text::read(tree, &path)? else { return Ok(None) };
        let manifest: Manifest = text::parse_jsonc(&path, content)?;
        Ok(manifest.nx.map(|project| (project, path)))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NxConfig {
    #[serde(default)]
    plugins: Vec<NxPlugin>,
    #[serde(default)]
    target_defaults: Map<String, Value>,
}

/// A plugin, which infers targets from other files.
#[derive(Deserialize)]
#[serde(untagged)]
enum NxPlugin {
    Name(String),
    Configured {
        plugin: String,
        #[serde(default)]
        options: Option<Map<String, Value>>,
    },
}

impl NxConfig {
    /// The name of the target that the plugin for Next.js infers from a `next.config`.
    fn inferred_target(&self) -> Option<&str> {
        self.plugins.iter().find_map(|plugin| {
            let (name, options) = match plugin {
                NxPlugin::Name(name) => (name, None),
                NxPlugin::Configured { plugin, options } => (plugin, options.as_ref()),
            };
            let target = options.and_then(|options| options.get("buildTargetName")?.as_str());
            (name == "@nx/next/plugin").then(|| target.unwrap_or("build"))
        })
    }
}

fn nx_config(tree: &SourceTree, path: &RelPath) -> Result<Option<NxConfig>, ProjectError> {
    text::read(tree, path)?.map(|content| text::parse_jsonc(path, content)).transpose()
}

/// The names of the tasks that run with `task`, of which `script` is the one of turbo: those that `dependsOn` names, of any package.
pub(super) fn tasks_of(
    tree: &SourceTree,
    root: &PackageJson,
    (app_dir, task, script): (&RelPath, &BuildTask, &str),
) -> BTreeSet<String> {
    // What cannot be read was reported when the task was found.
    let defined = match task {
        BuildTask::Turbo { .. } => turbo_tasks(tree, root).unwrap_or_default(),
        BuildTask::Nx { .. } => {
            let config = nx_config(tree, &root.dir.child("nx.json")).ok().flatten();
            let project = NxProject::load(tree, app_dir).ok().flatten();
            let own = project.map(|(project, _)| project.targets).unwrap_or_default();
            config.map(|config| config.target_defaults).unwrap_or_default().into_iter().chain(own).collect()
        }
    };
    let mut needs = BTreeMap::<&str, Vec<&str>>::new();
    for (name, options) in &defined {
        let entries = options.get("dependsOn").and_then(Value::as_array);
        needs.entry(without_package(name)).or_default().extend(entries.into_iter().flatten().filter_map(task_name));
    }
    let mut waiting = match task {
        BuildTask::Turbo { .. } => vec![script],
        // Inferred targets depend on `^build`.
        BuildTask::Nx { target, .. } => vec![target.as_str(), "build"],
    };
    let mut found = BTreeSet::new();
    while let Some(name) = waiting.pop() {
        if found.insert(name.to_owned()) {
            waiting.extend(needs.get(name).into_iter().flatten().map(|entry| without_package(entry)));
        }
    }
    found
}

/// An entry of `dependsOn`: a name, or an object of Nx.
fn task_name(entry: &Value) -> Option<&str> {
    entry.as_str().or_else(|| entry.get("target")?.as_str())
}

/// `build` of `build`, `^build` and `web#build`.
fn without_package(task: &str) -> &str {
    task.rsplit(['#', '^']).next().unwrap_or_default()
}

/// The target of the project, or one that Nx infers; with a build script, only if `nx.json` says how that target is run.
fn nx_task(
    tree: &SourceTree,
    root: &PackageJson,
    (app, app_dir): (&PackageJson, &RelPath),
    script: Option<&NamedScript>,
) -> Result<Option<BuildTask>, ProjectError> {
    if script
        .is_some_and(|script| scripts::follow(app, &script.command).iter().any(|command| command.program() == "nx"))
    {
        return Ok(None);
    }
    let path = root.dir.child("nx.json");
    let Some(config) = nx_config(tree, &path)? else { return Ok(None) };
    let (project, declared_in) = NxProject::load(tree, app_dir)?.unwrap_or_default();
    let has_config = || super::next_config::NAMES.iter().any(|name| tree.has_file(&app_dir.child(name)));
    let inferred = || config.inferred_target().filter(|_| has_config());
    let (target, defined_in) = match script {
        None if project.targets.contains_key("build") => ("build", declared_in),
        None => match inferred() {
            Some(target) => (target, path),
            None => return Ok(None),
        },
        Some(script) => {
            let defined_in = if project.targets.contains_key(&script.name) { declared_in } else { path };
            let is_defined =
                defined_in != root.dir.child("nx.json") || config.target_defaults.contains_key(&script.name);
            if !is_defined {
                return Ok(None);
            }
            (script.name.as_str(), defined_in)
        }
    };
    let name = project.name.or_else(|| app.name.clone()).unwrap_or_else(|| app_dir.name().to_owned());
    Ok(Some(BuildTask::Nx { project: name, target: target.to_owned(), defined_in }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The build task of `web` with this configuration, and the codes of the warnings.
    fn task(
        tool: WorkspaceTool,
        files: &[(&str, &str)],
        build: Option<&str>,
    ) -> (Option<BuildTask>, Vec<&'static str>) {
        let tree = SourceTree::from_texts(files.iter().copied());
        let script = |command: &str| NamedScript { name: "build".to_owned(), command: command.to_owned() };
        let script = build.map(|command| Sourced::new(script(command), Origin::File("package.json".to_owned())));
        let app = PackageJson { name: Some("web".to_owned()), ..PackageJson::default() };
        let mut warnings = Vec::new();
        let build = BuildScript { script, bundler_flag: None, replaces_node_options: false };
        let dir = RelPath::new("apps/web").unwrap();
        let task = build_task(&tree, tool, &PackageJson::default(), (&app, &dir, &build), &mut warnings);
        (task, warnings.iter().map(|warning| warning.code).collect())
    }

    #[test]
    fn both_generations_of_turbo_are_read() {
        let turbo = |text: &str| task(WorkspaceTool::Turbo, &[("turbo.json", text)], Some("next build"));
        let found = Some(BuildTask::Turbo { package: "web".to_owned(), installed_in_root: false });
        assert_eq!(turbo("{ // comment\n \"tasks\": { \"build\": {}, } }"), (found.clone(), vec![]));
        assert_eq!(turbo(r#"{ "pipeline": { "web#build": {} } }"#), (found, vec![]));
        assert_eq!(turbo(r#"{ "tasks": { "lint": {} } }"#), (None, vec![]));
        assert_eq!(turbo("{"), (None, vec!["project/workspace-tool-config"]));
    }

    #[test]
    fn tasks_that_run_with_the_build() {
        let text = r#"{ "tasks": { "build": { "dependsOn": ["gen", "^build"] }, "dev": { "dependsOn": ["x"] },
            "db#gen": { "dependsOn": ["^db:generate", "gen"] } } }"#;
        let tree = SourceTree::from_texts([("turbo.json", text)]);
        let task = BuildTask::Turbo { package: "web".to_owned(), installed_in_root: true };
        let found = tasks_of(&tree, &PackageJson::default(), (&RelPath::root(), &task, "build"));
        assert_eq!(found.into_iter().collect::<Vec<_>>().join(" "), "build db:generate gen");
    }

    /// `PROJECT:TARGET in FILE`, or the codes of the warnings.
    fn nx(files: &[(&str, &str)], build: Option<&str>) -> String {
        match task(WorkspaceTool::Nx, files, build) {
            (Some(BuildTask::Nx { project, target, defined_in }), _) => format!("{project}:{target} in {defined_in}"),
            (_, codes) => codes.concat(),
        }
    }

    #[test]
    fn nx_builds_a_project_with_a_build_target() {
        let project = |text| nx(&[("nx.json", "{}"), ("apps/web/project.json", text)], None);
        let file = "apps/web/project.json";
        assert_eq!(project(r#"{ "name": "shop", "targets": { "build": {} } }"#), format!("shop:build in {file}"));
        assert_eq!(project(r#"{ "targets": { "build": {} } }"#), format!("web:build in {file}"));
        assert_eq!(project(r#"{ "name": "shop", "targets": {} }"#), "");
        assert_eq!(project(r#"{ "name": 5 }"#), "project/workspace-tool-config");
        let package = r#"{ "name": "web", "nx": { "targets": { "build": { "dependsOn": ["codegen"] } } } }"#;
        let in_package = [("nx.json", "{}"), ("apps/web/package.json", package)];
        assert_eq!(nx(&in_package, None), "web:build in apps/web/package.json");
    }

    #[test]
    fn nx_infers_the_target_from_the_configuration_of_next() {
        let config = ("apps/web/next.config.js", "");
        let plugin = |text| nx(&[("nx.json", text), config], None);
        assert_eq!(plugin(r#"{ "plugins": ["@nx/eslint/plugin", "@nx/next/plugin"] }"#), "web:build in nx.json");
        let renamed =
            r#"{ "plugins": [{ "plugin": "@nx/next/plugin", "options": { "buildTargetName": "next:build" } }] }"#;
        assert_eq!(plugin(renamed), "web:next:build in nx.json");
        assert_eq!(plugin(r#"{ "plugins": [{ "plugin": "@nx/vite/plugin" }] }"#), "");
        assert_eq!(nx(&[("nx.json", renamed)], None), "");
        assert_eq!(plugin(r#"{ "plugins": 5 }"#), "project/workspace-tool-config");
    }

    #[test]
    fn nx_runs_a_build_script_when_its_configuration_says_how() {
        let defaults = r#"{ "targetDefaults": { "build": { "dependsOn": ["^build"] } } }"#;
        assert_eq!(nx(&[("nx.json", defaults)], Some("next build")), "web:build in nx.json");
        assert_eq!(nx(&[("nx.json", "{}")], Some("next build")), "");
        assert_eq!(nx(&[("nx.json", defaults)], Some("npx nx run web:build:production")), "");
    }
}
