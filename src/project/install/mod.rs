//! What the frozen install needs besides manifests and lockfile: [`InstallNeeds`].

mod files;
mod native;
mod script_policy;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::diagnostic::Warning;
use crate::origin::{Origin, Sourced};
use crate::rel_path::RelPath;
use crate::repo::SourceTree;

use self::files::{files_below, has_extension, is_file};
use super::error::ProjectError;
use super::facts::{InstallNeeds, LifecycleScript, NativeModule, PackageManagerKind, Prisma, PrismaClient};
use super::lockfile::Locked;
use super::package_json::PackageJson;
use super::package_manager::YarnConfig;
use super::text;

const CONFIG_FILES: &[&str] =
    &[".npmrc", ".yarnrc", ".yarnrc.yml", "pnpm-workspace.yaml", ".pnpmfile.cjs", ".pnpmfile.mjs", "bunfig.toml"];
/// Limit of environment variables that the install may read; there is usually one per registry.
const MOST_VARIABLES: usize = 1_000;
const LIFECYCLE: &[&str] = &["preinstall", "install", "postinstall", "prepare"];

/// What [`needs`] depends on.
pub(super) struct InstallInputs<'a> {
    pub tree: &'a SourceTree,
    /// Folder of the lockfile.
    pub dir: &'a RelPath,
    pub app_dir: &'a RelPath,
    pub app: &'a PackageJson,
    /// That of `dir` first, then of every package, the app's among them.
    pub manifests: Vec<&'a PackageJson>,
    /// Folders of the packages that the app cannot do without: its own, that of the lockfile, and those of its dependencies.
    pub needed: BTreeSet<RelPath>,
    pub locked: &'a Locked,
    pub yarn: &'a YarnConfig,
}

pub(super) fn needs(install: &InstallInputs<'_>, warnings: &mut Vec<Warning>) -> Result<InstallNeeds, ProjectError> {
    let tree = install.tree;
    let config_files: Vec<RelPath> =
        CONFIG_FILES.iter().map(|name| install.dir.child(name)).filter(|path| tree.has_file(path)).collect();
    let manifests: BTreeSet<RelPath> = install.manifests.iter().map(|manifest| manifest.path.clone()).collect();
    let found = files::collect(install, warnings)?;
    let (variables, optional_variables) = variables(tree, &config_files)?;
    Ok(InstallNeeds {
        manifests: manifests.into_iter().collect(),
        copied_manifests: found.copied_manifests,
        files: found.files.iter().filter(|file| !config_files.contains(file)).cloned().collect(),
        yarn_cache: yarn_cache(install),
        prisma: prisma(install),
        prisma_variables: prisma_variables(install)?,
        lifecycle_scripts: lifecycle_scripts(install),
        scripts: script_policy::read(tree, install.dir, install.manifests[0], install.locked)?,
        sharp: sharp(install),
        needs_git: install.locked.git || has_git_dependency(install),
        ssh_dependencies: ssh_dependencies(install),
        native_modules: native_modules(install, &found.files)?,
        production_dependencies: production_dependencies(install),
        variables,
        optional_variables,
        config_files,
    })
}

/// Modules that are compiled when they are installed, and addons of the project itself.
fn native_modules(install: &InstallInputs<'_>, files: &[RelPath]) -> Result<Vec<NativeModule>, ProjectError> {
    let locked = &install.locked;
    let mut modules = match text::read(install.tree, &locked.path) {
        Ok(Some(content)) if locked.format != "binary" => native::in_lockfile(locked.kind, &locked.path, content)?,
        _ => {
            let direct = install.manifests.iter().flat_map(|manifest| manifest.all_dependencies());
            let compiled = direct.filter(|(name, range)| native::is_compiled(name, range));
            let module = |(name, range): (&String, &String)| NativeModule {
                name: name.clone(),
                version: range.clone(),
                development_only: false,
            };
            compiled.map(module).collect()
        }
    };
    let manifests = || install.manifests.iter();
    let used: BTreeSet<&String> = manifests()
        .flat_map(|manifest| manifest.dependencies.keys().chain(manifest.optional_dependencies.keys()))
        .collect();
    let for_development: BTreeSet<&String> =
        manifests().flat_map(|manifest| manifest.dev_dependencies.keys()).collect();
    for module in &mut modules {
        // Only some lockfiles record it; a direct dependency of another kind counts more.
        module.development_only |= for_development.contains(&module.name);
        module.development_only &= !used.contains(&module.name);
    }
    let of_project = |folder: RelPath| install.tree.has_file(&folder.child("binding.gyp")).then_some(folder);
    let in_packages = install.manifests.iter().filter_map(|manifest| of_project(manifest.dir.clone()));
    let in_files = files.iter().filter(|file| file.name() == "binding.gyp").filter_map(RelPath::parent);
    let addons: BTreeSet<RelPath> = in_packages.chain(in_files).collect();
    let addon = |folder: &RelPath| NativeModule {
        name: folder.child("binding.gyp").to_string(),
        version: String::new(),
        development_only: false,
    };
    modules.extend(addons.iter().map(addon));
    Ok(modules)
}

/// What the app and the packages that it needs depend on when they run.
fn production_dependencies(install: &InstallInputs<'_>) -> BTreeMap<String, Origin> {
    let needed = install.manifests.iter().filter(|m| install.needed.contains(&m.dir) && m.dir != *install.dir);
    let needed = std::iter::once(&install.app).chain(needed);
    let names = needed.flat_map(|manifest| {
        let fields =
            [("dependencies", &manifest.dependencies), ("optionalDependencies", &manifest.optional_dependencies)];
        fields.into_iter().flat_map(move |(field, map)| {
            map.keys()
                .map(move |name| (name.clone(), Origin::field(manifest.path.as_str(), &format!("{field}.{name}"))))
        })
    });
    names.collect()
}

/// A committed package cache (zero-install).
fn yarn_cache(install: &InstallInputs<'_>) -> Option<RelPath> {
    let folder = install.yarn.cache_folder.as_deref().unwrap_or(".yarn/cache");
    let path = install.dir.join(folder).ok().filter(|path| !path.is_root() && install.tree.has_directory(path))?;
    let berry = install.locked.kind == PackageManagerKind::YarnBerry;
    let archive = |file: &RelPath| has_extension(file.as_str(), "zip");
    (berry && files_below(install.tree, &path).iter().any(archive)).then_some(path)
}

fn prisma(install: &InstallInputs<'_>) -> Option<Prisma> {
    let depends =
        |manifest: &&PackageJson| ["prisma", "@prisma/client"].iter().any(|name| manifest.dependency(name).is_some());
    let users: Vec<&PackageJson> = install.manifests.iter().copied().filter(depends).collect();
    if users.is_empty() {
        return None;
    }
    let mut schemas = Schemas::new(install.tree);
    for manifest in &users {
        // `prisma.config.ts` may name any path, but only Prisma can run it.
        if !schemas.add_usual(manifest) && manifest.dependency("prisma").is_some() {
            schemas.add(&manifest.dir);
        }
    }
    // A package of the workspace may use a schema of the root's or the app's folder.
    for dir in [install.dir, install.app_dir] {
        schemas.add_usual(&PackageJson { dir: dir.clone(), ..PackageJson::default() });
    }
    let version = users.iter().find_map(|manifest| {
        ["prisma", "@prisma/client"].iter().find_map(|name| locked_version(install, manifest, name))
    });
    Some(Prisma { version, schemas: schemas.found(), client: PrismaClient::default() })
}

/// Schema files; many packages may refer to the same ones.
struct Schemas<'t> {
    /// All in the tree, in the order of its entries.
    all: Vec<&'t Path>,
    /// Ranges of `all`.
    chosen: BTreeSet<(usize, usize)>,
}

impl<'t> Schemas<'t> {
    fn new(tree: &'t SourceTree) -> Self {
        let files = tree.entries().iter().filter(|entry| is_file(entry)).map(|entry| entry.path.as_path());
        let is_schema = |path: &&Path| path.extension().is_some_and(|extension| extension == "prisma");
        Self { all: files.filter(is_schema).collect(), chosen: BTreeSet::new() }
    }

    /// Adds the schemas at or below `path`; false if there are none.
    fn add(&mut self, path: &RelPath) -> bool {
        let path = Path::new(path.as_str());
        let start = self.all.partition_point(|schema| *schema < path);
        let length = self.all[start..].partition_point(|schema| schema.starts_with(path));
        if length > 0 {
            self.chosen.insert((start, start + length));
        }
        length > 0
    }

    /// Adds `prisma.schema`, `--schema` of scripts, and Prisma's default paths.
    fn add_usual(&mut self, manifest: &PackageJson) -> bool {
        let in_scripts = manifest.scripts.values().filter_map(|script| {
            let (_, rest) = script.split_once("--schema")?;
            rest.trim_start_matches(['=', ' ']).split_whitespace().next().map(|path| path.trim_matches(['"', '\'']))
        });
        let places = manifest.prisma_schema.as_deref().into_iter().chain(in_scripts).chain(["schema.prisma", "prisma"]);
        let mut is_found = false;
        for path in places.filter_map(|place| manifest.dir.join(place).ok()) {
            is_found |= self.add(&path);
        }
        is_found
    }

    fn found(&self) -> Vec<RelPath> {
        let mut found = BTreeSet::new();
        let mut next = 0;
        for (start, end) in &self.chosen {
            let new = self.all.get(next.max(*start)..*end).unwrap_or_default();
            found.extend(new.iter().filter_map(|path| RelPath::new(path.to_str()?).ok()));
            next = next.max(*end);
        }
        found.into_iter().collect()
    }
}

fn locked_version(install: &InstallInputs<'_>, manifest: &PackageJson, name: &str) -> Option<String> {
    install.locked.version_for(name, manifest, install.dir).map(str::to_owned)
}

fn lifecycle_scripts(install: &InstallInputs<'_>) -> Vec<LifecycleScript> {
    let of = |manifest: &PackageJson| -> Vec<LifecycleScript> {
        let script = |name: &&str| {
            let command = manifest.scripts.get(*name).filter(|command| !command.trim().is_empty())?;
            Some(LifecycleScript { dir: manifest.dir.clone(), name: (*name).to_owned(), command: command.clone() })
        };
        LIFECYCLE.iter().filter_map(script).collect()
    };
    install.manifests.iter().flat_map(|manifest| of(manifest)).collect()
}

fn sharp(install: &InstallInputs<'_>) -> Option<Sourced<String>> {
    let (field, range) = install.app.dependency("sharp")?;
    let version = locked_version(install, install.app, "sharp").unwrap_or_else(|| range.to_owned());
    Some(Sourced::new(version, Origin::field(install.app.path.as_str(), &format!("{field}.sharp"))))
}

fn has_git_dependency(install: &InstallInputs<'_>) -> bool {
    let git = |range: &String| {
        range.starts_with("git+") || range.starts_with("git:") || range.starts_with("git@") || range.starts_with("ssh:")
    };
    install.manifests.iter().any(|manifest| manifest.all_dependencies().any(|(_, range)| git(range)))
}

/// Names of direct dependencies that are fetched over SSH, which needs a key.
fn ssh_dependencies(install: &InstallInputs<'_>) -> Vec<String> {
    let over_ssh = |range: &str| ["git+ssh:", "ssh:", "git@"].iter().any(|start| range.starts_with(start));
    let ranges = install.manifests.iter().flat_map(|manifest| manifest.all_dependencies());
    let names: BTreeSet<&String> = ranges.filter(|(_, range)| over_ssh(range)).map(|(name, _)| name).collect();
    names.into_iter().cloned().collect()
}

/// Variables that Prisma's configuration requires with `env('NAME')`: since Prisma 7, also to generate the client.
fn prisma_variables(install: &InstallInputs<'_>) -> Result<Vec<Sourced<String>>, ProjectError> {
    let mut found: Vec<Sourced<String>> = Vec::new();
    for manifest in install.manifests.iter().filter(|manifest| install.needed.contains(&manifest.dir)) {
        for name in PRISMA_CONFIGS {
            let Ok(path) = manifest.dir.join(name) else { continue };
            let Some(content) = text::read(install.tree, &path)? else { continue };
            for name in required_by_prisma(content).take(MOST_VARIABLES) {
                if found.iter().all(|known| known.value != name) {
                    found.push(Sourced::new(name.to_owned(), Origin::File(path.as_str().to_owned())));
                }
            }
        }
    }
    Ok(found)
}

pub(super) const PRISMA_CONFIGS: &[&str] = &[
    "prisma.config.ts",
    "prisma.config.mts",
    "prisma.config.cts",
    "prisma.config.js",
    "prisma.config.mjs",
    "prisma.config.cjs",
    ".config/prisma.ts",
    ".config/prisma.js",
];

/// The names in `env('NAME')` and `env<Variables>("NAME")`, outside of comments.
fn required_by_prisma(content: &str) -> impl Iterator<Item = &str> {
    let lines = content.lines().filter(|line| !line.trim_start().starts_with(['/', '*']));
    lines.flat_map(|line| line.match_indices("env").map(move |(at, _)| (&line[..at], &line[at + 3..]))).filter_map(
        |(before, after)| {
            let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '$');
            let after = after.strip_prefix('<').and_then(|types| Some(types.split_once('>')?.1)).unwrap_or(after);
            let argument = after.trim_start().strip_prefix('(')?.trim_start();
            let name = argument.strip_prefix(['\'', '"', '`'])?.split(['\'', '"', '`']).next()?;
            let is_variable = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            (is_variable && !before.ends_with(is_name)).then_some(name)
        },
    )
}

/// `${NPM_TOKEN}` in package manager configuration, each name once: those that the install cannot do without, and those with a default.
type InstallVariables = (Vec<Sourced<String>>, Vec<Sourced<String>>);

fn variables(tree: &SourceTree, config_files: &[RelPath]) -> Result<InstallVariables, ProjectError> {
    let (mut required, mut optional) = (Vec::<Sourced<String>>::new(), Vec::<Sourced<String>>::new());
    let mut known = BTreeSet::new();
    for path in config_files {
        let Some(content) = text::read(tree, path)? else { continue };
        let bun = path.name() == "bunfig.toml";
        let lines = content.lines().filter(|line| !line.trim_start().starts_with(['#', ';']));
        for Reference { name, has_default } in lines.flat_map(|line| references(line, bun)) {
            if required.len() + optional.len() == MOST_VARIABLES {
                let reason = format!("it refers to more than {MOST_VARIABLES} variables");
                return Err(ProjectError::BeyondLimit { file: path.clone(), reason });
            }
            if known.insert((name.clone(), has_default)) {
                let list = if has_default { &mut optional } else { &mut required };
                list.push(Sourced::new(name, Origin::File(path.as_str().to_owned())));
            }
        }
    }
    optional.retain(|variable| !known.contains(&(variable.value.clone(), false)));
    Ok((required, optional))
}

struct Reference {
    name: String,
    /// `${NAME-default}`, `${NAME:-default}` (Yarn, pnpm), or `${NAME?}`, which may be empty (npm, Bun); also Bun's token of the
    /// public registry.
    has_default: bool,
}

/// `${NAME}`, with or without a default; Bun also reads `$NAME`. A backslash takes the meaning away.
fn references(line: &str, bare: bool) -> Vec<Reference> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    // Bun sends no token that is empty, and the public registry needs none for public packages.
    let public = bare && line.trim_start().starts_with("registry") && line.contains(".npmjs.org");
    let mut found = Vec::new();
    let mut before = None;
    for part in line.split('$') {
        let escaped = before.replace(part).is_none_or(|before: &str| before.ends_with('\\'));
        let (text, braced) = part.strip_prefix('{').map_or((part, false), |inner| (inner, true));
        let end = text.find(|c| !word(c)).unwrap_or(text.len());
        if end > 0 && !escaped && (braced || bare) {
            let has_default = public || braced && text[end..].starts_with(['-', ':', '?']);
            found.push(Reference { name: text[..end].to_owned(), has_default });
        }
    }
    found
}

#[cfg(test)]
mod tests;
