//! From an `ImagePlan` to Dockerfile text and the list of context entries. Pure: files are named, never opened.
//!
//! No value of the project, its settings or its file names can end or start an instruction: see `script`.

pub mod cache_transfer;
mod context;
mod eject;
mod render;
mod script;
#[cfg(test)]
mod tests;

pub use context::{BuildContext, ContextContent, ContextEntry, ContextError, OwnContext, context, own_context};
pub use eject::{EjectedFile, eject};
pub use render::{BuilderBackend, DOCKERFILE_NAME, RenderError, render};
