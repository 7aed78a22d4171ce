//! Packages of a lockfile that are compiled when they are installed: lockfile text in, [`NativeModule`]s out.
//!
//! A package counts when it depends on something that only compiled modules need, unless it brings binaries for Linux along. Whether
//! a prebuilt binary could be downloaded does not matter: such downloads come from other hosts than the registry.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::project::error::ProjectError;
use crate::project::facts::{NativeModule, PackageManagerKind};
use crate::project::text;
use crate::rel_path::RelPath;

/// Dependencies of modules that are compiled.
const COMPILED_WITH: &[&str] =
    &["nan", "node-addon-api", "bindings", "prebuild-install", "install-artifact-from-github", "cmake-js", "cmake-ts"];
/// Loaders of binaries that are part of the package.
const PREBUILT_WITH: &[&str] = &["node-gyp-build", "node-gyp-build-optional-packages", "pkg-prebuilds"];
/// Compiled modules whose dependencies do not show it, or that compile although they bring some binaries along.
const COMPILED: &[&str] = &[
    "argon2",
    "better-sqlite3",
    "canvas",
    "cpu-features",
    "deasync",
    "grpc",
    "iconv",
    "isolated-vm",
    "kerberos",
    "keytar",
    "libpq",
    "libxmljs",
    "libxmljs2",
    "node-expat",
    "node-pty",
    "node-rdkafka",
    "node-sass",
    "odbc",
    "re2",
    "sqlite3",
    "unix-dgram",
    "zeromq",
];
/// Modules that bring binaries along since a version.
const COMPILED_BEFORE: &[(&str, (u32, u32))] = &[("bcrypt", (6, 0)), ("sharp", (0, 33)), ("snappy", (7, 0))];
/// Only for macOS; Yarn 1 does not record that.
const NOT_FOR_LINUX: &str = "fsevents";
/// Modules that are named; there are seldom more than five.
const MOST_MODULES: usize = 1_000;

/// The modules that the lockfile installs, by name.
pub(super) fn in_lockfile(
    kind: PackageManagerKind,
    path: &RelPath,
    content: &str,
) -> Result<Vec<NativeModule>, ProjectError> {
    let json_error = |error| text::json_error(path, content, &error);
    let mut found = Modules::default();
    match kind {
        PackageManagerKind::Npm => {
            let lock: NpmLock = serde_json::from_str(content).map_err(json_error)?;
            // The keys of `packages` are folders: those of the project itself are outside of `node_modules`.
            let by_folder = lock.packages.is_some();
            let modules = lock.packages.or(lock.dependencies).unwrap_or_default().0;
            let installed = modules.into_iter().filter(|(is_installed, _)| *is_installed || !by_folder);
            found.add(installed.map(|(_, module)| module));
        }
        PackageManagerKind::Bun => {
            let lock: BunLock = serde_json::from_str(&text::strict(content)).map_err(json_error)?;
            found.add(lock.packages.0);
        }
        PackageManagerKind::YarnClassic | PackageManagerKind::YarnBerry => yarn(content, &mut found),
        PackageManagerKind::Pnpm => pnpm(content, &mut found),
    }
    Ok(found.0.into_values().collect())
}

/// Whether a package of this name is compiled in any case; for lockfiles that cannot be read.
pub(super) fn is_compiled(name: &str, version: &str) -> bool {
    let mut parts = version.trim_start_matches(|c: char| !c.is_ascii_digit()).split(['.', '-', ' ']);
    let mut number = || parts.next().and_then(|part| part.parse::<u32>().ok());
    let version = number().map(|major| (major, number().unwrap_or(0)));
    let is_before = |(module, first): &(&str, (u32, u32))| *module == name && version.is_some_and(|v| v < *first);
    COMPILED.contains(&name) || COMPILED_BEFORE.iter().any(is_before)
}

#[derive(Default)]
struct Modules(BTreeMap<String, NativeModule>);

impl Modules {
    /// The first version of a package counts.
    fn add(&mut self, modules: impl IntoIterator<Item = NativeModule>) {
        for module in modules {
            if self.0.len() < MOST_MODULES {
                self.0.entry(module.name.clone()).or_insert(module);
            }
        }
    }
}

/// What the names in a list of dependencies or systems say about a package.
#[derive(Debug, Clone, Copy, Default)]
struct Evidence {
    compiled: bool,
    prebuilt: bool,
    /// Names systems, but not Linux.
    elsewhere: bool,
}

impl Evidence {
    fn dependency(&mut self, name: &str) {
        self.compiled |= COMPILED_WITH.contains(&name);
        self.prebuilt |= PREBUILT_WITH.contains(&name) || name.contains("linux");
    }

    fn dependencies(&mut self, names: &[Cow<'_, str>]) {
        for name in names {
            self.dependency(name);
        }
    }

    fn merge(&mut self, other: Self) {
        self.compiled |= other.compiled;
        self.prebuilt |= other.prebuilt;
        self.elsewhere |= other.elsewhere;
    }

    fn module(self, name: &str, version: &str, development_only: bool) -> Option<NativeModule> {
        let compiled = is_compiled(name, version) || (self.compiled && !self.prebuilt);
        let counts = compiled && !self.elsewhere && name != NOT_FOR_LINUX;
        counts.then(|| NativeModule { name: name.to_owned(), version: version.to_owned(), development_only })
    }
}

/// Whether a list of systems, such as `["darwin"]`, `["!win32"]` or `os=darwin`, leaves out Linux.
fn leaves_out_linux<'a>(systems: impl IntoIterator<Item = &'a str>) -> bool {
    let (mut named, mut linux) = (false, false);
    for system in systems {
        named = true;
        linux |= match system.strip_prefix('!') {
            Some(excluded) => excluded != "linux",
            None => system == "linux",
        };
    }
    named && !linux
}

/// Keys of an object, items of a list, or one text; values of any other type have no names.
struct Names<'a>(Vec<Cow<'a, str>>);

impl<'de: 'a, 'a> Deserialize<'de> for Names<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NamesVisitor)
    }
}

struct NamesVisitor;

/// Methods of a visitor that takes values of any type.
macro_rules! scalars_are {
    ($value:expr) => {
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok($value)
        }

        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
            Ok($value)
        }

        fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
            Ok($value)
        }

        fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
            Ok($value)
        }

        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
            Ok($value)
        }
    };
}

/// Names of one package that are kept; those that matter are few and short.
const MOST_NAMES: usize = 10_000;

#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Visitor<'de> for NamesVisitor {
    type Value = Names<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Names(vec![Cow::Borrowed(text)]))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Names(vec![Cow::Owned(text.to_owned())]))
    }

    scalars_are!(Names(Vec::new()));

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut names = Vec::new();
        while let Some(Names(item)) = items.next_element()? {
            names.extend(item.into_iter().take(MOST_NAMES.saturating_sub(names.len())));
        }
        Ok(Names(names))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut names = Vec::new();
        while let Some((Key(key), IgnoredAny)) = map.next_entry()? {
            if names.len() < MOST_NAMES {
                names.push(key);
            }
        }
        Ok(Names(names))
    }
}

#[derive(Deserialize)]
struct NpmLock {
    packages: Option<NpmModules>,
    dependencies: Option<NpmModules>,
}

/// Modules, each with whether its key is a folder below `node_modules`.
#[derive(Default)]
struct NpmModules(Vec<(bool, NativeModule)>);

#[derive(Deserialize)]
struct NpmEntry<'a> {
    #[serde(borrow)]
    version: Option<Names<'a>>,
    /// In lockfiles of version 1, the packages below this one.
    #[serde(borrow)]
    dependencies: Option<Names<'a>>,
    #[serde(borrow, rename = "optionalDependencies")]
    optional: Option<Names<'a>>,
    #[serde(borrow)]
    requires: Option<Names<'a>>,
    #[serde(borrow)]
    os: Option<Names<'a>>,
    dev: Option<IgnoredAny>,
}

impl NpmEntry<'_> {
    fn module(&self, name: &str) -> Option<NativeModule> {
        let mut evidence = Evidence::default();
        for Names(names) in [&self.dependencies, &self.optional, &self.requires].into_iter().flatten() {
            evidence.dependencies(names);
        }
        evidence.elsewhere =
            self.os.as_ref().is_some_and(|Names(systems)| leaves_out_linux(systems.iter().map(|system| &**system)));
        let version = self.version.as_ref().and_then(|Names(version)| version.first()).map_or("", |version| version);
        evidence.module(name, version, self.dev.is_some())
    }
}

impl<'de> Deserialize<'de> for NpmModules {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(NpmVisitor)
    }
}

struct NpmVisitor;

impl<'de> Visitor<'de> for NpmVisitor {
    type Value = NpmModules;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of packages")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<NpmModules, A::Error> {
        let mut found = Vec::new();
        while let Some((Key(key), entry)) = map.next_entry::<Key, NpmEntry>()? {
            let installed = key.rsplit_once("node_modules/").map(|(_, name)| name);
            let module = entry.module(installed.unwrap_or(&key)).filter(|_| found.len() < MOST_MODULES);
            found.extend(module.map(|module| (installed.is_some(), module)));
        }
        Ok(NpmModules(found))
    }
}

#[derive(Deserialize)]
struct BunLock {
    #[serde(default)]
    packages: BunModules,
}

#[derive(Default)]
struct BunModules(Vec<NativeModule>);

impl<'de> Deserialize<'de> for BunModules {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(BunVisitor)
    }
}

struct BunVisitor;

impl<'de> Visitor<'de> for BunVisitor {
    type Value = BunModules;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of packages")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<BunModules, A::Error> {
        let mut found = Vec::new();
        while let Some((Key(_), BunEntry(module))) = map.next_entry()? {
            found.extend(module.filter(|_| found.len() < MOST_MODULES));
        }
        Ok(BunModules(found))
    }
}

/// `["bcrypt@5.1.1", "", { "dependencies": { … } }, "sha512-…"]`.
struct BunEntry(Option<NativeModule>);

impl<'de> Deserialize<'de> for BunEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(BunEntryVisitor)
    }
}

struct BunEntryVisitor;

/// An element of a package's list: only an object says anything.
struct BunPart(Evidence);

impl<'de> Deserialize<'de> for BunPart {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(BunPartVisitor)
    }
}

struct BunPartVisitor;

impl<'de> Visitor<'de> for BunPartVisitor {
    type Value = BunPart;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(BunPart(Evidence::default()))
    }

    scalars_are!(BunPart(Evidence::default()));

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(BunPart(Evidence::default()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut evidence = Evidence::default();
        while let Some((Key(key), Names(names))) = map.next_entry()? {
            match &*key {
                "dependencies" | "optionalDependencies" => evidence.dependencies(&names),
                "os" => evidence.elsewhere = leaves_out_linux(names.iter().map(|system| &**system)),
                _ => {}
            }
        }
        Ok(BunPart(evidence))
    }
}

impl<'de> Visitor<'de> for BunEntryVisitor {
    type Value = BunEntry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a package")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<BunEntry, A::Error> {
        let id: Option<Names> = items.next_element()?;
        let mut evidence = Evidence::default();
        while let Some(BunPart(part)) = items.next_element()? {
            evidence.merge(part);
        }
        let id = id.and_then(|Names(mut id)| id.pop()).unwrap_or_default();
        Ok(BunEntry(name_and_version(&id).and_then(|(name, version)| evidence.module(name, version, false))))
    }
}

/// `@scope/name@1.0.0`, also with a leading `/`, as in old pnpm lockfiles.
fn name_and_version(id: &str) -> Option<(&str, &str)> {
    let id = id.trim_start_matches('/');
    let at = id.char_indices().skip(1).find(|(_, c)| *c == '@')?.0;
    Some((&id[..at], &id[at + 1..]))
}

fn yarn(content: &str, found: &mut Modules) {
    let (mut name, mut version, mut evidence, mut in_dependencies) = ("", "", Evidence::default(), false);
    for line in content.lines().chain(["end:"]) {
        let content = line.trim_start_matches(' ');
        match line.len() - content.len() {
            0 if content.is_empty() || content.starts_with('#') => {}
            0 => {
                found.add(evidence.module(name, version, false));
                let first = content.trim_start_matches('"');
                name = name_and_version(first).map_or("", |(name, _)| name);
                (version, evidence, in_dependencies) = ("", Evidence::default(), false);
            }
            2 => {
                let (key, value) = content.split_once([' ', ':']).unwrap_or((content, ""));
                let value = value.trim_matches([':', ' ', '"']);
                in_dependencies = matches!(key, "dependencies" | "optionalDependencies");
                match key {
                    "version" => version = value,
                    "conditions" if value.contains("os=") => evidence.elsewhere = !value.contains("os=linux"),
                    _ => {}
                }
            }
            4 if in_dependencies => {
                let dependency = content.trim_start_matches('"');
                let end = dependency.find(['"', ' ', ':']).unwrap_or(dependency.len());
                evidence.dependency(&dependency[..end]);
            }
            _ => {}
        }
    }
}

/// Up to version 6, `packages` has everything; since version 9, dependencies are in `snapshots`.
fn pnpm(content: &str, found: &mut Modules) {
    let mut elsewhere: BTreeSet<&str> = BTreeSet::new();
    let (mut section, mut id, mut list) = ("", "", "");
    let (mut evidence, mut development_only) = (Evidence::default(), false);
    for line in content.lines().chain(["end:"]) {
        let content = line.trim_start_matches(' ');
        let indent = line.len() - content.len();
        if content.is_empty() {
            continue;
        }
        let (key, value) = content.split_once(": ").unwrap_or((content.trim_end_matches(':'), ""));
        if indent <= 2 {
            evidence.elsewhere |= elsewhere.contains(id);
            if evidence.elsewhere {
                elsewhere.insert(id);
            }
            let module = pnpm_id(id).and_then(|(name, version)| evidence.module(name, version, development_only));
            found.add(module);
            (id, list, evidence, development_only) = ("", "", Evidence::default(), false);
        }
        match indent {
            0 => section = key,
            2 if matches!(section, "packages" | "snapshots") => {
                let key = content.trim_end_matches([':', ' ', '{', '}']).trim_matches(['\'', '"']);
                id = &key[..key.find('(').unwrap_or(key.len())];
            }
            4 => {
                list = key;
                match key {
                    "os" => evidence.elsewhere = leaves_out_linux(value.trim_matches(['[', ']']).split(", ")),
                    "dev" => development_only = value == "true",
                    _ => {}
                }
            }
            6 if matches!(list, "dependencies" | "optionalDependencies") => {
                evidence.dependency(key.trim_matches(['\'', '"']));
            }
            _ => {}
        }
    }
}

/// `bcrypt@5.1.1`, `/bcrypt@5.1.1`, `/bcrypt/5.1.1` or `/bcrypt/5.1.1_encoding@0.1.13`.
fn pnpm_id(id: &str) -> Option<(&str, &str)> {
    let old = id.strip_prefix('/').and_then(|id| id.rsplit_once('/'));
    let old = old.filter(|(_, version)| version.starts_with(|c: char| c.is_ascii_digit()));
    old.map(|(name, version)| (name, version.split('_').next().unwrap_or(version))).or_else(|| name_and_version(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kind: PackageManagerKind, text: &str, expected: &[&str]) {
        let path = RelPath::new("lockfile").unwrap();
        let modules = in_lockfile(kind, &path, text).unwrap();
        let found: Vec<String> = modules
            .iter()
            .map(|m| format!("{}@{}{}", m.name, m.version, if m.development_only { " dev" } else { "" }))
            .collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn npm() {
        let v3 = r#"{"lockfileVersion": 3, "packages": {"": {"dependencies": {"bindings": "1"}},
            "node_modules/bcrypt": {"version": "5.1.1", "hasInstallScript": true, "dependencies": {"node-addon-api": "^5"}},
            "node_modules/x/node_modules/bcrypt": {"version": "6.0.0", "dependencies": {"node-addon-api": "^8", "node-gyp-build": "^4"}},
            "node_modules/canvas": {"version": "2.11.2", "dev": true, "dependencies": {"nan": "^2"}},
            "node_modules/@parcel/watcher": {"version": "2.5.0", "dependencies": {"node-addon-api": "^7"}, "optionalDependencies": {"@parcel/watcher-linux-x64-glibc": "2.5.0"}},
            "node_modules/fsevents": {"version": "1.2.13", "os": ["darwin"], "dependencies": {"nan": "^2"}},
            "node_modules/not-windows": {"version": "1.0.0", "os": ["!win32"], "dependencies": {"nan": "^2"}},
            "node_modules/sharp": {"version": "0.33.5", "hasInstallScript": true, "dependencies": {"semver": "7"}}}}"#;
        let expected = ["bcrypt@5.1.1", "canvas@2.11.2 dev", "not-windows@1.0.0"];
        check(PackageManagerKind::Npm, v3, &expected);
        let v1 = r#"{"lockfileVersion": 1, "requires": true, "dependencies": {"a": {"version": "1.0.0", "bundled": true, "resolved": false},
            "node-sass": {"version": "4.14.1", "requires": {"nan": "^2.13.2"}, "dependencies": {"b": {"version": "1.0.0"}}}}}"#;
        check(PackageManagerKind::Npm, v1, &["node-sass@4.14.1"]);
        check(PackageManagerKind::Npm, r#"{"lockfileVersion": 3}"#, &[]);
    }

    #[test]
    fn yarn_1_and_berry() {
        let classic = "# yarn lockfile v1\n\n\nbcrypt@^5.1.0:\n  version \"5.1.1\"\n  resolved \"https://host/bcrypt.tgz\"\n  dependencies:\n    \"@mapbox/node-pre-gyp\" \"^1.0.11\"\n    node-addon-api \"^5.0.0\"\n\nfsevents@^1.2.7:\n  version \"1.2.13\"\n  dependencies:\n    nan \"^2.12.1\"\n\n\"@parcel/watcher@^2.4.1\":\n  version \"2.4.1\"\n  dependencies:\n    node-addon-api \"^7.0.0\"\n  optionalDependencies:\n    \"@parcel/watcher-linux-x64-glibc\" \"2.4.1\"\n";
        check(PackageManagerKind::YarnClassic, classic, &["bcrypt@5.1.1"]);
        let berry = "__metadata:\n  version: 8\n\n\"fsevents@npm:^1\":\n  version: 1.2.13\n  resolution: \"fsevents@npm:1.2.13\"\n  dependencies:\n    nan: \"npm:^2\"\n  conditions: os=darwin\n  languageName: node\n\n\"@vscode/sqlite3@npm:^5\":\n  version: 5.1.2\n  dependencies:\n    node-addon-api: \"npm:^4.2.0\"\n    node-gyp: \"npm:latest\"\n";
        check(PackageManagerKind::YarnBerry, berry, &["@vscode/sqlite3@5.1.2"]);
    }

    #[test]
    fn pnpm_5_to_9() {
        let v5 = "lockfileVersion: 5.4\n\npackages:\n\n  /canvas/2.11.2_encoding@0.1.13:\n    resolution: {integrity: x}\n    requiresBuild: true\n    dependencies:\n      nan: 2.17.0\n    dev: true\n\n  /fsevents/1.2.13:\n    os: [darwin]\n    dependencies:\n      nan: 2.17.0\n    dev: false\n";
        check(PackageManagerKind::Pnpm, v5, &["canvas@2.11.2 dev"]);
        let v6 = "lockfileVersion: '6.0'\npackages:\n\n  /@vscode/sqlite3@5.1.2(encoding@0.1.13):\n    dependencies:\n      node-addon-api: 4.3.0\n    dev: false\n";
        check(PackageManagerKind::Pnpm, v6, &["@vscode/sqlite3@5.1.2"]);
        let v9 = "lockfileVersion: '9.0'\n\nimporters:\n\n  .:\n    dependencies:\n      nan:\n        specifier: 1\n        version: 1.0.0\n\npackages:\n\n  '@parcel/watcher@2.5.0':\n    resolution: {integrity: x}\n\n  better-sqlite3@11.9.1:\n    resolution: {integrity: x}\n\n  mac-only@1.0.0:\n    os: [darwin]\n\nsnapshots:\n\n  '@parcel/watcher@2.5.0':\n    dependencies:\n      node-addon-api: 7.1.1\n    optionalDependencies:\n      '@parcel/watcher-linux-x64-glibc': 2.5.0\n\n  better-sqlite3@11.9.1:\n    dependencies:\n      bindings: 1.5.0\n      prebuild-install: 7.1.3\n\n  mac-only@1.0.0:\n    dependencies:\n      nan: 2.17.0\n\n  nan@2.17.0: {}\n";
        check(PackageManagerKind::Pnpm, v9, &["better-sqlite3@11.9.1"]);
    }

    #[test]
    fn modules_known_by_name() {
        for (name, version) in [("bcrypt", "5.1.1"), ("bcrypt", "^5"), ("sharp", "0.32.6"), ("node-sass", "9.0.0")] {
            assert!(is_compiled(name, version), "{name} {version}");
        }
        for (name, version) in
            [("bcrypt", "6.0.0"), ("bcrypt", "latest"), ("sharp", "0.33.0"), ("sharp", "1.0.0"), ("x", "1")]
        {
            assert!(!is_compiled(name, version), "{name} {version}");
        }
    }

    #[test]
    fn bun() {
        let lock = r#"{"lockfileVersion": 1, "packages": {
            "argon2": ["argon2@0.41.1", "", { "dependencies": { "node-addon-api": "^8", "node-gyp-build": "^4" } }, "sha512-x=="],
            "cpu-features": ["cpu-features@0.0.10", "", { "dependencies": { "nan": "^2.19.0" } }, "sha512-x=="],
            "fsevents": ["fsevents@1.2.13", "", { "os": "darwin", "dependencies": { "nan": "1" } }, "sha512-x=="],
            "ui": ["@acme/ui@workspace:packages/ui"], } }"#;
        check(PackageManagerKind::Bun, lock, &["argon2@0.41.1", "cpu-features@0.0.10"]);
    }
}
