//! Images on their way to registries and back: real registries and AWS on loopback (`scripts/services start registries aws`), faults
//! that a proxy in front of a registry makes, and `skopeo` to see what landed.

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
