//! From an `ImagePlan` to Dockerfile text and the list of context entries. Pure: files are named, never opened.

mod context;
pub mod image;

pub use context::{BuildContext, ContextContent, ContextEntry};
