//! Processes: children of this one, how a process is recognised later, the signals that end this one, and its panics.
//!
//! Children are started by argument vector, never through a shell.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{fs, io};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::signal::unix::{SignalKind, signal};

use super::{Environment, Streams};
use crate::diagnostic::{ExitCode, printable};

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

/// Limits of a child.
#[derive(Debug, Clone, Copy)]
pub struct ChildLimits {
    pub time: Duration,
    /// Bytes, of each output stream.
    pub output: u64,
}

/// Why a child with limits did not exit.
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
    // An empty or relative entry means the working directory, which may be an untrusted repository.
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
        // Its number may already belong to another process.
        group.0 = None;
    }
    ended
}

/// A child with open pipes. It is killed, with what it started, when this value is dropped.
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

/// A process of a machine, `BOOT.NAMESPACE.PID.START`: the boot of the kernel, the namespace in which the number counts, the number, and
/// when it started, since numbers are used again (proc(5)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessId(String);

/// Whether a process still runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    Runs,
    Ended,
    /// It belongs to another machine or container.
    Unknown,
}

impl ProcessId {
    /// This process; without `/proc` its life is not known to others.
    pub fn own() -> Self {
        let known = || {
            let pid = rustix::process::getpid().as_raw_nonzero().get();
            Some(format!("{}.{pid}.{}", here()?, start_of(pid)?))
        };
        Self(known().unwrap_or_else(|| "unknown".to_owned()))
    }

    /// As it was written by [`as_str`](Self::as_str).
    pub fn parse(text: &str) -> Self {
        Self(text.to_owned())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn life(&self) -> Life {
        let known = || {
            let mut parts = self.0.rsplitn(3, '.');
            let (start, pid, place) = (parts.next()?, parts.next()?.parse().ok()?, parts.next()?);
            if here()? != place {
                return None;
            }
            match start_of(pid) {
                Some(found) if found == start => Some(Life::Runs),
                Some(_) => Some(Life::Ended),
                // `/proc` may hide processes of other users (`hidepid`).
                None => (test_kill_process(Pid::from_raw(pid)?) == Err(Errno::SRCH)).then_some(Life::Ended),
            }
        };
        known().unwrap_or(Life::Unknown)
    }
}

/// The boot and the namespace of this process.
fn here() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = fs::read_link("/proc/self/ns/pid").ok()?;
    let number: String = namespace.to_str()?.chars().filter(char::is_ascii_digit).collect();
    Some(format!("{}.{number}", boot.trim()))
}

/// Field 22 of `/proc/PID/stat`. The name before it may have spaces and brackets. A zombie has ended, and so has no start of this kind.
fn start_of(pid: i32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?;
    if matches!(state, "Z" | "X") { Some(state.to_owned()) } else { fields.nth(18).map(str::to_owned) }
}

/// Completes with the exit code of the first SIGINT, SIGTERM or SIGHUP.
///
/// # Errors
/// When the handlers cannot be installed.
pub async fn ended() -> std::io::Result<ExitCode> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    Ok(tokio::select! {
        _ = interrupt.recv() => ExitCode::Interrupted,
        _ = terminate.recv() => ExitCode::Terminated,
        _ = hang_up.recv() => ExitCode::Terminated,
    })
}

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Replaces the panic message by one that a user can act on, and ends the process with [`ExitCode::Bug`].
#[expect(clippy::disallowed_methods, clippy::exit, reason = "a panic has no caller that could return an exit code")]
pub fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        if GUARDED.get() {
            return;
        }
        let place = panic.location().map_or_else(|| "unknown place".to_owned(), ToString::to_string);
        let text = panic.payload_as_str().unwrap_or("no message");
        Streams.message(&format!(
            "error: this is a defect of nextdeploy: {} ({place}) [bug/panic]\n  hint: please report it with the command line that you used",
            printable(text)
        ));
        std::process::exit(ExitCode::Bug as i32);
    }));
}

/// What `read` returns, or `None` when a library panicked on what it read.
///
/// For libraries that parse text of the project, on this thread; what they leave behind must not be used afterwards.
pub fn guarded<T>(read: impl FnOnce() -> T) -> Option<T> {
    let outer = GUARDED.replace(true);
    let result = catch_unwind(AssertUnwindSafe(read));
    GUARDED.set(outer);
    result.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_identified_by_more_than_its_number() {
        let own = ProcessId::own();
        assert_eq!(own.life(), Life::Runs, "{own:?}");
        let parts: Vec<&str> = own.as_str().split('.').collect();
        let [boot, namespace, pid, start] = parts[..] else { panic!("{own:?}") };
        for (text, life) in [
            (format!("{boot}.{namespace}.{pid}.{start}1"), Life::Ended),
            (format!("{boot}.{namespace}.2147483647.1"), Life::Ended),
            (format!("{boot}.1.{pid}.{start}"), Life::Unknown),
            (format!("x.{namespace}.{pid}.{start}"), Life::Unknown),
            ("true".to_owned(), Life::Unknown),
            (String::new(), Life::Unknown),
        ] {
            assert_eq!(ProcessId::parse(&text).life(), life, "{text}");
        }
    }

    #[test]
    fn a_guarded_panic_is_none() {
        assert_eq!(guarded(|| 1), Some(1));
        let text = String::from("é");
        assert_eq!(guarded(|| text[1..].len()), None);
    }
}
