//! How much the app may use.

use std::time::Duration;

use super::{LaunchInputs, default};
use crate::origin::Sourced;

const MIB: u64 = 1024 * 1024;
const RENDERING: u64 = 512 * MIB;
const FILES_ONLY: u64 = 256 * MIB;
/// What Node.js needs besides the heap of JavaScript.
const HEAP_PERCENT: u64 = 75;

/// Processes and threads. Node.js starts about 11 threads; with image optimisation and a few workers it stays far below this, and a
/// fork bomb does not reach the limit of the machine.
const PROCESSES: u64 = 512;

/// More than what the launcher gives running requests.
pub(super) const STOP_GRACE: Duration = Duration::from_secs(15);

pub(super) fn memory(inputs: LaunchInputs<'_>) -> Sourced<Option<u64>> {
    if let Some(memory) = &inputs.wishes.memory {
        return memory.clone();
    }
    match inputs.run {
        Some(run) if run.renders() => Sourced::new(Some(RENDERING), default("the app renders on the server")),
        Some(_) => Sourced::new(Some(FILES_ONLY), default("every route is rendered by the build")),
        None => Sourced::new(None, default("nothing is known of the app")),
    }
}

pub(super) fn pids(inputs: LaunchInputs<'_>) -> Sourced<Option<u64>> {
    let limit = || Sourced::new(Some(PROCESSES), default("the machine has processes left for everything else"));
    inputs.wishes.pids.clone().unwrap_or_else(limit)
}

/// Mebibytes for the heap of JavaScript below a limit of `bytes`.
pub(super) fn heap(bytes: u64) -> u64 {
    (bytes * HEAP_PERCENT / 100 / MIB).max(1)
}
