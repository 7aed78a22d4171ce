//! Tag rules with the meaning that `docker/metadata-action` gives them: rules, flavor and the facts of a run in, tags of the
//! image out.
//!
//! Pure: the time comes with the facts, and a rule is checked when it is read, so that its error can name its source.

mod date;
mod error;
mod evaluate;
mod rule;
mod template;
mod version;

pub use error::TagError;
pub use evaluate::{Evaluation, evaluate};
pub use rule::{Flavor, TagEntry, TagRule};
pub use template::{RunFacts, render_text};

#[cfg(test)]
mod tests;
