//! `run` and `rollback` against the daemon: healthy containers, failing ones, and one in the place of another.

mod harness;
mod healthy;
mod podman;
mod replace;
mod trouble;
