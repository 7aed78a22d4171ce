//! Turns a Next.js repository into a small, correct production container image, with no Dockerfile.
//!
//! The modules are listed in the order in which data flows through them; arrows never point back (`ARCHITECTURE.md`).

pub mod diagnostic;
pub mod format;
pub mod origin;
pub mod rel_path;
pub mod secret;

pub mod host;
pub mod net;

pub mod repo;

pub mod project;

pub mod image_ref;
pub mod tags;

pub mod config;

pub mod image;

pub mod builder;

pub mod docker;

pub mod registry;

pub mod deploy;

pub mod supervise;

pub mod doctor;

pub mod workflow;

pub mod error;

pub mod pipeline;

pub mod report;

pub mod commands;
