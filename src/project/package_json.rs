//! `package.json` as typed values: `SourceTree` and folder in, [`PackageJson`] out.
//!
//! Reads only the fields that detection uses; a field of the wrong type is an error that names it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use serde_json::Value;

use crate::diagnostic::Location;
use crate::rel_path::RelPath;
use crate::repo::SourceTree;

use super::error::ProjectError;
use super::facts::DeclaredPackages;
use super::text::{self, Fields};

/// One `package.json`.
#[derive(Debug, Clone, Default)]
pub(super) struct PackageJson {
    pub path: RelPath,
    pub dir: RelPath,
    pub name: Option<String>,
    pub version: Option<String>,
    pub description: Option<String>,
    pub license: Option<String>,
    pub scripts: BTreeMap<String, String>,
    pub dependencies: BTreeMap<String, String>,
    pub dev_dependencies: BTreeMap<String, String>,
    pub optional_dependencies: BTreeMap<String, String>,
    pub peer_dependencies: BTreeMap<String, String>,
    pub package_manager: Option<String>,
    pub engines: BTreeMap<String, String>,
    pub volta: BTreeMap<String, String>,
    /// `devEngines.runtime` and `devEngines.packageManager`.
    pub dev_runtime: Vec<DevEngine>,
    pub dev_package_manager: Vec<DevEngine>,
    /// `workspaces`, when there is such a field.
    pub workspaces: Option<Vec<String>>,
    /// Paths of `pnpm.patchedDependencies` and of Bun's top-level `patchedDependencies`.
    pub patched_dependencies: Vec<String>,
    /// Targets of `resolutions` (Yarn) and `overrides` (npm, pnpm, Bun).
    pub overrides: Vec<String>,
    /// Packages that pnpm copies instead of linking them: `dependenciesMeta.NAME.injected`.
    pub injected: Vec<String>,
    /// Names of packages whose version `overrides` or `resolutions` replace.
    pub overridden: Vec<String>,
    /// npm 12: the packages whose install scripts run, and those whose do not.
    pub allow_scripts: Vec<String>,
    pub denied_scripts: Vec<String>,
    pub prisma_schema: Option<String>,
    /// Targets of `bin`.
    pub programs: Vec<String>,
}

/// One entry of `devEngines`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DevEngine {
    pub name: String,
    pub version: Option<String>,
}

type Parsed = Result<Option<Rc<PackageJson>>, ProjectError>;

/// The manifests of a tree, each parsed once.
pub(super) struct PackageJsonCache<'t> {
    pub tree: &'t SourceTree,
    parsed: RefCell<BTreeMap<RelPath, Parsed>>,
}

impl<'t> PackageJsonCache<'t> {
    pub fn new(tree: &'t SourceTree) -> Self {
        Self { tree, parsed: RefCell::default() }
    }

    /// The manifest in `dir`; `None` when there is none.
    pub fn load(&self, dir: &RelPath) -> Parsed {
        if let Some(parsed) = self.parsed.borrow().get(dir) {
            return parsed.clone();
        }
        let parsed = PackageJson::load(self.tree, dir).map(|manifest| manifest.map(Rc::new));
        self.parsed.borrow_mut().insert(dir.clone(), parsed.clone());
        parsed
    }
}

impl PackageJson {
    /// The manifest in `dir`; `None` when there is none.
    pub fn load(tree: &SourceTree, dir: &RelPath) -> Result<Option<Self>, ProjectError> {
        let path = dir.child("package.json");
        text::read(tree, &path)?.map(|text| Self::parse(&path, text)).transpose()
    }

    pub fn parse(path: &RelPath, text: &str) -> Result<Self, ProjectError> {
        let value: Value = text::parse_json(path, text)?;
        let fields = Fields::new(path, text, &value)?;
        let text_of = |key| fields.get(key).and_then(Value::as_str).map(str::to_owned);
        let map = |key| fields.strings(key).map(BTreeMap::from_iter);
        let (allowed, denied) = reviewed_scripts(&fields);
        Ok(Self {
            path: path.clone(),
            dir: path.parent().unwrap_or_default(),
            name: fields.string("name")?.filter(|name| !name.trim().is_empty()),
            version: fields.string("version")?,
            // Nothing depends on these two, so a wrong type is not an error.
            description: text_of("description"),
            license: text_of("license"),
            scripts: map("scripts")?,
            dependencies: map("dependencies")?,
            dev_dependencies: map("devDependencies")?,
            optional_dependencies: map("optionalDependencies")?,
            peer_dependencies: map("peerDependencies")?,
            package_manager: fields.string("packageManager")?,
            engines: map("engines")?,
            volta: map("volta")?,
            dev_runtime: dev_engines(&fields, "runtime")?,
            dev_package_manager: dev_engines(&fields, "packageManager")?,
            workspaces: workspaces(&fields)?,
            patched_dependencies: patches(&fields)?,
            overrides: overrides(&value),
            injected: injected(&value),
            overridden: overridden(&fields)?,
            allow_scripts: allowed,
            denied_scripts: denied,
            prisma_schema: fields.object("prisma")?.map(|prisma| prisma.string("schema")).transpose()?.flatten(),
            programs: fields.get("bin").map(programs).unwrap_or_default(),
        })
    }

    /// The name, or the folder's when the manifest has none.
    pub fn display_name(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.dir.name().to_owned())
    }

    /// The range required of `name`, and the field that declares it.
    pub fn dependency(&self, name: &str) -> Option<(&'static str, &str)> {
        let places = [
            ("dependencies", &self.dependencies),
            ("devDependencies", &self.dev_dependencies),
            ("optionalDependencies", &self.optional_dependencies),
        ];
        places.into_iter().find_map(|(field, map)| map.get(name).map(|range| (field, range.as_str())))
    }

    /// Names and ranges of everything that is installed for this package.
    pub fn all_dependencies(&self) -> impl Iterator<Item = (&String, &String)> {
        self.dependencies.iter().chain(&self.dev_dependencies).chain(&self.optional_dependencies)
    }

    /// The line of a field, for messages.
    pub fn place(&self, tree: &SourceTree, keys: &[&str]) -> Location {
        match text::read(tree, &self.path) {
            Ok(Some(text)) => text::locate(&self.path, text, keys),
            _ => Location::file(self.path.as_str()),
        }
    }
}

/// The packages that a production install of these manifests has, and those that it leaves out.
pub(super) fn declared(manifests: &[&PackageJson]) -> DeclaredPackages {
    let names = |of: fn(&PackageJson) -> &BTreeMap<String, String>| {
        manifests.iter().flat_map(move |manifest| of(manifest).keys().cloned())
    };
    let mut production: BTreeSet<String> = names(|manifest| &manifest.dependencies).collect();
    production.extend(names(|manifest| &manifest.optional_dependencies));
    let development = names(|manifest| &manifest.dev_dependencies).filter(|name| !production.contains(name)).collect();
    DeclaredPackages { production, development }
}

fn dev_engines(fields: &Fields<'_>, key: &'static str) -> Result<Vec<DevEngine>, ProjectError> {
    let Some(engines) = fields.object("devEngines")? else { return Ok(Vec::new()) };
    let Some(value) = engines.get(key) else { return Ok(Vec::new()) };
    let entries = value.as_array().map_or_else(|| std::slice::from_ref(value), Vec::as_slice);
    entries
        .iter()
        .map(|entry| {
            let name = entry.get("name").and_then(Value::as_str);
            let name = name.ok_or_else(|| engines.wrong_type(key, "an object with a `name`, or an array of them"))?;
            let version = entry.get("version").and_then(Value::as_str).map(str::to_owned);
            Ok(DevEngine { name: name.to_owned(), version })
        })
        .collect()
}

/// An array of globs, or (Yarn 1, Bun) an object with `packages`.
fn workspaces(fields: &Fields<'_>) -> Result<Option<Vec<String>>, ProjectError> {
    let Some(value) = fields.get("workspaces") else { return Ok(None) };
    let wrong = || fields.wrong_type("workspaces", "an array of globs, or an object with `packages`");
    let globs = if value.is_object() {
        match value.get("packages") {
            None => return Ok(Some(Vec::new())),
            Some(packages) => packages.as_array(),
        }
    } else {
        value.as_array()
    };
    let globs = globs.ok_or_else(wrong)?;
    globs.iter().map(|glob| glob.as_str().map(str::to_owned).ok_or_else(wrong)).collect::<Result<_, _>>().map(Some)
}

/// The last name of each key: `next`, `next@15`, `a>next`, `**/next`.
fn overridden(fields: &Fields<'_>) -> Result<Vec<String>, ProjectError> {
    let pnpm = fields.object("pnpm")?;
    let of_pnpm = pnpm.as_ref().and_then(|pnpm| pnpm.get("overrides"));
    let maps = [fields.get("overrides"), fields.get("resolutions"), of_pnpm];
    let keys = maps.into_iter().flatten().filter_map(Value::as_object).flat_map(|map| map.keys());
    Ok(keys.map(|key| override_name(key).to_owned()).collect())
}

pub(super) fn override_name(key: &str) -> &str {
    let last = key.rsplit('>').next().unwrap_or(key);
    let scope = last.rfind("/@").map(|at| at + 1).or_else(|| last.starts_with('@').then_some(0));
    let start = match (scope, last.rfind('/')) {
        // The slash is the one of the scope itself.
        (Some(scope), Some(slash)) if last[scope..slash].matches('/').count() == 0 => scope,
        (_, Some(slash)) => slash + 1,
        (_, None) => 0,
    };
    let name = &last[start..];
    let version = name.char_indices().skip(1).find(|(_, c)| *c == '@').map_or(name.len(), |(at, _)| at);
    &name[..version]
}

/// Names that `allowScripts` allows and denies; versions after the name do not matter here.
fn reviewed_scripts(fields: &Fields<'_>) -> (Vec<String>, Vec<String>) {
    let reviewed = fields.get("allowScripts").and_then(Value::as_object).into_iter().flatten();
    let (allowed, denied): (Vec<_>, Vec<_>) = reviewed.partition(|(_, value)| value.as_bool() == Some(true));
    let names =
        |entries: Vec<(&String, &Value)>| entries.into_iter().map(|(key, _)| override_name(key).to_owned()).collect();
    (names(allowed), names(denied))
}

/// Nested values are ignored.
fn string_values(value: &Value) -> Vec<String> {
    value.as_object().into_iter().flatten().filter_map(|(_, value)| value.as_str()).map(str::to_owned).collect()
}

/// Also those that npm nests below the package that they are for.
fn overrides(manifest: &Value) -> Vec<String> {
    let places = [manifest.get("resolutions"), manifest.get("overrides"), manifest.pointer("/pnpm/overrides")];
    let mut waiting: Vec<&Value> = places.into_iter().flatten().collect();
    let mut found = Vec::new();
    while let Some(value) = waiting.pop() {
        found.extend(value.as_str().map(str::to_owned));
        waiting.extend(value.as_object().into_iter().flatten().map(|(_, value)| value));
    }
    found
}

fn injected(manifest: &Value) -> Vec<String> {
    let packages = manifest.get("dependenciesMeta").and_then(Value::as_object).into_iter().flatten();
    packages
        .filter(|(_, meta)| meta.get("injected") == Some(&Value::Bool(true)))
        .map(|(name, _)| name.clone())
        .collect()
}

/// One path, or a path per command; package managers ignore anything else.
fn programs(bin: &Value) -> Vec<String> {
    bin.as_str().map_or_else(|| string_values(bin), |path| vec![path.to_owned()])
}

fn patches(fields: &Fields<'_>) -> Result<Vec<String>, ProjectError> {
    let mut paths = fields.strings("patchedDependencies")?;
    if let Some(pnpm) = fields.object("pnpm")? {
        paths.extend(pnpm.strings("patchedDependencies")?);
    }
    Ok(paths.into_iter().map(|(_, path)| path).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Diagnostic;

    fn check(text: &str) -> Result<PackageJson, String> {
        let path = RelPath::new("apps/web/package.json").unwrap();
        PackageJson::parse(&path, text).map_err(|error| {
            let place = error.location().map(|location| location.to_string()).unwrap_or_default();
            format!("{place}: {error}")
        })
    }

    #[test]
    fn fields_are_read_in_all_their_shapes() {
        let manifest = check(
            r#"{"name": "web", "workspaces": {"packages": ["a/*"], "nohoist": []}, "devEngines": {"runtime": {"name": "node", "version": "^22"},
               "packageManager": [{"name": "pnpm", "version": "9.1.0"}]}, "pnpm": {"patchedDependencies": {"x@1": "patches/x.patch"}}}"#,
        )
        .unwrap();
        assert_eq!(manifest.name.as_deref(), Some("web"));
        assert_eq!(manifest.workspaces, Some(vec!["a/*".to_owned()]));
        assert_eq!(manifest.dev_runtime, [DevEngine { name: "node".to_owned(), version: Some("^22".to_owned()) }]);
        assert_eq!(manifest.dev_package_manager[0].name, "pnpm");
        assert_eq!(manifest.patched_dependencies, ["patches/x.patch"]);
        assert_eq!(check("{}").unwrap().display_name(), "web");
        assert_eq!(check(r#"{"workspaces": null}"#).unwrap().workspaces, None);
    }

    #[test]
    fn names_of_overrides() {
        for (key, name) in [
            ("next", "next"),
            ("next@^15.0.0", "next"),
            ("@types/node", "@types/node"),
            ("@types/node@20", "@types/node"),
            ("a>next", "next"),
            ("a@1>@b/c@2", "@b/c"),
            ("**/next", "next"),
            ("a/@b/c", "@b/c"),
            ("@a/b/next", "next"),
            ("", ""),
        ] {
            assert_eq!(override_name(key), name, "{key}");
        }
    }

    #[test]
    fn wrong_types_name_the_field_and_its_place() {
        let says = |text, message: &str| assert_eq!(check(text).unwrap_err(), message, "{text}");
        says("{\n  \"name\": 5\n}", "apps/web/package.json:2:11: `name` in `apps/web/package.json` must be a string");
        says(
            "{\n\"engines\": {\n  \"node\": 20}}",
            "apps/web/package.json:3:11: `engines.node` in `apps/web/package.json` must be a string",
        );
        says(
            r#"{"scripts": []}"#,
            "apps/web/package.json:1:13: `scripts` in `apps/web/package.json` must be an object",
        );
        says(
            r#"{"workspaces": "a/*"}"#,
            "apps/web/package.json:1:16: `workspaces` in `apps/web/package.json` must be an array of globs, or an object with `packages`",
        );
    }

    #[test]
    fn broken_files_say_where() {
        let says = |text: &str, message: &str| assert_eq!(check(text).unwrap_err(), message, "{text}");
        says("", "apps/web/package.json:1:1: `apps/web/package.json` cannot be read as JSON: the file is empty");
        says(
            "{\"name\": \"a\",\n",
            "apps/web/package.json:2:0: `apps/web/package.json` cannot be read as JSON: EOF while parsing a value"
                .replace("2:0", "2:1")
                .as_str(),
        );
        says(
            "[]",
            "apps/web/package.json:1:1: `apps/web/package.json` cannot be read as JSON: the file does not hold an object",
        );
        says(
            "{\n<<<<<<< HEAD\n}",
            "apps/web/package.json:2: `apps/web/package.json` contains an unresolved merge conflict",
        );
        let deep = check(&"[".repeat(100_000)).unwrap_err();
        assert!(deep.contains("recursion limit"), "{deep}");
    }
}
