//! What the run tells people and machines. Values in, text out; only `commands/` writes it to a stream.

mod diagnostics;
mod dry_run;

pub use diagnostics::{Style, render_error, render_warning};
pub use dry_run::{ContextLine, OutsideCall, context_lines, render_calls, render_context};
