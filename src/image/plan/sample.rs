//! Facts of small projects, for the tests of planning and rendering.

use std::collections::BTreeMap;

use super::{ImagePlan, Inputs, PlanError, plan_image};
use crate::config::settings::{EnvScope, EnvSetting, EnvValue, PublishSettings, Settings};
use crate::origin::{Origin, Sourced};
use crate::project::*;
use crate::rel_path::RelPath;
use crate::repo::ci::CiContext;
use crate::repo::{GitFacts, SourceTree};
use crate::tags::TagEntry;

pub(crate) fn path(text: &str) -> RelPath {
    RelPath::new(text).unwrap()
}

pub(crate) fn from_file<T>(value: T, file: &str) -> Sourced<T> {
    Sourced::new(value, Origin::File(file.to_owned()))
}

pub(crate) fn from_flag<T>(value: T, flag: &str) -> Sourced<T> {
    Sourced::new(value, Origin::Flag(flag.to_owned()))
}

/// One project with everything that planning reads; tests change what they are about.
pub(crate) struct Sample {
    pub(crate) settings: Settings,
    pub(crate) publish: PublishSettings,
    pub(crate) ci: CiContext,
    pub(crate) facts: ProjectFacts,
    pub(crate) tree: SourceTree,
}

impl Sample {
    /// An npm project with Next.js 16.
    pub(crate) fn npm() -> Self {
        Self::new("npm", None, "16.4.5")
    }

    pub(crate) fn new(manager: &str, version: Option<&str>, next: &str) -> Self {
        let (kind, lockfile) = match (manager, version) {
            ("npm", _) => (PackageManagerKind::Npm, "package-lock.json"),
            ("yarn", Some(version)) if version.starts_with("1.") => (PackageManagerKind::YarnClassic, "yarn.lock"),
            ("yarn", _) => (PackageManagerKind::YarnBerry, "yarn.lock"),
            ("pnpm", _) => (PackageManagerKind::Pnpm, "pnpm-lock.yaml"),
            _ => (PackageManagerKind::Bun, "bun.lock"),
        };
        let manifest = r#"{ "name": "shop", "scripts": { "build": "next build" } }"#;
        let mut tree = SourceTree::from_texts([("package.json", manifest), (lockfile, ""), ("app/page.tsx", "")]);
        tree.git = Some(GitFacts {
            commit: Some("0123456789abcdef0123456789abcdef01234567".to_owned()),
            commit_time: Some(1_760_000_000),
            remote: Some("git@example.com:acme/shop.git".to_owned()),
            ..GitFacts::default()
        });
        Self {
            settings: Settings::default(),
            publish: PublishSettings::default(),
            ci: CiContext::default(),
            facts: facts(kind, version, lockfile, next),
            tree,
        }
    }

    pub(crate) fn plan(&self) -> ImagePlan {
        self.try_plan().unwrap()
    }

    pub(crate) fn try_plan(&self) -> Result<ImagePlan, PlanError> {
        let Self { settings, publish, ci, facts, tree } = self;
        plan_image(Inputs { settings, publish, ci, facts, tree })
    }

    pub(crate) fn env(&mut self, name: &str, value: EnvValue, scope: EnvScope) {
        let setting = from_file(EnvSetting { value, scope }, "nextdeploy.yml");
        self.settings.env.insert(name.to_owned(), setting);
    }

    pub(crate) fn plain(&mut self, name: &str, value: &str) {
        self.env(name, EnvValue::Plain(value.to_owned()), EnvScope::Auto);
    }

    /// Tags as `--tag` gives them.
    pub(crate) fn tags(&mut self, tags: &[&str]) {
        self.settings.tags = tags.iter().map(|tag| from_flag(TagEntry::parse(tag).unwrap(), "--tag")).collect();
    }

    /// Moves the app to `apps/web` of a workspace with one package that it needs.
    pub(crate) fn in_workspace(mut self, tool: Option<WorkspaceTool>) -> Self {
        let lockfile = self.facts.lockfile.path.as_str().to_owned();
        let git = self.tree.git.take();
        self.tree = SourceTree::from_texts([
            ("package.json", r#"{ "private": true, "devDependencies": { "turbo": "2.11.11" } }"#),
            (lockfile.as_str(), ""),
            ("turbo.json", r#"{ "tasks": { "build": {} } }"#),
            ("apps/web/package.json", r#"{ "name": "@acme/web", "scripts": { "build": "next build" } }"#),
            ("packages/ui/package.json", r#"{ "name": "@acme/ui", "scripts": { "build": "tsc" } }"#),
        ]);
        self.tree.git = git;
        let facts = &mut self.facts;
        facts.name = from_file("@acme/web".to_owned(), "apps/web/package.json#name");
        facts.app_dir = path("apps/web");
        facts.next_dir = path("apps/web");
        facts.install.manifests =
            ["package.json", "apps/web/package.json", "packages/ui/package.json"].map(path).to_vec();
        let package = |name: &str, dir: &str, build: &str| WorkspacePackage {
            name: name.to_owned(),
            dir: path(dir),
            scripts: [("build".to_owned(), build.to_owned())].into(),
        };
        facts.workspace = Some(Workspace {
            declared_in: path("package.json"),
            build_task: tool
                .filter(|tool| *tool == WorkspaceTool::Turbo)
                .map(|_| BuildTask::Turbo { package: "@acme/web".to_owned(), installed_in_root: true }),
            tool: tool.map(|tool| from_file(tool, "turbo.json")),
            packages: vec![package("@acme/web", "apps/web", "next build"), package("@acme/ui", "packages/ui", "tsc")],
            build_order: vec!["@acme/ui".to_owned()],
            apps: Vec::new(),
        });
        self
    }
}

fn facts(kind: PackageManagerKind, version: Option<&str>, lockfile: &str, next: &str) -> ProjectFacts {
    let numbers: Vec<u32> = next.split('.').map(|part| part.parse().unwrap()).collect();
    let script = NamedScript { name: "build".to_owned(), command: "next build".to_owned() };
    ProjectFacts {
        name: from_file("shop".to_owned(), "package.json#name"),
        app_dir: RelPath::root(),
        next_dir: RelPath::root(),
        version: Some(from_file("1.2.3".to_owned(), "package.json#version")),
        description: None,
        license: None,
        package_manager: from_file(
            PackageManager {
                kind,
                version: version.map(|version| from_file(version.to_owned(), "package.json#packageManager")),
                yarn_path: None,
                yarn_linker: None,
            },
            lockfile,
        ),
        lockfile: Lockfile { path: path(lockfile), format: "3".to_owned(), install: LockfileUse::Frozen },
        node: from_file(NodeRequirement { major: 22, exact: None, requested: "22".to_owned() }, ".nvmrc"),
        next: from_file(
            NextVersion { major: numbers[0], minor: numbers[1], patch: numbers[2], text: next.to_owned() },
            lockfile,
        ),
        routers: Routers { app: Some(path("app")), pages: None, src_layout: false },
        middleware: None,
        config: NextConfig::default(),
        build: BuildScript {
            script: Some(from_file(script, "package.json#scripts.build")),
            bundler_flag: None,
            replaces_node_options: false,
        },
        start: StartScript::Next,
        start_environment: BTreeMap::new(),
        server_imports: Vec::new(),
        declared: DeclaredPackages::default(),
        port: None,
        workspace: None,
        install: InstallNeeds { manifests: vec![path("package.json")], ..InstallNeeds::default() },
        env_files: Vec::new(),
        wanted_variables: Vec::new(),
        own_dockerfile: None,
        warnings: Vec::new(),
    }
}
