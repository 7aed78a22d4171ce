//! How each CI system wants to be talked to: groups in the log, masks, annotations, and outputs for later steps.
//!
//! In: values. Out: lines for the log, [`FileWrite`]s and [`AgentCall`]s, which `commands/` performs. A dialect never prints, and no text from
//! outside can become a command of its.

mod annotation;
mod azure;
mod bitbucket;
mod buildkite;
mod circleci;
mod dialect;
mod github;
mod gitlab;
mod guard;
mod jenkins;
mod plain;
mod reporter;
mod shell;
#[cfg(test)]
mod tests;

pub use annotation::{Annotation, Severity};
pub use dialect::{AgentCall, AgentReport, Dialect, FileMode, FileWrite, LogGroup, Published, dialect_of};
pub use guard::HarmlessWriter;
pub use reporter::Reporter;
