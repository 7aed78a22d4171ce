//! The daemon and its machine.

use super::{Area, Finding};
use crate::docker::connection::{Engine, MachineUsage};
use crate::image::dockerfile::BuilderBackend;

/// Room that dependencies, build cache and image of a middling app need together.
const COMFORTABLE_DISK: u64 = 5_000_000_000;
/// Less, and the kernel ends `next build` of a middling app.
const COMFORTABLE_MEMORY: u64 = 2_000_000_000;

/// `usage` is absent when the daemon does not tell it. `own` is the platform that it runs on, `asked` the one that was asked for.
pub fn check_machine(engine: &Engine, usage: Option<&MachineUsage>, own: &str, asked: Option<&str>) -> Vec<Finding> {
    let text = format!("{engine} at {}, API {}, {}, {own}", engine.address(), engine.api, engine.builder);
    let mut findings = vec![Finding::ok(Area::Machine, "doctor/daemon", text)];
    if engine.builder == BuilderBackend::Classic {
        findings.push(Finding::warning(
            Area::Machine,
            "doctor/no-buildkit",
            "the daemon builds without BuildKit: no secrets, and nothing is kept between installs",
            "use Docker Engine 18.09 or later, and do not set `DOCKER_BUILDKIT=0`",
        ));
    }
    findings.extend(asked.and_then(|asked| check_platform(own, asked)));
    if let Some(usage) = usage {
        findings.extend(check_disk(usage));
        findings.extend(check_memory(usage));
    }
    findings
}

fn check_platform(own: &str, asked: &str) -> Option<Finding> {
    let architecture = |platform: &str| platform.split('/').nth(1).map(str::to_owned);
    (architecture(asked) != architecture(own)).then(|| {
        Finding::warning(
            Area::Machine,
            "doctor/emulated-platform",
            format!("the daemon runs on {own} and emulates {asked}, which is many times slower"),
            "build on a runner of that platform, or install QEMU on this one (`tonistiigi/binfmt`)",
        )
    })
}

pub(super) fn check_disk(usage: &MachineUsage) -> Option<Finding> {
    let (free, root) = (usage.free?, usage.root.as_deref()?);
    let text = format!("{} are free in {root}", gigabytes(free));
    Some(if free < COMFORTABLE_DISK {
        let action = "make room, for example with `docker builder prune` or `docker image prune`";
        Finding::warning(Area::Machine, "doctor/little-disk", text, action)
    } else {
        Finding::ok(Area::Machine, "doctor/disk", text)
    })
}

pub(super) fn check_memory(usage: &MachineUsage) -> Option<Finding> {
    let memory = usage.memory?;
    let cpus = usage.cpus.map_or_else(String::new, |cpus| format!(", {cpus} processors"));
    let text = format!("the daemon has {} of memory{cpus}", gigabytes(memory));
    Some(if memory < COMFORTABLE_MEMORY {
        Finding::warning(
            Area::Machine,
            "doctor/little-memory",
            text,
            "give the daemon at least 4 GB, or add swap: `next build` is killed without a word when it runs out",
        )
    } else {
        Finding::ok(Area::Machine, "doctor/memory", text)
    })
}

fn gigabytes(bytes: u64) -> String {
    format!("{}.{} GB", bytes / 1_000_000_000, bytes % 1_000_000_000 / 100_000_000)
}
