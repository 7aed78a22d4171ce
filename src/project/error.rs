//! Errors of detection: why a project cannot be built.

use crate::diagnostic::{Location, diagnostics};
use crate::rel_path::RelPath;

use super::facts::AppCandidate;

diagnostics! {
    /// Why a project cannot be built.
    #[exit(Project)]
    #[derive(Clone, PartialEq, Eq)]
    pub enum ProjectError {
        #[error("no `package.json` in the repository{}", project_of(*framework))]
        #[code("project/no-package-json")]
        #[hint("run nextdeploy in the folder of the app, or pass that folder: `nextdeploy detect DIR`")]
        NoManifest { framework: Option<&'static str> },

        #[error("{}", not_next(manifest, *framework))]
        #[code("project/not-next")]
        #[hint("{}", match framework {
            Some(_) => "nextdeploy builds Next.js apps only; if the repository has one, pass its folder with `--app PATH`",
            None => "pass the folder of the Next.js app with `--app PATH`, or add `next` to its dependencies",
        })]
        #[location(Some(Location::file(manifest.as_str())))]
        NotNext { manifest: RelPath, framework: Option<&'static str> },

        #[error("the repository contains {} Next.js apps: {}", .apps.len(), list(.apps))]
        #[code("project/several-apps")]
        #[hint(
            "select one with `--app NAME` or `--app PATH`, for example `--app {}`",
            apps.first().map_or("NAME", |first| selector(first, apps))
        )]
        SeveralApps { apps: Vec<AppCandidate> },

        #[error("`{requested}` ({origin}) is not a Next.js app of this repository{}", found(.apps))]
        #[code("project/unknown-app")]
        #[hint("pass the name or the folder of one of the apps with `--app`")]
        UnknownApp { requested: String, origin: String, apps: Vec<AppCandidate> },

        #[error("no lockfile next to `{manifest}`: the installed versions would change from build to build")]
        #[code("project/no-lockfile")]
        #[hint("run `{command}`{place} and commit the lockfile, or pass `--unlocked` to install without one")]
        #[location(Some(Location::file(manifest.as_str())))]
        NoLockfile { manifest: RelPath, command: String, place: String },

        #[error("`{}` contains lockfiles of two package managers: {}", .dir, quoted(.files))]
        #[code("project/two-lockfiles")]
        #[hint("delete the unused one, or select the package manager with `--package-manager NAME`")]
        #[location(files.first().map(|file| Location::file(dir.child(file).as_str())))]
        TwoLockfiles { dir: RelPath, files: Vec<String> },

        #[error("{required_by} requires {required}, but {problem}")]
        #[code("project/lockfile-mismatch")]
        #[hint("{action}")]
        #[location(Some((**location).clone()))]
        LockfileMismatch {
            location: Box<Location>,
            required_by: String,
            required: String,
            problem: String,
            action: String,
        },

        #[error("`{lockfile}` has no entry for `next`, which `{manifest}` depends on")]
        #[code("project/lockfile-out-of-date")]
        #[hint("run `{command}` and commit the lockfile")]
        #[location(Some(Location::file(lockfile.as_str())))]
        LockfileOutOfDate { lockfile: RelPath, manifest: RelPath, command: String },

        #[error(
            "`{name}` (`{range}`) in `{}` is outside the repository, and cannot be sent to the build",
            .location.file.display()
        )]
        #[code("project/dependency-outside")]
        #[hint("move the package into the repository, publish it to a registry, or run nextdeploy in the folder that contains both")]
        #[location(Some(location.clone()))]
        DependencyOutside { location: Location, name: String, range: String },

        #[error("Next.js {version} ({origin}) is not supported: nextdeploy builds Next.js 12 and later")]
        #[code("project/next-unsupported")]
        #[hint("upgrade Next.js, or build with your own Dockerfile (`--dockerfile PATH`)")]
        #[location(Some(location.clone()))]
        NextUnsupported { version: String, origin: String, location: Location },

        #[error("the version of Next.js is unknown: `{lockfile}` is binary and `{manifest}` requires `{range}`")]
        #[code("project/next-version-unknown")]
        #[hint("write a text lockfile with `bun install --save-text-lockfile` and commit `bun.lock`")]
        #[location(Some(Location::file(lockfile.as_str())))]
        NextVersionUnknown { lockfile: RelPath, manifest: RelPath, range: String },

        #[error("unknown package manager `{name}` in {required_by}")]
        #[code("project/unknown-package-manager")]
        #[hint("use one of npm, yarn, pnpm, bun")]
        #[location(Some(location.clone()))]
        UnknownPackageManager { name: String, required_by: String, location: Location },

        #[error("Node.js `{requested}` ({origin}) {problem}")]
        #[code("project/node-unsupported")]
        #[hint("use an existing release line, such as `22`, or set an image with `--base IMAGE`")]
        #[location(location.as_deref().cloned())]
        NodeUnsupported { requested: String, origin: String, problem: String, location: Option<Box<Location>> },

        #[error("Node.js {version} ({origin}) is too old: {needed_by} needs {floor} or newer")]
        #[code("project/node-too-old")]
        #[hint("use Node.js {floor} or newer: set it with `--node-version`, or change {origin}")]
        #[location(location.as_deref().cloned())]
        NodeTooOld {
            version: String,
            origin: String,
            needed_by: String,
            floor: String,
            location: Option<Box<Location>>,
        },

        #[error("`{}` cannot be read as {kind}: {message}", .location.file.display())]
        #[code("project/malformed-file")]
        #[hint("fix the file at this position")]
        #[location(Some(location.clone()))]
        Malformed { location: Location, kind: &'static str, message: String },

        #[error("`{field}` in `{}` must be {expected}", .location.file.display())]
        #[code("project/wrong-type")]
        #[hint("fix the field")]
        #[location(Some(location.clone()))]
        WrongType { location: Location, field: String, expected: &'static str },

        #[error("invalid port `{port}` ({origin}): it must be a number from 1 to 65535")]
        #[code("project/invalid-port")]
        #[hint("fix the port in the script")]
        #[location(Some(location.clone()))]
        InvalidPort { port: String, origin: String, location: Location },

        #[error("`{}` contains an unresolved merge conflict", .location.file.display())]
        #[code("project/merge-conflict")]
        #[hint("resolve the conflict and commit the file")]
        #[location(Some(location.clone()))]
        MergeConflict { location: Location },

        #[error("`{file}` is not valid UTF-8 (byte {offset})")]
        #[code("project/not-utf8")]
        #[hint("save the file as UTF-8")]
        #[location(Some(Location::file(file.as_str())))]
        NotUtf8 { file: RelPath, offset: usize },

        #[error("`{file}` is too large ({size} bytes)")]
        #[code("project/file-too-large")]
        #[hint("check that this is the right file")]
        #[location(Some(Location::file(file.as_str())))]
        TooLarge { file: RelPath, size: u64 },

        #[error("`{file}` is too large: {reason}")]
        #[code("project/file-too-large")]
        #[hint("remove the file, or the content that does not belong there")]
        #[location(Some(Location::file(file.as_str())))]
        BeyondLimit { file: RelPath, reason: String },

        #[error("`{file}` cannot be read: {reason}")]
        #[code("project/unreadable-file")]
        #[hint("check that the file exists and is readable")]
        #[location(Some(Location::file(file.as_str())))]
        Unreadable { file: RelPath, reason: String },
    }
}

fn not_next(manifest: &RelPath, framework: Option<&str>) -> String {
    match framework {
        Some(framework) => {
            format!("`{manifest}` uses {framework}, and the repository has no Next.js app")
        }
        None => {
            format!("`{manifest}` does not depend on `next`, and no other package of the repository is a Next.js app")
        }
    }
}

fn project_of(framework: Option<&str>) -> String {
    framework.map(|framework| format!(", which looks like a {framework} project")).unwrap_or_default()
}

/// Further apps are counted instead of named.
const NAMED_APPS: usize = 10;

fn list(apps: &[AppCandidate]) -> String {
    let names = apps.iter().take(NAMED_APPS).map(|app| format!("`{}` in `{}`", app.name, app.dir));
    let rest = (apps.len() > NAMED_APPS).then(|| format!("and {} more", apps.len() - NAMED_APPS));
    names.chain(rest).collect::<Vec<_>>().join(", ")
}

/// The name of an app, or its folder if another app has that name.
fn selector<'a>(app: &'a AppCandidate, apps: &[AppCandidate]) -> &'a str {
    let is_unique = apps.iter().filter(|other| other.name == app.name).count() < 2;
    if is_unique { &app.name } else { app.dir.as_str() }
}

fn found(apps: &[AppCandidate]) -> String {
    if apps.is_empty() { String::new() } else { format!("; found {}", list(apps)) }
}

fn quoted(files: &[String]) -> String {
    let names: Vec<String> = files.iter().map(|file| format!("`{file}`")).collect();
    names.join(" and ")
}
