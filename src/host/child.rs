//! Child processes, always by argument vector, never through a shell.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

use super::Environment;

/// What a finished child left behind.
#[derive(Debug, Clone)]
pub struct CommandOutput {
    pub success: bool,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

/// Runs `program` with `arguments` in `directory`, without standard input, and waits for it.
///
/// # Errors
/// When the program cannot be started.
#[expect(clippy::disallowed_methods, reason = "the one place that starts processes")]
pub fn run_command(program: &str, arguments: &[&str], directory: &Path) -> io::Result<CommandOutput> {
    let output = Command::new(program).args(arguments).current_dir(directory).stdin(Stdio::null()).output()?;
    Ok(CommandOutput { success: output.status.success(), stdout: output.stdout, stderr: output.stderr })
}

/// How long a child may take and how much it may say.
#[derive(Debug, Clone, Copy)]
pub struct ChildLimits {
    pub time: Duration,
    /// Bytes, of each output stream.
    pub output: u64,
}

/// Why a child with limits did not end by itself.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    #[error("{0}")]
    Start(io::Error),
    #[error("it did not end within {} s", .0.as_secs_f32())]
    TimedOut(Duration),
    #[error("it printed more than {0} bytes")]
    TooMuchOutput(u64),
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// The executable file that `name` means by the `PATH` of `environment`.
pub fn find_program(name: &str, environment: &Environment) -> Option<PathBuf> {
    let is_executable =
        |path: &PathBuf| path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok();
    // An empty or relative entry means the working directory, which may be a stranger's repository.
    let folders = environment.get("PATH")?.split(':').map(Path::new).filter(|folder| folder.is_absolute());
    folders.map(|folder| folder.join(name)).find(is_executable)
}

/// A child process: what it runs, with which input, and how long it may take.
#[derive(Debug, Clone, Copy)]
pub struct ChildCall<'a> {
    pub program: &'a Path,
    pub arguments: &'a [&'a str],
    /// Working directory; that of this process when absent.
    pub directory: Option<&'a Path>,
    /// Its standard input.
    pub input: &'a [u8],
    /// Its whole environment.
    pub environment: &'a Environment,
    pub limits: ChildLimits,
}

/// [`run_child`], for callers outside of a runtime; blocks the thread.
pub fn run_blocking(call: &ChildCall<'_>) -> Result<CommandOutput, ChildError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run_child(call))
}

/// Runs a child to its end. It ends, with what it started, when this future ends.
pub async fn run_child(call: &ChildCall<'_>) -> Result<CommandOutput, ChildError> {
    let ChildCall { input, limits, .. } = *call;
    let mut command = tokio::process::Command::new(call.program);
    if let Some(directory) = call.directory {
        command.current_dir(directory);
    }
    let mut child = command
        .args(call.arguments)
        .env_clear()
        .envs(call.environment.iter())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(ChildError::Start)?;
    let mut group = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)).map(|id| Group(Some(id)));
    let mut stdin = child.stdin.take().expect("standard input is a pipe");
    let stdout = child.stdout.take().expect("standard output is a pipe");
    let stderr = child.stderr.take().expect("standard error is a pipe");
    let talk = async {
        let write = async {
            let written = stdin.write_all(input).await;
            drop(stdin);
            // A child may end without reading.
            written.or_else(|error| match error.kind() {
                io::ErrorKind::BrokenPipe => Ok(()),
                _ => Err(ChildError::Io(error)),
            })
        };
        let (stdout, stderr, ()) = tokio::try_join!(read(stdout, limits.output), read(stderr, limits.output), write)?;
        let success = child.wait().await?.success();
        Ok(CommandOutput { success, stdout, stderr })
    };
    let ended = tokio::time::timeout(limits.time, talk).await.unwrap_or(Err(ChildError::TimedOut(limits.time)));
    if let (Ok(_), Some(group)) = (&ended, &mut group) {
        // Its number may belong to somebody else by now.
        group.0 = None;
    }
    ended
}

/// A child to talk with. It ends, with what it started, when this value does.
#[derive(Debug)]
pub struct PipedChild {
    pub stdin: tokio::process::ChildStdin,
    pub stdout: tokio::process::ChildStdout,
    stderr: Option<tokio::process::ChildStderr>,
    /// Ended after the pipes.
    _child: tokio::process::Child,
    _group: Option<Group>,
}

impl PipedChild {
    /// Its standard error, once.
    pub fn take_stderr(&mut self) -> Option<tokio::process::ChildStderr> {
        self.stderr.take()
    }
}

/// Starts `program` in `environment`, with pipes for all its streams.
///
/// # Errors
/// When the program cannot be started.
pub fn spawn_piped(program: &Path, arguments: &[&str], environment: &Environment) -> io::Result<PipedChild> {
    let mut child = tokio::process::Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(environment.iter())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()?;
    let group = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)).map(|id| Group(Some(id)));
    Ok(PipedChild {
        stdin: child.stdin.take().expect("standard input is a pipe"),
        stdout: child.stdout.take().expect("standard output is a pipe"),
        stderr: child.stderr.take(),
        _child: child,
        _group: group,
    })
}

async fn read(stream: impl AsyncRead + Unpin, limit: u64) -> Result<Vec<u8>, ChildError> {
    let mut bytes = Vec::new();
    stream.take(limit + 1).read_to_end(&mut bytes).await?;
    if bytes.len() as u64 > limit { Err(ChildError::TooMuchOutput(limit)) } else { Ok(bytes) }
}

/// The processes of one child.
#[derive(Debug)]
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // Fails when all of them have ended.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}
