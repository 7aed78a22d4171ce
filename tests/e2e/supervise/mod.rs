//! `nextdeploy supervise` against a real daemon: what it heals and what it leaves alone, where logs arrive, what the metrics say,
//! and what it survives.

mod clients;
mod daemon;
mod harness;
mod heal;
mod logs;
mod metrics;
mod podman;
mod restart;
