//! What a run tells the service that hosts the repository: one comment per pull request and app, a commit status, a deployment.
//!
//! In: what CI says about the run, a token, finished texts. Out: calls to the API of GitHub or GitLab, bounded in time, and warnings.
//! Types of the API libraries stay here. Nothing in here fails a run, and nothing renders a text of its own.

mod announcer;
mod error;
mod exchange;
mod github;
mod gitlab;
mod marker;
mod place;

pub use announcer::{Announcer, Delivery, Outcome, Wanted};
pub use error::{Action, ForgeError};
pub use exchange::{CALL_LIMIT, STOP_LIMIT};
pub use place::{Place, Service};
