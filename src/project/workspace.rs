//! Workspaces of npm, Yarn, pnpm and Bun: a folder that declares one in, its packages and their order out.
//!
//! Globs are matched against the manifests in the tree. Never looks into `node_modules`.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};
use serde_json::{Map, Value};

use crate::diagnostic::{Location, Warning, shown};
use crate::rel_path::RelPath;
use crate::repo::{SourceTree, is_workspace_pattern};

use super::error::ProjectError;
use super::package_json::{PackageJson, PackageJsonCache};
use super::text;

/// Globs that a workspace may list; some list each package.
const MOST_GLOBS: usize = 10_000;
/// Globs with wildcards among them: each takes memory and is matched against each manifest.
const MOST_PATTERNS: usize = 500;

/// A workspace with its packages, sorted by folder.
#[derive(Debug)]
pub(super) struct WorkspaceMembers {
    pub dir: RelPath,
    pub declared_in: RelPath,
    pub manifests: Vec<Rc<PackageJson>>,
}

impl WorkspaceMembers {
    pub fn holds(&self, dir: &RelPath) -> bool {
        self.dir == *dir || self.manifests.binary_search_by(|manifest| manifest.dir.cmp(dir)).is_ok()
    }
}

/// The workspace that `dir` declares; `None` when it declares none.
pub(super) fn members(
    all: &PackageJsonCache<'_>,
    dir: &RelPath,
    warnings: &mut Vec<Warning>,
) -> Result<Option<WorkspaceMembers>, ProjectError> {
    let Some((declared_in, globs)) = declaration(all, dir, warnings)? else { return Ok(None) };
    let (positive, negative) = globs_of(&declared_in, &globs, warnings)?;
    let mut manifests = Vec::new();
    for path in all.tree.texts_below(dir, "package.json") {
        let folder = path.parent().unwrap_or_default();
        let relative = relative(dir, &path);
        let chosen = folder != *dir && positive.is_match(relative) && !negative.is_match(relative);
        if chosen && let Some(manifest) = all.load(&folder)? {
            manifests.push(manifest);
        }
    }
    manifests.sort_by(|a, b| a.dir.cmp(&b.dir));
    Ok(Some(WorkspaceMembers { dir: dir.clone(), declared_in, manifests }))
}

/// `path` as seen from `dir`, which contains it.
pub(super) fn relative<'p>(dir: &RelPath, path: &'p RelPath) -> &'p str {
    let path = path.as_str();
    if dir.is_root() { path } else { path[dir.as_str().len()..].trim_start_matches('/') }
}

/// pnpm reads `pnpm-workspace.yaml` only; every other package manager reads `package.json#workspaces` only.
fn declaration(
    manifests: &PackageJsonCache<'_>,
    dir: &RelPath,
    warnings: &mut Vec<Warning>,
) -> Result<Option<(RelPath, Vec<String>)>, ProjectError> {
    let tree = manifests.tree;
    let has = |name: &str| tree.has_file(&dir.child(name));
    let pnpm_lock = has("pnpm-lock.yaml");
    let other_lock =
        ["package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "bun.lock", "bun.lockb"].into_iter().any(has);
    let pnpm = pnpm_packages(tree, dir)?.map(|globs| (dir.child("pnpm-workspace.yaml"), globs));
    let manifest = manifests.load(dir)?;
    let npm = manifest.and_then(|manifest| Some((manifest.path.clone(), manifest.workspaces.clone()?)));
    if pnpm_lock && !other_lock {
        if let (None, Some((path, _))) = (&pnpm, &npm) {
            let message = format!("pnpm does not read `workspaces` of `{path}`");
            let hint = "list the packages in `pnpm-workspace.yaml`";
            let place = Location::file(path.as_str());
            warnings.push(Warning::new("project/pnpm-workspaces", message).with_hint(hint).at(place));
        }
        return Ok(pnpm);
    }
    Ok(if pnpm_lock { pnpm.or(npm) } else { npm.or(pnpm) })
}

/// `packages` of `pnpm-workspace.yaml`.
fn pnpm_packages(tree: &SourceTree, dir: &RelPath) -> Result<Option<Vec<String>>, ProjectError> {
    let Some((path, values)) = pnpm_workspace(tree, dir)? else { return Ok(None) };
    let globs = match values.get("packages") {
        None | Some(Value::Null) => return Ok(None),
        Some(packages) => packages.as_array().and_then(|globs| {
            globs.iter().map(|glob| glob.as_str().map(str::to_owned)).collect::<Option<Vec<String>>>()
        }),
    };
    globs.map(Some).ok_or_else(|| ProjectError::WrongType {
        location: Location::file(path.as_str()),
        field: "packages".to_owned(),
        expected: "a list of globs",
    })
}

/// `pnpm-workspace.yaml`: its path and its fields.
type PnpmWorkspace = (RelPath, Map<String, Value>);

/// The whole `pnpm-workspace.yaml`.
pub(super) fn pnpm_workspace(tree: &SourceTree, dir: &RelPath) -> Result<Option<PnpmWorkspace>, ProjectError> {
    let path = dir.child("pnpm-workspace.yaml");
    let Some(content) = text::read(tree, &path)? else { return Ok(None) };
    let values = text::parse_yaml(&path, content)?;
    Ok(Some((path, values)))
}

fn globs_of(
    declared_in: &RelPath,
    globs: &[String],
    warnings: &mut Vec<Warning>,
) -> Result<(GlobSet, GlobSet), ProjectError> {
    let place = || Location::file(declared_in.as_str());
    let malformed = |error: &globset::Error| ProjectError::Malformed {
        location: place(),
        kind: "workspace globs",
        message: error.to_string(),
    };
    let too_large = |reason: String| ProjectError::BeyondLimit { file: declared_in.clone(), reason };
    if globs.len() > MOST_GLOBS {
        return Err(too_large(format!("it lists more than {MOST_GLOBS} package folders")));
    }
    let is_pattern = |glob: &&String| glob.contains(['*', '?', '[', '{']);
    if globs.iter().filter(is_pattern).count() > MOST_PATTERNS {
        return Err(too_large(format!("it lists more than {MOST_PATTERNS} package patterns")));
    }
    if let Some(glob) = globs.iter().find(|glob| !is_workspace_pattern(glob)) {
        return Err(too_large(format!("the package pattern `{}` has too many wildcards", shown(glob))));
    }
    let (mut positive, mut negative) = (GlobSetBuilder::new(), GlobSetBuilder::new());
    for glob in globs {
        let (set, glob) = match glob.strip_prefix('!') {
            Some(rest) => (&mut negative, rest),
            None => (&mut positive, glob.as_str()),
        };
        let glob = glob.trim_start_matches("./").trim_end_matches('/');
        if glob.starts_with("../") || glob.starts_with('/') {
            let message = format!("`{glob}` in `{declared_in}` names packages outside the repository");
            let hint = "run nextdeploy in the folder above, or move the packages";
            warnings.push(Warning::new("project/workspace-outside", message).with_hint(hint).at(place()));
            continue;
        }
        if !glob.is_empty() && glob != "." {
            set.add(manifest_glob(glob).map_err(|error| malformed(&error))?);
        }
    }
    let build = |set: &GlobSetBuilder| set.build().map_err(|error| malformed(&error));
    Ok((build(&positive)?, build(&negative)?))
}

/// Package managers match manifests, so `packages/**` includes `packages/a` and `packages/a/b`.
fn manifest_glob(glob: &str) -> Result<Glob, globset::Error> {
    GlobBuilder::new(&format!("{glob}/package.json")).literal_separator(true).build()
}

/// Names of the packages that `app` needs, dependencies first; cycles are broken.
pub(super) fn build_order(members: &[Rc<PackageJson>], app: &PackageJson) -> Vec<String> {
    let by_name: BTreeMap<&str, &PackageJson> =
        members.iter().filter_map(|manifest| Some((manifest.name.as_deref()?, &**manifest))).collect();
    let needs = |manifest: &PackageJson| -> Vec<&PackageJson> {
        let mut found = BTreeMap::new();
        for (name, range) in manifest.all_dependencies().chain(&manifest.peer_dependencies) {
            if let Some(needed) = by_name.get(linked_name(name, range)) {
                found.insert(needed.dir.clone(), *needed);
            }
        }
        found.into_values().filter(|needed| needed.dir != manifest.dir && needed.dir != app.dir).collect()
    };
    let mut order = Vec::new();
    let mut seen = BTreeSet::new();
    // Depth first with an explicit stack: each entry is a package and the dependencies it still waits for.
    let mut stack = vec![(app, needs(app))];
    while let Some((package, waiting)) = stack.last_mut() {
        if let Some(next) = waiting.pop() {
            if seen.insert(next.dir.clone()) {
                stack.push((next, needs(next)));
            }
        } else {
            if package.dir != app.dir {
                order.push(package.display_name());
            }
            stack.pop();
        }
    }
    order
}

/// The package that a dependency refers to: `workspace:other@*` is an alias.
fn linked_name<'a>(name: &'a str, range: &'a str) -> &'a str {
    let Some(rest) = range.strip_prefix("workspace:") else { return name };
    match rest.rsplit_once('@') {
        Some((target, _)) if !target.is_empty() => target,
        _ => name,
    }
}

/// Limit of warnings of this kind.
const MOST_MISSING: usize = 20;

/// `workspace:` dependencies that no package provides; some package managers silently install without them.
pub(super) fn missing(root: &PackageJson, members: &[Rc<PackageJson>]) -> Vec<(RelPath, String)> {
    let all = || members.iter().map(|manifest| &**manifest).chain([root]);
    let names: BTreeSet<&str> = all().filter_map(|manifest| manifest.name.as_deref()).collect();
    let unknown =
        |name: &str, range: &str| range.starts_with("workspace:") && !names.contains(linked_name(name, range));
    all()
        .flat_map(|manifest| manifest.all_dependencies().map(move |(name, range)| (manifest, name, range)))
        .filter(|(_, name, range)| unknown(name, range))
        .take(MOST_MISSING)
        .map(|(manifest, name, range)| (manifest.path.clone(), linked_name(name, range).to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(files: &[(&str, &str)]) -> Result<Vec<String>, String> {
        let tree = SourceTree::from_texts(files.iter().copied());
        let members = members(&PackageJsonCache::new(&tree), &RelPath::root(), &mut Vec::new())
            .map_err(|error| error.to_string())?;
        Ok(members.map(|found| found.manifests.iter().map(|m| m.dir.to_string()).collect()).unwrap_or_default())
    }

    #[track_caller]
    fn check(globs: &[&str], expected: &[&str]) {
        let manifest = serde_json::json!({ "workspaces": globs }).to_string();
        let folders = ["a", "packages/x", "packages/y", "packages/x/test/z", "apps/web"];
        let paths: Vec<String> = folders.iter().map(|folder| format!("{folder}/package.json")).collect();
        let mut files = vec![("package.json", manifest.as_str())];
        files.extend(paths.iter().map(|path| (path.as_str(), "{}")));
        assert_eq!(names(&files).unwrap(), expected, "{globs:?}");
    }

    #[test]
    fn globs_select_packages() {
        check(&["packages/*"], &["packages/x", "packages/y"]);
        check(&["packages/**"], &["packages/x", "packages/x/test/z", "packages/y"]);
        check(&["packages/**", "!**/test/**"], &["packages/x", "packages/y"]);
        check(&["./apps/web/", "packages/*", "!packages/y"], &["apps/web", "packages/x"]);
        check(&["{apps,packages}/*"], &["apps/web", "packages/x", "packages/y"]);
        check(&["*", "."], &["a"]);
        check(&[], &[]);
    }

    #[test]
    fn pnpm_and_others_read_their_own_file() {
        let npm = ("package.json", r#"{"workspaces": ["a"]}"#);
        let pnpm = ("pnpm-workspace.yaml", "packages:\n  - 'b'\n");
        let packages = [("a/package.json", "{}"), ("b/package.json", "{}")];
        let with = |more: &[(&'static str, &'static str)]| names(&[&packages[..], more].concat());
        assert_eq!(with(&[npm, pnpm, ("pnpm-lock.yaml", "")]).unwrap(), ["b"]);
        assert_eq!(with(&[npm, pnpm, ("yarn.lock", "")]).unwrap(), ["a"]);
        assert_eq!(with(&[npm, ("pnpm-lock.yaml", "")]).unwrap(), [""; 0]);
        assert_eq!(with(&[("pnpm-workspace.yaml", "ignoredBuiltDependencies:\n  - sharp\n")]).unwrap(), [""; 0]);
    }

    #[test]
    fn broken_declarations() {
        let error = |yaml: &'static str| names(&[("pnpm-workspace.yaml", yaml)]).unwrap_err();
        assert_eq!(error("packages: 5"), "`packages` in `pnpm-workspace.yaml` must be a list of globs");
        assert!(error("packages:\n\t- a").starts_with("`pnpm-workspace.yaml` cannot be read as YAML: "));
        let glob = names(&[("package.json", r#"{"workspaces": ["a/[z"]}"#)]).unwrap_err();
        assert!(glob.starts_with("`package.json` cannot be read as workspace globs: "), "{glob}");
        let refused = |globs: Vec<String>| {
            let manifest = serde_json::json!({ "workspaces": globs }).to_string();
            names(&[("package.json", &manifest)]).unwrap_err()
        };
        let many = |count: usize, end: &str| (0..count).map(|n| format!("{n}{end}")).collect();
        assert_eq!(refused(many(10_001, "")), "`package.json` is too large: it lists more than 10000 package folders");
        assert_eq!(refused(many(501, "/*")), "`package.json` is too large: it lists more than 500 package patterns");
        let wildcards = refused(vec!["*a".repeat(17)]);
        assert!(wildcards.ends_with("` has too many wildcards"), "{wildcards}");
    }

    #[test]
    fn dependencies_come_before_dependents() {
        let package = |dir: &str, name: &str, needs: &[(&str, &str)]| {
            Rc::new(PackageJson {
                dir: RelPath::new(dir).unwrap(),
                name: Some(name.to_owned()),
                dependencies: needs.iter().map(|(n, r)| ((*n).to_owned(), (*r).to_owned())).collect(),
                ..PackageJson::default()
            })
        };
        let members = [
            package("apps/web", "web", &[("ui", "workspace:*"), ("react", "19"), ("cfg", "workspace:config@*")]),
            package("packages/config", "config", &[]),
            package("packages/other", "other", &[]),
            package("packages/theme", "theme", &[("config", "*"), ("ui", "*")]),
            package("packages/ui", "ui", &[("theme", "workspace:^"), ("web", "*")]),
        ];
        assert_eq!(build_order(&members, &members[0]), ["config", "theme", "ui"]);
    }
}
