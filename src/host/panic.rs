//! A defect of the program is reported as such: one message, exit code 1.

use super::Streams;
use crate::diagnostic::{ExitCode, printable};

/// Replaces the panic message by one that a user can act on, and ends the process with [`ExitCode::Bug`].
#[expect(clippy::disallowed_methods, clippy::exit, reason = "a panic has no caller that could return an exit code")]
pub fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(|| "unknown place".to_owned(), ToString::to_string);
        let text = panic.payload_as_str().unwrap_or("no message");
        Streams.message(&format!(
            "error: this is a defect of nextdeploy: {} ({place}) [bug/panic]\n  hint: please report it with the command line that you used",
            printable(text)
        ));
        std::process::exit(ExitCode::Bug as i32);
    }));
}
