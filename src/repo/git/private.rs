//! The git program, run so that nothing of a repository can make it run anything else.
//!
//! git takes programs to run from configuration: filters, hooks, `core.fsmonitor`, external diffs, pagers, credential helpers,
//! `core.sshCommand`, and by lazy fetches from promisor remotes; and `include` reads configuration from anywhere. Switching them
//! off one by one would need a list that is complete for every version of git. Therefore no configuration of the repository, the
//! user or the system is loaded at all: git gets a private common directory (gitrepository-layout(5)) whose `config` is written
//! here from a short list of harmless keys, and whose references are links to the real ones. Never writes to the repository.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use super::work_tree::{GitError, WorkTree};
use crate::diagnostic::printable;
use crate::host::{ChildCall, ChildError, ChildLimits, Environment, find_program, run_blocking};
use crate::repo::error::io_reason;

/// A hostile repository can keep git busy forever; a legitimate one takes well below a second for all but the largest trees.
const TIME: Duration = Duration::from_secs(10);
const LARGEST_OUTPUT: u64 = 64 * 1024 * 1024;
/// Largest single allocation of git (`GIT_ALLOC_LIMIT`): a crafted object may claim any size.
const LARGEST_ALLOCATION: &str = "256m";

/// Keys of the repository's configuration that determine how its files are read. None of them names a program, a path or an
/// address.
const REPOSITORY_KEYS: &[&str] = &[
    "core.autocrlf",
    "core.checkstat",
    "core.eol",
    "core.filemode",
    "core.ignorecase",
    "core.precomposeunicode",
    "core.repositoryformatversion",
    "core.sparsecheckout",
    "core.sparsecheckoutcone",
    "core.symlinks",
    "core.trustctime",
    "extensions.compatobjectformat",
    "extensions.objectformat",
    "extensions.refstorage",
    "index.sparse",
];
/// Keys of the user's own configuration that git would use as well.
const USER_KEYS: &[&str] = &["core.autocrlf", "core.eol"];
/// Extensions of the repository format that change nothing for a reader. `partialclone` would fetch missing objects,
/// `worktreeconfig` would load another file.
const IGNORED_EXTENSIONS: &[&str] = &[
    "noop",
    "noop-v1",
    "partialclone",
    "preciousobjects",
    "relativeworktrees",
    "submodulepathconfig",
    "worktreeconfig",
];

/// `(key, value)` as git prints them; section and name of a key are in lower case.
pub(super) type ConfigEntries = Vec<(String, String)>;

/// How git is used.
#[derive(Debug, Clone)]
pub struct GitOptions<'a> {
    pub detail: GitDetail,
    /// Where `git` and the user's own configuration are found.
    pub environment: &'a Environment,
    /// Folder that the CI system has made for this run. A checkout inside it may belong to another user, as is common in
    /// containers.
    pub workspace: Option<PathBuf>,
}

/// How much is read from git.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GitDetail {
    /// Everything; git compares every file of the work tree with its index.
    Full,
    /// Only tracked environment files and the remote; the commit is unknown, and the work tree never counts as dirty.
    Tracking,
}

impl GitOptions<'_> {
    fn is_workspace(&self, top: &Path) -> bool {
        let workspace = self.workspace.as_ref().and_then(|folder| folder.canonicalize().ok());
        workspace.is_some_and(|workspace| top.starts_with(workspace))
    }
}

/// A work tree that is trusted, with its private git.
#[derive(Debug)]
pub(super) struct TrustedCheckout {
    pub work_tree: WorkTree,
    pub git: PrivateGit,
    /// Working directory of `git`; facts are about what lies below it.
    pub root: PathBuf,
}

/// Opens work trees by the user's configuration.
#[derive(Debug)]
pub(super) struct CheckoutOpener<'a> {
    pub options: &'a GitOptions<'a>,
    user: UserConfig,
}

impl<'a> CheckoutOpener<'a> {
    pub fn new(options: &'a GitOptions<'a>) -> Result<Self, GitError> {
        Ok(Self { options, user: UserConfig::read(options.environment)? })
    }

    /// The checkout at `top`, seen from `root`.
    pub fn open(&self, top: &Path, root: &Path) -> Result<TrustedCheckout, GitError> {
        let work_tree = WorkTree::open(top)?;
        let environment = self.options.environment;
        if let Some(path) = work_tree.foreign_part(environment)
            && !self.options.is_workspace(top)
            && !self.user.declares_safe(top, environment)
        {
            return Err(GitError::ForeignOwner { top: top.to_path_buf(), path: path.to_path_buf() });
        }
        let git = PrivateGit::open(&work_tree, root, environment, &self.user)?;
        Ok(TrustedCheckout { work_tree, git, root: root.to_path_buf() })
    }
}

/// git for one work tree.
#[derive(Debug)]
pub(super) struct PrivateGit {
    program: PathBuf,
    folder: TempDir,
    environment: Environment,
    directory: PathBuf,
    /// `remote.origin.url` of the repository.
    pub remote: Option<String>,
    /// `submodule.NAME.ignore` of the repository's configuration.
    pub submodules: ConfigEntries,
}

impl PrivateGit {
    /// git for `work_tree`, run in `directory` inside it.
    pub fn open(
        work_tree: &WorkTree,
        directory: &Path,
        environment: &Environment,
        user: &UserConfig,
    ) -> Result<Self, GitError> {
        let folder = private_folder()?;
        let path = |name: &str| work_tree.common_dir.join(name);
        for name in ["refs", "packed-refs", "reftable", "shallow"] {
            link(&path(name), &folder.path().join(name))?;
        }
        for name in ["info/exclude", "info/attributes"] {
            link(&path(name), &folder.path().join(name))?;
        }
        let mut git = Self {
            program: git_program(environment)?,
            environment: isolated(environment, folder.path()),
            folder,
            directory: directory.to_path_buf(),
            remote: None,
            submodules: Vec::new(),
        };
        let mut entries = user.entries.clone();
        for file in work_tree.config_files() {
            entries.extend(git.read_config(&file)?);
        }
        git.remote =
            entries.iter().rev().find(|(key, _)| key == "remote.origin.url").map(|(_, value)| value.to_owned());
        git.submodules = entries.iter().filter(|(key, _)| key.starts_with("submodule.")).cloned().collect();
        let config = render_config(&entries, user.excludes_file.as_deref())?;
        write_file(&git.folder.path().join("config"), &config)?;
        let [git_dir, top, objects] =
            [&work_tree.git_dir, &work_tree.top, &path("objects")].map(|path| path.to_string_lossy().into_owned());
        let common_dir = git.folder.path().to_string_lossy().into_owned();
        git.environment = git.environment.with([
            ("GIT_DIR", git_dir.as_str()),
            ("GIT_COMMON_DIR", common_dir.as_str()),
            ("GIT_OBJECT_DIRECTORY", objects.as_str()),
            ("GIT_WORK_TREE", top.as_str()),
        ]);
        Ok(git)
    }

    /// The entries of a configuration file. Reading one runs nothing; `include` is not followed.
    pub fn read_config(&self, file: &Path) -> Result<ConfigEntries, GitError> {
        let file = file.to_string_lossy();
        let output = self.run(&["config", "--no-includes", "--list", "-z", "--file", &file], &[])?;
        Ok(parse_config(&output))
    }

    /// Standard output of a git command that succeeded.
    pub fn run(&self, arguments: &[&str], input: &[u8]) -> Result<Vec<u8>, GitError> {
        run(&self.program, arguments, &self.directory, input, &self.environment)
    }
}

/// The parts of the user's and the machine's configuration that are used.
#[derive(Debug, Default)]
pub(super) struct UserConfig {
    entries: ConfigEntries,
    excludes_file: Option<PathBuf>,
    /// Values of `safe.directory`, in order.
    pub safe_directories: Vec<String>,
}

impl UserConfig {
    /// Reads it with git, outside of any repository, in the environment of the program.
    pub fn read(environment: &Environment) -> Result<Self, GitError> {
        let folder = private_folder()?;
        let directory = folder.path().to_string_lossy().into_owned();
        let caller = environment.iter().filter(|(name, _)| !is_of_one_repository(name));
        let caller = Environment::from_pairs(caller).with([("GIT_DIR", directory.as_str()), ("LC_ALL", "C")]);
        let output = run(&git_program(environment)?, &["config", "--list", "-z"], folder.path(), &[], &caller)?;
        let all = parse_config(&output);
        let home = environment.get("HOME").map(PathBuf::from);
        let last = |key: &str| all.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
        let excludes_file = match last("core.excludesfile") {
            Some(path) => expand_home(path, home.as_deref()),
            None => environment
                .get("XDG_CONFIG_HOME")
                .filter(|path| !path.is_empty())
                .map(PathBuf::from)
                .or_else(|| Some(home?.join(".config")))
                .map(|folder| folder.join("git/ignore")),
        };
        let safe_directories =
            all.iter().filter(|(key, _)| key == "safe.directory").map(|(_, value)| value.clone()).collect();
        let entries = all.iter().filter(|(key, _)| USER_KEYS.contains(&key.as_str())).cloned().collect();
        Ok(Self { entries, excludes_file: excludes_file.filter(|path| path.is_file()), safe_directories })
    }

    /// Whether the user has declared the work tree at `top` safe: git's rules for `safe.directory`, where an empty value
    /// resets the list and `PATH/*` (git 2.46) means everything below `PATH`.
    pub fn declares_safe(&self, top: &Path, environment: &Environment) -> bool {
        let home = environment.get("HOME").map(Path::new);
        self.safe_directories.iter().fold(false, |safe, value| match value.as_str() {
            "" => false,
            "*" => true,
            value => {
                let (path, below) = value.strip_suffix("/*").map_or((value, false), |path| (path, true));
                let path = expand_home(path, home).and_then(|path| path.canonicalize().ok());
                safe || path.is_some_and(|path| if below { top.starts_with(&path) } else { top == path })
            }
        })
    }
}

/// Variables with which the caller, a git hook for example, points git at a repository.
fn is_of_one_repository(name: &str) -> bool {
    const CONFIGURATION: &[&str] = &["GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM"];
    let given =
        name == "GIT_CONFIG_COUNT" || name.starts_with("GIT_CONFIG_KEY_") || name.starts_with("GIT_CONFIG_VALUE_");
    name.starts_with("GIT_") && !given && !CONFIGURATION.contains(&name)
}

fn git_program(environment: &Environment) -> Result<PathBuf, GitError> {
    find_program("git", environment).ok_or(GitError::NotInstalled)
}

/// The whole environment of git: of the caller's, only `PATH`.
fn isolated(environment: &Environment, folder: &Path) -> Environment {
    let home = folder.to_string_lossy().into_owned();
    Environment::from_pairs([
        ("PATH", environment.get("PATH").unwrap_or_default()),
        ("HOME", home.as_str()),
        ("XDG_CONFIG_HOME", home.as_str()),
        ("LC_ALL", "C"),
        ("GIT_DIR", home.as_str()),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_ATTR_NOSYSTEM", "1"),
        ("GIT_ALLOC_LIMIT", LARGEST_ALLOCATION),
        // No transport may be used: a missing object stays missing. `GIT_NO_LAZY_FETCH` exists since git 2.44 only.
        ("GIT_ALLOW_PROTOCOL", "none"),
        ("GIT_NO_LAZY_FETCH", "1"),
        ("GIT_NO_REPLACE_OBJECTS", "1"),
        ("GIT_OPTIONAL_LOCKS", "0"),
        ("GIT_PAGER", "cat"),
        ("GIT_TERMINAL_PROMPT", "0"),
    ])
}

/// A folder that is an empty repository to git.
fn private_folder() -> Result<TempDir, GitError> {
    let failed = |error: &io::Error| GitError::NoPrivateFolder { reason: io_reason(error) };
    let folder = tempfile::Builder::new()
        .prefix("nextdeploy-git-")
        .permissions(fs::Permissions::from_mode(0o700))
        .tempdir()
        .map_err(|error| failed(&error))?;
    for name in ["objects", "info"] {
        fs::create_dir(folder.path().join(name)).map_err(|error| failed(&error))?;
    }
    write_file(&folder.path().join("HEAD"), "ref: refs/heads/none\n")?;
    Ok(folder)
}

fn write_file(path: &Path, text: &str) -> Result<(), GitError> {
    fs::write(path, text).map_err(|error| GitError::NoPrivateFolder { reason: io_reason(&error) })
}

fn link(target: &Path, path: &Path) -> Result<(), GitError> {
    if fs::symlink_metadata(target).is_err() {
        return Ok(());
    }
    symlink(target, path).map_err(|error| GitError::NoPrivateFolder { reason: io_reason(&error) })
}

fn expand_home(path: &str, home: Option<&Path>) -> Option<PathBuf> {
    let path = match path.strip_prefix("~/") {
        Some(below) => home?.join(below),
        None => PathBuf::from(path),
    };
    path.is_absolute().then_some(path)
}

/// Output of `git config --list -z`: `key LF value NUL`; a key without a value means true.
fn parse_config(output: &[u8]) -> ConfigEntries {
    output
        .split(|byte| *byte == 0)
        .filter(|entry| !entry.is_empty())
        .map(|entry| {
            let entry = String::from_utf8_lossy(entry);
            let (key, value) = entry.split_once('\n').unwrap_or((&entry, "true"));
            (key.to_owned(), value.to_owned())
        })
        .collect()
}

/// The private configuration.
fn render_config(entries: &ConfigEntries, excludes_file: Option<&Path>) -> Result<String, GitError> {
    let extension = |key: &str| key.strip_prefix("extensions.").map(str::to_owned);
    if let Some(name) = entries.iter().filter_map(|(key, _)| extension(key)).find(|name| {
        !IGNORED_EXTENSIONS.contains(&name.as_str())
            && !REPOSITORY_KEYS.contains(&format!("extensions.{name}").as_str())
    }) {
        return Err(GitError::UnknownExtension { name: printable(&name) });
    }
    let mut config = String::from("[safe]\n\tbareRepository = explicit\n[protocol]\n\tallow = never\n");
    let mut set = |key: &str, value: &str| {
        let (section, name) = key.split_once('.').unwrap_or((key, ""));
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let _ = write!(config, "[{section}]\n\t{name} = \"{value}\"\n");
    };
    for (key, value) in entries.iter().filter(|(key, _)| REPOSITORY_KEYS.contains(&key.as_str())) {
        set(key, value);
    }
    // Last, so that they win.
    for (key, value) in [("core.fsmonitor", "false"), ("core.quotepath", "false"), ("core.bare", "false")] {
        set(key, value);
    }
    set("core.excludesfile", &excludes_file.map_or(String::new(), |path| path.to_string_lossy().into_owned()));
    Ok(config)
}

fn run(
    program: &Path,
    arguments: &[&str],
    directory: &Path,
    input: &[u8],
    environment: &Environment,
) -> Result<Vec<u8>, GitError> {
    let limits = ChildLimits { time: TIME, output: LARGEST_OUTPUT };
    match run_blocking(&ChildCall { program, arguments, directory: Some(directory), input, environment, limits }) {
        Ok(output) if output.success => Ok(output.stdout),
        Ok(output) => {
            let words = String::from_utf8_lossy(&output.stderr);
            Err(GitError::Failed { message: printable(words.lines().next().unwrap_or("git failed without a message")) })
        }
        Err(ChildError::TooMuchOutput(_)) => Err(GitError::TooMuchOutput),
        Err(ChildError::TimedOut(limit)) => Err(GitError::TimedOut { seconds: limit.as_secs() }),
        Err(ChildError::Start(error) | ChildError::Io(error)) => {
            Err(GitError::Failed { message: format!("`git` cannot be started: {}", io_reason(&error)) })
        }
    }
}
