//! Why a project cannot be understood or built: one variant per cause, each with its code and one action.

use crate::diagnostic::{Diagnostic, ExitCode, Location};
use crate::rel_path::RelPath;

use super::facts::AppCandidate;

/// What detection refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProjectError {
    #[error("there is no `package.json` in the repository")]
    NoManifest,

    #[error("`{manifest}` does not depend on `next`, and no other package of the repository is a Next.js app")]
    NotNext { manifest: RelPath },

    #[error("the repository holds {} Next.js apps: {}", .apps.len(), list(.apps))]
    SeveralApps { apps: Vec<AppCandidate> },

    #[error("`{asked}` ({origin}) is no Next.js app of this repository{}", found(.apps))]
    UnknownApp { asked: String, origin: String, apps: Vec<AppCandidate> },

    #[error("there is no lockfile next to `{manifest}`, so the installed versions would change from build to build")]
    NoLockfile { manifest: RelPath, command: String },

    #[error("`{}` holds the lockfiles of two package managers: {}", .dir, quoted(.files))]
    TwoLockfiles { dir: RelPath, files: Vec<String> },

    #[error("{asked_in} asks for {asked}, but {problem}")]
    LockfileMismatch { location: Box<Location>, asked_in: String, asked: String, problem: String, action: String },

    #[error("`{lockfile}` has no entry for `next`, which `{manifest}` depends on")]
    LockfileOutOfDate { lockfile: RelPath, manifest: RelPath, command: String },

    #[error("Next.js {version} ({origin}) is not supported: nextdeploy builds Next.js 12 and later")]
    NextUnsupported { version: String, origin: String, location: Location },

    #[error("the version of Next.js cannot be told: `{lockfile}` is binary and `{manifest}` says `{range}`")]
    NextVersionUnknown { lockfile: RelPath, manifest: RelPath, range: String },

    #[error("`{name}` in {asked_in} is no package manager that nextdeploy knows")]
    UnknownPackageManager { name: String, asked_in: String, location: Location },

    #[error("Node.js `{requested}` ({origin}) {problem}")]
    NodeUnsupported { requested: String, origin: String, problem: String, location: Option<Box<Location>> },

    #[error("Node.js {version} ({origin}) is too old: {needed_by} needs {floor} or newer")]
    NodeTooOld { version: String, origin: String, needed_by: String, floor: String, location: Option<Box<Location>> },

    #[error("`{}` cannot be read as {kind}: {message}", .location.file.display())]
    Malformed { location: Location, kind: &'static str, message: String },

    #[error("`{field}` in `{}` must be {expected}", .location.file.display())]
    WrongType { location: Location, field: String, expected: &'static str },

    #[error("port `{port}` ({origin}) is no port: it must be a number from 1 to 65535")]
    InvalidPort { port: String, origin: String, location: Location },

    #[error("`{}` holds an unresolved merge conflict", .location.file.display())]
    MergeConflict { location: Location },

    #[error("`{file}` is not UTF-8: the byte at position {offset} does not belong there")]
    NotUtf8 { file: RelPath, offset: usize },

    #[error("`{file}` is too large to be read ({size} bytes)")]
    TooLarge { file: RelPath, size: u64 },

    #[error("`{file}` is too large: {reason}")]
    BeyondLimit { file: RelPath, reason: String },

    #[error("`{file}` cannot be read: {reason}")]
    Unreadable { file: RelPath, reason: String },
}

impl Diagnostic for ProjectError {
    fn code(&self) -> &'static str {
        match self {
            Self::NoManifest => "project/no-package-json",
            Self::NotNext { .. } => "project/not-next",
            Self::SeveralApps { .. } => "project/several-apps",
            Self::UnknownApp { .. } => "project/unknown-app",
            Self::NoLockfile { .. } => "project/no-lockfile",
            Self::TwoLockfiles { .. } => "project/two-lockfiles",
            Self::LockfileMismatch { .. } => "project/lockfile-mismatch",
            Self::LockfileOutOfDate { .. } => "project/lockfile-out-of-date",
            Self::NextUnsupported { .. } => "project/next-unsupported",
            Self::NextVersionUnknown { .. } => "project/next-version-unknown",
            Self::UnknownPackageManager { .. } => "project/unknown-package-manager",
            Self::NodeUnsupported { .. } => "project/node-unsupported",
            Self::NodeTooOld { .. } => "project/node-too-old",
            Self::Malformed { .. } => "project/malformed-file",
            Self::WrongType { .. } => "project/wrong-type",
            Self::InvalidPort { .. } => "project/invalid-port",
            Self::MergeConflict { .. } => "project/merge-conflict",
            Self::NotUtf8 { .. } => "project/not-utf8",
            Self::TooLarge { .. } | Self::BeyondLimit { .. } => "project/file-too-large",
            Self::Unreadable { .. } => "project/unreadable-file",
        }
    }

    fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::NoManifest => {
                "run nextdeploy in the folder of the app, or name it: `nextdeploy detect DIR`".to_owned()
            }
            Self::NotNext { .. } => {
                "name the folder of the Next.js app with `--app PATH`, or add `next` to its dependencies".to_owned()
            }
            Self::SeveralApps { apps } => {
                let example = apps.first().map_or("NAME", |app| app.name.as_str());
                format!("say which one with `--app NAME` or `--app PATH`, for example `--app {example}`")
            }
            Self::UnknownApp { .. } => "give the name or the folder of one of the apps with `--app`".to_owned(),
            Self::NoLockfile { command, .. } | Self::LockfileOutOfDate { command, .. } => {
                format!("run `{command}` and commit the lockfile")
            }
            Self::TwoLockfiles { .. } => {
                "delete the one that is not used, or say which package manager is meant with `--package-manager NAME`"
                    .to_owned()
            }
            Self::LockfileMismatch { action, .. } => action.clone(),
            Self::NextUnsupported { .. } => {
                "upgrade Next.js, or build with your own Dockerfile (`--dockerfile PATH`)".to_owned()
            }
            Self::NextVersionUnknown { .. } => {
                "write a text lockfile with `bun install --save-text-lockfile` and commit `bun.lock`".to_owned()
            }
            Self::UnknownPackageManager { .. } => "use one of npm, yarn, pnpm, bun".to_owned(),
            Self::NodeUnsupported { .. } => {
                "name a release line that exists, such as `22`, or an image with `--base IMAGE`".to_owned()
            }
            Self::NodeTooOld { floor, .. } => format!("ask for Node.js {floor} or newer, for example `22`"),
            Self::Malformed { .. } => "repair the file at that place".to_owned(),
            Self::WrongType { .. } => "correct the field".to_owned(),
            Self::InvalidPort { .. } => "correct the port in the script".to_owned(),
            Self::MergeConflict { .. } => "resolve the conflict and commit the file".to_owned(),
            Self::NotUtf8 { .. } => "save the file as UTF-8".to_owned(),
            Self::TooLarge { .. } => "check that this is the file that is meant".to_owned(),
            Self::BeyondLimit { .. } => "remove the file, or what it holds by mistake".to_owned(),
            Self::Unreadable { .. } => "check that the file exists and that you may read it".to_owned(),
        };
        vec![hint]
    }

    fn exit_code(&self) -> ExitCode {
        ExitCode::Project
    }

    fn location(&self) -> Option<Location> {
        match self {
            Self::LockfileMismatch { location, .. } => Some((**location).clone()),
            Self::NextUnsupported { location, .. }
            | Self::UnknownPackageManager { location, .. }
            | Self::Malformed { location, .. }
            | Self::WrongType { location, .. }
            | Self::InvalidPort { location, .. }
            | Self::MergeConflict { location } => Some(location.clone()),
            Self::NodeUnsupported { location, .. } | Self::NodeTooOld { location, .. } => location.as_deref().cloned(),
            Self::NotNext { manifest } | Self::NoLockfile { manifest, .. } => Some(Location::file(manifest.as_str())),
            Self::LockfileOutOfDate { lockfile, .. } | Self::NextVersionUnknown { lockfile, .. } => {
                Some(Location::file(lockfile.as_str()))
            }
            Self::NotUtf8 { file, .. }
            | Self::TooLarge { file, .. }
            | Self::BeyondLimit { file, .. }
            | Self::Unreadable { file, .. } => Some(Location::file(file.as_str())),
            Self::TwoLockfiles { dir, files } => files.first().map(|file| Location::file(dir.child(file).as_str())),
            Self::NoManifest | Self::SeveralApps { .. } | Self::UnknownApp { .. } => None,
        }
    }
}

/// More apps than this are counted, not named.
const NAMED_APPS: usize = 10;

fn list(apps: &[AppCandidate]) -> String {
    let names = apps.iter().take(NAMED_APPS).map(|app| format!("`{}` in `{}`", app.name, app.dir));
    let rest = (apps.len() > NAMED_APPS).then(|| format!("and {} more", apps.len() - NAMED_APPS));
    names.chain(rest).collect::<Vec<_>>().join(", ")
}

fn found(apps: &[AppCandidate]) -> String {
    if apps.is_empty() { String::new() } else { format!("; there is {}", list(apps)) }
}

fn quoted(files: &[String]) -> String {
    let names: Vec<String> = files.iter().map(|file| format!("`{file}`")).collect();
    names.join(" and ")
}
