//! The border to Docker's types: specs → requests, answers → facts. Pure.
//!
//! Never guesses what is missing from an answer: an answer without a value that every daemon sends is an error with its reason. Answers of
//! Podman (seen with 4.3) are brought into Docker's form before.

mod request;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, ContainerState as DockerState, ContainerStateStatusEnum,
    ContainerSummary as DockerSummary, ContainerSummaryStateEnum, Health, HealthConfig, HealthStatusEnum, ImageInspect,
    NetworkInspect, PortMap, PortSummary, PortSummaryTypeEnum, RestartPolicy as DockerRestart, RestartPolicyNameEnum,
    Volume,
};
use chrono::{DateTime, Datelike, Utc};
use serde_json::{Value, json};

pub(super) use self::request::{
    create_body, create_network_body, create_volume_body, endpoint, health, nano, nanoseconds, signed, whole_seconds,
};
use super::facts::{
    ContainerFacts, ContainerHealth, ContainerState, ContainerStatus, ContainerSummary, HealthStatus, ImageFacts,
    NetworkAttachment, Probe, PublishedPort,
};
use super::spec::{Protocol, RestartPolicy, VolumeSpec};

/// The answer to an inspection. The error is what it lacks.
pub(super) fn container_facts(answer: ContainerInspectResponse) -> Result<ContainerFacts, &'static str> {
    let host = answer.host_config.unwrap_or_default();
    let config = answer.config.unwrap_or_default();
    let settings = answer.network_settings.unwrap_or_default();
    let docker_state = answer.state.ok_or("no state")?;
    let state = state(docker_state, answer.restart_count)?;
    let mut ports = published(settings.ports.as_ref());
    if ports.is_empty() {
        // A container that does not run only has those of its specification.
        ports = published(host.port_bindings.as_ref());
    }
    let mut networks: Vec<NetworkAttachment> = settings
        .networks
        .unwrap_or_default()
        .into_iter()
        .map(|(network, endpoint)| NetworkAttachment {
            network,
            address: endpoint.ip_address.and_then(|address| address.parse().ok()),
            aliases: endpoint.aliases.unwrap_or_default(),
        })
        .collect();
    networks.sort_by(|a, b| a.network.cmp(&b.network));
    let volumes = answer.mounts.unwrap_or_default().into_iter().filter(|mount| mount.typ.as_deref() == Some("volume"));
    Ok(ContainerFacts {
        id: answer.id.ok_or("no id")?,
        name: answer.name.ok_or("no name")?.trim_start_matches('/').to_owned(),
        image: config.image.unwrap_or_default(),
        image_id: answer.image.unwrap_or_default(),
        created_at: answer.created,
        state,
        labels: sorted(config.labels),
        ports,
        networks,
        volumes: volumes.filter_map(|mount| mount.name).collect(),
        tty: config.tty.unwrap_or_default(),
        memory_limit: host.memory.and_then(positive),
        restart: restart_policy(host.restart_policy),
        check_interval: config.healthcheck.and_then(check_interval),
        stop_grace: config.stop_timeout.map(grace),
    })
}

/// 0 is the default.
fn check_interval(check: HealthConfig) -> Option<Duration> {
    const DEFAULT: Duration = Duration::from_secs(30);
    check.test?.first().filter(|kind| *kind != "NONE")?;
    let interval = check.interval.and_then(positive).map(Duration::from_nanos);
    Some(interval.unwrap_or(DEFAULT))
}

/// Podman writes an empty name for none.
fn restart_policy(policy: Option<DockerRestart>) -> RestartPolicy {
    let Some(policy) = policy else { return RestartPolicy::No };
    match policy.name {
        Some(RestartPolicyNameEnum::ALWAYS) => RestartPolicy::Always,
        Some(RestartPolicyNameEnum::UNLESS_STOPPED) => RestartPolicy::UnlessStopped,
        Some(RestartPolicyNameEnum::ON_FAILURE) => {
            let most = policy.maximum_retry_count.and_then(|count| u32::try_from(count).ok());
            RestartPolicy::OnFailure(most.filter(|most| *most > 0))
        }
        Some(RestartPolicyNameEnum::NO | RestartPolicyNameEnum::EMPTY) | None => RestartPolicy::No,
    }
}

/// One entry of a list.
pub(super) fn container_summary(entry: DockerSummary) -> Result<ContainerSummary, &'static str> {
    let name = entry.names.unwrap_or_default().into_iter().next().ok_or("no name")?;
    let description = entry.status.unwrap_or_default();
    let status = match entry.state.ok_or("no state")? {
        ContainerSummaryStateEnum::CREATED => ContainerStatus::Created,
        // Podman's word for a running one that got its stop signal.
        ContainerSummaryStateEnum::RUNNING | ContainerSummaryStateEnum::STOPPING => ContainerStatus::Running,
        ContainerSummaryStateEnum::PAUSED => ContainerStatus::Paused,
        ContainerSummaryStateEnum::RESTARTING => ContainerStatus::Restarting,
        ContainerSummaryStateEnum::REMOVING => ContainerStatus::Removing,
        ContainerSummaryStateEnum::EXITED => ContainerStatus::Exited,
        ContainerSummaryStateEnum::DEAD => ContainerStatus::Dead,
        ContainerSummaryStateEnum::EMPTY => return Err("an empty state"),
    };
    let mut ports: Vec<PublishedPort> = entry.ports.unwrap_or_default().iter().filter_map(summary_port).collect();
    ports.sort_unstable();
    Ok(ContainerSummary {
        id: entry.id.ok_or("no id")?,
        name: name.trim_start_matches('/').to_owned(),
        image: entry.image.unwrap_or_default(),
        image_id: entry.image_id.unwrap_or_default(),
        created_at: entry.created.and_then(|seconds| DateTime::from_timestamp(seconds, 0)),
        status,
        health: described_health(&description),
        description,
        labels: sorted(entry.labels),
        ports,
    })
}

/// Older engines have the health in the description only.
fn described_health(description: &str) -> Option<HealthStatus> {
    let words = description.rsplit_once('(')?.1.strip_suffix(')')?;
    match words {
        "healthy" => Some(HealthStatus::Healthy),
        "unhealthy" => Some(HealthStatus::Unhealthy),
        "health: starting" | "starting" => Some(HealthStatus::Starting),
        _ => None,
    }
}

/// Below 0 the daemon waits without limit.
pub(super) fn grace(seconds: i64) -> Duration {
    const EVER: Duration = Duration::from_hours(24 * 365);
    u64::try_from(seconds).map_or(EVER, Duration::from_secs)
}

fn summary_port(port: &PortSummary) -> Option<PublishedPort> {
    let protocol = match port.typ? {
        PortSummaryTypeEnum::TCP => Protocol::Tcp,
        PortSummaryTypeEnum::UDP => Protocol::Udp,
        _ => return None,
    };
    Some(PublishedPort {
        address: port.ip.as_deref().map_or(Some(Ipv4Addr::UNSPECIFIED.into()), host_address)?,
        host_port: port.public_port?,
        container_port: port.private_port,
        protocol,
    })
}

fn state(state: DockerState, restarts: Option<i64>) -> Result<ContainerState, &'static str> {
    let status = match state.status.ok_or("no status")? {
        ContainerStateStatusEnum::CREATED => ContainerStatus::Created,
        ContainerStateStatusEnum::RUNNING | ContainerStateStatusEnum::STOPPING => ContainerStatus::Running,
        ContainerStateStatusEnum::PAUSED => ContainerStatus::Paused,
        ContainerStateStatusEnum::RESTARTING => ContainerStatus::Restarting,
        ContainerStateStatusEnum::REMOVING => ContainerStatus::Removing,
        ContainerStateStatusEnum::EXITED => ContainerStatus::Exited,
        ContainerStateStatusEnum::DEAD => ContainerStatus::Dead,
        ContainerStateStatusEnum::EMPTY => return Err("an empty status"),
    };
    let runs = matches!(status, ContainerStatus::Created | ContainerStatus::Running | ContainerStatus::Paused);
    Ok(ContainerState {
        status,
        exit_code: state.exit_code.filter(|_| !runs),
        out_of_memory: state.oom_killed.unwrap_or_default(),
        error: state.error.filter(|error| !error.is_empty()),
        started_at: time(state.started_at.as_deref()),
        finished_at: time(state.finished_at.as_deref()),
        restarts: restarts.and_then(|count| u64::try_from(count).ok()).unwrap_or_default(),
        health: state.health.and_then(container_health),
    })
}

fn container_health(health: Health) -> Option<ContainerHealth> {
    let status = match health.status? {
        HealthStatusEnum::STARTING => HealthStatus::Starting,
        HealthStatusEnum::HEALTHY => HealthStatus::Healthy,
        HealthStatusEnum::UNHEALTHY => HealthStatus::Unhealthy,
        HealthStatusEnum::EMPTY | HealthStatusEnum::NONE => return None,
    };
    let probes = health.log.unwrap_or_default().into_iter().map(|probe| Probe {
        started_at: probe.start,
        finished_at: probe.end,
        exit_code: probe.exit_code.unwrap_or_default(),
        output: probe.output.unwrap_or_default(),
    });
    Some(ContainerHealth {
        status,
        failing_streak: health.failing_streak.and_then(|streak| u64::try_from(streak).ok()).unwrap_or_default(),
        probes: probes.collect(),
    })
}

/// Docker writes the year 1 for what did not happen yet.
fn time(text: Option<&str>) -> Option<DateTime<Utc>> {
    let time = DateTime::parse_from_rfc3339(text?).ok()?.with_timezone(&Utc);
    (time.year() > 1).then_some(time)
}

fn published(map: Option<&PortMap>) -> Vec<PublishedPort> {
    let mut ports = Vec::new();
    for (key, bindings) in map.into_iter().flatten() {
        let Some((port, protocol)) = port_key(key) else { continue };
        for binding in bindings.iter().flatten() {
            let address = binding.host_ip.as_deref().map_or(Some(Ipv4Addr::UNSPECIFIED.into()), host_address);
            let host_port = binding.host_port.as_deref().and_then(|port| port.parse().ok()).filter(|port| *port > 0);
            if let (Some(address), Some(host_port)) = (address, host_port) {
                ports.push(PublishedPort { address, host_port, container_port: port, protocol });
            }
        }
    }
    ports.sort_unstable();
    ports
}

/// An empty address is all of them.
fn host_address(text: &str) -> Option<IpAddr> {
    if text.is_empty() { Some(Ipv4Addr::UNSPECIFIED.into()) } else { text.parse().ok() }
}

/// `3000/tcp`.
fn port_key(key: &str) -> Option<(u16, Protocol)> {
    let (port, protocol) = key.split_once('/').unwrap_or((key, "tcp"));
    let protocol = match protocol {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        _ => return None,
    };
    Some((port.parse().ok()?, protocol))
}

/// `linux/arm64/v8`.
pub(super) fn image_platform(os: Option<String>, architecture: Option<String>, variant: Option<String>) -> String {
    let variant = variant.filter(|variant| !variant.is_empty());
    [os, architecture, variant].into_iter().flatten().collect::<Vec<_>>().join("/")
}

pub(super) fn image_facts(image: ImageInspect) -> Result<ImageFacts, &'static str> {
    let config = image.config.unwrap_or_default();
    let env = config.env.unwrap_or_default();
    let mut ports: Vec<u16> = config
        .exposed_ports
        .unwrap_or_default()
        .iter()
        .filter_map(|key| port_key(key))
        .filter_map(|(port, protocol)| (protocol == Protocol::Tcp).then_some(port))
        .collect();
    ports.sort_unstable();
    let check = config.healthcheck.and_then(|check| check.test).unwrap_or_default();
    Ok(ImageFacts {
        id: image.id.ok_or("no id")?,
        tags: image.repo_tags.unwrap_or_default(),
        digests: image.repo_digests.unwrap_or_default(),
        labels: sorted(config.labels),
        env: env.iter().filter_map(|line| line.split_once('=')).map(|(a, b)| (a.to_owned(), b.to_owned())).collect(),
        ports,
        entrypoint: config.entrypoint.unwrap_or_default(),
        command: config.cmd.unwrap_or_default(),
        user: config.user.filter(|user| !user.is_empty()),
        working_dir: config.working_dir.filter(|folder| !folder.is_empty()),
        has_health_check: check.first().is_some_and(|kind| kind != "NONE"),
        platform: image_platform(image.os, image.architecture, image.variant),
    })
}

/// Why containers cannot use an existing network; one that was made by another program is fine.
pub(super) fn network_differs(network: &NetworkInspect) -> Option<String> {
    let driver = network.driver.as_deref().unwrap_or_default();
    if !matches!(driver, "bridge" | "overlay") {
        return Some(format!("its driver is `{driver}`"));
    }
    if driver == "overlay" && network.attachable != Some(true) {
        return Some("it is an overlay network that only services may join".into());
    }
    (network.internal == Some(true)).then(|| "it is internal, so no port can be published from it".into())
}

/// How an existing volume differs from `spec`. A spec without options accepts any.
pub(super) fn volume_differs(volume: &Volume, spec: &VolumeSpec) -> Option<String> {
    if volume.driver != spec.driver {
        return Some(format!("its driver is `{}` instead of `{}`", volume.driver, spec.driver));
    }
    if spec.options.is_empty() {
        return None;
    }
    let there: BTreeMap<&String, &String> = volume.options.iter().collect();
    let names: std::collections::BTreeSet<&String> = there.keys().copied().chain(spec.options.keys()).collect();
    let different: Vec<String> = names
        .into_iter()
        .filter(|name| there.get(name).copied() != spec.options.get(*name))
        .map(|name| format!("`{name}`"))
        .collect();
    // Values may be passwords of network file systems.
    (!different.is_empty()).then(|| format!("its options differ in {}", different.join(", ")))
}

fn sorted(labels: Option<HashMap<String, String>>) -> BTreeMap<String, String> {
    labels.unwrap_or_default().into_iter().collect()
}

fn positive(number: i64) -> Option<u64> {
    u64::try_from(number).ok().filter(|number| *number > 0)
}

/// The name of the network when a start failed because there are several of it (Docker Engine).
pub(super) fn ambiguous_network(message: &str) -> Option<String> {
    let rest = message.split_once("network ")?.1;
    let (name, rest) = rest.split_once(' ')?;
    rest.starts_with("is ambiguous").then(|| name.to_owned())
}

/// Podman splits the arguments of a health check at blanks, but not those of a shell.
pub(super) fn podman_check(body: &mut ContainerCreateBody) {
    let Some(test) = body.healthcheck.as_mut().and_then(|check| check.test.as_mut()) else { return };
    let has_blanks = |word: &String| word.is_empty() || word.contains(char::is_whitespace);
    if test.first().is_some_and(|kind| kind == "CMD") && test.iter().any(has_blanks) {
        let quoted = test[1..].iter().map(|word| format!(" '{}'", word.replace('\'', r"'\''")));
        *test = vec!["CMD-SHELL".to_owned(), format!("exec{}", quoted.collect::<String>())];
    }
}

pub(super) fn podman_inspection(mut answer: Value) -> Result<ContainerInspectResponse, serde_json::Error> {
    translate(answer.pointer_mut("/State/Status"));
    serde_json::from_value(answer)
}

/// Leaves out invalid entries: they may be containers that are being created.
pub(super) fn podman_list(answer: Vec<Value>) -> Vec<DockerSummary> {
    let entry = |mut entry: Value| {
        translate(entry.get_mut("State"));
        serde_json::from_value(entry).ok()
    };
    answer.into_iter().filter_map(entry).collect()
}

/// `stopped`: it ended, and is not cleaned up; `configured`, `initialized`: it was never started.
fn translate(state: Option<&mut Value>) {
    let Some(state) = state else { return };
    match state.as_str() {
        Some("stopped") => *state = json!("exited"),
        Some("configured" | "initialized") => *state = json!("created"),
        _ => {}
    }
}
