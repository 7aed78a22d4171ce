//! What was asked for: arguments, environment and configuration files in, [`Settings`] out.
//!
//! Precedence and conflicts are decided here, once. Pure. A setting that nobody gave is `None`; what was detected and the
//! defaults come later, in `plan/`.

mod ecr;
mod error;
mod handover;
pub(crate) mod parse;
mod reporting;
mod resolve;
mod sources;
mod values;
mod variables;

pub use crate::config::metadata::EnvScope;
pub use ecr::{EcrSettings, RepositoryEncryption, TagMutability};
pub use error::{InvalidValue, SettingsError, ValueSource};
pub use reporting::{Reporting, SummaryChoice, resolve_reporting};
pub use resolve::{Place, Resolved, locate, resolve, resolve_publish};
pub use values::*;
pub(crate) use variables::typed_secret;

#[cfg(test)]
mod tests;
