//! Turns a Next.js repository into a small, correct production container image, with no Dockerfile.
//!
//! The modules are listed in the order in which data flows through them; arrows never point back (`ARCHITECTURE.md`).

pub mod diagnostic;
pub mod origin;
pub mod rel_path;
pub mod secret;

pub mod host;
pub mod network;

pub mod cli;

pub mod ci;
pub mod source;

pub mod project;

pub mod oci;
pub mod tags;

pub mod metadata;
pub mod settings;

pub mod plan;

pub mod dockerfile;
pub mod image;

pub mod daemon;

pub mod builder;

pub mod registry;

pub mod container;

pub mod proxy;

pub mod launch;

pub mod manifest;

pub mod supervise;

pub mod forge;

pub mod doctor;

pub mod workflow;

pub mod report;

pub mod error;

pub mod commands;
