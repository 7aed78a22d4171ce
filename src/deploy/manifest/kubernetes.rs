//! Deployment, Service, Ingress and `PodDisruptionBudget` for Kubernetes 1.30 and later.

use serde_json::{Map, Value, json};

use super::workload::{
    LEAVE_SECONDS, ManifestError, RenderedManifest, VolumeKind, Workload, WorkloadVolume, copy_script, object_name,
    to_yaml,
};
use crate::deploy::{LaunchPlan, SecretsAs};
use crate::docker::{HealthCheck, MountAccess};

/// Where the init container mounts the volumes that it fills.
const FILLED: &str = "/nextdeploy-volumes";
/// The CPU request of a pod without a limit.
const CPU_REQUEST: &str = "100m";

/// What a cluster needs besides the plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KubernetesOptions {
    pub namespace: Option<String>,
    pub replicas: u32,
    /// Host names that an Ingress routes to the app; without any there is no Ingress.
    pub hosts: Vec<String>,
    pub ingress_class: Option<String>,
    /// Secret with the certificate of the hosts.
    pub tls_secret: Option<String>,
    /// Secret with the values of the app's secrets, one key each.
    pub secret: Option<String>,
    /// Secret with the credentials of the registry.
    pub pull_secret: Option<String>,
}

impl KubernetesOptions {
    /// Checks every name.
    fn check(&self) -> Result<(), ManifestError> {
        let names = [
            ("namespace", &self.namespace),
            ("Secret", &self.secret),
            ("Secret", &self.tls_secret),
            ("Secret", &self.pull_secret),
            ("class of an Ingress", &self.ingress_class),
        ];
        for (what, name) in names {
            name.as_deref().map_or(Ok(()), |name| check_name(what, name))?;
        }
        self.hosts.iter().try_for_each(|host| check_name("host", host.strip_prefix("*.").unwrap_or(host)))
    }
}

/// A subdomain of DNS (RFC 1123).
fn check_name(what: &'static str, name: &str) -> Result<(), ManifestError> {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    if name.len() <= 253 && name.split('.').all(label) {
        return Ok(());
    }
    Err(ManifestError::Value {
        what,
        text: name.to_owned(),
        reason: "only lower case letters, digits, `-` and `.` are allowed",
    })
}

/// One text with all objects.
pub fn render_kubernetes(plan: &LaunchPlan, options: &KubernetesOptions) -> Result<RenderedManifest, ManifestError> {
    options.check()?;
    let mut workload = Workload::new(plan)?;
    workload.warn_about_replicas(options.replicas);
    let secret = options.secret.clone().unwrap_or_else(|| format!("{}-secrets", workload.name));
    warn_about_prerequisites(&mut workload, &secret);
    let cluster = KubernetesObjects { workload: &workload, options, secret };
    let mut objects = vec![cluster.deployment(), cluster.service()];
    if !options.hosts.is_empty() {
        objects.push(cluster.ingress());
    }
    if options.replicas > 1 {
        objects.push(cluster.disruption_budget());
    }
    let documents: Vec<String> = objects.iter().map(to_yaml).collect();
    Ok(RenderedManifest { text: documents.join("---\n"), warnings: workload.warnings })
}

fn warn_about_prerequisites(workload: &mut Workload<'_>, secret: &str) {
    let keys: Vec<&str> = workload.secrets().collect();
    if !keys.is_empty() {
        let literals: Vec<String> = keys.iter().map(|key| format!("--from-file={key}=FILE")).collect();
        let message = format!("create the Secret `{secret}` in the namespace, with the keys {}", keys.join(", "));
        let hint = format!("`kubectl create secret generic {secret} {}`", literals.join(" "));
        workload.warn("manifest/secret-missing", message, hint);
    }
    let claim = |place: &WorkloadVolume| match &place.kind {
        VolumeKind::Volume(name, _) => Some(format!("`{}`", object_name(name))),
        _ => None,
    };
    let claims: Vec<String> = workload.places.iter().filter_map(claim).collect();
    if !claims.is_empty() {
        let message = format!("create these PersistentVolumeClaims in the namespace: {}", claims.join(", "));
        let hint = "choose a size and a class that the cluster supports; several replicas need `ReadWriteMany`";
        workload.warn("manifest/claim-missing", message, hint);
    }
    if workload.user.is_none() {
        workload.warn(
            "manifest/user-unknown",
            "the user of the image is not numeric, so Kubernetes cannot ensure that it is not root",
            "set `user: \"1001:0\"` in a container document",
        );
    }
}

struct KubernetesObjects<'a> {
    workload: &'a Workload<'a>,
    options: &'a KubernetesOptions,
    secret: String,
}

impl KubernetesObjects<'_> {
    fn metadata(&self) -> Value {
        let mut metadata = Map::new();
        metadata.insert("name".to_owned(), json!(self.workload.name));
        if let Some(namespace) = &self.options.namespace {
            metadata.insert("namespace".to_owned(), json!(namespace));
        }
        metadata.insert("labels".to_owned(), self.labels());
        Value::Object(metadata)
    }

    /// Selects the pods; it must never change.
    fn selector(&self) -> Value {
        json!({ "app.kubernetes.io/name": self.workload.name })
    }

    fn labels(&self) -> Value {
        let mut labels = self.selector();
        let version = self.workload.plan.labels.get("nextdeploy.app-version").map(|label| label.value.as_str());
        if let Some(version) = version.filter(|version| is_label_value(version)) {
            labels["app.kubernetes.io/version"] = json!(version);
        }
        labels["app.kubernetes.io/managed-by"] = json!("nextdeploy");
        labels
    }

    fn deployment(&self) -> Value {
        json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": self.metadata(),
            "spec": {
                "replicas": self.options.replicas,
                "revisionHistoryLimit": 5,
                "selector": { "matchLabels": self.selector() },
                "strategy": { "type": "RollingUpdate", "rollingUpdate": { "maxSurge": 1, "maxUnavailable": 0 } },
                "template": { "metadata": { "labels": self.labels() }, "spec": self.pod() },
            },
        })
    }

    fn pod(&self) -> Value {
        let workload = self.workload;
        let mut pod = json!({
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "terminationGracePeriodSeconds": workload.plan.stop_grace.value.as_secs() + LEAVE_SECONDS,
            "securityContext": self.pod_security(),
        });
        if let Some(secret) = &self.options.pull_secret {
            pod["imagePullSecrets"] = json!([{ "name": secret }]);
        }
        if self.options.replicas > 1 {
            pod["topologySpreadConstraints"] = json!([{
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": { "matchLabels": self.selector() },
            }]);
        }
        if let Some(init) = self.init_container() {
            pod["initContainers"] = json!([init]);
        }
        pod["containers"] = json!([self.container()]);
        let volumes = self.volumes();
        if !volumes.is_empty() {
            pod["volumes"] = json!(volumes);
        }
        pod
    }

    fn pod_security(&self) -> Value {
        let mut security = json!({});
        if let Some((user, group)) = self.workload.user {
            security["runAsNonRoot"] = json!(user != 0);
            security["runAsUser"] = json!(user);
            security["runAsGroup"] = json!(group);
            security["fsGroup"] = json!(group);
        }
        security["seccompProfile"] = json!({ "type": "RuntimeDefault" });
        security
    }

    fn container_security(&self) -> Value {
        let privileges = &self.workload.plan.privileges.value;
        let mut capabilities = json!({ "drop": privileges.drop });
        if !privileges.add.is_empty() {
            capabilities["add"] = json!(privileges.add);
        }
        json!({
            "allowPrivilegeEscalation": !privileges.no_new_privileges,
            "readOnlyRootFilesystem": self.workload.is_read_only(),
            "capabilities": capabilities,
        })
    }

    fn container(&self) -> Value {
        let workload = self.workload;
        let plan = workload.plan;
        let mut container = json!({ "name": workload.name, "image": plan.image.value });
        let mut set = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                container[name] = value;
            }
        };
        set("command", plan.entrypoint.as_ref().map(|words| json!(words.value)));
        set("args", plan.command.as_ref().map(|words| json!(words.value)));
        set("workingDir", plan.working_dir.as_ref().map(|folder| json!(folder.value)));
        set("ports", Some(json!([{ "name": "http", "containerPort": workload.port }])));
        set("env", Some(self.env()).filter(|env| !env.is_empty()).map(Value::Array));
        set("resources", Some(self.resources()));
        if let Some(probe) = self.probe() {
            for (name, period, failures) in
                [("startupProbe", 2, 60), ("readinessProbe", 5, 2), ("livenessProbe", 10, 3)]
            {
                let timeout = workload.check().map_or(5, |check| check.timeout.as_secs().max(1));
                let mut probe = probe.clone();
                probe["periodSeconds"] = json!(period);
                probe["timeoutSeconds"] = json!(timeout);
                probe["failureThreshold"] = json!(failures);
                set(name, Some(probe));
            }
        }
        set("lifecycle", Some(self.lifecycle()));
        set("securityContext", Some(self.container_security()));
        let mounts = self.mounts();
        set("volumeMounts", Some(mounts).filter(|mounts| !mounts.is_empty()).map(Value::Array));
        container
    }

    fn env(&self) -> Vec<Value> {
        let plain = self.workload.env().map(|(name, value)| json!({ "name": name, "value": literal(value) }));
        let secrets = self
            .workload
            .secrets()
            .filter(|_| !self.secrets_are_files())
            .map(|id| json!({ "name": id, "valueFrom": { "secretKeyRef": { "name": self.secret, "key": id } } }));
        plain.chain(secrets).collect()
    }

    fn secrets_are_files(&self) -> bool {
        self.workload.plan.secrets_as.value == SecretsAs::Files
    }

    fn resources(&self) -> Value {
        let plan = self.workload.plan;
        let mut requests = json!({ "cpu": CPU_REQUEST });
        let mut limits = Map::new();
        if let Some(cpus) = plan.cpus.value {
            requests["cpu"] = json!(cpu_quantity(cpus));
            limits.insert("cpu".to_owned(), json!(cpu_quantity(cpus)));
        }
        if let Some(memory) = plan.memory.value {
            requests["memory"] = json!(memory_quantity(memory));
            limits.insert("memory".to_owned(), json!(memory_quantity(memory)));
        }
        if limits.is_empty() {
            json!({ "requests": requests })
        } else {
            json!({ "requests": requests, "limits": limits })
        }
    }

    /// By HTTP if the health path is known, else by the app's own check inside the container.
    fn probe(&self) -> Option<Value> {
        let plan = self.workload.plan;
        let is_own =
            plan.health.as_ref().is_none_or(|health| matches!(health.origin, crate::origin::Origin::Default(_)));
        if plan.health.as_ref().is_some_and(|health| health.value == HealthCheck::Disabled) {
            return None;
        }
        let path = plan.run.as_ref().and_then(|run| run.health_path.as_ref()).filter(|_| is_own);
        Some(match (path, self.workload.check()) {
            (Some(path), _) => json!({ "httpGet": { "path": path, "port": "http" } }),
            (None, Some(check)) => json!({ "exec": { "command": check.argv } }),
            (None, None) => json!({ "tcpSocket": { "port": "http" } }),
        })
    }

    /// A pod receives requests until all nodes know that it is going to stop.
    fn lifecycle(&self) -> Value {
        let hooks = &self.workload.plan.hooks;
        let words = |list: &[crate::origin::Sourced<Vec<String>>]| -> Vec<Vec<String>> {
            list.iter().map(|hook| hook.value.clone()).collect()
        };
        let (start, stop) = (words(&hooks.post_start), words(&hooks.pre_stop));
        let mut lifecycle = json!({});
        if !start.is_empty() {
            lifecycle["postStart"] = json!({ "exec": { "command": self.run_all(&start, 0) } });
        }
        lifecycle["preStop"] = if stop.is_empty() {
            json!({ "sleep": { "seconds": LEAVE_SECONDS } })
        } else {
            json!({ "exec": { "command": self.run_all(&stop, LEAVE_SECONDS) } })
        };
        lifecycle
    }

    /// One command that runs all of them and then waits `wait` seconds: a Node.js program or, in images of others, a shell.
    fn run_all(&self, commands: &[Vec<String>], wait: u64) -> Vec<String> {
        if let Some(node) = self.workload.node {
            let list = json!(commands);
            let script = format!(
                "const {{spawnSync}}=require('child_process');let failed=0;\
                 for(const [file,...args] of {list})failed=spawnSync(file,args,{{stdio:'inherit'}}).status||failed;\
                 setTimeout(()=>process.exit(failed),{})",
                wait * 1000
            );
            // Run by the launcher, which passes the app's secrets on.
            return self.workload.plan.inside(&[node.to_owned(), "-e".to_owned(), script]);
        }
        let word = |text: &String| format!("'{}'", text.replace('\'', "'\\''"));
        let lines: Vec<String> =
            commands.iter().map(|command| command.iter().map(word).collect::<Vec<_>>().join(" ")).collect();
        vec!["/bin/sh".to_owned(), "-c".to_owned(), format!("{}; sleep {wait}", lines.join("; "))]
    }

    /// Fills volumes, which start empty, with the content of the image.
    fn init_container(&self) -> Option<Value> {
        let workload = self.workload;
        let node = workload.node?;
        let filled: Vec<&WorkloadVolume> = workload.seeded().collect();
        if filled.is_empty() {
            return None;
        }
        let pairs: Vec<[String; 2]> =
            filled.iter().map(|place| [place.target.clone(), format!("{FILLED}/{}", place.name)]).collect();
        let mounts: Vec<Value> = filled
            .iter()
            .map(|place| json!({ "name": place.name, "mountPath": format!("{FILLED}/{}", place.name) }))
            .collect();
        let mut init = json!({
            "name": "fill-volumes",
            "image": workload.plan.image.value,
            "command": [node, "-e", copy_script(&json!(pairs).to_string())],
        });
        init["resources"] = self.resources();
        init["securityContext"] = self.container_security();
        init["volumeMounts"] = json!(mounts);
        Some(init)
    }

    fn mounts(&self) -> Vec<Value> {
        let workload = self.workload;
        let mut mounts: Vec<Value> = workload
            .places
            .iter()
            .map(|place| {
                let mut mount = json!({ "name": place.name, "mountPath": place.target });
                if matches!(place.kind, VolumeKind::Volume(_, MountAccess::ReadOnly)) {
                    mount["readOnly"] = json!(true);
                }
                mount
            })
            .collect();
        if self.secrets_are_files() && workload.secrets().next().is_some() {
            mounts.push(json!({ "name": "secrets", "mountPath": "/run/secrets", "readOnly": true }));
        }
        mounts
    }

    fn volumes(&self) -> Vec<Value> {
        let workload = self.workload;
        let mut volumes: Vec<Value> = workload.places.iter().map(volume).collect();
        let items: Vec<Value> = workload.secrets().map(|id| json!({ "key": id, "path": id })).collect();
        if self.secrets_are_files() && !items.is_empty() {
            // Readable by the group of the app.
            let secret = json!({ "secretName": self.secret, "defaultMode": 0o440, "items": items });
            volumes.push(json!({ "name": "secrets", "secret": secret }));
        }
        volumes
    }

    fn service(&self) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": self.metadata(),
            "spec": {
                "selector": self.selector(),
                "ports": [{ "name": "http", "port": 80, "targetPort": "http" }],
            },
        })
    }

    fn ingress(&self) -> Value {
        let backend = json!({ "service": { "name": self.workload.name, "port": { "name": "http" } } });
        let rule = |host: &String| json!({ "host": host, "http": { "paths": [{ "path": "/", "pathType": "Prefix", "backend": backend }] } });
        let mut spec = json!({});
        if let Some(class) = &self.options.ingress_class {
            spec["ingressClassName"] = json!(class);
        }
        if let Some(secret) = &self.options.tls_secret {
            spec["tls"] = json!([{ "hosts": self.options.hosts, "secretName": secret }]);
        }
        spec["rules"] = self.options.hosts.iter().map(rule).collect();
        json!({ "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": self.metadata(), "spec": spec })
    }

    fn disruption_budget(&self) -> Value {
        json!({
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": self.metadata(),
            "spec": { "maxUnavailable": 1, "selector": { "matchLabels": self.selector() } },
        })
    }
}

fn volume(place: &WorkloadVolume) -> Value {
    let mut volume = json!({ "name": place.name });
    match &place.kind {
        VolumeKind::Scratch => volume["emptyDir"] = json!({}),
        VolumeKind::Memory(size) => {
            volume["emptyDir"] = json!({ "medium": "Memory" });
            if let Some(size) = size {
                volume["emptyDir"]["sizeLimit"] = json!(memory_quantity(*size));
            }
        }
        VolumeKind::Volume(name, _) => volume["persistentVolumeClaim"] = json!({ "claimName": object_name(name) }),
    }
    volume
}

/// Kubernetes would expand `$(NAME)`.
fn literal(value: &str) -> String {
    value.replace("$(", "$$(")
}

fn cpu_quantity(cpus: f64) -> String {
    format!("{:.0}m", (cpus * 1000.0).ceil().max(1.0))
}

fn memory_quantity(bytes: u64) -> String {
    const MIB: u64 = 1024 * 1024;
    if bytes.is_multiple_of(MIB) { format!("{}Mi", bytes / MIB) } else { bytes.to_string() }
}

fn is_label_value(text: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    text.len() <= 63
        && edge(text.chars().next())
        && edge(text.chars().last())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}
