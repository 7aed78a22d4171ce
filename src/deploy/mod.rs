//! From an image to a healthy container: the facts of the image, the container document and the flags are resolved once into a
//! [`LaunchPlan`], each choice with its origin (pure). Then the plan is carried out, beside an old container if there is one.
//!
//! Never leaves a launch half done: everything that was created for a container that did not become healthy is removed again.

mod app_containers;
mod assets;
mod container_config;
mod deployment;
mod document;
mod error;
mod helper_container;
mod inputs;
mod launch;
mod launcher;
pub mod manifest;
mod parse;
mod plan;
pub mod proxy;
mod replace;
mod schema;
mod secrets;
mod service;

pub use container_config::{ContainerConfig, SecretsAs, container_schema, duration_of_flag};
pub use deployment::{DeployOptions, Deployment};
pub use document::read_document;
pub use error::{LaunchError, NotHealthy, ServiceNotHealthy, UnhealthyReason};
pub use inputs::{
    ImageSource, RunTarget, current_folder, read_config, read_env_files, read_secrets, with_variables_of_secrets,
};
pub use launch::run_pre_stop;
pub use launcher::{LaunchEvent, LaunchListener, Launched, Launcher, StopSignal, wait_timeout};
pub use plan::{DaemonMachine, LaunchInputs, LaunchPlan, LoadedEnvFile, MachineFacts, plan_launch};
pub use replace::{Replaced, Replacement};
pub use secrets::{SecretFile, remove_with_secrets};
pub use service::{LaunchedService, plan_service, present_replicas};
