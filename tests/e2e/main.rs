//! The program with real services: a Docker daemon, Podman, registries, AWS (moto), real Next.js applications, and real
//! installs from the npm registry.
//!
//! Fails if one of them is missing (`scripts/services start` starts them all). Everything that a test creates is named `nd-*` and
//! removed again.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]
#![expect(clippy::print_stderr, reason = "how long each case took is worth seeing")]
#![expect(
    clippy::disallowed_methods,
    reason = "the tests observe from outside: docker, git and the program are child processes"
)]

mod action;
mod caches;
mod ci_log;
mod container;
mod docker;
mod docker_builder;
mod doctor;
mod ecr;
mod fixture;
mod generated;
mod http;
mod manifest;
mod matrix;
mod native;
mod own_image;
mod podman;
mod program;
mod proxy;
mod registry;
mod repeat;
mod run;
mod second_daemon;
mod supervise;
mod swarm;
mod trouble;
