//! Everything that decides what a run does: flags, variables, action inputs and files become [`settings::Settings`].
//!
//! In: `argv`, the environment, `metadata.json`, `nextdeploy.yml`. Out: typed values with their origin. Never looks at the project.

pub mod cli;
pub mod metadata;
mod setting;
pub mod settings;

pub use setting::{CliSettings, Setting, SettingKind};
