//! The only door to environment variables, clock, standard streams and child processes.

mod child;
mod environment;
mod stream;

pub use child::{CommandOutput, run_command};
pub use environment::Environment;
pub use stream::{Streams, is_terminal};
