//! Services → the bodies of requests. Pure.

use std::collections::HashMap;
use std::time::Duration;

use bollard::models::{
    EndpointPortConfig, EndpointPortConfigProtocolEnum, EndpointPortConfigPublishModeEnum, EndpointSpec, Limit,
    Mount as DockerMount, MountTmpfsOptions, MountType, NetworkAttachmentConfig, ServiceSpec as DockerService,
    ServiceSpecMode, ServiceSpecModeReplicated, ServiceSpecRollbackConfig, ServiceSpecRollbackConfigFailureActionEnum,
    ServiceSpecRollbackConfigOrderEnum, ServiceSpecUpdateConfig, ServiceSpecUpdateConfigFailureActionEnum,
    ServiceSpecUpdateConfigOrderEnum, TaskSpec, TaskSpecContainerSpec, TaskSpecContainerSpecFile,
    TaskSpecContainerSpecPrivileges, TaskSpecContainerSpecSecrets, TaskSpecLogDriver, TaskSpecResources,
    TaskSpecRestartPolicy, TaskSpecRestartPolicyConditionEnum,
};

use crate::docker::convert::{health, nano, nanoseconds, signed};
use crate::docker::spec::{
    ContainerSpec, Mount, MountAccess, Protocol, RestartPolicy, RollingUpdate, RootFilesystem, ServiceSpec,
};

/// A secret that Swarm has, for one file.
pub(super) struct StoredSecret {
    pub id: String,
    pub name: String,
    pub file: String,
    pub user: u32,
}

pub(super) fn service(spec: &ServiceSpec, secrets: &[StoredSecret]) -> DockerService {
    let container = &spec.container;
    let networks = spec.network.as_ref().map(|network| {
        vec![NetworkAttachmentConfig {
            target: Some(network.to_string()),
            aliases: Some(container.aliases.clone()),
            driver_opts: None,
        }]
    });
    DockerService {
        name: Some(container.name.to_string()),
        labels: Some(container.labels.clone().into_iter().collect()),
        task_template: Some(TaskSpec {
            container_spec: Some(container_spec(container, secrets)),
            resources: Some(resources(container)),
            restart_policy: Some(restart(container.restart)),
            networks,
            log_driver: Some(TaskSpecLogDriver {
                name: Some(container.logging.driver.clone()),
                options: Some(container.logging.options.clone().into_iter().collect()),
            }),
            ..TaskSpec::default()
        }),
        mode: Some(ServiceSpecMode {
            replicated: Some(ServiceSpecModeReplicated { replicas: Some(signed(spec.replicas)) }),
            ..ServiceSpecMode::default()
        }),
        update_config: Some(update(&spec.update)),
        rollback_config: Some(rollback(&spec.update)),
        endpoint_spec: Some(EndpointSpec { mode: None, ports: Some(ports(container)) }),
        ..DockerService::default()
    }
}

fn container_spec(spec: &ContainerSpec, secrets: &[StoredSecret]) -> TaskSpecContainerSpec {
    let plain = spec.env.iter().map(|(name, value)| format!("{name}={value}"));
    let secret = spec.secret_env.iter().map(|(name, value)| format!("{name}={}", value.expose()));
    TaskSpecContainerSpec {
        image: Some(spec.image.clone()),
        labels: Some(spec.labels.clone().into_iter().collect()),
        command: spec.entrypoint.clone(),
        args: spec.command.clone(),
        env: Some(plain.chain(secret).collect()),
        dir: spec.working_dir.clone(),
        user: spec.user.clone(),
        privileges: Some(TaskSpecContainerSpecPrivileges {
            no_new_privileges: Some(spec.privileges.no_new_privileges),
            ..TaskSpecContainerSpecPrivileges::default()
        }),
        read_only: Some(spec.root == RootFilesystem::ReadOnly),
        mounts: Some(spec.mounts.iter().map(mount).collect()),
        stop_grace_period: spec.stop_grace.map(nanoseconds),
        health_check: spec.health.as_ref().map(health),
        // `host:address` → `address host`.
        hosts: Some(
            spec.extra_hosts
                .iter()
                .filter_map(|line| line.split_once(':'))
                .map(|(host, address)| format!("{address} {host}"))
                .collect(),
        ),
        secrets: Some(secrets.iter().map(stored).collect()),
        capability_drop: Some(spec.privileges.drop.clone()),
        capability_add: Some(spec.privileges.add.clone()),
        ..TaskSpecContainerSpec::default()
    }
}

fn stored(secret: &StoredSecret) -> TaskSpecContainerSpecSecrets {
    TaskSpecContainerSpecSecrets {
        file: Some(TaskSpecContainerSpecFile {
            name: Some(secret.file.clone()),
            uid: Some(secret.user.to_string()),
            gid: Some("0".into()),
            mode: Some(0o400),
        }),
        secret_id: Some(secret.id.clone()),
        secret_name: Some(secret.name.clone()),
    }
}

fn resources(spec: &ContainerSpec) -> TaskSpecResources {
    let limits = Limit {
        nano_cpus: spec.resources.cpus.map(nano),
        memory_bytes: spec.resources.memory.map(signed),
        pids: spec.resources.pids.map(signed),
    };
    TaskSpecResources { limits: Some(limits), ..TaskSpecResources::default() }
}

fn restart(policy: RestartPolicy) -> TaskSpecRestartPolicy {
    let (condition, attempts) = match policy {
        RestartPolicy::No => (TaskSpecRestartPolicyConditionEnum::NONE, None),
        RestartPolicy::OnFailure(attempts) => (TaskSpecRestartPolicyConditionEnum::ON_FAILURE, attempts),
        RestartPolicy::Always | RestartPolicy::UnlessStopped => (TaskSpecRestartPolicyConditionEnum::ANY, None),
    };
    TaskSpecRestartPolicy {
        condition: Some(condition),
        max_attempts: attempts.map(i64::from),
        ..TaskSpecRestartPolicy::default()
    }
}

fn update(update: &RollingUpdate) -> ServiceSpecUpdateConfig {
    ServiceSpecUpdateConfig {
        parallelism: Some(signed(update.parallelism)),
        delay: Some(nanoseconds(update.delay)),
        failure_action: Some(ServiceSpecUpdateConfigFailureActionEnum::ROLLBACK),
        monitor: Some(nanoseconds(update.monitor)),
        max_failure_ratio: Some(0.0),
        order: Some(ServiceSpecUpdateConfigOrderEnum::START_FIRST),
    }
}

fn rollback(update: &RollingUpdate) -> ServiceSpecRollbackConfig {
    ServiceSpecRollbackConfig {
        parallelism: Some(signed(update.parallelism)),
        delay: Some(nanoseconds(Duration::ZERO)),
        failure_action: Some(ServiceSpecRollbackConfigFailureActionEnum::PAUSE),
        monitor: Some(nanoseconds(update.monitor)),
        max_failure_ratio: Some(0.0),
        order: Some(ServiceSpecRollbackConfigOrderEnum::START_FIRST),
    }
}

fn ports(spec: &ContainerSpec) -> Vec<EndpointPortConfig> {
    let ports = spec.ports.iter().map(|port| EndpointPortConfig {
        name: None,
        protocol: Some(match port.protocol {
            Protocol::Tcp => EndpointPortConfigProtocolEnum::TCP,
            Protocol::Udp => EndpointPortConfigProtocolEnum::UDP,
        }),
        target_port: Some(i64::from(port.container_port)),
        published_port: port.host_port.map(i64::from),
        publish_mode: Some(EndpointPortConfigPublishModeEnum::INGRESS),
    });
    ports.collect()
}

/// Swarm's tmpfs has no owner.
fn mount(mount: &Mount) -> DockerMount {
    let of = |typ, source: Option<String>, access: MountAccess| DockerMount {
        typ: Some(typ),
        source,
        target: Some(mount.target().to_owned()),
        read_only: Some(access == MountAccess::ReadOnly),
        ..DockerMount::default()
    };
    match mount {
        Mount::Bind { source, access, .. } | Mount::Folder { source, access, .. } => {
            of(MountType::BIND, Some(source.clone()), *access)
        }
        Mount::Volume { name, access, .. } => of(MountType::VOLUME, Some(name.to_string()), *access),
        Mount::Unnamed { .. } => of(MountType::VOLUME, None, MountAccess::ReadWrite),
        Mount::Tmpfs { size, mode, .. } => DockerMount {
            tmpfs_options: Some(MountTmpfsOptions {
                size_bytes: size.map(signed),
                // Without an owner, any user has to be able to write.
                mode: Some(mode.map_or(0o1777, |mode| i64::from(mode | 0o1777))),
                options: None,
            }),
            ..of(MountType::TMPFS, None, MountAccess::ReadWrite)
        },
    }
}

/// The body of `POST /networks/create` for all machines of the Swarm.
pub(super) fn overlay(name: &str, labels: HashMap<String, String>) -> bollard::models::NetworkCreateRequest {
    bollard::models::NetworkCreateRequest {
        name: name.to_owned(),
        driver: Some("overlay".to_owned()),
        attachable: Some(true),
        labels: Some(labels),
        ..bollard::models::NetworkCreateRequest::default()
    }
}
