//! From an image to a healthy container: what the image says of itself, the container document and the words typed become one
//! [`LaunchPlan`], each choice with its origin (pure); then the plan is carried out, beside an old container when there is one.
//!
//! Never leaves half of it behind: what was made for a container that did not become healthy is removed again.

mod document;
mod error;
mod flags;
mod grammar;
mod plan;
mod run_document;
mod schema;
mod wishes;

pub use document::read_document;
pub use error::{LaunchError, Problem};
pub use flags::wishes_of_flags;
pub use plan::{EnvFile, Hooks, LaunchInputs, LaunchPlan, plan_launch};
pub use run_document::{RUN_DOCUMENT, RunDocument, RunMode};
pub use schema::container_schema;
pub use wishes::{HealthWish, Publish, SecretsAs, Wishes};
