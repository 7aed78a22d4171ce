//! A launch for people and machines: its plan with the origin of every choice, its progress, its failure, its result.
//!
//! Values of variables that look like secrets are hidden. Output of the app is printed on lines of its own, without control characters.

use std::fmt::{Display, Write as _};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use crate::deploy::proxy::{Drained, SwitchedBy};
use crate::deploy::{
    LaunchEvent, LaunchPlan, Launched, LaunchedService, NotHealthy, Replaced, SecretsAs, ServiceNotHealthy,
};
use crate::diagnostic::printable;
use crate::docker::{
    HealthCheck, LogLine, LogStream, Mount, MountAccess, PortMapping, Probe, Protocol, RestartPolicy, RootFilesystem,
    ServiceChange,
};
use crate::image::plan::secret_look;
use crate::origin::Sourced;

/// `nextdeploy run --dry-run --json`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanResult {
    pub schema_version: u32,
    pub app: String,
    /// Name of the container.
    pub name: String,
    pub image: String,
    /// `sha256:…`.
    pub image_id: String,
    /// In the order of the text.
    pub choices: Vec<PlanChoice>,
    /// Messages of all warnings.
    pub warnings: Vec<String>,
}

/// One choice with its origin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PlanChoice {
    /// `container`, `app`, `limits` or `around`.
    pub section: &'static str,
    /// Name of the field in a container document, where it has one.
    pub name: String,
    pub value: String,
    pub origin: String,
}

impl PlanResult {
    pub fn new(plan: &LaunchPlan) -> Self {
        Self {
            schema_version: 1,
            app: plan.app.value.clone(),
            name: plan.name.value.to_string(),
            image: plan.image.value.clone(),
            image_id: plan.image_id.clone(),
            choices: choices(plan),
            warnings: plan.warnings.iter().map(|warning| warning.message.clone()).collect(),
        }
    }
}

/// The plan as text; warnings are rendered separately.
pub fn render_launch_plan(plan: &LaunchPlan) -> String {
    let mut text = String::new();
    let mut section = "";
    let mut name = String::new();
    for choice in choices(plan) {
        if choice.section != section {
            section = choice.section;
            let title = match section {
                "container" => "Container",
                "app" => "App",
                "limits" => "Limits",
                _ => "Around it",
            };
            let _ = writeln!(text, "{}{title}", if text.is_empty() { "" } else { "\n" });
        }
        let shown = if choice.name == name { "" } else { &choice.name };
        let _ = writeln!(text, "  {shown:<14}{}  ({})", printable(&choice.value), printable(&choice.origin));
        name = choice.name;
    }
    text
}

fn choices(plan: &LaunchPlan) -> Vec<PlanChoice> {
    let mut choices = PlanChoices { section: "container", choices: Vec::new() };
    choices.sourced("name", &plan.name);
    choices.sourced("image", &plan.image);
    choices.optional("entrypoint", plan.entrypoint.as_ref().map(|words| (words.value.join(" "), &words.origin)));
    choices.optional("command", plan.command.as_ref().map(|words| (words.value.join(" "), &words.origin)));
    choices.optional("workingDir", plan.working_dir.as_ref().map(|folder| (folder.value.clone(), &folder.origin)));
    choices.optional("user", plan.user.as_ref().map(|user| (user.value.clone(), &user.origin)));
    choices.add("restart", restart(plan.restart.value), &plan.restart.origin);
    if let Some(check) = &plan.health {
        choices.add("health", health(&check.value), &check.origin);
    }
    choices.add("stop", format!("SIGKILL after {}", exact_seconds(plan.stop_grace.value)), &plan.stop_grace.origin);

    choices.section = "app";
    choices.sourced("app", &plan.app);
    for (name, value) in &plan.env {
        let shown = if secret_look(name, &value.value).is_some() { "[hidden]" } else { &value.value };
        choices.add("env", format!("{name}={shown}"), &value.origin);
    }
    for secret in &plan.secrets {
        let place = match plan.secrets_as.value {
            SecretsAs::Files => format!("/run/secrets/{}", secret.value.id),
            SecretsAs::Env => format!("{} as environment", secret.value.id),
        };
        choices.add("secrets", place, &secret.origin);
    }
    let hooks = [("postStart", &plan.hooks.post_start), ("preStop", &plan.hooks.pre_stop)];
    for (name, hook) in hooks.into_iter().flat_map(|(name, hooks)| hooks.iter().map(move |hook| (name, hook))) {
        choices.add(name, hook.value.join(" "), &hook.origin);
    }

    choices.section = "limits";
    choices.add("memory", plan.memory.value.map_or_else(|| "none".to_owned(), mebibytes), &plan.memory.origin);
    choices.add("cpus", limit(plan.cpus.value), &plan.cpus.origin);
    choices.add("pids", limit(plan.pids.value), &plan.pids.origin);
    let root = if plan.root.value == RootFilesystem::ReadOnly { "true" } else { "false" };
    choices.add("readOnly", root.to_owned(), &plan.root.origin);
    let privileges = &plan.privileges.value;
    let dropped = if privileges.drop.is_empty() { "none".to_owned() } else { privileges.drop.join(", ") };
    let no_new = if privileges.no_new_privileges { ", no new privileges" } else { "" };
    choices.add("privileges", format!("capabilities dropped: {dropped}{no_new}"), &plan.privileges.origin);
    let logging = &plan.logging.value;
    let options: Vec<String> = logging.options.iter().map(|(name, value)| format!("{name}={value}")).collect();
    choices.add("logging", format!("{} {}", logging.driver, options.join(" ")).trim().to_owned(), &plan.logging.origin);

    choices.section = "around";
    choices.sourced("networkName", &plan.network);
    for port in &plan.ports {
        choices.add("ports", mapping(&port.value), &port.origin);
    }
    for one in &plan.mounts {
        choices.add("mounts", mount(&one.value), &one.origin);
    }
    for host in &plan.extra_hosts {
        choices.add("extraHosts", host.value.clone(), &host.origin);
    }
    for (name, value) in &plan.labels {
        choices.add("labels", format!("{name}={}", value.value), &value.origin);
    }
    choices.choices
}

struct PlanChoices {
    section: &'static str,
    choices: Vec<PlanChoice>,
}

impl PlanChoices {
    fn add(&mut self, name: &str, value: String, origin: &impl Display) {
        let (section, name, origin) = (self.section, name.to_owned(), origin.to_string());
        self.choices.push(PlanChoice { section, name, value, origin });
    }

    fn sourced<T: Display>(&mut self, name: &str, sourced: &Sourced<T>) {
        self.add(name, sourced.value.to_string(), &sourced.origin);
    }

    fn optional(&mut self, name: &str, sourced: Option<(String, &impl Display)>) {
        if let Some((value, origin)) = sourced {
            self.add(name, value, origin);
        }
    }
}

fn restart(policy: RestartPolicy) -> String {
    match policy {
        RestartPolicy::No => "no".to_owned(),
        RestartPolicy::OnFailure(None) => "on-failure".to_owned(),
        RestartPolicy::OnFailure(Some(times)) => format!("on-failure:{times}"),
        RestartPolicy::Always => "always".to_owned(),
        RestartPolicy::UnlessStopped => "unless-stopped".to_owned(),
    }
}

fn health(check: &HealthCheck) -> String {
    match check {
        HealthCheck::Disabled => "none".to_owned(),
        HealthCheck::Command { argv, interval, .. } => {
            let command = if argv.is_empty() { "the one of the image".to_owned() } else { argv.join(" ") };
            let every = interval.map(|interval| format!(" every {}", exact_seconds(interval))).unwrap_or_default();
            format!("{command}{every}")
        }
    }
}

fn exact_seconds(time: Duration) -> String {
    format!("{} s", time.as_secs_f64())
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

fn limit(value: Option<impl Display>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| value.to_string())
}

fn mapping(port: &PortMapping) -> String {
    let host = port.host_port.map_or_else(|| "a free port".to_owned(), |port| port.to_string());
    let protocol = if port.protocol == Protocol::Udp { "/udp" } else { "" };
    let address = if port.address.is_ipv6() { format!("[{}]", port.address) } else { port.address.to_string() };
    format!("{address}:{host} → {}{protocol}", port.container_port)
}

fn mount(mount: &Mount) -> String {
    let mode = |access: MountAccess| if access == MountAccess::ReadOnly { ", read-only" } else { "" };
    match mount {
        Mount::Bind { source, target, access } | Mount::Folder { source, target, access } => {
            format!("{source} at {target}{}", mode(*access))
        }
        Mount::Volume { name, target, access } => format!("volume {name} at {target}{}", mode(*access)),
        Mount::Unnamed { target } => format!("an anonymous volume at {target}"),
        Mount::Tmpfs { target, size, .. } => {
            let size = size.map(|size| format!(", at most {}", mebibytes(size))).unwrap_or_default();
            format!("memory at {target}{size}")
        }
    }
}

/// The message for an event; empty if it has none.
pub fn render_event(event: &LaunchEvent<'_>) -> String {
    match event {
        LaunchEvent::NetworkMade(name) => format!("created network {name}"),
        LaunchEvent::VolumeMade(name) => format!("created volume {name}"),
        LaunchEvent::Created(_) => String::new(),
        LaunchEvent::Started(name) => format!("started {name}, waiting until it is healthy"),
        LaunchEvent::Probed(probe) if probe.exit_code == 0 => String::new(),
        LaunchEvent::Probed(probe) => format!("not ready yet: {}", probe_text(probe)),
        LaunchEvent::Healthy { name, after } => format!("{name} is healthy after {}", seconds(*after)),
        LaunchEvent::Runs { name, after } => {
            format!("{name} has been running for {}; it has no health check", seconds(*after))
        }
        LaunchEvent::Hook { kind, argv } => format!("{kind}: {}", printable(&argv.join(" "))),
        LaunchEvent::HookOutput { stream, bytes } => output(*stream, bytes),
        LaunchEvent::HookFailed { kind, reason } => format!("warning: {kind}: {}", printable(reason)),
        LaunchEvent::AssetsCopied { files, folder } => format!("{files} new assets in {}", printable(folder)),
        LaunchEvent::Switched { upstream, drained, by } => {
            let drained = drained_text(drained);
            let closed = match by {
                SwitchedBy::Folder => "",
                SwitchedBy::Configuration => "; its new configuration closed idle connections",
                SwitchedBy::ConfigurationWithoutSwitch => {
                    "; its new configuration closed idle connections, since this user cannot use the switch folder, or Caddy does \
                     not see it: load the site again as this user"
                }
            };
            format!("the proxy sends requests to {upstream}; {drained}{closed}")
        }
        LaunchEvent::GapBegins { name } => {
            format!("taking over the port of {name}: no responses until the new container is ready")
        }
        LaunchEvent::GapEnds { after } => format!("no responses for {}", seconds(*after)),
        LaunchEvent::Stopped { name } => format!("stopped {name}, kept for a rollback"),
        LaunchEvent::Restored { name } => format!("{name} is running again"),
        LaunchEvent::Removed { name } => format!("removed {name}"),
        LaunchEvent::ServiceDeployed { name, change: ServiceChange::Created } => {
            format!("created service {name}, waiting until its tasks are healthy")
        }
        LaunchEvent::ServiceDeployed { name, change: ServiceChange::Updated } => {
            format!("updating service {name}, waiting until its new tasks are healthy")
        }
        LaunchEvent::Warned(warning) => format!("warning: {}", printable(&warning.message)),
        LaunchEvent::ServiceGoesBack { name } => {
            format!("{name}: new tasks are failing, Swarm rolls back to the previous state")
        }
        LaunchEvent::ServiceProgress { name, progress } => {
            format!("{name}: {} of {} tasks are healthy", progress.running, progress.wanted)
        }
    }
}

fn drained_text(drained: &Drained) -> String {
    match drained {
        Drained::Idle(after) => format!("the old container finished its last request within {}", seconds(*after)),
        Drained::TimedOut { requests: 1 } => "one request to the old container did not finish in time".to_owned(),
        Drained::TimedOut { requests } => format!("{requests} requests to the old container did not finish in time"),
        Drained::Unknown { reason } => {
            format!("the open requests of the old container are unknown ({})", printable(reason))
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
    let output = probe.output.trim();
    let text = if output.is_empty() { format!("exit code {}", probe.exit_code) } else { printable(output) };
    text.strip_prefix("unhealthy: ").map(str::to_owned).unwrap_or(text)
}

/// Details of a container that did not become healthy: its probes and last log lines.
pub fn render_failure(failure: &NotHealthy) -> String {
    let mut text = String::new();
    if !failure.probes.is_empty() {
        let _ = writeln!(text, "health of {}:", printable(&failure.name));
        for probe in &failure.probes {
            let time = probe.finished_at.map(|time| time.format("%H:%M:%S ").to_string()).unwrap_or_default();
            let result = if probe.exit_code == 0 { "healthy".to_owned() } else { probe_text(probe) };
            let _ = writeln!(text, "  {time}{result}");
        }
    }
    text.push_str(&last_lines(&failure.name, &failure.log));
    text
}

/// Details of a service that did not reach its new state: its tasks, and the last log lines of one.
pub fn render_service_failure(failure: &ServiceNotHealthy) -> String {
    let mut text = String::new();
    let mut shown: Vec<String> = Vec::new();
    for problem in failure.failure.problems() {
        let line = problem.to_string();
        if !shown.contains(&line) {
            let _ = writeln!(text, "  {line}");
            shown.push(line);
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

/// `nextdeploy run --json` and `nextdeploy rollback --json`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunResult {
    pub schema_version: u32,
    pub app: String,
    /// Name of the container.
    pub name: String,
    pub id: String,
    /// As requested.
    pub image: String,
    /// `sha256:…`.
    pub image_id: String,
    /// Addresses of the app on the machine of the daemon.
    pub addresses: Vec<String>,
    /// Since the start of the container.
    pub healthy_after_seconds: f64,
    /// The container that it replaced; stopped, and kept for a rollback.
    pub replaced: Option<String>,
    /// How long there were no responses; absent if nothing was replaced, or behind a proxy.
    pub gap_seconds: Option<f64>,
    /// Messages of all warnings.
    pub warnings: Vec<String>,
}

/// `nextdeploy run --swarm --json` and `nextdeploy rollback --swarm --json`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceResult {
    pub schema_version: u32,
    /// Name of the service.
    pub name: String,
    /// `made` or `updated`.
    pub change: String,
    /// Healthy tasks.
    pub replicas: u64,
    /// Messages of all warnings.
    pub warnings: Vec<String>,
}

impl ServiceResult {
    pub fn new(service: &LaunchedService, plan: Option<&LaunchPlan>) -> Self {
        let change = match service.change {
            ServiceChange::Created => "made",
            ServiceChange::Updated => "updated",
        };
        Self {
            schema_version: 1,
            name: service.name.clone(),
            change: change.to_owned(),
            replicas: service.replicas,
            warnings: plan.iter().flat_map(|plan| &plan.warnings).map(|warning| warning.message.clone()).collect(),
        }
    }
}

impl RunResult {
    pub fn new(launched: &Launched, plan: Option<&LaunchPlan>) -> Self {
        let facts = &launched.facts;
        Self {
            schema_version: 1,
            app: facts.app().unwrap_or_default().to_owned(),
            name: facts.name.clone(),
            id: facts.id.clone(),
            image: facts.image.clone(),
            image_id: facts.image_id.clone(),
            addresses: launched.addresses(),
            healthy_after_seconds: launched.healthy_after.as_secs_f64(),
            replaced: None,
            gap_seconds: None,
            warnings: plan.iter().flat_map(|plan| &plan.warnings).map(|warning| warning.message.clone()).collect(),
        }
    }

    pub fn replacing(replaced: &Replaced, plan: Option<&LaunchPlan>) -> Self {
        Self {
            replaced: replaced.previous.clone(),
            gap_seconds: replaced.gap.map(|gap| gap.as_secs_f64()),
            ..Self::new(&replaced.launched, plan)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::UnhealthyReason;

    #[test]
    fn output_of_an_app_stays_on_its_lines() {
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
