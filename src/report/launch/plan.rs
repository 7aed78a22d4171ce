//! The plan of a launch, every choice with its origin. Values of variables that look like secrets are not shown.

use std::fmt::{Display, Write as _};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use crate::deploy::{LaunchPlan, SecretsAs};
use crate::diagnostic::printable;
use crate::docker::{Access, HealthCheck, Mount, PortMapping, Protocol, RestartPolicy, RootFilesystem};
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
    pub choices: Vec<Choice>,
    /// Messages of all warnings.
    pub warnings: Vec<String>,
}

/// One choice with its reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Choice {
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

/// The plan as text; warnings are rendered apart.
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

fn choices(plan: &LaunchPlan) -> Vec<Choice> {
    let mut rows = Rows { section: "container", rows: Vec::new() };
    rows.found("name", &plan.name);
    rows.found("image", &plan.image);
    rows.optional("entrypoint", plan.entrypoint.as_ref().map(|words| (words.value.join(" "), &words.origin)));
    rows.optional("command", plan.command.as_ref().map(|words| (words.value.join(" "), &words.origin)));
    rows.optional("workingDir", plan.working_dir.as_ref().map(|folder| (folder.value.clone(), &folder.origin)));
    rows.optional("user", plan.user.as_ref().map(|user| (user.value.clone(), &user.origin)));
    rows.add("restart", restart(plan.restart.value), &plan.restart.origin);
    if let Some(check) = &plan.health {
        rows.add("health", health(&check.value), &check.origin);
    }
    rows.add("stop", format!("SIGKILL after {}", seconds(plan.stop_grace.value)), &plan.stop_grace.origin);

    rows.section = "app";
    rows.found("app", &plan.app);
    for (name, value) in &plan.env {
        let shown = if secret_look(name, &value.value).is_some() { "[hidden]" } else { &value.value };
        rows.add("env", format!("{name}={shown}"), &value.origin);
    }
    for secret in &plan.secrets {
        let place = match plan.secrets_as.value {
            SecretsAs::Files => format!("/run/secrets/{}", secret.value.id),
            SecretsAs::Env => format!("{} as environment", secret.value.id),
        };
        rows.add("secrets", place, &secret.origin);
    }
    let hooks = [("postStart", &plan.hooks.post_start), ("preStop", &plan.hooks.pre_stop)];
    for (name, hook) in hooks.into_iter().flat_map(|(name, hooks)| hooks.iter().map(move |hook| (name, hook))) {
        rows.add(name, hook.value.join(" "), &hook.origin);
    }

    rows.section = "limits";
    rows.add("memory", plan.memory.value.map_or_else(|| "none".to_owned(), mebibytes), &plan.memory.origin);
    rows.add("cpus", limit(plan.cpus.value), &plan.cpus.origin);
    rows.add("pids", limit(plan.pids.value), &plan.pids.origin);
    let root = if plan.root.value == RootFilesystem::ReadOnly { "true" } else { "false" };
    rows.add("readOnly", root.to_owned(), &plan.root.origin);
    let privileges = &plan.privileges.value;
    let dropped = if privileges.drop.is_empty() { "none".to_owned() } else { privileges.drop.join(", ") };
    let no_new = if privileges.no_new_privileges { ", no new privileges" } else { "" };
    rows.add("privileges", format!("capabilities dropped: {dropped}{no_new}"), &plan.privileges.origin);
    let logging = &plan.logging.value;
    let options: Vec<String> = logging.options.iter().map(|(name, value)| format!("{name}={value}")).collect();
    rows.add("logging", format!("{} {}", logging.driver, options.join(" ")).trim().to_owned(), &plan.logging.origin);

    rows.section = "around";
    rows.found("networkName", &plan.network);
    for port in &plan.ports {
        rows.add("ports", mapping(&port.value), &port.origin);
    }
    for one in &plan.mounts {
        rows.add("mounts", mount(&one.value), &one.origin);
    }
    for host in &plan.extra_hosts {
        rows.add("extraHosts", host.value.clone(), &host.origin);
    }
    for (name, value) in &plan.labels {
        rows.add("labels", format!("{name}={}", value.value), &value.origin);
    }
    rows.rows
}

struct Rows {
    section: &'static str,
    rows: Vec<Choice>,
}

impl Rows {
    fn add(&mut self, name: &str, value: String, origin: &impl Display) {
        let (section, name, origin) = (self.section, name.to_owned(), origin.to_string());
        self.rows.push(Choice { section, name, value, origin });
    }

    fn found<T: Display>(&mut self, name: &str, found: &Sourced<T>) {
        self.add(name, found.value.to_string(), &found.origin);
    }

    fn optional(&mut self, name: &str, found: Option<(String, &impl Display)>) {
        if let Some((value, origin)) = found {
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
            let command = if argv.is_empty() { "the image's own".to_owned() } else { argv.join(" ") };
            let every = interval.map(|interval| format!(" every {}", seconds(interval))).unwrap_or_default();
            format!("{command}{every}")
        }
    }
}

fn seconds(time: Duration) -> String {
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
    let mode = |access: Access| if access == Access::ReadOnly { ", read-only" } else { "" };
    match mount {
        Mount::Bind { source, target, access } | Mount::Folder { source, target, access } => {
            format!("{source} at {target}{}", mode(*access))
        }
        Mount::Volume { name, target, access } => format!("volume {name} at {target}{}", mode(*access)),
        Mount::Unnamed { target } => format!("a volume of its own at {target}"),
        Mount::Tmpfs { target, size, .. } => {
            let size = size.map(|size| format!(", at most {}", mebibytes(size))).unwrap_or_default();
            format!("memory at {target}{size}")
        }
    }
}
