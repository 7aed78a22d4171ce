//! `cargo nextdeploy …`: runs the `nextdeploy` beside this program with the same arguments.
//!
//! Cargo looks for subcommands by this name. Links nothing of the library, so that the program is built once.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

const NAME: &str = "cargo-nextdeploy";

#[expect(clippy::disallowed_methods, clippy::print_stderr, reason = "not a part of the library")]
fn main() -> ExitCode {
    // Links are followed, as package managers may link the two into one folder of PATH.
    let program = std::env::current_exe().and_then(std::fs::canonicalize).map(|own| own.with_file_name("nextdeploy"));
    let error = match program {
        // The program knows by this name that it is a subcommand. Only an error returns.
        Ok(program) => Command::new(program).arg0(NAME).args(std::env::args_os().skip(1)).exec(),
        Err(error) => error,
    };
    eprintln!("error: cannot run `nextdeploy` from the folder of `{NAME}`: {error}");
    ExitCode::FAILURE
}
