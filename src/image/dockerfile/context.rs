//! The build context of a plan, as a list of entries: what is generated, what the install reads, the sources.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::{self, Write};
use std::path::{Component, Path, PathBuf};

use serde::Serialize;
use serde_json::{Map, Value};

use super::render::{DOCKERFILE_NAME, variables_for_launcher};
use crate::config::metadata::RECORD_FOLDER;
use crate::config::settings::EnvFilePolicy;
use crate::diagnostic::{Location, diagnostics, printable_path};
use crate::image::plan::{ImageMode, ImagePlan, Libc, ManagerSetup, WORKSPACE};
use crate::rel_path::RelPath;
use crate::repo::{EntryKind, SourceEntry, SourceText, SourceTree, is_environment_file};

/// Entries sorted by path (bytewise), each path once, parents before children.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BuildContext {
    pub entries: Vec<ContextEntry>,
}

/// One path of the context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextEntry {
    /// Path inside the context, relative.
    pub path: PathBuf,
    pub content: ContextContent,
    /// Permission bits.
    pub mode: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContextContent {
    /// Bytes made by this program.
    Generated(Vec<u8>),
    /// A file on disk, at its absolute path, with the size (bytes) seen when the repository was read.
    File {
        disk: PathBuf,
        size: u64,
    },
    Directory,
    /// A symbolic link with its target as written.
    Symlink {
        target: PathBuf,
    },
}

impl ContextEntry {
    /// Bytes of content that this entry sends.
    pub fn size(&self) -> u64 {
        match &self.content {
            ContextContent::Generated(bytes) => bytes.len() as u64,
            ContextContent::File { size, .. } => *size,
            ContextContent::Directory | ContextContent::Symlink { .. } => 0,
        }
    }
}

impl BuildContext {
    /// Bytes of content of all entries.
    pub fn size(&self) -> u64 {
        self.entries.iter().map(ContextEntry::size).sum()
    }
}

/// Process 1 of the image and its health check; goes to `/nextdeploy/launcher.cjs`.
pub(super) const LAUNCHER: &str = include_str!("../scripts/launcher.cjs");

/// What the build stage needs in `/nextdeploy/`, beside `plan.json`: name and content.
pub(super) const BUILD_SCRIPTS: [(&str, &str); 5] = [
    ("assemble.cjs", include_str!("../scripts/assemble.cjs")),
    ("files.cjs", include_str!("../scripts/files.cjs")),
    ("finish-layer.cjs", include_str!("../scripts/finish-layer.cjs")),
    ("pin-build-id.cjs", include_str!("../scripts/pin-build-id.cjs")),
    ("pin-keys.cjs", include_str!("../scripts/pin-keys.cjs")),
];
pub(super) const SHARP_MANIFEST: &str = include_str!("../scripts/sharp/package.json");
pub(super) const SHARP_LOCKFILE: &str = include_str!("../scripts/sharp/package-lock.json");

diagnostics! {
    /// Entries that cannot be part of a build context.
    #[exit(Project)]
    #[derive(Clone, PartialEq, Eq)]
    pub enum ContextError {
        #[error("`{}` is a {what}, which cannot be part of a build context", printable_path(path))]
        #[code("dockerfile/special-file")]
        #[hint("remove it, or exclude it in `.dockerignore`")]
        #[location(Some(Location::file(path.clone())))]
        SpecialFile { path: PathBuf, what: &'static str },

        #[error("`{}` cannot be listed: {reason}", printable_path(path))]
        #[code("dockerfile/unreadable-directory")]
        #[hint("make it readable for this user, or exclude it in `.dockerignore`")]
        #[location(Some(Location::file(path.clone())))]
        UnreadableDirectory { path: PathBuf, reason: String },
    }
}

/// The context of a generated Dockerfile. `sources` are the entries of `tree` that `.dockerignore` does not exclude.
pub fn context<'a>(
    plan: &ImagePlan,
    dockerfile: &str,
    tree: &SourceTree,
    sources: impl IntoIterator<Item = &'a SourceEntry>,
) -> Result<BuildContext, ContextError> {
    let mut entries = ContextBuilder::default();
    entries.generate(DOCKERFILE_NAME, dockerfile);
    entries.generate("launcher/nextdeploy/launcher.cjs", LAUNCHER);
    for (name, script) in BUILD_SCRIPTS {
        entries.generate(&format!("nextdeploy/{name}"), script);
    }
    entries.generate("nextdeploy/plan.json", &plan_file(plan));
    if plan.output.sharp.is_some() {
        entries.generate("sharp/package.json", SHARP_MANIFEST);
        entries.generate("sharp/package-lock.json", SHARP_LOCKFILE);
    }
    entries.add_install_inputs(plan, tree)?;
    entries.directory(Path::new("app"));
    for entry in sources {
        if !tree.is_untracked_environment_file(entry) && !is_left_out(plan, &entry.path) {
            entries.add_source(Path::new("app"), entry, &tree.root)?;
        }
    }
    Ok(entries.finish())
}

/// The context of the user's own Dockerfile.
#[derive(Debug)]
pub struct OwnContext {
    pub context: BuildContext,
    /// Untracked environment files, which are not sent.
    pub left_out: Vec<PathBuf>,
}

/// The sources as they are, without untracked environment files.
pub fn own_context<'a>(
    tree: &SourceTree,
    sources: impl IntoIterator<Item = &'a SourceEntry>,
) -> Result<OwnContext, ContextError> {
    let mut entries = ContextBuilder::default();
    let mut left_out = Vec::new();
    for entry in sources {
        if tree.is_untracked_environment_file(entry) {
            left_out.push(entry.path.clone());
        } else {
            entries.add_source(Path::new(""), entry, &tree.root)?;
        }
    }
    Ok(OwnContext { context: entries.finish(), left_out })
}

/// `plan.json`, read by the scripts that run during the build.
pub(super) fn plan_file(plan: &ImagePlan) -> String {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct PlanFile<'a> {
        schema_version: u32,
        app_dir: &'a str,
        next_dir: &'a str,
        output_mode: ImageMode,
        start_command: Option<&'a [String]>,
        base_path: Option<&'a str>,
        port: u16,
        health_path: Option<&'a str>,
        libc: Libc,
        next_version: &'a str,
        keep_env_files: bool,
        added_program: Option<&'a str>,
        env: BTreeMap<&'a str, &'a str>,
        build_id_salt: &'a str,
        source_date_epoch: Option<i64>,
    }
    let file = PlanFile {
        schema_version: 1,
        app_dir: plan.app_dir.as_str(),
        next_dir: plan.next_dir.as_str(),
        output_mode: plan.output.mode,
        start_command: plan.output.start_command.as_ref().map(|command| command.value.as_slice()),
        base_path: plan.runtime.base_path.as_ref().map(|path| path.value.as_str()),
        port: plan.runtime.port.value,
        health_path: plan.runtime.health_path.as_ref().map(|path| path.value.as_str()),
        libc: plan.base.libc,
        next_version: &plan.next_version.value.text,
        keep_env_files: plan.output.keep_env_files,
        added_program: plan.output.added_program,
        env: variables_for_launcher(plan),
        build_id_salt: &plan.build_id_salt,
        source_date_epoch: plan.source_date_epoch,
    };
    serde_json::to_string_pretty(&file).expect("strings and numbers always serialise") + "\n"
}

/// Sources that must not reach the build.
fn is_left_out(plan: &ImagePlan, path: &Path) -> bool {
    let name = path.file_name().map_or("", |name| name.to_str().unwrap_or_default());
    if is_environment_file(name) {
        // Next.js gives `.env.*.local` precedence; if git tracks them, that is a mistake.
        return plan.env_files == EnvFilePolicy::Strip || name.split('.').next_back() == Some("local");
    }
    // Plug'n'Play loaders; the build uses the node-modules linker.
    let loader = matches!(name, ".pnp.cjs" | ".pnp.js" | ".pnp.loader.mjs" | ".pnp.data.json");
    // The record names the commit and would change the sources with every commit; the settings may contain credentials.
    let own = matches!(name, "nextdeploy.yml" | "nextdeploy.yaml")
        || path.components().any(|part| part.as_os_str() == RECORD_FOLDER);
    let package_cache = plan.install.folders.iter().any(|folder| path.starts_with(folder.as_str()));
    let output = plan.build.outputs.iter().any(|folder| path.starts_with(folder.as_str()));
    loader || own || package_cache || output
}

/// Collects the entries of a context; each path is sent once.
#[derive(Default)]
struct ContextBuilder {
    /// Directories, and everything that is not a source.
    by_path: BTreeMap<OsString, ContextEntry>,
    /// Files and links of the repository. There may be very many; each is added once, so its path is not stored a second time.
    sources: Vec<ContextEntry>,
}

impl ContextBuilder {
    fn insert(&mut self, entry: ContextEntry) {
        self.parents_of(&entry.path);
        self.by_path.insert(entry.path.clone().into_os_string(), entry);
    }

    fn parents_of(&mut self, path: &Path) {
        for parent in path.ancestors().skip(1).filter(|parent| !parent.as_os_str().is_empty()) {
            if !self.by_path.contains_key(parent.as_os_str()) {
                self.directory(parent);
            }
        }
    }

    fn directory(&mut self, path: &Path) {
        let entry = ContextEntry { path: path.to_path_buf(), content: ContextContent::Directory, mode: 0o755 };
        self.by_path.entry(path.as_os_str().to_owned()).or_insert(entry);
    }

    fn generate(&mut self, path: &str, text: &str) {
        let content = ContextContent::Generated(text.as_bytes().to_vec());
        self.insert(ContextEntry { path: PathBuf::from(path), content, mode: 0o644 });
    }

    fn add(&mut self, below: &Path, entry: &SourceEntry, root: &Path) -> Result<(), ContextError> {
        self.insert(on_disk(below, entry, root)?);
        Ok(())
    }

    /// As [`Self::add`], for a path that is added once.
    fn add_source(&mut self, below: &Path, entry: &SourceEntry, root: &Path) -> Result<(), ContextError> {
        let entry = on_disk(below, entry, root)?;
        if entry.content == ContextContent::Directory {
            self.insert(entry);
        } else {
            self.parents_of(&entry.path);
            self.sources.push(entry);
        }
        Ok(())
    }

    fn add_install_inputs(&mut self, plan: &ImagePlan, tree: &SourceTree) -> Result<(), ContextError> {
        let below = Path::new("deps");
        self.directory(below);
        let install = &plan.install;
        let release = match &install.setup {
            ManagerSetup::File(path) => Some(path),
            ManagerSetup::Bundled | ManagerSetup::Package(_) => None,
        };
        for path in install.files.iter().chain(release) {
            if let Some(entry) = tree.entry(path) {
                self.add(below, entry, &tree.root)?;
            }
        }
        let in_folder =
            |entry: &&SourceEntry| install.folders.iter().any(|folder| entry.path.starts_with(folder.as_str()));
        let is_sent = |entry: &&SourceEntry| !tree.is_untracked_environment_file(entry);
        for entry in tree.entries().iter().filter(in_folder).filter(is_sent) {
            self.add(below, entry, &tree.root)?;
        }
        for path in &install.manifests {
            self.add_manifest(path, tree, |field| FIELDS.contains(&field))?;
        }
        for path in &install.copied_manifests {
            self.add_manifest(path, tree, |field| !COPIED_WITHOUT.contains(&field))?;
        }
        Ok(())
    }

    fn add_manifest(
        &mut self,
        path: &RelPath,
        tree: &SourceTree,
        is_kept: fn(&str) -> bool,
    ) -> Result<(), ContextError> {
        match (tree.text(path), tree.entry(path)) {
            (Some(SourceText::Text(text)), _) => {
                self.generate(&format!("deps/{path}"), &reduce_manifest(text, is_kept));
            }
            (_, Some(entry)) => self.add(Path::new("deps"), entry, &tree.root)?,
            (_, None) => {}
        }
        Ok(())
    }

    fn finish(self) -> BuildContext {
        let mut entries = self.sources;
        entries.extend(self.by_path.into_values());
        entries.sort_unstable_by(|a, b| a.path.as_os_str().cmp(b.path.as_os_str()));
        BuildContext { entries }
    }
}

/// The context entry below `below` for `entry` of the repository at `root`.
fn on_disk(below: &Path, entry: &SourceEntry, root: &Path) -> Result<ContextEntry, ContextError> {
    let content = match &entry.kind {
        EntryKind::File { size } => ContextContent::File { disk: root.join(&entry.path), size: *size },
        EntryKind::Directory => ContextContent::Directory,
        EntryKind::Symlink { target } => ContextContent::Symlink { target: link_target(entry, target) },
        EntryKind::Special { what } => return Err(ContextError::SpecialFile { path: entry.path.clone(), what }),
        EntryKind::UnreadableDirectory { reason } => {
            let path = entry.path.clone();
            return Err(ContextError::UnreadableDirectory { path, reason: reason.clone() });
        }
    };
    Ok(ContextEntry { path: below.join(&entry.path), content, mode: normal_mode(entry) })
}

/// A link that leaves the repository is sent as a link, as docker does. Daemons refuse archives with relative links above the root, so
/// these become the absolute path that they stand for in the build.
fn link_target(entry: &SourceEntry, target: &Path) -> PathBuf {
    if !entry.leaves_root() || target.is_absolute() {
        return target.to_path_buf();
    }
    let mut resolved = PathBuf::from(WORKSPACE);
    resolved.extend(entry.path.parent());
    for component in target.components() {
        match component {
            Component::ParentDir => {
                resolved.pop();
            }
            component => resolved.push(component),
        }
    }
    resolved
}

/// Modes as git stores them (executable or not), so that a umask does not change layers.
fn normal_mode(entry: &SourceEntry) -> u32 {
    match entry.kind {
        EntryKind::Directory => 0o755,
        EntryKind::Symlink { .. } => 0o777,
        _ if entry.mode & 0o100 != 0 => 0o755,
        _ => 0o644,
    }
}

/// Fields of `package.json` that a package manager reads during an install or compares with its lockfile; editing any other field
/// never re-installs.
pub(super) const FIELDS: [&str; 36] = [
    "name",
    "version",
    "private",
    "packageManager",
    "engines",
    "devEngines",
    "os",
    "cpu",
    "libc",
    "bin",
    "directories",
    "workspaces",
    "dependencies",
    "devDependencies",
    "optionalDependencies",
    "peerDependencies",
    "peerDependenciesMeta",
    "dependenciesMeta",
    "bundledDependencies",
    "bundleDependencies",
    "acceptDependencies",
    "overrides",
    "resolutions",
    "patchedDependencies",
    "trustedDependencies",
    "allowScripts",
    "catalog",
    "catalogs",
    "pnpm",
    "installConfig",
    "preferUnplugged",
    "publishConfig",
    "flat",
    "volta",
    "config",
    "prisma",
];

/// What even the manifest of a package that is copied into `node_modules` is sent without: its scripts would run during the install.
pub(super) const COPIED_WITHOUT: [&str; 1] = ["scripts"];

/// The reduced manifest; the unchanged text when it is not a JSON object, so that the package manager reports the error.
fn reduce_manifest(text: &str, is_kept: fn(&str) -> bool) -> String {
    let Ok(Value::Object(fields)) = serde_json::from_str(text) else {
        return text.to_owned();
    };
    let kept: Map<String, Value> = fields.into_iter().filter(|(name, _)| is_kept(name)).collect();
    let reduced = Value::Object(kept);
    let mut pretty = LimitedText { text: String::new(), limit: INDENTED * text.len() };
    // Deep nesting multiplies a text by its indentation.
    let text = if write!(pretty, "{reduced:#}").is_ok() { pretty.text } else { reduced.to_string() };
    text + "\n"
}

/// How many times longer than the manifest the indented form may be.
const INDENTED: usize = 8;

/// A text that takes no more than `limit` bytes.
struct LimitedText {
    text: String,
    limit: usize,
}

impl Write for LimitedText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.text.len() + text.len() > self.limit {
            return Err(fmt::Error);
        }
        self.text.push_str(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Diagnostic;

    #[test]
    fn links_are_sent_as_links() {
        for (path, target, sent) in [
            ("a/b/l", "../../x", "../../x"),
            ("l", ".", "."),
            ("a/l", "missing", "missing"),
            ("l", "/etc/passwd", "/etc/passwd"),
            ("l", "..", "/"),
            ("a/l", "../../x", "/x"),
            ("l", "x/../../../../usr/x", "/usr/x"),
        ] {
            let entry =
                SourceEntry { path: path.into(), kind: EntryKind::Symlink { target: target.into() }, mode: 0o777 };
            let own = own_context(&SourceTree::default(), [&entry]).unwrap();
            let link = ContextContent::Symlink { target: sent.into() };
            assert_eq!(own.context.entries.last().unwrap().content, link, "{path} -> {target}");
        }
    }

    #[test]
    fn untracked_environment_files_are_not_sent_to_own_dockerfiles() {
        let texts = [".env", ".env.local", ".env.example", "apps/.dev.vars", "env.ts", "Dockerfile"];
        let mut tree = SourceTree::from_texts(texts.map(|path| (path, "x")));
        let check = |tree: &SourceTree, sent: &[&str], left_out: &[&str]| {
            let own = own_context(tree, tree.entries()).unwrap();
            let paths: Vec<_> = own.context.entries.iter().map(|entry| entry.path.to_str().unwrap()).collect();
            assert_eq!(paths, sent);
            assert_eq!(own.left_out, left_out.iter().map(PathBuf::from).collect::<Vec<_>>());
        };
        // Without git facts nothing is tracked.
        check(&tree, &[".env.example", "Dockerfile", "apps", "env.ts"], &[".env", ".env.local", "apps/.dev.vars"]);
        let tracked_env_files = [".env", "apps/.dev.vars"].map(str::to_owned).into();
        tree.git = Some(crate::repo::GitFacts { tracked_env_files, ..Default::default() });
        check(&tree, &[".env", ".env.example", "Dockerfile", "apps", "apps/.dev.vars", "env.ts"], &[".env.local"]);
    }

    #[test]
    fn entries_that_cannot_be_sent_are_errors() {
        let tree = SourceTree::default();
        let check = |kind: EntryKind, code: &str, message: &str| {
            let entry = SourceEntry { path: "a/x".into(), kind, mode: 0o644 };
            let error = own_context(&tree, [&entry]).unwrap_err();
            assert_eq!((error.code(), error.to_string().as_str()), (code, message));
            assert!(error.hints()[0].contains(".dockerignore"));
        };
        check(
            EntryKind::Special { what: "socket" },
            "dockerfile/special-file",
            "`a/x` is a socket, which cannot be part of a build context",
        );
    }

    const MANIFEST: &str = r#"{
        "name": "web", "description": "old", "scripts": { "build": "next build", "postinstall": "x" },
        "dependencies": { "next": "16.4.5" }, "pnpm": { "overrides": { "a": "1" } }
    }"#;

    fn reduce_manifest(text: &str) -> String {
        super::reduce_manifest(text, |field| FIELDS.contains(&field))
    }

    #[test]
    fn an_edit_of_a_script_changes_nothing() {
        let edited = MANIFEST.replace("next build", "next build --webpack").replace("old", "new");
        assert_eq!(reduce_manifest(MANIFEST), reduce_manifest(&edited));
        assert!(!reduce_manifest(MANIFEST).contains("postinstall"));
    }

    #[test]
    fn an_edit_of_a_dependency_changes_it() {
        assert_ne!(reduce_manifest(MANIFEST), reduce_manifest(&MANIFEST.replace("16.4.5", "16.4.6")));
        assert_ne!(reduce_manifest(MANIFEST), reduce_manifest(&MANIFEST.replace("\"1\"", "\"2\"")));
    }

    #[test]
    fn indentation_does_not_multiply_it() {
        let deep = format!("{{\"config\":{}{}1{}}}", "[".repeat(100), "1,".repeat(10_000), "]".repeat(100));
        assert_eq!(reduce_manifest(&deep), format!("{deep}\n"));
        assert_eq!(reduce_manifest(r#"{"config":[1]}"#), "{\n  \"config\": [\n    1\n  ]\n}\n");
    }

    #[test]
    fn other_values_are_unchanged() {
        assert_eq!(reduce_manifest("[1"), "[1");
    }
}
