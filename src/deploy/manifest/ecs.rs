//! A task definition for Amazon ECS on Fargate, as `aws ecs register-task-definition --cli-input-json` takes it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::workload::{ManifestError, RenderedManifest, VolumeKind, Workload, WorkloadVolume, copy_script};
use crate::deploy::LaunchPlan;

/// Where the init container mounts the volumes.
const FILLED: &str = "/nextdeploy-volumes";
/// The longest stop timeout of Fargate, in seconds.
const LONGEST_STOP: u64 = 120;

/// What AWS needs besides the plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EcsOptions {
    /// Of the log group.
    pub region: String,
    /// Role that pulls the image, reads secrets and writes logs.
    pub execution_role: String,
    /// Role of the app itself.
    pub task_role: Option<String>,
    pub log_group: Option<String>,
    /// ARN of each secret, by the name of its variable.
    pub secret_arns: BTreeMap<String, String>,
    /// Of the image, such as `linux/amd64`.
    pub platform: String,
}

/// The ARN of each secret by its name, from texts `NAME=ARN`.
pub fn parse_secret_arns(texts: &[String]) -> Result<BTreeMap<String, String>, ManifestError> {
    let parse = |text: &String| match text.split_once('=') {
        Some((name, arn)) if !name.is_empty() => Ok((name.to_owned(), arn.to_owned())),
        _ => {
            Err(ManifestError::Value { what: "source of a secret", text: text.clone(), reason: "expected `NAME=ARN`" })
        }
    };
    texts.iter().map(parse).collect()
}

pub fn render_ecs(plan: &LaunchPlan, options: &EcsOptions) -> Result<RenderedManifest, ManifestError> {
    check_options(options)?;
    let mut workload = Workload::new(plan)?;
    warn_about_omissions(&mut workload);
    let task = TaskDefinition { workload: &workload, options };
    let document = task.definition()?;
    let text = serde_json::to_string_pretty(&document).expect("values of this program have string keys only");
    Ok(RenderedManifest { text: text + "\n", warnings: workload.warnings })
}

fn warn_about_omissions(workload: &mut Workload<'_>) {
    // An ECS service may run any number of tasks.
    workload.warn_about_replicas(2);
    for warning in workload.warnings.iter_mut().filter(|warning| warning.code == "manifest/cache-per-replica") {
        warning.message = warning.message.replace("the 2 replicas", "several tasks of one service");
    }
    let volumes: Vec<String> = workload
        .places
        .iter()
        .filter(|place| matches!(place.kind, VolumeKind::Volume(..)))
        .map(|place| format!("`{}`", place.name))
        .collect();
    if !volumes.is_empty() {
        workload.warn(
            "manifest/volume-is-scratch",
            format!("the content of {} is lost when the task ends", volumes.join(", ")),
            "add an `efsVolumeConfiguration` to the volume to keep it",
        );
    }
    if !workload.plan.hooks.pre_stop.is_empty() || !workload.plan.hooks.post_start.is_empty() {
        workload.warn(
            "manifest/no-hooks",
            "`hooks` are left out: Amazon ECS does not support them",
            "run the commands in the app or in a container of their own",
        );
    }
}

struct TaskDefinition<'a> {
    workload: &'a Workload<'a>,
    options: &'a EcsOptions,
}

impl TaskDefinition<'_> {
    fn definition(&self) -> Result<Value, ManifestError> {
        let (workload, options) = (self.workload, self.options);
        let mebibytes = workload.plan.memory.value.map_or(0, |bytes| bytes.div_ceil(1024 * 1024));
        let (cpu, memory) = task_size(cpu_units(workload.plan.cpus.value), mebibytes)?;
        let mut task = json!({
            "family": workload.name,
            "requiresCompatibilities": ["FARGATE"],
            "networkMode": "awsvpc",
            "cpu": cpu.to_string(),
            "memory": memory.to_string(),
            "runtimePlatform": { "operatingSystemFamily": "LINUX", "cpuArchitecture": architecture(&options.platform)? },
            "executionRoleArn": options.execution_role,
        });
        if let Some(role) = &options.task_role {
            task["taskRoleArn"] = json!(role);
        }
        let prepare = self.prepare();
        let mut app = self.app()?;
        if prepare.is_some() {
            app["dependsOn"] = json!([{ "containerName": "prepare-volumes", "condition": "SUCCESS" }]);
        }
        task["containerDefinitions"] = prepare.into_iter().chain([app]).collect();
        let volumes: Vec<Value> = workload.places.iter().map(|place| json!({ "name": place.name })).collect();
        if !volumes.is_empty() {
            task["volumes"] = json!(volumes);
        }
        Ok(task)
    }

    fn app(&self) -> Result<Value, ManifestError> {
        let workload = self.workload;
        let plan = workload.plan;
        let mut app = json!({ "name": workload.name, "image": plan.image.value, "essential": true });
        let mut set = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                app[name] = value;
            }
        };
        set("entryPoint", plan.entrypoint.as_ref().map(|words| json!(words.value)));
        set("command", plan.command.as_ref().map(|words| json!(words.value)));
        set("workingDirectory", plan.working_dir.as_ref().map(|folder| json!(folder.value)));
        set("user", workload.user.map(|(user, group)| json!(format!("{user}:{group}"))));
        set(
            "portMappings",
            Some(json!([{ "name": "http", "containerPort": workload.port, "protocol": "tcp", "appProtocol": "http" }])),
        );
        set("environment", Some(workload.env().map(|(name, value)| json!({ "name": name, "value": value })).collect()));
        let secrets = self.secrets()?;
        set("secrets", Some(secrets).filter(|secrets| !secrets.is_empty()).map(Value::Array));
        set("healthCheck", self.health());
        set("logConfiguration", Some(self.logs()));
        set("readonlyRootFilesystem", Some(json!(workload.is_read_only())));
        set("linuxParameters", Some(json!({ "capabilities": { "drop": plan.privileges.value.drop } })));
        let mount = |place: &WorkloadVolume| {
            let read_only = matches!(place.kind, VolumeKind::Volume(_, crate::docker::MountAccess::ReadOnly));
            json!({ "sourceVolume": place.name, "containerPath": place.target, "readOnly": read_only })
        };
        let mounts: Vec<Value> = workload.places.iter().map(mount).collect();
        set("mountPoints", Some(mounts).filter(|mounts| !mounts.is_empty()).map(Value::Array));
        set("stopTimeout", Some(json!(plan.stop_grace.value.as_secs().clamp(2, LONGEST_STOP))));
        Ok(app)
    }

    fn secrets(&self) -> Result<Vec<Value>, ManifestError> {
        let source = |id: &str| {
            let arn = self.options.secret_arns.get(id);
            let arn = arn.ok_or_else(|| ManifestError::NoSecretSource { id: id.to_owned() })?;
            Ok(json!({ "name": id, "valueFrom": arn }))
        };
        self.workload.secrets().map(source).collect()
    }

    /// Within what ECS accepts.
    fn health(&self) -> Option<Value> {
        let check = self.workload.check()?;
        let command: Vec<&str> = std::iter::once("CMD").chain(check.argv.iter().map(String::as_str)).collect();
        Some(json!({
            "command": command,
            "interval": check.interval.as_secs().clamp(5, 300),
            "timeout": check.timeout.as_secs().clamp(2, 60),
            "retries": check.retries.clamp(1, 10),
            "startPeriod": check.start_period.as_secs().min(300),
        }))
    }

    fn logs(&self) -> Value {
        let group = self.options.log_group.clone().unwrap_or_else(|| format!("/ecs/{}", self.workload.name));
        json!({
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": group,
                "awslogs-region": self.options.region,
                "awslogs-stream-prefix": self.workload.name,
                "mode": "non-blocking",
            },
        })
    }

    /// Fargate volumes start empty and are writable by root only.
    fn prepare(&self) -> Option<Value> {
        let workload = self.workload;
        let (node, (user, group)) = (workload.node?, workload.user?);
        if workload.places.is_empty() {
            return None;
        }
        let place = |place: &WorkloadVolume| format!("{FILLED}/{}", place.name);
        let copied: Vec<[String; 2]> = workload.seeded().map(|seeded| [seeded.target.clone(), place(seeded)]).collect();
        let owned: Vec<String> = workload.places.iter().map(place).collect();
        let script = format!(
            "{};const own=(path)=>{{fs.chownSync(path,{user},{group});if(fs.statSync(path).isDirectory())\
             for(const name of fs.readdirSync(path))own(path+'/'+name)}};for(const path of {}){{own(path);fs.chmodSync(path,0o775)}}",
            copy_script(&json!(copied).to_string()),
            json!(owned)
        );
        let mounts: Vec<Value> = workload
            .places
            .iter()
            .map(|volume| json!({ "sourceVolume": volume.name, "containerPath": place(volume), "readOnly": false }))
            .collect();
        Some(json!({
            "name": "prepare-volumes",
            "image": workload.plan.image.value,
            "essential": false,
            "user": "0",
            "entryPoint": [node, "-e", script],
            "logConfiguration": self.logs(),
            "readonlyRootFilesystem": true,
            "mountPoints": mounts,
        }))
    }
}

/// 1024 for one processor.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to what fits before")]
fn cpu_units(cpus: Option<f64>) -> u32 {
    (cpus.unwrap_or_default() * 1024.0).ceil().clamp(0.0, 1_000_000.0) as u32
}

fn architecture(platform: &str) -> Result<&'static str, ManifestError> {
    match platform.split('/').nth(1) {
        Some("amd64") => Ok("X86_64"),
        Some("arm64") => Ok("ARM64"),
        _ => Err(ManifestError::Value {
            what: "platform for Fargate",
            text: platform.to_owned(),
            reason: "supported are `linux/amd64` and `linux/arm64`",
        }),
    }
}

fn check_options(options: &EcsOptions) -> Result<(), ManifestError> {
    let roles = [Some(&options.execution_role), options.task_role.as_ref()];
    for (what, arn) in roles
        .into_iter()
        .flatten()
        .map(|arn| ("role", arn))
        .chain(options.secret_arns.values().map(|arn| ("source of a secret", arn)))
    {
        let valid =
            arn.starts_with("arn:aws") && arn.split(':').count() >= 6 && arn.bytes().all(|b| b.is_ascii_graphic());
        if !valid {
            return Err(ManifestError::Value {
                what,
                text: arn.clone(),
                reason: "expected an ARN such as `arn:aws:SERVICE:REGION:ACCOUNT:NAME`",
            });
        }
    }
    let region = &options.region;
    let valid = region.split('-').count() >= 3
        && region.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if valid {
        return Ok(());
    }
    Err(ManifestError::Value {
        what: "AWS region",
        text: region.clone(),
        reason: "expected a region such as `eu-central-1`",
    })
}

/// The sizes of Fargate tasks (Amazon ECS developer guide, "Task CPU and memory", Linux): CPU units (1024 are one processor), and MiB of
/// memory as first, last and step.
const SIZES: &[(u32, u64, u64, u64)] = &[
    (256, 512, 512, 512),
    (256, 1024, 2048, 1024),
    (512, 1024, 4096, 1024),
    (1024, 2048, 8192, 1024),
    (2048, 4096, 16384, 1024),
    (4096, 8192, 30720, 1024),
    (8192, 16384, 61440, 4096),
    (16384, 32768, 122_880, 8192),
];

/// The smallest task with at least this much of both.
fn task_size(units: u32, mebibytes: u64) -> Result<(u32, u64), ManifestError> {
    let fits = SIZES.iter().filter(|(cpu, _, last, _)| *cpu >= units && *last >= mebibytes);
    let found = fits.min_by_key(|(cpu, first, ..)| (*cpu, *first)).map(|(cpu, first, _, step)| {
        let above = mebibytes.saturating_sub(*first).div_ceil(*step);
        (*cpu, first + above * step)
    });
    found.ok_or_else(|| ManifestError::TooLarge {
        requested: format!("{} processors and {mebibytes} MiB", f64::from(units) / 1024.0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_have_the_sizes_of_the_guide() {
        for (wanted, found) in [
            ((0, 0), (256, 512)),
            ((256, 513), (256, 1024)),
            ((256, 2048), (256, 2048)),
            ((256, 2049), (512, 3072)),
            ((300, 100), (512, 1024)),
            ((1024, 8192), (1024, 8192)),
            ((4096, 30721), (8192, 32768)),
            ((16384, 122_880), (16384, 122_880)),
        ] {
            assert_eq!(task_size(wanted.0, wanted.1), Ok(found), "{wanted:?}");
        }
        assert!(task_size(16385, 512).is_err() && task_size(256, 122_881).is_err());
    }
}
