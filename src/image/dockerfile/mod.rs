//! From an `ImagePlan` to Dockerfile text and the list of context entries. Pure: files are named, never opened.
//!
//! Nothing of the project, its settings or its file names can end an instruction or begin one: see `quote`.

pub mod cache_transfer;
mod context;
mod eject;
mod entries;
mod manifest;
mod quote;
mod render;
mod script;
#[cfg(test)]
mod tests;

pub use context::{BuildContext, ContextContent, ContextEntry};
pub use eject::{EjectedFile, eject};
pub use entries::{ContextError, OwnContext, context, own_context};
pub use manifest::reduce_manifest;
pub use render::{BuilderBackend, DOCKERFILE_NAME, RenderError, render};
