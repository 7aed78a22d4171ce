//! The vocabulary of images: references. Pure; nothing here speaks to a registry.

mod reference;

pub use reference::{InvalidReference, Reference, is_tag};
