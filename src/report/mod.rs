//! What a run reports to people and machines. Values in, text out; only `commands/` writes it to a stream.

mod build;
pub mod ci;
mod comment;
pub mod containers;
mod diagnostics;
mod ecr;
pub mod forge;
pub mod launch;
mod markdown;
pub mod outputs;
pub mod progress;
mod project;
mod result;
pub mod summary;
pub mod transfer;

use schemars::{Schema, schema_for};

pub use build::{render_build, render_failed_step};
pub use comment::{Comment, CommentResult, render_comment};
pub use diagnostics::{Style, render_error, render_findings, render_warning};
pub use ecr::{Policies, key_document, render_planned_calls, render_repository, user_document};
pub use project::{render_facts, render_plan};
pub use result::{
    BuildResult, ContextLine, DryRun, OutsideCall, PushReport, context_lines, render_calls, render_context,
};

/// The JSON schemas of the files that are read and written, and of the output for machines, by name.
pub fn schemas() -> Vec<(&'static str, Schema)> {
    let mut schemas = crate::config::metadata::schemas();
    schemas.push(crate::deploy::container_schema());
    schemas.push(("build-result", schema_for!(BuildResult)));
    schemas.push(("doctor-result", schema_for!(crate::doctor::DoctorResult)));
    schemas.push(("run-result", schema_for!(launch::RunResult)));
    schemas.push(("run-plan", schema_for!(launch::PlanResult)));
    schemas.push(("push-result", schema_for!(transfer::PushResult)));
    schemas.push(("pull-result", schema_for!(transfer::PullResult)));
    schemas
}
