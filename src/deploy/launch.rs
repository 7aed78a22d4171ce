//! The launch of one container: created from its plan, started, its hooks run, healthy in the end. After a failure everything that was
//! created is removed again.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::app_containers::{AppContainers, remove_leftovers};
use super::container_config::SecretsAs;
use super::error::{LaunchError, UnhealthyReason};
use super::helper_container::HelperContainer;
use super::launcher::{HealthProbe, HealthRequest, LaunchEvent, LaunchListener, Launched, Launcher};
use super::plan::{LAUNCHER_LABEL, LaunchPlan, PRE_STOP_LABEL, SECRETS_LABEL};
use super::secrets::{SecretFile, SecretsFolder, remove_secrets, user_number, write_secrets};
use crate::config::settings::parse;
use crate::docker::{
    ArchiveContent, ArchiveEntry, ContainerName, Containers, EnsureOutcome, ExecSpec, Mount, MountAccess, PortMapping,
    Protocol, Removal, pack,
};
use crate::host::ProcessId;
use crate::origin::Origin;
use crate::secret::Secret;

/// A hook that takes longer hangs.
const HOOK_TIMEOUT: Duration = Duration::from_mins(10);
/// A stop waits no longer for its hook.
const PRE_STOP_TIMEOUT: Duration = Duration::from_mins(1);
/// In the helper container.
const VOLUMES_INSIDE: &str = "/nextdeploy-volumes";
/// Writable for group 0, which owns everything that the app may write in images of this program.
const VOLUME_MODE: u32 = 0o775;

/// What a launch has created so far.
#[derive(Debug, Default)]
pub(super) struct CreatedResources {
    network: Option<String>,
    volumes: Vec<String>,
    secrets: Option<(SecretsFolder, String)>,
    container: Option<String>,
}

impl Launcher<'_> {
    /// Starts the container of `plan` and waits until it is healthy.
    pub async fn launch(&self, plan: &LaunchPlan, secrets: &[SecretFile]) -> Result<Launched, LaunchError> {
        let made = Mutex::new(CreatedResources::default());
        let launched = async {
            let id = self.create(plan, secrets, &made).await?;
            self.start(&id, plan).await
        };
        match launched.await {
            Ok(launched) => Ok(launched),
            Err(error) => {
                self.undo(made.into_inner().unwrap_or_else(PoisonError::into_inner)).await;
                Err(error)
            }
        }
    }

    /// The same, unless the app already runs.
    pub async fn launch_alone(&self, plan: &LaunchPlan, secrets: &[SecretFile]) -> Result<Launched, LaunchError> {
        remove_leftovers(self.containers, &plan.app.value).await?;
        let found = AppContainers::find(self.containers, &plan.app.value).await?;
        // An explicit name asks for a second container.
        match found.running.first().filter(|_| !matches!(plan.name.origin, Origin::Flag(_) | Origin::File(_))) {
            Some(one) => Err(LaunchError::AppRuns { app: plan.app.value.clone(), name: one.name.clone() }),
            None => self.launch(plan, secrets).await,
        }
    }

    /// Creates the container and everything that it needs, without starting it. Returns its id.
    pub(super) async fn create(
        &self,
        plan: &LaunchPlan,
        secrets: &[SecretFile],
        made: &Mutex<CreatedResources>,
    ) -> Result<String, LaunchError> {
        let note =
            |change: &dyn Fn(&mut CreatedResources)| change(&mut made.lock().unwrap_or_else(PoisonError::into_inner));
        let network = plan.network();
        if self.containers.ensure_network(&network).await? == EnsureOutcome::Created {
            note(&|made| made.network = Some(network.name.to_string()));
            (self.listener)(&LaunchEvent::NetworkMade(network.name.as_str()));
        }
        let mut new_volumes = Vec::new();
        for volume in &plan.volumes {
            if self.containers.ensure_volume(volume).await? == EnsureOutcome::Created {
                new_volumes.push(volume.name.clone());
                note(&|made| made.volumes.push(volume.name.to_string()));
                (self.listener)(&LaunchEvent::VolumeMade(volume.name.as_str()));
            }
        }
        hand_over(self.containers, plan, &new_volumes).await?;
        let mut secret_env = BTreeMap::new();
        let mut written = None;
        match plan.secrets_as.value {
            _ if secrets.is_empty() => {}
            SecretsAs::Env => secret_env = as_environment(secrets)?,
            SecretsAs::Files => {
                let chosen = SecretsFolder::choose(self.containers, plan.name.value.as_str())?;
                note(&|made| made.secrets = Some((chosen.clone(), plan.image_id.clone())));
                let helper = write_secrets(self.containers, &plan.image_id, &chosen, secrets, &plan.app_user).await?;
                written = Some((chosen, helper));
            }
        }
        let mut spec = plan.container(secret_env);
        spec.labels.insert(LAUNCHER_LABEL.to_owned(), ProcessId::own().as_str().to_owned());
        if let Some((place, _)) = &written {
            spec.labels.insert(SECRETS_LABEL.to_owned(), place.path());
            spec.mounts.push(place.mount());
        }
        let created = match self.check_stop() {
            Ok(()) => self.containers.create(&spec).await.map_err(LaunchError::from),
            Err(error) => Err(error),
        };
        if let Ok(created) = &created {
            note(&|made| made.container = Some(created.id.clone()));
        }
        // From here on the container names the folder of its secrets.
        if let Some((_, helper)) = written {
            let removed = helper.remove().await;
            created.as_ref().map_or(Ok(()), |_| removed)?;
        }
        let created = created?;
        (self.listener)(&LaunchEvent::Created(spec.name.as_str()));
        if self.containers.inspect(&created.id).await?.image_id != plan.image_id {
            return Err(LaunchError::ImageMoved { image: plan.image.value.clone() });
        }
        Ok(created.id)
    }

    /// Starts what was created, runs its hooks and waits until it is healthy.
    pub(super) async fn start(&self, id: &str, plan: &LaunchPlan) -> Result<Launched, LaunchError> {
        self.check_stop()?;
        let started = Instant::now();
        let name = plan.name.value.as_str();
        // By its name, which errors contain.
        self.containers.start(name).await?;
        (self.listener)(&LaunchEvent::Started(name));
        for hook in &plan.hooks.post_start {
            let argv = plan.inside(&hook.value);
            let run = run_hook(self.containers, id, "postStart", &argv, self.listener);
            let ended = self.unless_stopped(run).await?;
            if let Err(error) = ended {
                // A container that exited explains the failure better.
                let facts = self.containers.inspect(id).await?;
                let reason = match facts.state.exit_code {
                    Some(code) if facts.state.out_of_memory => {
                        UnhealthyReason::OutOfMemory { code, limit: facts.memory_limit }
                    }
                    Some(code) if facts.state.finished_at > facts.state.started_at => {
                        UnhealthyReason::Exited(Some(code))
                    }
                    _ => return Err(self.hook_failed(id, error).await),
                };
                return Err(self.not_healthy(facts, reason, started.elapsed()).await);
            }
        }
        self.wait_until_healthy(id, self.probe(plan).as_ref(), started).await
    }

    fn probe(&self, plan: &LaunchPlan) -> Option<HealthProbe> {
        let argv = plan.probe()?.to_vec();
        let request = plan.own_check().filter(|_| self.containers.engine().is_local()).and_then(|run| {
            let app = plan.port.as_ref()?.value;
            let ports = plan.ports.iter().map(|port| port.value);
            let port = ports
                .filter(|port| port.container_port == app && port.protocol == Protocol::Tcp)
                .find_map(reached_at)?;
            HealthRequest::new(port, run)
        });
        Some(HealthProbe { argv, request })
    }

    /// Removes what was created. What others use by now stays.
    pub(super) async fn undo(&self, made: CreatedResources) {
        // Until the container is removed, it names the folder of its secrets for the next run.
        if let Some((place, image)) = made.secrets {
            let _ = remove_secrets(self.containers, &image, &place).await;
        }
        if let Some(container) = made.container {
            let _ = self.containers.remove(&container, Removal::Forced).await;
        }
        for volume in made.volumes {
            let _ = self.containers.remove_volume(&volume).await;
        }
        if let Some(network) = made.network {
            let _ = self.containers.remove_network(&network).await;
        }
    }
}

/// Where this machine reaches a port whose number is fixed.
fn reached_at(port: PortMapping) -> Option<SocketAddr> {
    let address = match port.address {
        IpAddr::V4(address) if address.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(address) if address.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        address => address,
    };
    Some(SocketAddr::new(address, port.host_port?))
}

/// Secrets as environment variables, which hold text without NUL only.
pub(super) fn as_environment(secrets: &[SecretFile]) -> Result<BTreeMap<String, Secret>, LaunchError> {
    let variable = |secret: &SecretFile| {
        let text = String::from_utf8(secret.value.expose().clone()).ok().filter(|text| !text.contains('\0'));
        let text = text.ok_or_else(|| LaunchError::SecretNotText { id: secret.id.clone() })?;
        parse::variable_name(&secret.id).map_err(|_| LaunchError::SecretNoVariable { id: secret.id.clone() })?;
        let line = text.strip_suffix('\n').unwrap_or(&text);
        let value = line.strip_suffix('\r').unwrap_or(line);
        Ok((secret.id.clone(), Secret::new(value.to_owned())))
    };
    secrets.iter().map(variable).collect()
}

async fn run_hook(
    containers: &Containers,
    container: &str,
    kind: &'static str,
    argv: &[String],
    listener: LaunchListener<'_>,
) -> Result<(), LaunchError> {
    listener(&LaunchEvent::Hook { kind, argv });
    let run = async {
        let spec = ExecSpec { argv: argv.to_vec(), ..ExecSpec::default() };
        let mut execution = containers.exec(container, &spec).await?;
        while let Some(output) = execution.next().await? {
            listener(&LaunchEvent::HookOutput { stream: output.stream, bytes: &output.bytes });
        }
        execution.exit_code().await
    };
    let failed = |reason| LaunchError::Hook { kind, command: argv.join(" "), reason };
    match timeout(if kind == "preStop" { PRE_STOP_TIMEOUT } else { HOOK_TIMEOUT }, run).await {
        Ok(Ok(0)) => Ok(()),
        Ok(Ok(code)) => Err(failed(format!("exit code {code}"))),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(failed("timed out".to_owned())),
    }
}

/// Runs the commands to run before a stop, from the labels of a container. Failures are reported as events and stop nothing.
pub async fn run_pre_stop(
    containers: &Containers,
    container: &str,
    labels: &BTreeMap<String, String>,
    listener: LaunchListener<'_>,
) {
    let hooks = labels.get(PRE_STOP_LABEL).and_then(|label| serde_json::from_str::<Vec<Vec<String>>>(label).ok());
    for argv in hooks.unwrap_or_default().iter().filter(|argv| !argv.is_empty()) {
        if let Err(error) = run_hook(containers, container, "preStop", argv, listener).await {
            listener(&LaunchEvent::HookFailed { kind: "preStop", reason: &error.to_string() });
        }
    }
}

/// Makes the app's user the owner of those volumes in `made` for which the image has no folder: Docker gives them to root.
async fn hand_over(containers: &Containers, plan: &LaunchPlan, made: &[ContainerName]) -> Result<(), LaunchError> {
    let volumes = handed_over(plan, made);
    if volumes.is_empty() {
        return Ok(());
    }
    let user = user_number(containers, &plan.image_id, &plan.app_user).await?;
    if user == 0 {
        return Ok(());
    }
    // Numbered, since a name may be longer than a path in an archive.
    let mount = |(number, name): (usize, &&ContainerName)| Mount::Volume {
        name: (*name).clone(),
        target: format!("{VOLUMES_INSIDE}/{number}"),
        access: MountAccess::ReadWrite,
    };
    let folder = |number: usize| {
        let (path, content) = (number.to_string(), ArchiveContent::Folder);
        ArchiveEntry { path, mode: VOLUME_MODE, user, group: 0, content }
    };
    let entries: Vec<ArchiveEntry> = (0..volumes.len()).map(folder).collect();
    let archive = pack(&entries).expect("numbers are short paths");
    let mounts = volumes.iter().enumerate().map(mount).collect();
    let helper = HelperContainer::create(containers, &plan.image_id, mounts).await?;
    let copied = containers.copy_in(&helper.id, VOLUMES_INSIDE, archive).await;
    let removed = helper.remove().await;
    copied?;
    Ok(removed?)
}

/// Contents of foreign images are unknown, and other file systems (`driver`, `options`) may have owners of their own.
fn handed_over<'a>(plan: &LaunchPlan, made: &'a [ContainerName]) -> Vec<&'a ContainerName> {
    let Some(run) = &plan.run else { return Vec::new() };
    let (writable, cache) = (run.writable.as_deref().unwrap_or_default(), run.cache_folder());
    let in_image = |name: &ContainerName| {
        plan.mounts.iter().any(|mount| match &mount.value {
            Mount::Volume { name: mounted, target, .. } => {
                mounted == name && (writable.contains(target) || cache.as_ref() == Some(target))
            }
            _ => false,
        })
    };
    let is_plain = |name: &ContainerName| {
        plan.volumes.iter().any(|one| one.name == *name && one.driver == "local" && one.options.is_empty())
    };
    made.iter().filter(|name| is_plain(name) && !in_image(name)).collect()
}
