//! The connection to a Docker daemon: environment and Docker configuration in, an [`Engine`] that sends requests out.
//!
//! Layers, from the socket up: [`Endpoint`] (which daemon), transport (Unix socket, TCP, TLS, SSH), HTTP (one request per connection, answers
//! within limits), JSON streams, [`Engine`]. Knows nothing of containers or images, and never starts a daemon.

mod endpoint;
mod engine;
mod error;
mod frames;
mod http;
mod json;
mod ssh;
mod transport;

pub use endpoint::{Address, Endpoint, TlsFiles, docker_config_dir, find_endpoint};
pub use engine::{Engine, MachineUsage};
pub use error::DaemonError;
pub use frames::LogStream;
pub(crate) use frames::{OutputFrames, OutputPiece};
pub(crate) use http::{AnswerStream, ApiError, ApiRequest, DaemonRefusal, NO_LIMIT, UpgradedConnection, Uri};
pub(crate) use json::JsonStream;
pub use ssh::SshTarget;
