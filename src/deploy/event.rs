//! What happens during a launch, as it happens.

use std::time::Duration;

use crate::deploy::proxy::{Drained, SwitchedBy};
use crate::diagnostic::Warning;
use crate::docker::{LogStream, Probe, ServiceChange, ServiceProgress};

#[derive(Debug, Clone, PartialEq)]
pub enum LaunchEvent<'a> {
    NetworkMade(&'a str),
    VolumeMade(&'a str),
    Created(&'a str),
    Started(&'a str),
    /// A health check of the daemon ended.
    Probed(&'a Probe),
    Healthy {
        name: &'a str,
        after: Duration,
    },
    /// It has no health check, and runs.
    Runs {
        name: &'a str,
        after: Duration,
    },
    Hook {
        kind: &'static str,
        argv: &'a [String],
    },
    HookOutput {
        stream: LogStream,
        bytes: &'a [u8],
    },
    /// A hook that changes nothing by failing.
    HookFailed {
        kind: &'static str,
        reason: &'a str,
    },
    /// Files of the new version are beside those of the old one.
    AssetsCopied {
        files: usize,
        folder: &'a str,
    },
    /// The requests go to the new container.
    Switched {
        upstream: &'a str,
        drained: &'a Drained,
        by: SwitchedBy,
    },
    /// Nothing answers until the new container does.
    GapBegins {
        name: &'a str,
    },
    /// The new container answers.
    GapEnds {
        after: Duration,
    },
    Stopped {
        name: &'a str,
    },
    /// The container that ran before runs again.
    Restored {
        name: &'a str,
    },
    Removed {
        name: &'a str,
    },
    /// What is not in force as it was planned.
    Warned(&'a Warning),
    ServiceDeployed {
        name: &'a str,
        change: ServiceChange,
    },
    /// New tasks failed, and Swarm goes back to the state before.
    ServiceGoesBack {
        name: &'a str,
    },
    /// Tasks in the state that is wanted.
    ServiceProgress {
        name: &'a str,
        progress: ServiceProgress,
    },
}

/// Whoever is told.
pub type Listener<'a> = &'a (dyn Fn(&LaunchEvent<'_>) + Send + Sync);
