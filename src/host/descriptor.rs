//! Descriptors of open files and connections.

use rustix::process::{Resource, getrlimit};

/// How many this process may have; `None` is without limit.
pub fn descriptor_limit() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}
