//! Runs the program in a temporary repository with a scrubbed environment.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A temporary repository.
pub struct Repository {
    folder: TempDir,
}

impl Repository {
    pub fn empty() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// The smallest app that can be planned: npm, one page.
    pub fn next_app() -> Self {
        let repository = Self::empty();
        repository
            .write("package.json", r#"{"name":"shop","scripts":{"build":"next build"},"dependencies":{"next":"16.4.6"}}"#)
            .write(
                "package-lock.json",
                r#"{"name":"shop","lockfileVersion":3,"packages":{"":{"name":"shop","dependencies":{"next":"16.4.6"}},"node_modules/next":{"version":"16.4.6"}}}"#,
            )
            .write("app/page.tsx", "export default () => null\n");
        repository
    }

    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.root().join(path)
    }

    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) -> &Self {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    pub fn remove(&self, path: &str) -> &Self {
        fs::remove_file(self.path(path)).unwrap();
        self
    }

    /// Runs the program here, with nothing from the caller's environment except the path to `git`.
    pub fn run(&self, arguments: &[&str]) -> Run {
        self.run_with(arguments, &[])
    }

    pub fn run_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Run {
        Run::of(self.command(arguments).envs(variables.iter().copied()).output().unwrap())
    }

    /// The command to run the program with these arguments in this folder.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nextdeploy"));
        command
            .args(arguments)
            .current_dir(self.root())
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", "/nonexistent")
            .stdin(Stdio::null());
        command
    }
}

/// The result of a run.
#[derive(Debug)]
pub struct Run {
    /// `None` if it was killed by a signal.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    pub fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("standard output is UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("messages are UTF-8"),
        }
    }

    /// One error with this code and exit code, at least one hint, nothing on standard output, no panic.
    #[track_caller]
    pub fn fails(&self, exit: i32, code: &str) -> &Self {
        assert_eq!(self.code, Some(exit), "{self:#?}");
        let errors: Vec<&str> = self.stderr.lines().filter(|line| line.starts_with("error:")).collect();
        assert_eq!(errors.len(), 1, "one clear error: {self:#?}");
        assert!(errors[0].contains(&format!("[{code}]")), "expected {code}: {self:#?}");
        assert!(self.stderr.contains("hint:"), "an action to take: {self:#?}");
        assert!(self.stdout.is_empty(), "standard output carries data only: {self:#?}");
        self
    }

    #[track_caller]
    pub fn says(&self, text: &str) -> &Self {
        assert!(self.stderr.contains(text), "expected `{text}` in: {self:#?}");
        self
    }

    #[track_caller]
    pub fn succeeds(&self) -> &Self {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self
    }
}
