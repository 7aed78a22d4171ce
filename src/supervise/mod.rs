//! Looks after the containers of this program: restarts, forwarded logs, metrics.
//!
//! In: the daemon's events, states, logs and statistics. Out: restarts within a budget, JSON lines, numbers for Prometheus, and
//! [`Notice`]s for people. Never touches a container without our label.

mod error;
mod fleet;
mod forward;
mod metrics;
mod notice;
mod policy;
mod position;
mod record;
mod run;
mod server;
mod sink;
mod state;
mod tail;
mod watch;

pub use error::SuperviseError;
pub use notice::{Notice, Severity, Teller};
pub use policy::RestartLimits;
pub use run::{ListenOptions, Reach, Supervision, UrlOptions, supervise};
pub use sink::{FileOptions, HttpTarget, TokenSource};
