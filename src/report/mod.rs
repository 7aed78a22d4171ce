//! What the run tells people and machines. Values in, text out; only `commands/` writes it to a stream.

mod diagnostics;

pub use diagnostics::{Style, render_error, render_warning};
