//! Our specs → the bodies of Docker's requests.

use std::collections::HashMap;
use std::time::Duration;

use bollard::models::{
    ContainerCreateBody, EndpointSettings, HealthConfig, HostConfig, HostConfigLogConfig, Mount as DockerMount,
    MountType, NetworkingConfig, PortBinding, PortMap, RestartPolicy as DockerRestart, RestartPolicyNameEnum,
    VolumeCreateRequest,
};
use serde_json::{Value, json};

use super::super::spec::{
    ContainerSpec, HealthCheck, Mount, MountAccess, NetworkSpec, PortMapping, Privileges, Protocol, RestartPolicy,
    RootFilesystem, VolumeSpec,
};

/// Seconds, as Docker does; Podman would kill at once.
const DEFAULT_GRACE: i64 = 10;

/// The body of `POST /containers/create`.
pub fn create_body(spec: &ContainerSpec) -> ContainerCreateBody {
    let plain = spec.env.iter().map(|(name, value)| format!("{name}={value}"));
    let secret = spec.secret_env.iter().map(|(name, value)| format!("{name}={}", value.expose()));
    let network = spec.network.as_ref().map(ToString::to_string);
    ContainerCreateBody {
        image: Some(spec.image.clone()),
        env: Some(plain.chain(secret).collect()),
        // `[""]` removes that of the image.
        entrypoint: spec
            .entrypoint
            .as_ref()
            .map(|words| if words.is_empty() { vec![String::new()] } else { words.clone() }),
        cmd: spec.command.clone(),
        working_dir: spec.working_dir.clone(),
        user: spec.user.clone(),
        labels: Some(spec.labels.clone().into_iter().collect()),
        healthcheck: spec.health.as_ref().map(health),
        stop_timeout: Some(spec.stop_grace.map_or(DEFAULT_GRACE, |grace| i64::from(whole_seconds(grace)))),
        exposed_ports: Some(spec.ports.iter().map(port_key).collect()),
        host_config: Some(host_config(spec, network.clone())),
        networking_config: network.map(|network| NetworkingConfig {
            endpoints_config: Some(HashMap::from([(network, endpoint(&spec.aliases))])),
        }),
        ..ContainerCreateBody::default()
    }
}

/// The settings of a container in a network.
pub fn endpoint(aliases: &[String]) -> EndpointSettings {
    EndpointSettings { aliases: Some(aliases.to_vec()), ..EndpointSettings::default() }
}

/// Rounded up: no container gets less time than was specified.
pub fn whole_seconds(time: Duration) -> i32 {
    let more = u64::from(time.subsec_nanos() > 0);
    i32::try_from(time.as_secs().saturating_add(more)).unwrap_or(i32::MAX)
}

/// The body of `POST /networks/create`. Without `CheckDuplicate`, which bollard's type lacks, engines before 25 create a
/// second network of one name.
pub fn create_network_body(spec: &NetworkSpec) -> Value {
    json!({
        "Name": spec.name.as_str(),
        "Driver": "bridge",
        "Attachable": true,
        "CheckDuplicate": true,
        "Labels": spec.labels,
    })
}

pub fn create_volume_body(spec: &VolumeSpec) -> VolumeCreateRequest {
    VolumeCreateRequest {
        name: Some(spec.name.to_string()),
        driver: Some(spec.driver.clone()),
        driver_opts: Some(spec.options.clone().into_iter().collect()),
        labels: Some(spec.labels.clone().into_iter().collect()),
        cluster_volume_spec: None,
    }
}

fn host_config(spec: &ContainerSpec, network: Option<String>) -> HostConfig {
    let memory = spec.resources.memory.map(signed);
    let (binds, mounts) = mounts(&spec.mounts);
    HostConfig {
        network_mode: network,
        port_bindings: Some(port_bindings(&spec.ports)),
        binds: Some(binds),
        mounts: Some(mounts),
        tmpfs: Some(spec.mounts.iter().filter_map(tmpfs).collect()),
        memory,
        // The same number means that nothing is swapped.
        memory_swap: memory,
        nano_cpus: spec.resources.cpus.map(nano),
        pids_limit: spec.resources.pids.map(signed),
        restart_policy: Some(restart(spec.restart)),
        log_config: Some(HostConfigLogConfig {
            typ: Some(spec.logging.driver.clone()),
            config: Some(spec.logging.options.clone().into_iter().collect()),
        }),
        readonly_rootfs: Some(spec.root == RootFilesystem::ReadOnly),
        cap_drop: Some(spec.privileges.drop.clone()),
        cap_add: Some(spec.privileges.add.clone()),
        security_opt: security_options(&spec.privileges),
        extra_hosts: Some(spec.extra_hosts.clone()),
        ..HostConfig::default()
    }
}

fn security_options(privileges: &Privileges) -> Option<Vec<String>> {
    privileges.no_new_privileges.then(|| vec!["no-new-privileges".to_owned()])
}

fn restart(policy: RestartPolicy) -> DockerRestart {
    let (name, maximum) = match policy {
        RestartPolicy::No => (RestartPolicyNameEnum::NO, None),
        RestartPolicy::OnFailure(maximum) => (RestartPolicyNameEnum::ON_FAILURE, maximum),
        RestartPolicy::Always => (RestartPolicyNameEnum::ALWAYS, None),
        RestartPolicy::UnlessStopped => (RestartPolicyNameEnum::UNLESS_STOPPED, None),
    };
    DockerRestart { name: Some(name), maximum_retry_count: maximum.map(i64::from) }
}

pub fn health(check: &HealthCheck) -> HealthConfig {
    match check {
        HealthCheck::Disabled => HealthConfig { test: Some(vec!["NONE".into()]), ..HealthConfig::default() },
        HealthCheck::Command { argv, interval, timeout, start_period, retries } => HealthConfig {
            // An empty list is the image's own.
            test: Some(if argv.is_empty() {
                Vec::new()
            } else {
                std::iter::once("CMD".to_owned()).chain(argv.iter().cloned()).collect()
            }),
            interval: interval.map(nanoseconds),
            timeout: timeout.map(nanoseconds),
            start_period: start_period.map(nanoseconds),
            retries: retries.map(i64::from),
            start_interval: None,
        },
    }
}

fn port_key(port: &PortMapping) -> String {
    let protocol = match port.protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
    };
    format!("{}/{protocol}", port.container_port)
}

fn port_bindings(ports: &[PortMapping]) -> PortMap {
    let mut map = PortMap::new();
    for port in ports {
        let binding = PortBinding {
            host_ip: Some(port.address.to_string()),
            host_port: Some(port.host_port.map(|port| port.to_string()).unwrap_or_default()),
        };
        map.entry(port_key(port)).or_default().get_or_insert_default().push(binding);
    }
    map
}

/// Binds, for which the daemon creates missing folders, and mounts, for which it does not.
fn mounts(mounts: &[Mount]) -> (Vec<String>, Vec<DockerMount>) {
    let mut binds = Vec::new();
    let mut typed = Vec::new();
    for mount in mounts {
        match mount {
            Mount::Folder { source, target, access } => {
                let mode = if *access == MountAccess::ReadOnly { "ro" } else { "rw" };
                binds.push(format!("{source}:{target}:{mode}"));
            }
            Mount::Bind { source, target, access } => typed.push(mounted(MountType::BIND, source, target, *access)),
            Mount::Volume { name, target, access } => {
                typed.push(mounted(MountType::VOLUME, name.as_str(), target, *access));
            }
            Mount::Unnamed { target } => {
                let unnamed = mounted(MountType::VOLUME, "", target, MountAccess::ReadWrite);
                typed.push(DockerMount { source: None, ..unnamed });
            }
            Mount::Tmpfs { .. } => {}
        }
    }
    (binds, typed)
}

fn mounted(typ: MountType, source: &str, target: &str, access: MountAccess) -> DockerMount {
    DockerMount {
        typ: Some(typ),
        source: Some(source.to_owned()),
        target: Some(target.to_owned()),
        read_only: Some(access == MountAccess::ReadOnly),
        ..DockerMount::default()
    }
}

/// Only this form has an owner; the kernel's own limits stay (`noexec`, `nosuid`, `nodev`).
fn tmpfs(mount: &Mount) -> Option<(String, String)> {
    let Mount::Tmpfs { target, size, mode, owner } = mount else { return None };
    let options = [
        size.map(|size| format!("size={size}")),
        mode.map(|mode| format!("mode={mode:o}")),
        owner.map(|owner| format!("uid={owner}")),
    ];
    Some((target.clone(), options.into_iter().flatten().collect::<Vec<_>>().join(",")))
}

pub fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub fn nanoseconds(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}

/// Billionths of a processor.
#[expect(clippy::cast_possible_truncation, reason = "a number of processors is far below the limit")]
pub fn nano(cpus: f64) -> i64 {
    (cpus * 1e9).round() as i64
}
