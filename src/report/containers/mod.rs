//! Results of the verbs for containers: tables and texts for people, documents for machines.
//!
//! Everything that a container or the daemon says is shown on one line, without control characters. Never drops a container from a list.

mod output;

use std::fmt::Write as _;

use chrono::SecondsFormat;
use serde::Serialize;

use crate::diagnostic::{Diagnostic, printable};
use crate::docker::{
    ContainerFacts, ContainerState, ContainerStats, ContainerStatus, ContainerSummary, HealthStatus, Probe, Protocol,
    PublishedPort,
};
use crate::format::{columns, size};

pub use output::{LineFormat, LineJson, TerminalFilter, render_line};

/// `stop`, `restart` and `rm` with `--json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ActionResult {
    /// Name of the container; if it failed, the name that was passed.
    pub name: String,
    pub done: bool,
    pub error: Option<ActionError>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ActionError {
    /// `container/not-found`, …
    pub code: &'static str,
    pub message: String,
}

impl ActionResult {
    pub fn done(name: String) -> Self {
        Self { name, done: true, error: None }
    }

    pub fn failed(name: &str, error: &impl Diagnostic) -> Self {
        let error = ActionError { code: error.code(), message: error.to_string() };
        Self { name: name.to_owned(), done: false, error: Some(error) }
    }
}

/// The table of `ps`; ends with a newline.
pub fn render_list(containers: &[ContainerSummary]) -> String {
    let rows: Vec<Vec<String>> = containers
        .iter()
        .map(|one| {
            vec![
                printable(&one.name),
                printable(one.app().unwrap_or("-")),
                printable(short(&one.image)),
                printable(&one.description),
                or_dash(one.ports.iter().map(published_port).collect::<Vec<_>>().join(", ")),
            ]
        })
        .collect();
    columns(&["NAME", "APP", "IMAGE", "STATUS", "PORTS"], &rows)
}

fn published_port(port: &PublishedPort) -> String {
    let protocol = match port.protocol {
        Protocol::Tcp => "",
        Protocol::Udp => "/udp",
    };
    let address = std::net::SocketAddr::new(port.address, port.host_port);
    format!("{address}->{}{protocol}", port.container_port)
}

/// An image whose name now belongs to another one is listed by its id, shortened as in `docker ps`.
fn short(image: &str) -> &str {
    const DIGITS: usize = 12;
    image.strip_prefix("sha256:").and_then(|id| id.get(..DIGITS)).unwrap_or(image)
}

fn or_dash(text: String) -> String {
    if text.is_empty() { "-".into() } else { text }
}

/// The usage of one container; `stats` is `None` if it is not running.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct UsageResult {
    pub name: String,
    pub stats: Option<ContainerStats>,
}

/// The table of `stats`; ends with a newline.
pub fn render_usage(samples: &[UsageResult]) -> String {
    let rows: Vec<Vec<String>> = samples.iter().map(usage_row).collect();
    columns(&["NAME", "CPU", "MEMORY / LIMIT", "MEMORY", "RECEIVED / SENT", "READ / WRITTEN", "PIDS"], &rows)
}

fn usage_row(sample: &UsageResult) -> Vec<String> {
    let name = printable(&sample.name);
    let Some(stats) = &sample.stats else {
        return std::iter::once(name).chain(std::iter::repeat_n("-".to_owned(), 6)).collect();
    };
    vec![
        name,
        format!("{:.2} %", stats.cpu_percent),
        format!("{} / {}", memory(stats.memory_used), memory(stats.memory_limit)),
        format!("{:.2} %", stats.memory_percent),
        format!("{} / {}", size(stats.network_received), size(stats.network_sent)),
        format!("{} / {}", size(stats.disk_read), size(stats.disk_written)),
        stats.pids.to_string(),
    ]
}

/// Binary units, as in memory limits and in Docker.
fn memory(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "four digits are shown")]
    let mebibytes = bytes as f64 / 1_048_576.0;
    if mebibytes < 1024.0 { format!("{mebibytes:.1} MiB") } else { format!("{:.2} GiB", mebibytes / 1024.0) }
}

/// `health --json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HealthResult {
    pub name: String,
    /// Also true for a running container without health check.
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

/// State and probes of `health`, oldest first; ends with a newline.
pub fn render_health(facts: &ContainerFacts) -> String {
    let mut text = format!("{}: {}\n", printable(&facts.name), health_summary(facts));
    let probes = facts.state.health.as_ref().map(|health| health.probes.as_slice()).unwrap_or_default();
    for probe in probes {
        text.push_str(&render_probe(probe));
    }
    text
}

fn health_summary(facts: &ContainerFacts) -> String {
    let state = &facts.state;
    let exit = || {
        let code = state.exit_code.map(|code| format!(" with code {code}")).unwrap_or_default();
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
            format!("exited{}, restarting ({} restarts so far)", exit(), state.restarts)
        }
        ContainerStatus::Exited | ContainerStatus::Dead => format!("exited{}", exit()),
        ContainerStatus::Running => match &state.health {
            None => "running, no health check".to_owned(),
            Some(health) => match (health.status, health.failing_streak) {
                (HealthStatus::Healthy, 0) => "healthy".to_owned(),
                (HealthStatus::Healthy, _) => "healthy, but the last probe failed".to_owned(),
                (HealthStatus::Starting, 0) => "not checked yet".to_owned(),
                (HealthStatus::Starting, failures) => format!("not healthy yet, {failures} probes failed"),
                (HealthStatus::Unhealthy, failures) => format!("unhealthy, the last {failures} probes failed"),
            },
        },
    }
}

/// One probe: time, duration, result, and its output, indented.
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
    use std::net::Ipv4Addr;

    use chrono::DateTime;

    use super::*;
    use crate::docker::{APP_LABEL, ContainerHealth};

    #[test]
    fn containers_are_listed_in_columns() {
        let port = |number| PublishedPort {
            address: Ipv4Addr::LOCALHOST.into(),
            host_port: number,
            container_port: 3000,
            protocol: Protocol::Tcp,
        };
        let mut shop = ContainerSummary {
            id: "ab".into(),
            name: "shop-12ab34cd".into(),
            image: "ghcr.io/acme/shop:1".into(),
            image_id: String::new(),
            created_at: None,
            status: ContainerStatus::Running,
            description: "Up 3 minutes (healthy)".into(),
            health: None,
            labels: [(APP_LABEL.to_owned(), "shop".to_owned())].into(),
            ports: vec![port(8080)],
        };
        let mut other = shop.clone();
        (other.name, other.description, other.ports) = ("x".into(), "Exited (1)\u{1b}[31m".into(), Vec::new());
        shop.ports.push(PublishedPort { protocol: Protocol::Udp, ..port(53) });
        other.labels.clear();
        other.image = format!("sha256:{}", "0123456789abcdef".repeat(4));
        assert_eq!(
            render_list(&[shop, other]),
            "NAME           APP   IMAGE                STATUS                  PORTS\n\
             shop-12ab34cd  shop  ghcr.io/acme/shop:1  Up 3 minutes (healthy)  127.0.0.1:8080->3000, 127.0.0.1:53->3000/udp\n\
             x              -     0123456789ab         Exited (1)\\u{1b}[31m    -\n"
        );
        assert_eq!(render_list(&[]), "NAME  APP  IMAGE  STATUS  PORTS\n");
    }

    #[test]
    fn usage_is_listed_in_columns() {
        let stats = ContainerStats {
            time: None,
            cpu_percent: 150.254,
            memory_used: 73_400_320,
            memory_limit: 3 << 30,
            memory_percent: 2.2786,
            network_received: 12_400,
            network_sent: 999,
            disk_read: 0,
            disk_written: 182_345_678,
            pids: 11,
        };
        let samples = [
            UsageResult { name: "shop".into(), stats: Some(stats) },
            UsageResult { name: "blog-1".into(), stats: None },
        ];
        assert_eq!(
            render_usage(&samples),
            "NAME    CPU       MEMORY / LIMIT       MEMORY  RECEIVED / SENT  READ / WRITTEN  PIDS\n\
             shop    150.25 %  70.0 MiB / 3.00 GiB  2.28 %  12.4 kB / 999 B  0 B / 182 MB    11\n\
             blog-1  -         -                    -       -                -               -\n"
        );
    }

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
    fn probes_are_shown_with_their_output() {
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
    fn exited_containers_show_code_and_memory() {
        let ended = ContainerState { exit_code: Some(137), out_of_memory: true, ..state(ContainerStatus::Exited) };
        assert_eq!(render_health(&facts(ended)), "shop-1: exited with code 137, out of memory (limit 64 MiB)\n");
        let again = ContainerState { exit_code: Some(1), restarts: 4, ..state(ContainerStatus::Restarting) };
        assert_eq!(render_health(&facts(again)), "shop-1: exited with code 1, restarting (4 restarts so far)\n");
        let unchecked = facts(state(ContainerStatus::Running));
        assert_eq!(render_health(&unchecked), "shop-1: running, no health check\n");
        assert!(HealthResult::new(&unchecked).healthy);
    }
}
