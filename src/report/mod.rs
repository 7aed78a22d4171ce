//! What the run tells people and machines. Values in, text out; only `commands/` writes it to a stream.

mod build;
pub mod ci;
mod comment;
pub mod containers;
mod diagnostics;
mod doctor;
mod dry_run;
mod ecr;
mod facts;
pub mod forge;
pub mod launch;
mod markdown;
pub mod outputs;
mod plan;
pub mod progress;
mod result;
mod schemas;
pub mod summary;
pub mod transfer;

pub use build::{render_build, render_failed_step};
pub use comment::{Comment, CommentResult, render_comment};
pub use diagnostics::{Style, render_error, render_warning};
pub use doctor::{DoctorResult, render_findings};
pub use dry_run::{ContextLine, OutsideCall, context_lines, render_calls, render_context};
pub use ecr::{Policies, key_document, render_planned_calls, render_repository, user_document};
pub use facts::render_facts;
pub use plan::render_plan;
pub use result::{BuildResult, DryRun, PushReport};
pub use schemas::schemas;
