//! The files that describe an app: `metadata.json` in every shape it ever had, `nextdeploy.yml` in both spellings, and what this
//! program writes itself, `.nextdeploy/metadata.json` and `.nextdeploy/build.lock`.
//!
//! In: the repository as a value. Out: the settings that the files give, each with its field and place; and back: texts to write.
//! Pure. Absolute paths in the files are never followed, and secrets in them never shown.

mod config_file;
mod config_files;
mod document;
mod error;
mod nextdeploy_yml;
mod reader;
mod record;
mod routes;
mod schema;

pub use config_file::{ConfigFile, EnvScope, FileEntry, FileEnvValue, FileValue};
pub use config_files::{ConfigFiles, FileAuthor};
pub(crate) use document::{Node, Value, parse_json, parse_yaml};
pub use error::MetadataError;
pub use record::{
    BuildLock, CheckError, Difference, Metadata, Middleware, NextBuild, Overrides, RECORD_FOLDER, Record, check,
};
pub use routes::RouteInfo;
pub use schema::schemas;

#[cfg(test)]
mod tests;
