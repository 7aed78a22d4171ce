//! The log of one run as its CI system reads it. Every message passes here, so none from outside can be taken for a command.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use crate::builder::LocatedError;
use crate::diagnostic::{Diagnostic, Location, Warning};
use crate::host::{self, Environment, Streams};
use crate::repo::ci::CiSystem;
use crate::report::Style;
use crate::report::ci::{Dialect, HarmlessWriter, LogGroup, Reporter, dialect_of};
use crate::secret::{Redactor, redact};

/// Variables with the folder of the checkout, against which CI systems read the names of files.
const WORKSPACES: [&str; 5] =
    ["GITHUB_WORKSPACE", "CI_PROJECT_DIR", "BUILD_SOURCESDIRECTORY", "BITBUCKET_CLONE_DIR", "WORKSPACE"];

pub struct Log {
    streams: Streams,
    reporter: Mutex<Reporter>,
    workspace: Option<PathBuf>,
    /// Root of the repository, once it is known.
    root: OnceLock<PathBuf>,
    warnings: Mutex<Vec<Warning>>,
    /// Names of secrets that cannot be hidden.
    unhidden: Mutex<BTreeSet<String>>,
}

impl Log {
    pub fn new(system: CiSystem, style: Style, environment: &Environment) -> Self {
        let workspace = WORKSPACES.iter().find_map(|name| environment.get(name).filter(|path| !path.is_empty()));
        Self {
            streams: Streams,
            reporter: Mutex::new(Reporter::new(dialect_of(system), style)),
            workspace: workspace.and_then(|path| fs::canonicalize(path).ok()),
            root: OnceLock::new(),
            warnings: Mutex::default(),
            unhidden: Mutex::default(),
        }
    }

    /// Places in files are below this folder from here on.
    pub fn set_root(&self, root: &Path) {
        // A second repository in one run does not occur.
        let _ = self.root.set(root.to_path_buf());
    }

    pub fn dialect(&self) -> &'static dyn Dialect {
        self.reporter().dialect()
    }

    /// A text of several lines without secrets, none of which is a command.
    pub fn harmless(&self, text: &str) -> String {
        self.reporter().harmless(&redact(text))
    }

    pub fn message(&self, text: &str) {
        self.write(&self.harmless(text));
    }

    pub fn warning(&self, warning: &Warning) {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).push(warning.clone());
        let place = warning.location.as_ref().and_then(|location| self.place(location));
        let lines = self.reporter().warning(warning, place);
        self.write(&lines);
    }

    pub fn error(&self, error: &dyn Diagnostic) {
        let place = error.location().and_then(|location| self.place(&location));
        let lines = self.reporter().error(error, place, host::now());
        self.write(&lines);
    }

    /// A further place of an error. As text it is in the log already.
    pub fn finding(&self, code: &str, finding: &LocatedError) {
        if let Some(place) = self.place(&finding.location) {
            let lines = self.reporter().finding(code, &finding.message, place);
            self.write(&lines);
        }
    }

    /// Hides a secret in everything that the CI system shows from here on. `name` is what people call it; a value that cannot be hidden in
    /// the texts of this program is reported once.
    pub fn mask(&self, name: &str, secret: &str) {
        let is_known = Redactor::can_hide(secret.as_bytes()) || secret.trim().is_empty();
        if !is_known && self.unhidden.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned()) {
            let message = format!("the value of {name} is too short or too common to be hidden where it is printed");
            let hint = "use a random value of at least 16 characters";
            self.warning(&Warning::new("secret/not-hidden", message).with_hint(hint));
        }
        let lines = self.reporter().mask(secret);
        self.write(&lines);
    }

    /// Opens a group; it lasts until the next one, or until [`Log::close`].
    pub fn open(&self, name: &'static str, title: &'static str) {
        let lines = self.reporter().open(LogGroup { name, title, opened: host::now() });
        self.write(&lines);
    }

    pub fn close(&self) {
        let lines = self.reporter().close(host::now());
        self.write(&lines);
    }

    /// Nothing that is written until the answer goes out of scope is a command.
    pub fn untrusted(&self) -> Untrusted<'_> {
        let token = host::random_word();
        self.write(&self.dialect().stop(&token));
        Untrusted { log: self, token }
    }

    /// A writer for output of others.
    pub fn writer(&self) -> impl Write + Send + 'static {
        HarmlessWriter::new(self.dialect(), host::error_writer())
    }

    /// Every warning of the run so far.
    pub fn warnings(&self) -> Vec<Warning> {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What was held back; nothing may follow.
    pub fn end(&self) {
        let lines = self.reporter().end(host::now());
        self.write(&lines);
    }

    /// Lines of the dialect itself.
    pub fn write(&self, lines: &str) {
        if !lines.is_empty() {
            self.streams.message(lines);
        }
    }

    fn reporter(&self) -> MutexGuard<'_, Reporter> {
        self.reporter.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The place as the CI system knows it; `None` for a file that is not in the repository, such as a generated one.
    fn place(&self, location: &Location) -> Option<Location> {
        let file = self.root.get().map_or_else(|| location.file.clone(), |root| root.join(&location.file));
        let file = fs::canonicalize(file).ok()?;
        let known = self.workspace.as_deref().and_then(|workspace| file.strip_prefix(workspace).ok());
        Some(Location { file: known.map_or_else(|| file.clone(), Path::to_path_buf), ..location.clone() })
    }
}

/// Ends the time in which nothing is a command.
pub struct Untrusted<'a> {
    log: &'a Log,
    token: String,
}

impl Drop for Untrusted<'_> {
    fn drop(&mut self) {
        self.log.write(&self.log.dialect().resume(&self.token));
    }
}
