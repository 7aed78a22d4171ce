//! The settings of a run: flags, environment and configuration files in, [`Settings`] out.
//!
//! Precedence and conflicts are decided here, once. Pure. An unset setting is `None`; what was detected and the defaults come
//! later, in `image/plan/`.

mod ecr;
mod error;
pub(crate) mod parse;
mod resolve;
mod sources;
mod values;
mod variables;

pub use crate::config::metadata::EnvScope;
pub use error::{InvalidValue, SettingsError, ValueSource};
pub use resolve::{
    ProjectLocation, Reporting, Resolved, SummaryChoice, locate, resolve, resolve_publish, resolve_reporting,
};
pub use values::*;
pub(crate) use variables::typed_secret;

#[cfg(test)]
mod tests;
