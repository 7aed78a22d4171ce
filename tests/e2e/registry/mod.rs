//! Pushes and pulls with real registries and AWS on loopback (`scripts/services start registries aws`), faults injected by a
//! proxy in front of a registry, and `skopeo` to check the result.

mod docker_config;
mod fault_proxy;
pub mod harness;
mod image;
mod relay;

mod bad_input;
mod canary;
mod company;
mod ecr;
mod faults;
mod landing;
mod logins;
