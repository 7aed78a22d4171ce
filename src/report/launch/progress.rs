//! What a launch tells while it runs, and when it fails. Output of the app is printed on lines of its own, without control characters.

use std::fmt::Write as _;
use std::time::Duration;

use crate::deploy::proxy::{Drained, SwitchedBy};
use crate::deploy::{LaunchEvent, NotHealthy, ServiceNotHealthy};
use crate::diagnostic::printable;
use crate::docker::{LogLine, LogStream, Probe, ServiceChange};

/// The message for an event; empty when it is not worth one.
pub fn render_event(event: &LaunchEvent<'_>) -> String {
    match event {
        LaunchEvent::NetworkMade(name) => format!("made the network {name}"),
        LaunchEvent::VolumeMade(name) => format!("made the volume {name}"),
        LaunchEvent::Created(_) => String::new(),
        LaunchEvent::Started(name) => format!("started {name}, waiting until it is healthy"),
        LaunchEvent::Probed(probe) if probe.exit_code == 0 => String::new(),
        LaunchEvent::Probed(probe) => format!("not yet: {}", probe_text(probe)),
        LaunchEvent::Healthy { name, after } => format!("{name} is healthy after {}", seconds(*after)),
        LaunchEvent::Runs { name, after } => format!("{name} runs since {}; it has no health check", seconds(*after)),
        LaunchEvent::Hook { kind, argv } => format!("{kind}: {}", printable(&argv.join(" "))),
        LaunchEvent::HookOutput { stream, bytes } => output(*stream, bytes),
        LaunchEvent::HookFailed { kind, reason } => format!("warning: {kind}: {}", printable(reason)),
        LaunchEvent::AssetsCopied { files, folder } => format!("{files} new assets in {}", printable(folder)),
        LaunchEvent::Switched { upstream, drained, by } => {
            let told = drained_text(drained);
            let closed = match by {
                SwitchedBy::Folder => "",
                SwitchedBy::Configuration => "; its new configuration closed idle connections",
                SwitchedBy::ConfigurationWithoutSwitch => {
                    "; its new configuration closed idle connections, since this user cannot use the folder of the switch, or Caddy \
                     does not see it: load the site again as who runs this"
                }
            };
            format!("the proxy sends requests to {upstream}; {told}{closed}")
        }
        LaunchEvent::GapBegins { name } => {
            format!("the port moves from {name}: until the new container answers, nothing does")
        }
        LaunchEvent::GapEnds { after } => format!("nothing answered for {}", seconds(*after)),
        LaunchEvent::Stopped { name } => format!("stopped {name}, which is kept for a rollback"),
        LaunchEvent::Restored { name } => format!("{name} runs again"),
        LaunchEvent::Removed { name } => format!("removed {name}"),
        LaunchEvent::ServiceDeployed { name, change: ServiceChange::Created } => {
            format!("made the service {name}, waiting until its tasks are healthy")
        }
        LaunchEvent::ServiceDeployed { name, change: ServiceChange::Updated } => {
            format!("updates the service {name}, waiting until its new tasks are healthy")
        }
        LaunchEvent::Warned(warning) => format!("warning: {}", printable(&warning.message)),
        LaunchEvent::ServiceGoesBack { name } => format!("{name}: new tasks fail, Swarm goes back to the state before"),
        LaunchEvent::ServiceProgress { name, progress } => {
            format!("{name}: {} of {} tasks are healthy", progress.running, progress.wanted)
        }
    }
}

fn drained_text(drained: &Drained) -> String {
    match drained {
        Drained::Idle(after) => format!("the old container answered its last one within {}", seconds(*after)),
        Drained::TimedOut { requests: 1 } => "one request at the old container was not answered in time".to_owned(),
        Drained::TimedOut { requests } => format!("{requests} requests at the old container were not answered in time"),
        Drained::Unknown { reason } => {
            format!("what still ran at the old container is not known ({})", printable(reason))
        }
    }
}

fn output(stream: LogStream, bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mark = if stream == LogStream::Stderr { "!" } else { "|" };
    let lines: Vec<String> = text.lines().map(|line| format!("  {mark} {}", printable(line))).collect();
    lines.join("\n")
}

fn probe_text(probe: &Probe) -> String {
    let said = probe.output.trim();
    let said = if said.is_empty() { format!("exit code {}", probe.exit_code) } else { printable(said) };
    said.strip_prefix("unhealthy: ").map(str::to_owned).unwrap_or(said)
}

/// What is known of a container that did not become healthy: the history of its health, and its last lines.
pub fn render_failure(failure: &NotHealthy) -> String {
    let mut text = String::new();
    if !failure.probes.is_empty() {
        let _ = writeln!(text, "health of {}:", printable(&failure.name));
        for probe in &failure.probes {
            let time = probe.finished_at.map(|time| time.format("%H:%M:%S ").to_string()).unwrap_or_default();
            let verdict = if probe.exit_code == 0 { "healthy".to_owned() } else { probe_text(probe) };
            let _ = writeln!(text, "  {time}{verdict}");
        }
    }
    text.push_str(&last_lines(&failure.name, &failure.log));
    text
}

/// What is known of a service that is not in its new state: what became of its tasks, and the last lines of one.
pub fn render_service_failure(failure: &ServiceNotHealthy) -> String {
    let mut text = String::new();
    let mut told: Vec<String> = Vec::new();
    for problem in failure.failure.problems() {
        let line = problem.to_string();
        if !told.contains(&line) {
            let _ = writeln!(text, "  {line}");
            told.push(line);
        }
    }
    if !text.is_empty() {
        text.insert_str(0, &format!("tasks of {}:\n", printable(&failure.name)));
    }
    if !failure.log.is_empty() {
        text.push_str(&last_lines(&failure.name, &failure.log));
    }
    text.truncate(text.trim_end().len());
    text
}

fn last_lines(name: &str, log: &[LogLine]) -> String {
    if log.is_empty() {
        return format!("{} printed nothing", printable(name));
    }
    let lines: Vec<String> = log.iter().map(|line| output(line.stream, &line.text)).collect();
    format!("last lines of {}:\n{}", printable(name), lines.join("\n"))
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::UnhealthyReason;

    #[test]
    fn what_an_app_prints_stays_on_its_lines() {
        let line = |stream, text: &[u8]| LogLine { stream, time: None, text: text.to_vec() };
        let failure = NotHealthy {
            name: "shop-1".into(),
            reason: UnhealthyReason::Exited(Some(1)),
            after: Duration::from_secs(1),
            probes: vec![Probe {
                started_at: None,
                finished_at: None,
                exit_code: 1,
                output: "unhealthy: / on port 3000: status 503\n".into(),
            }],
            log: vec![line(LogStream::Stdout, b"ready"), line(LogStream::Stderr, b"\x1b[2Jgone\r\xff")],
            cause: None,
        };
        assert_eq!(
            render_failure(&failure),
            "health of shop-1:\n  / on port 3000: status 503\nlast lines of shop-1:\n  | ready\n  ! \\u{1b}[2Jgone\\r\u{fffd}"
        );
        assert_eq!(
            render_event(&LaunchEvent::HookOutput { stream: LogStream::Stdout, bytes: b"a\nb\n" }),
            "  | a\n  | b"
        );
    }
}
