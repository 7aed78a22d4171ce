//! `nextdeploy supervise` with a real daemon: what it restarts and what it leaves alone, log forwarding, metrics, and what it
//! survives.

mod clients;
mod daemon;
mod harness;
mod heal;
mod logs;
mod metrics;
mod podman;
mod restart;
