//! The connection to a Docker daemon: environment and Docker configuration in, an [`Engine`] that answers out.
//!
//! Builders, registries and containers ask it; nothing here knows what they want. Never starts a daemon.

mod answer;
mod endpoint;
mod engine;
mod error;
mod helper;
mod identity;
mod ping;
mod pump;
mod query;
mod ssh;
mod tls;
mod usage;

pub(crate) use answer::{ANSWER_LIMIT, AnswerLimits, LineError, Lines, daemon_cause};
pub use endpoint::{Address, Endpoint, TlsFiles, docker_config_dir, find_endpoint};
pub use engine::{BuilderKind, Engine};
pub(crate) use engine::{ConnectionGuard, Dialer, Exchange};
pub use error::DaemonError;
pub use helper::{HELPER_LABEL, HELPER_PREFIX, helper_labels, helper_name};
pub(crate) use pump::Chunk;
pub(crate) use query::Query;
pub use ssh::SshTarget;
pub use usage::MachineUsage;
