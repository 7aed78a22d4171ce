//! A defect of the program is reported as such: one message, exit code 1. A panic of a library that reads a file of the
//! project is caught at its border instead.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::Streams;
use crate::diagnostic::{ExitCode, printable};

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
    use super::guarded;

    #[test]
    fn a_panic_behind_the_guard_is_an_answer() {
        assert_eq!(guarded(|| 1), Some(1));
        let text = String::from("é");
        assert_eq!(guarded(|| text[1..].len()), None);
    }
}
