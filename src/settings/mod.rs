//! What was asked for: arguments, environment and configuration files in, [`Settings`] out.
//!
//! Precedence and conflicts are decided here, once. Pure. A setting that nobody gave is `None`; what was detected and the
//! defaults come later, in `plan/`.

mod values;

pub use values::*;
