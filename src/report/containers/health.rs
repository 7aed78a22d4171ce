//! What `health` tells.

use std::fmt::Write as _;

use chrono::SecondsFormat;
use serde::Serialize;

use crate::diagnostic::printable;
use crate::docker::{ContainerFacts, ContainerState, ContainerStatus, HealthStatus, Probe};

/// A container's health as a document.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HealthResult {
    pub name: String,
    /// Also true of one that runs and has no health check.
    pub healthy: bool,
    pub state: ContainerState,
}

impl HealthResult {
    pub fn new(facts: &ContainerFacts) -> Self {
        let runs = facts.state.status == ContainerStatus::Running;
        let checked = facts.state.health.as_ref().is_none_or(|health| health.status == HealthStatus::Healthy);
        Self { name: facts.name.clone(), healthy: runs && checked, state: facts.state.clone() }
    }
}

/// State and probes, oldest first; ends with a newline.
pub fn render_health(facts: &ContainerFacts) -> String {
    let mut text = format!("{}: {}\n", printable(&facts.name), summary(facts));
    let probes = facts.state.health.as_ref().map(|health| health.probes.as_slice()).unwrap_or_default();
    for probe in probes {
        text.push_str(&render_probe(probe));
    }
    text
}

fn summary(facts: &ContainerFacts) -> String {
    let state = &facts.state;
    let ended = || {
        let code = state.exit_code.map(|code| format!(" with exit code {code}")).unwrap_or_default();
        let memory = match (state.out_of_memory, facts.memory_limit) {
            (true, Some(limit)) => format!(", out of memory (limit {} MiB)", limit / (1 << 20)),
            (true, None) => ", out of memory".to_owned(),
            (false, _) => String::new(),
        };
        format!("{code}{memory}")
    };
    match state.status {
        ContainerStatus::Created => "not started".to_owned(),
        ContainerStatus::Paused => "paused".to_owned(),
        ContainerStatus::Removing => "being removed".to_owned(),
        ContainerStatus::Restarting => {
            format!("ended{}, and is started again ({} times so far)", ended(), state.restarts)
        }
        ContainerStatus::Exited | ContainerStatus::Dead => format!("ended{}", ended()),
        ContainerStatus::Running => match &state.health {
            None => "runs, and has no health check".to_owned(),
            Some(health) => match (health.status, health.failing_streak) {
                (HealthStatus::Healthy, 0) => "healthy".to_owned(),
                (HealthStatus::Healthy, _) => "healthy, and the last probe failed".to_owned(),
                (HealthStatus::Starting, 0) => "not checked yet".to_owned(),
                (HealthStatus::Starting, failures) => format!("not healthy yet, {failures} probes failed"),
                (HealthStatus::Unhealthy, failures) => format!("unhealthy, the last {failures} probes failed"),
            },
        },
    }
}

/// One probe: when, how long, how it ended, and what it printed, indented.
fn render_probe(probe: &Probe) -> String {
    let time = probe.started_at.map_or_else(|| "-".to_owned(), |time| time.to_rfc3339_opts(SecondsFormat::Secs, true));
    let took = match (probe.started_at, probe.finished_at) {
        (Some(begin), Some(end)) => format!(" {} ms", (end - begin).num_milliseconds()),
        _ => String::new(),
    };
    let result = match probe.exit_code {
        0 => "ok".to_owned(),
        -1 => "timed out".to_owned(),
        code => format!("failed with exit code {code}"),
    };
    let mut text = format!("  {time}{took}  {result}\n");
    for line in probe.output.lines().filter(|line| !line.trim().is_empty()) {
        let _ = writeln!(text, "    {}", printable(line));
    }
    text
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::docker::ContainerHealth;

    fn facts(state: ContainerState) -> ContainerFacts {
        ContainerFacts {
            id: "ab".into(),
            name: "shop-1".into(),
            image: "shop".into(),
            image_id: String::new(),
            created_at: None,
            state,
            labels: [].into(),
            ports: Vec::new(),
            networks: Vec::new(),
            volumes: Vec::new(),
            tty: false,
            memory_limit: Some(64 << 20),
            stop_grace: None,
            restart: crate::docker::RestartPolicy::No,
            check_interval: None,
        }
    }

    fn state(status: ContainerStatus) -> ContainerState {
        ContainerState {
            status,
            exit_code: None,
            out_of_memory: false,
            error: None,
            started_at: None,
            finished_at: None,
            restarts: 0,
            health: None,
        }
    }

    #[test]
    fn probes_are_told_with_their_output() {
        let probe = |exit_code, output: &str| Probe {
            started_at: DateTime::from_timestamp(12, 0),
            finished_at: DateTime::from_timestamp(12, 34_000_000),
            exit_code,
            output: output.into(),
        };
        let probes = vec![probe(0, ""), probe(1, "no answer\n\u{1b}[2J\n"), probe(-1, "")];
        let health = ContainerHealth { status: HealthStatus::Unhealthy, failing_streak: 2, probes };
        let facts = facts(ContainerState { health: Some(health), ..state(ContainerStatus::Running) });
        assert_eq!(
            render_health(&facts),
            "shop-1: unhealthy, the last 2 probes failed\n\
             \x20 1970-01-01T00:00:12Z 34 ms  ok\n\
             \x20 1970-01-01T00:00:12Z 34 ms  failed with exit code 1\n\
             \x20   no answer\n\
             \x20   \\u{1b}[2J\n\
             \x20 1970-01-01T00:00:12Z 34 ms  timed out\n"
        );
        assert!(!HealthResult::new(&facts).healthy);
    }

    #[test]
    fn how_a_container_ended() {
        let ended = ContainerState { exit_code: Some(137), out_of_memory: true, ..state(ContainerStatus::Exited) };
        assert_eq!(render_health(&facts(ended)), "shop-1: ended with exit code 137, out of memory (limit 64 MiB)\n");
        let again = ContainerState { exit_code: Some(1), restarts: 4, ..state(ContainerStatus::Restarting) };
        assert_eq!(
            render_health(&facts(again)),
            "shop-1: ended with exit code 1, and is started again (4 times so far)\n"
        );
        let unchecked = facts(state(ContainerStatus::Running));
        assert_eq!(render_health(&unchecked), "shop-1: runs, and has no health check\n");
        assert!(HealthResult::new(&unchecked).healthy);
    }
}
