//! Child processes, always by argument vector, never through a shell.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

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
