//! From an image to a healthy container: what the image says of itself, the container document and the words typed become one
//! [`LaunchPlan`], each choice with its origin (pure); then the plan is carried out, beside an old container when there is one.
//!
//! Never leaves half of it behind: what was made for a container that did not become healthy is removed again.

mod assets;
mod document;
mod error;
mod event;
mod flags;
mod grammar;
mod hooks;
mod peek;
mod plan;
mod probe;
mod replace;
mod rollback;
mod run_document;
mod schema;
mod secrets;
mod service;
mod start;
mod volumes;
mod wishes;

pub use assets::copy_assets;
pub use document::read_document;
pub use error::{LaunchError, NotHealthy, Problem, Trouble};
pub use event::{LaunchEvent, Listener};
pub use flags::{duration_of_flag, wishes_of_flags};
pub use hooks::run_pre_stop;
pub use peek::{HELPER_LABEL, read_run_document};
pub use plan::{AppUser, EnvFile, Hooks, LaunchInputs, LaunchPlan, plan_launch};
pub use replace::{AppContainers, Replaced, Replacement, forget_secrets};
pub use run_document::{RUN_DOCUMENT, RunDocument, RunMode};
pub use schema::container_schema;
pub use secrets::{SecretFile, SecretsPlace};
pub use service::{LaunchedService, ServiceNotHealthy, ServicePlan, plan_service};
pub use start::{Launched, Launcher, StopSignal};
pub use wishes::{HealthWish, Publish, SecretsAs, Wishes};
