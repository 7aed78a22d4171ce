//! `run` and `rollback` with a daemon: healthy containers, failing ones, and replacements.

mod harness;
mod healthy;
mod podman;
mod replace;
mod trouble;
