//! What all engines need of a [`LaunchPlan`], independent of any of them, and what comes out: a [`RenderedManifest`] or a [`ManifestError`].

use std::time::Duration;

use crate::deploy::LaunchPlan;
use crate::diagnostic::{Warning, diagnostics, shown};
use crate::docker::{HealthCheck, Mount, MountAccess, RootFilesystem, RunDocument};
use crate::origin::Origin;

/// User and group of the images that this program builds.
const OWN_USER: (u32, u32) = (1001, 0);
/// How long an engine keeps sending requests to a container that it is about to stop.
pub(super) const LEAVE_SECONDS: u64 = 5;
pub(super) const KEY_VARIABLE: &str = "NEXT_SERVER_ACTIONS_ENCRYPTION_KEY";

/// A document as it is written to a file.
#[derive(Debug, Clone, PartialEq)]
pub struct RenderedManifest {
    pub text: String,
    /// What has to be provided outside of the document, and what several replicas need.
    pub warnings: Vec<Warning>,
}

diagnostics! {
    /// Why an engine cannot run the container as planned.
    #[exit(Usage)]
    #[derive(Clone, PartialEq, Eq)]
    pub enum ManifestError {
        #[error("unknown port: the image `{image}` does not say which one the app listens on")]
        #[code("manifest/no-port")]
        #[hint("set it with `--env PORT=3000`")]
        NoPort { image: String },

        /// `what` is the kind of value in words, `reason` its grammar.
        #[error("invalid {what} `{}`: {reason}", shown(text))]
        #[code("manifest/invalid-value")]
        #[hint("correct the value")]
        Value { what: &'static str, text: String, reason: &'static str },

        #[error("no source for the secret `{id}` in Amazon ECS")]
        #[code("manifest/no-secret-source")]
        #[hint("pass `--secret-arn {id}=ARN` (a secret of Secrets Manager or a parameter of Systems Manager)")]
        NoSecretSource { id: String },

        #[error("no Fargate task is large enough for {requested}: the limits are 16 processors and 120 GB")]
        #[code("manifest/too-large")]
        #[hint("lower `--memory` or `--cpus`")]
        TooLarge { requested: String },
    }
}

pub(super) struct Workload<'a> {
    pub plan: &'a LaunchPlan,
    /// Valid in Kubernetes, Compose and ECS: lower case letters, digits and `-`.
    pub name: String,
    pub port: u16,
    /// Path of Node.js in the image, if this program built it.
    pub node: Option<&'a str>,
    pub user: Option<(u32, u32)>,
    pub places: Vec<WorkloadVolume>,
    pub warnings: Vec<Warning>,
}

/// A folder that is not the image's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WorkloadVolume {
    /// Name of its volume.
    pub name: String,
    pub target: String,
    pub kind: VolumeKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum VolumeKind {
    /// In memory; bytes.
    Memory(Option<u64>),
    /// Removed with the container; starts with the content of the image.
    Scratch,
    /// A volume of the user with that name.
    Volume(String, MountAccess),
}

/// A health check by a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CommandCheck<'a> {
    pub argv: &'a [String],
    pub interval: Duration,
    pub timeout: Duration,
    pub start_period: Duration,
    pub retries: u32,
}

impl<'a> Workload<'a> {
    pub fn new(plan: &'a LaunchPlan) -> Result<Self, ManifestError> {
        let image = &plan.image.value;
        let port = plan.port.as_ref().ok_or_else(|| ManifestError::NoPort { image: image.clone() })?.value;
        let mut workload = Self {
            plan,
            name: object_name(&plan.app.value),
            port,
            node: None,
            user: user(plan)?,
            places: Vec::new(),
            warnings: plan.warnings.iter().filter(|warning| !is_about_docker(warning)).cloned().collect(),
        };
        workload.node = plan.launcher.first().map(String::as_str);
        workload.find_places();
        workload.warn_about_image();
        Ok(workload)
    }

    /// The health check by a command, with Docker's defaults for unset values.
    pub fn check(&self) -> Option<CommandCheck<'a>> {
        let seconds = Duration::from_secs;
        match &self.plan.health.as_ref()?.value {
            HealthCheck::Command { argv, interval, timeout, start_period, retries } if !argv.is_empty() => {
                Some(CommandCheck {
                    argv,
                    interval: interval.unwrap_or(seconds(30)),
                    timeout: timeout.unwrap_or(seconds(30)),
                    start_period: start_period.unwrap_or_default(),
                    retries: retries.unwrap_or(3),
                })
            }
            _ => None,
        }
    }

    pub fn is_read_only(&self) -> bool {
        self.plan.root.value == RootFilesystem::ReadOnly
    }

    pub fn env(&self) -> impl Iterator<Item = (&str, &str)> {
        self.plan.env.iter().map(|(name, value)| (name.as_str(), value.value.as_str()))
    }

    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        self.plan.secrets.iter().map(|secret| secret.value.id.as_str())
    }

    pub fn warn(&mut self, code: &'static str, message: impl Into<String>, hint: impl Into<String>) {
        self.warnings.push(Warning::new(code, message).with_hint(hint));
    }

    /// What Next.js needs when several containers serve one app.
    pub fn warn_about_replicas(&mut self, replicas: u32) {
        let Some(run) = self.plan.run.as_ref().filter(|run| replicas > 1 && run.renders()) else { return };
        let (isr, has_key) = (run.routes.isr.len(), self.secrets().any(|id| id == KEY_VARIABLE));
        let what = match isr {
            0 => "fetched data and optimised images".to_owned(),
            1 => "fetched data, optimised images and the revalidated route".to_owned(),
            many => format!("fetched data, optimised images and the {many} revalidated routes"),
        };
        self.warn(
            "manifest/cache-per-replica",
            format!(
                "each of the {replicas} replicas has its own cache of {what}, and `revalidateTag` reaches only one of them"
            ),
            "set a shared `cacheHandler` in next.config (`cacheMaxMemorySize: 0` with it)",
        );
        if !has_key {
            self.warn(
                "manifest/encryption-key",
                "while two versions run side by side, neither accepts server actions from pages of the other",
                format!("build with `--reproducible-key`, or pass the same `{KEY_VARIABLE}` to every build and as `--secret`"),
            );
        }
    }

    /// Scratch folders that have content in the image.
    pub fn seeded(&self) -> impl Iterator<Item = &WorkloadVolume> {
        self.places.iter().filter(|place| place.kind == VolumeKind::Scratch)
    }

    fn find_places(&mut self) {
        let cache = self.plan.run.as_ref().and_then(RunDocument::cache_folder);
        let mut dropped = Vec::new();
        for mount in &self.plan.mounts {
            let is_ours = matches!(mount.origin, Origin::Default(_)) && Some(mount.value.target()) == cache.as_deref();
            let (name, kind) = match &mount.value {
                Mount::Volume { .. } if is_ours => ("cache".to_owned(), VolumeKind::Scratch),
                Mount::Volume { name, access, .. } => {
                    (object_name(name.as_str()), VolumeKind::Volume(name.to_string(), *access))
                }
                Mount::Unnamed { target } => (object_name(target), VolumeKind::Scratch),
                Mount::Tmpfs { target, size, .. } => (object_name(target), VolumeKind::Memory(*size)),
                _ => {
                    dropped.push(mount.value.target().to_owned());
                    continue;
                }
            };
            let taken = self.places.iter().any(|place| place.name == name);
            let name = if taken { format!("{name}-{}", self.places.len()) } else { name };
            self.places.push(WorkloadVolume { name, target: mount.value.target().to_owned(), kind });
        }
        for target in dropped {
            self.warn(
                "manifest/host-folder",
                format!("the mount at `{target}` is left out: other machines do not have this folder"),
                "move its content into the image, a volume or a secret",
            );
        }
    }

    fn warn_about_image(&mut self) {
        let image = &self.plan.image.value;
        let first = image.split('/').next().unwrap_or_default();
        let has_registry = first.len() < image.len() && (first.contains(['.', ':']) || first == "localhost");
        if !has_registry {
            self.warn(
                "manifest/local-image",
                format!("`{image}` has no registry: other machines will pull it from Docker Hub"),
                "push it (`nextdeploy push`), and name it with its registry and preferably its digest",
            );
        }
    }
}

/// Warnings of the plan about what only `run` does.
fn is_about_docker(warning: &Warning) -> bool {
    matches!(warning.code, "launch/published-everywhere" | "launch/secret-in-environment")
}

/// The user and group ids that the processes run as, if known.
fn user(plan: &LaunchPlan) -> Result<Option<(u32, u32)>, ManifestError> {
    let Some(user) = &plan.user else { return Ok(plan.run.as_ref().map(|_| OWN_USER)) };
    let (id, group) = user.value.split_once(':').unwrap_or((&user.value, "0"));
    match (id.parse(), group.parse()) {
        (Ok(user), Ok(group)) => Ok(Some((user, group))),
        _ => Err(ManifestError::Value {
            what: "user",
            text: user.value.clone(),
            reason: "manifests need numbers, such as `1001` or `1001:0`",
        }),
    }
}

/// A label of DNS (RFC 1123): lower case letters, digits and `-`, at most 50 so that there is room for what is appended.
pub(super) fn object_name(text: &str) -> String {
    let mut name = String::new();
    for c in text.chars().flat_map(char::to_lowercase) {
        let c = if c.is_ascii_alphanumeric() { c } else { '-' };
        if !(c == '-' && (name.is_empty() || name.ends_with('-'))) && name.len() < 50 {
            name.push(c);
        }
    }
    let name = name.trim_end_matches('-');
    if name.is_empty() { "app".to_owned() } else { name.to_owned() }
}

/// A Node.js program that copies folders of the image into volumes; `pairs` is JSON: `[[FROM, TO], …]`.
pub(super) fn copy_script(pairs: &str) -> String {
    format!(
        "const fs=require('fs');const copy=(from,to)=>{{if(fs.statSync(from).isDirectory()){{fs.mkdirSync(to,{{recursive:true}});\
         for(const name of fs.readdirSync(from))copy(from+'/'+name,to+'/'+name)}}else fs.copyFileSync(from,to)}};\
         for(const [from,to] of {pairs})if(fs.existsSync(from))copy(from,to)"
    )
}

/// One YAML document that ends with a line break. Texts that a YAML 1.1 parser would read as something else (`yes`, `0o17`, `1:30`) are quoted.
pub(super) fn to_yaml(document: &serde_json::Value) -> String {
    let options = serde_saphyr::ser_options! { compact_list_indent: false, prefer_block_scalars: false };
    serde_saphyr::to_string_with_options(document, options).expect("JSON values are YAML")
}
