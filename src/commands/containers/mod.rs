//! The verbs for containers. With `--any`, reading verbs also see containers of others; changing verbs never do.

mod exec;
mod health;
mod lifecycle;
mod logs;
mod outlet;
mod ps;
mod stats;

pub use exec::run as exec;
pub use health::run as health;
pub use lifecycle::{restart, rm, stop};
pub use logs::run as logs;
pub use ps::run as ps;
pub use stats::run as stats;

use super::Session;
use crate::config::cli::CliSettings;
use crate::config::metadata::ConfigFiles;
use crate::config::settings;
use crate::docker::connection::{Engine, find_endpoint};
use crate::docker::{Containers, Owner};
use crate::error::Error;

/// The containers of the daemon that the environment names.
pub(super) async fn connect(session: &Session, words: &CliSettings) -> Result<Containers, Error> {
    let resolved = settings::resolve(words, &session.environment, &ConfigFiles::default())?;
    session.warn(&resolved.warnings);
    let ca_bundle = resolved.settings.ca_bundle.as_ref().map(|bundle| bundle.value.as_path());
    let endpoint = find_endpoint(&session.environment, ca_bundle)?;
    Ok(Containers::new(&Engine::connect(endpoint, &session.environment).await?))
}

fn owner(any: bool) -> Owner {
    if any { Owner::Anybody } else { Owner::Ours }
}
