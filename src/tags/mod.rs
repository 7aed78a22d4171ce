//! Tag rules with the meaning that `docker/metadata-action` gave them: rules, flavor and what the CI and git know in, tags of
//! the image out.
//!
//! Pure: the time comes with the facts, and a rule is checked when it is read, so that its error can name who gave it.

mod date;
mod entry;
mod error;
mod evaluate;
mod flavor;
mod pep440;
mod rule;
mod sanitise;
mod template;
#[cfg(test)]
mod tests;

pub use entry::TagEntry;
pub use error::TagError;
pub use evaluate::{Evaluation, RunFacts, evaluate};
pub use flavor::Flavor;
pub use rule::TagRule;
