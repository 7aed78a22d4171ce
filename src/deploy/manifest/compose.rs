//! A Compose file (Compose specification; Docker Compose 2, and 1.27 and later).

use serde_json::{Map, Value, json};

use super::workload::{ManifestError, RenderedManifest, VolumeKind, Workload, WorkloadVolume, to_yaml};
use crate::deploy::{LaunchPlan, SecretsAs};
use crate::docker::{HealthCheck, Mount, MountAccess, RestartPolicy};
use crate::origin::Origin;

/// What Compose needs besides the plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ComposeOptions {
    pub replicas: u32,
    /// Caddy in front: its image, which reads a `Caddyfile` beside the Compose file.
    pub caddy: Option<String>,
    /// Folder with one file for each secret.
    pub secrets_folder: String,
}

pub fn render_compose(plan: &LaunchPlan, options: &ComposeOptions) -> Result<RenderedManifest, ManifestError> {
    let mut workload = Workload::new(plan)?;
    workload.warnings.retain(|warning| !matches!(warning.code, "manifest/host-folder" | "manifest/local-image"));
    workload.warn_about_replicas(options.replicas);
    warn_about_prerequisites(&mut workload, options);
    let mut services = Map::new();
    services.insert(workload.name.clone(), service(&workload, options));
    if let Some(image) = &options.caddy {
        services.insert("caddy".to_owned(), caddy(&workload, image));
    }
    let mut document = json!({ "name": workload.name, "services": services });
    if !matches!(plan.network.origin, Origin::Default(_)) {
        // Compose must not create a network that others use, too.
        document["networks"] = json!({ "default": { "name": plan.network.value.as_str(), "external": true } });
    }
    let volumes = volumes(&workload, options);
    if !volumes.is_empty() {
        document["volumes"] = Value::Object(volumes);
    }
    if are_files(plan) {
        let file = |id: &str| (id.to_owned(), json!({ "file": format!("{}/{id}", options.secrets_folder) }));
        document["secrets"] = Value::Object(workload.secrets().map(file).collect());
    }
    escape(&mut document);
    Ok(RenderedManifest { text: to_yaml(&document), warnings: workload.warnings })
}

fn warn_about_prerequisites(workload: &mut Workload<'_>, options: &ComposeOptions) {
    let plan = workload.plan;
    let ids: Vec<&str> = workload.secrets().collect();
    if are_files(plan) {
        workload.warn(
            "manifest/secret-missing",
            format!(
                "create the files of the secrets {} in `{}`, readable by the app",
                ids.join(", "),
                options.secrets_folder
            ),
            "one file each; keep the folder out of the repository",
        );
    } else if !ids.is_empty() {
        let message = format!("set {} in the environment of `docker compose`", ids.join(", "));
        workload.warn(
            "manifest/secret-missing",
            message,
            "export them, or write them to a `.env` beside the Compose file",
        );
    }
    if !plan.hooks.pre_stop.is_empty() || !plan.hooks.post_start.is_empty() {
        workload.warn(
            "manifest/no-hooks",
            "`hooks` are left out: Compose supports them only since 2.30",
            "add `post_start` and `pre_stop` if your Compose is newer",
        );
    }
    if options.caddy.is_some() {
        let (name, port) = (workload.name.clone(), workload.port);
        workload.warn(
            "manifest/caddyfile-missing",
            "Caddy reads `./Caddyfile`",
            format!("`nextdeploy proxy caddy --name {name} --upstream {name}:{port} --domain DOMAIN > Caddyfile`"),
        );
    }
    if options.replicas > 1 && options.caddy.is_none() && !plan.ports.is_empty() {
        workload.warn(
            "manifest/port-shared",
            "several replicas cannot publish the same host port: Docker chooses the ports",
            "put a proxy in front with `--caddy`",
        );
    }
}

fn are_files(plan: &LaunchPlan) -> bool {
    plan.secrets_as.value == SecretsAs::Files && !plan.secrets.is_empty()
}

fn service(workload: &Workload<'_>, options: &ComposeOptions) -> Value {
    let plan = workload.plan;
    let mut service = json!({ "image": plan.image.value });
    let mut set = |name: &str, value: Value| {
        let empty = match &value {
            Value::Null => true,
            Value::Array(list) => list.is_empty(),
            Value::Object(map) => map.is_empty(),
            _ => false,
        };
        if !empty {
            service[name] = value;
        }
    };
    set("entrypoint", plan.entrypoint.as_ref().map_or(Value::Null, |words| json!(words.value)));
    set("command", plan.command.as_ref().map_or(Value::Null, |words| json!(words.value)));
    set("working_dir", plan.working_dir.as_ref().map_or(Value::Null, |folder| json!(folder.value)));
    set("user", plan.user.as_ref().map_or(Value::Null, |user| json!(user.value)));
    set("restart", json!(restart(plan.restart.value)));
    set("environment", Value::Object(environment(workload)));
    if are_files(plan) {
        set("secrets", workload.secrets().collect());
    }
    if options.caddy.is_none() {
        set("ports", ports(plan, options.replicas));
    }
    set("healthcheck", health(workload));
    set("read_only", if workload.is_read_only() { json!(true) } else { Value::Null });
    set("volumes", mounts(plan));
    set("tmpfs", plan.mounts.iter().filter_map(|mount| tmpfs(&mount.value)).collect());
    let privileges = &plan.privileges.value;
    set("cap_drop", json!(privileges.drop));
    set("cap_add", json!(privileges.add));
    set("security_opt", if privileges.no_new_privileges { json!(["no-new-privileges:true"]) } else { Value::Null });
    // Compose rejects `pids_limit` beside `deploy.resources`, where versions before 2 support no such limit.
    set("cpus", plan.cpus.value.map_or(Value::Null, |cpus| json!(cpus)));
    set("mem_limit", plan.memory.value.map_or(Value::Null, |memory| json!(memory_text(memory))));
    set("pids_limit", plan.pids.value.map_or(Value::Null, |pids| json!(pids)));
    set("deploy", if options.replicas > 1 { json!({ "replicas": options.replicas }) } else { Value::Null });
    set("stop_grace_period", json!(format!("{}s", plan.stop_grace.value.as_secs())));
    set("extra_hosts", plan.extra_hosts.iter().map(|host| json!(host.value)).collect());
    set(
        "labels",
        plan.labels
            .iter()
            .filter(|(name, _)| !is_of_run(name))
            .map(|(name, value)| (name.clone(), json!(value.value)))
            .collect(),
    );
    let logging = &plan.logging.value;
    set("logging", json!({ "driver": logging.driver, "options": logging.options }));
    let aliases: Vec<&String> = plan.aliases.iter().filter(|alias| **alias != workload.name).collect();
    set("networks", if aliases.is_empty() { Value::Null } else { json!({ "default": { "aliases": aliases } }) });
    service
}

/// Labels by which `run` and `supervise` recognise their own containers.
fn is_of_run(label: &str) -> bool {
    label == crate::docker::MANAGED_LABEL || label.starts_with("nextdeploy.hook.")
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

/// A secret without a value is taken from the environment of Compose.
fn environment(workload: &Workload<'_>) -> Map<String, Value> {
    let plain = workload.env().map(|(name, value)| (name.to_owned(), json!(value)));
    let is_env = workload.plan.secrets_as.value == SecretsAs::Env;
    plain.chain(workload.secrets().filter(|_| is_env).map(|id| (id.to_owned(), Value::Null))).collect()
}

fn ports(plan: &LaunchPlan, replicas: u32) -> Value {
    let port = |port: &crate::docker::PortMapping| {
        let host = port.host_port.filter(|_| replicas == 1).map(|port| port.to_string()).unwrap_or_default();
        let address = if port.address.is_ipv6() { format!("[{}]", port.address) } else { port.address.to_string() };
        let protocol = match port.protocol {
            crate::docker::Protocol::Tcp => "",
            crate::docker::Protocol::Udp => "/udp",
        };
        format!("{address}:{host}:{}{protocol}", port.container_port)
    };
    plan.ports.iter().map(|mapping| port(&mapping.value)).collect()
}

fn health(workload: &Workload<'_>) -> Value {
    if workload.plan.health.as_ref().is_some_and(|health| health.value == HealthCheck::Disabled) {
        return json!({ "disable": true });
    }
    let Some(check) = workload.check() else { return Value::Null };
    let test: Vec<&str> = std::iter::once("CMD").chain(check.argv.iter().map(String::as_str)).collect();
    json!({
        "test": test,
        "interval": format!("{}s", check.interval.as_secs()),
        "timeout": format!("{}s", check.timeout.as_secs()),
        "retries": check.retries,
        "start_period": format!("{}s", check.start_period.as_secs()),
    })
}

fn mounts(plan: &LaunchPlan) -> Value {
    let suffix = |access: &MountAccess| if *access == MountAccess::ReadOnly { ":ro" } else { "" };
    let line = |mount: &Mount| match mount {
        Mount::Bind { source, target, access } | Mount::Folder { source, target, access } => {
            Some(format!("{source}:{target}{}", suffix(access)))
        }
        Mount::Volume { name, target, access } => Some(format!("{name}:{target}{}", suffix(access))),
        Mount::Unnamed { target } => Some(target.clone()),
        Mount::Tmpfs { .. } => None,
    };
    plan.mounts.iter().filter_map(|mount| line(&mount.value)).collect()
}

fn tmpfs(mount: &Mount) -> Option<String> {
    let Mount::Tmpfs { target, size, mode, owner } = mount else { return None };
    let options: Vec<String> = [
        size.map(|size| format!("size={size}")),
        mode.map(|mode| format!("mode={mode:o}")),
        owner.map(|owner| format!("uid={owner}")),
    ]
    .into_iter()
    .flatten()
    .collect();
    Some(if options.is_empty() { target.clone() } else { format!("{target}:{}", options.join(",")) })
}

fn memory_text(bytes: u64) -> String {
    const MIB: u64 = 1024 * 1024;
    if bytes.is_multiple_of(MIB) { format!("{}M", bytes / MIB) } else { format!("{bytes}b") }
}

fn volumes(workload: &Workload<'_>, options: &ComposeOptions) -> Map<String, Value> {
    let mut volumes = Map::new();
    for volume in &workload.plan.volumes {
        let is_asked =
            |place: &WorkloadVolume| matches!(&place.kind, VolumeKind::Volume(name, _) if name == volume.name.as_str());
        // Only volumes named by the user have that name outside of this project.
        let mut value =
            if workload.places.iter().any(is_asked) { json!({ "name": volume.name.as_str() }) } else { json!({}) };
        if volume.driver != "local" || !volume.options.is_empty() {
            value["driver"] = json!(volume.driver);
            value["driver_opts"] = json!(volume.options);
        }
        volumes.insert(volume.name.to_string(), value);
    }
    if options.caddy.is_some() {
        // Keeps certificates, since authorities limit how many they issue.
        volumes.insert("caddy-data".to_owned(), json!({}));
        volumes.insert("caddy-config".to_owned(), json!({}));
    }
    volumes
}

fn caddy(workload: &Workload<'_>, image: &str) -> Value {
    json!({
        "image": image,
        "restart": "unless-stopped",
        "depends_on": { &workload.name: { "condition": if workload.check().is_some() { "service_healthy" } else { "service_started" } } },
        "ports": ["80:80", "443:443", "443:443/udp"],
        "volumes": ["./Caddyfile:/etc/caddy/Caddyfile:ro", "caddy-data:/data", "caddy-config:/config"],
        "cap_drop": ["ALL"],
        "cap_add": ["NET_BIND_SERVICE"],
        "security_opt": ["no-new-privileges:true"],
    })
}

/// `$` starts a variable in every value.
fn escape(value: &mut Value) {
    match value {
        Value::String(text) if text.contains('$') => *text = text.replace('$', "$$"),
        Value::Array(list) => list.iter_mut().for_each(escape),
        Value::Object(map) => map.values_mut().for_each(escape),
        _ => {}
    }
}
