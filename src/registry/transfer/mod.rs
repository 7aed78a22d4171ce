//! Images on their way between the daemon and registries.
//!
//! In: references, credentials, limits. Out: [`PushOutcome`] or [`PulledImage`], and [`TransferEvent`]s on the way. The daemon moves the
//! layers; the registry itself is asked only what the daemon does not tell. Never builds, never keeps credentials.

mod account;
mod arrived;
mod attempt;
mod credentials;
mod distribution;
mod error;
mod event;
mod exchange;
mod explain;
mod failure;
mod local;
mod options;
mod outcome;
mod pull;
mod push;
mod remote;
mod stream;

pub use credentials::CredentialSource;
pub use error::TransferError;
pub use event::{LayerOutcome, LayerState, TransferEvent};
pub use explain::Explanation;
pub use failure::Failure;
pub use options::TransferOptions;
pub use outcome::{FailedPush, PulledImage, PushOutcome};
pub use pull::PullRun;
pub use push::PushRun;
pub use remote::{LoginAnswer, ask_about_login};
