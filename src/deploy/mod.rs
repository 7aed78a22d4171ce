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
mod helper;
mod hooks;
pub mod manifest;
mod plan;
mod probe;
pub mod proxy;
mod replace;
mod rollback;
mod schema;
mod secrets;
mod service;
mod start;
mod sweep;
mod volumes;
mod wishes;

use crate::docker::run_document;
pub use crate::docker::{RUN_DOCUMENT, RunDocument, RunMode, read_run_document};
pub use assets::copy_assets;
pub use document::read_document;
pub use error::{LaunchError, NotHealthy, Problem, Trouble};
pub use event::{LaunchEvent, Listener};
pub use flags::{duration_of_flag, wishes_of_flags};
pub use helper::LAUNCHER_LABEL;
pub use hooks::run_pre_stop;
pub use plan::{AppUser, EnvFile, Hooks, LaunchInputs, LaunchPlan, plan_launch};
pub use replace::{AppContainers, Replaced, Replacement};
pub use schema::container_schema;
pub use secrets::{SECRETS_LABEL, SecretFile, SecretsPlace, remove_with_secrets};
pub use service::{LaunchedService, ServiceNotHealthy, ServicePlan, plan_service};
pub use start::{Launched, Launcher, StopSignal};
pub use wishes::{HealthWish, Publish, SecretsAs, Wishes};
