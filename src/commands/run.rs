//! `nextdeploy run`.

use std::path::{Path, PathBuf};

use super::display::progress_mode;
use super::launching::{
    current_folder, document_wishes, explain, known_images, listener, read_env_files, read_secrets, replacement,
    stop_signal, tell_addresses, typed_wishes, wait_timeout,
};
use super::{Session, block_on, build, pull};
use crate::config::cli::{Run, Words};
use crate::config::metadata::ConfigFiles;
use crate::config::settings::{self, Resolved};
use crate::deploy::{
    AppContainers, EnvFile, LaunchError, LaunchEvent, LaunchInputs, LaunchPlan, LaunchedService, Launcher, Publish,
    Replaced, Replacement, RunDocument, SecretFile, Wishes, copy_assets, plan_launch, plan_service, read_run_document,
};
use crate::diagnostic::{ExitCode, Warning};
use crate::docker::{self, ContainerError, ContainerFacts, Containers, ImageFacts, Mount, SwarmRole};
use crate::error::Error;
use crate::origin::{Origin, Sourced};
use crate::pipeline::Stop;
use crate::pipeline::{RegistryAccess, named_registry, typed_reference};
use crate::registry::{Access, RegistryHost};
use crate::report::launch::{PlanResult, RunResult, ServiceResult, render_launch_plan};

/// What the argument names.
enum Target {
    Image(String),
    Folder(PathBuf),
    Document(PathBuf),
}

pub fn run(session: &Session, verb: &Run, words: &Words) -> Result<ExitCode, Error> {
    let typed = typed_wishes(session, &verb.container)?;
    let how = replacement(verb.replace.proxy.as_ref(), verb.replace.drain.as_ref())?;
    let wait = wait_timeout(verb.wait_timeout.as_ref())?;
    let resolved = settings::resolve(words, &session.environment, &ConfigFiles::default())?;
    session.warn(&resolved.warnings);
    let (document, target) = asked(verb)?;
    let wishes = match &document {
        None => typed,
        Some(path) => typed.or(document_wishes(session, path)?),
    };
    // What is wrong with them is told before a long build.
    let env_files = read_env_files(&wishes)?;
    let secrets = read_secrets(session, &wishes)?;
    let image = match (target, &wishes.image) {
        (Some(Target::Image(text)), _) if is_path(&text) => {
            return Err(LaunchError::NoFolder { path: PathBuf::from(text) }.into());
        }
        (Some(Target::Image(text)), _) => Sourced::new(text, Origin::Flag("IMAGE".to_owned())),
        (Some(Target::Folder(folder)), _) => match build(session, verb, &folder, words)? {
            Ok(image) => image,
            Err(code) => return Ok(code),
        },
        (_, Some(image)) => image.clone(),
        (_, None) => return Err(LaunchError::NoImage.into()),
    };
    let asked = Asked { session, verb, resolved, wishes, env_files, secrets, how, wait };
    let (ended, stop) = block_on(async {
        let stop = Stop::on_signals();
        (Box::pin(asked.work(image, &stop)).await, stop)
    })?;
    match ended {
        Err(error) => explain(session, error, &stop),
        Ok(Ended::Planned(plan)) => {
            if verb.json {
                session.json(&PlanResult::new(&plan))?;
            } else {
                session.text(&render_launch_plan(&plan))?;
            }
            Ok(ExitCode::Ok)
        }
        Ok(Ended::Serves(service, plan)) => {
            if verb.json {
                session.json(&ServiceResult::new(&service, Some(&plan)))?;
            } else {
                session.data(&service.name)?;
            }
            Ok(ExitCode::Ok)
        }
        Ok(Ended::Runs(replaced, plan)) => {
            if verb.json {
                session.json(&RunResult::replacing(&replaced, Some(&plan)))?;
            } else {
                session.data(&replaced.launched.facts.name)?;
            }
            Ok(ExitCode::Ok)
        }
    }
}

/// The container document and what the argument names besides.
fn asked(verb: &Run) -> Result<(Option<PathBuf>, Option<Target>), Error> {
    let target = verb.target.as_deref().map(target);
    let spec = verb.spec.as_ref().map(PathBuf::from);
    match (spec, target) {
        (Some(spec), Some(Target::Document(_))) => Err(LaunchError::TwoDocuments { spec }.into()),
        (Some(spec), target) => Ok((Some(spec), target)),
        (None, Some(Target::Document(path))) => Ok((Some(path), None)),
        (None, Some(target)) => Ok((None, Some(target))),
        (None, None) => Ok((None, Some(Target::Folder(PathBuf::from("."))))),
    }
}

/// A folder that is there, a file by its ending, else an image.
fn target(text: &str) -> Target {
    let path = Path::new(text);
    let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
    if path.is_dir() {
        Target::Folder(path.to_path_buf())
    } else if matches!(ending.as_deref(), Some("json" | "yml" | "yaml")) {
        Target::Document(path.to_path_buf())
    } else {
        Target::Image(text.to_owned())
    }
}

/// No image begins so.
fn is_path(text: &str) -> bool {
    text.starts_with(['.', '/', '~'])
}

/// Builds the folder; the image goes by its first name.
fn build(
    session: &Session,
    verb: &Run,
    folder: &Path,
    words: &Words,
) -> Result<Result<Sourced<String>, ExitCode>, Error> {
    if verb.dry_run {
        return Err(LaunchError::DryRunOfFolder { folder: folder.to_path_buf() }.into());
    }
    let mut words = words.clone();
    words.directory = Some(folder.to_path_buf());
    Ok(build::build_image(session, &words)?.map(|image| {
        let name = image.tags.first().cloned().unwrap_or(image.id);
        Sourced::new(name, Origin::Derived("the build".to_owned()))
    }))
}

/// The registry of the image. The name that a build gave may come from a file of the repository.
fn named_by(reference: &Sourced<String>) -> Vec<Sourced<RegistryHost>> {
    typed_reference(&reference.value).iter().map(|image| named_registry(image, &reference.origin)).collect()
}

enum Ended {
    Planned(Box<LaunchPlan>),
    Runs(Box<Replaced>, Box<LaunchPlan>),
    Serves(Box<LaunchedService>, Box<LaunchPlan>),
}

/// Everything that was asked for.
struct Asked<'a> {
    session: &'a Session,
    verb: &'a Run,
    resolved: Resolved,
    wishes: Wishes,
    env_files: Vec<EnvFile>,
    secrets: Vec<SecretFile>,
    how: Replacement,
    wait: std::time::Duration,
}

impl Asked<'_> {
    async fn work(mut self, reference: Sourced<String>, stop: &Stop) -> Result<Ended, Error> {
        let session = self.session;
        let access = RegistryAccess {
            environment: session.environment.clone(),
            settings: self.resolved.publish.clone(),
            registries: named_by(&reference),
            ca_bundle: self.resolved.settings.ca_bundle.as_ref().map(|bundle| bundle.value.clone()),
        };
        let engine = tokio::select! {
            () = stop.clone().requested() => return Err(LaunchError::Interrupted.into()),
            engine = access.connect() => engine?,
        };
        session.tell(&format!("{engine} at {}", engine.address()));
        let containers = Containers::new(&engine);
        let image = match containers.image_facts(&reference.value).await {
            Err(ContainerError::ImageMissing { .. })
                if !self.verb.dry_run && !reference.value.starts_with("sha256:") =>
            {
                let wanted = typed_reference(&reference.value)?;
                let mode = progress_mode(session, self.resolved.run.progress);
                pull::pull_missing(session, mode, &access, &engine, &wanted, stop).await?;
                containers.image_facts(&reference.value).await.map_err(LaunchError::from)?
            }
            found => found.map_err(LaunchError::from)?,
        };
        let run = read_run_document(&containers, &image.id, &known_images(session)).await?;
        let mut plan = self.plan(&reference, &image, run.as_ref())?;
        if self.verb.swarm.swarm {
            return Box::pin(self.serve(&access, &containers, (plan, &image), stop)).await;
        }
        let app = AppContainers::find(&containers, &plan.app.value).await?;
        let present = app.present(&containers).await?;
        if self.take_over(present.as_ref(), plan.port.as_ref()) | self.serve_assets(run.as_ref(), engine.is_local()) {
            plan = self.plan(&reference, &image, run.as_ref())?;
        }
        if !engine.is_local() {
            plan.warnings.extend(self.folders_of_this_side(&plan));
        }
        session.warn(&plan.warnings);
        if self.verb.dry_run {
            return Ok(Ended::Planned(Box::new(plan)));
        }
        let tell = listener(session);
        if let Some(folder) = self.assets() {
            let files = copy_both(session, &containers, &app, (&image, run.as_ref()), &folder).await?;
            tell(&LaunchEvent::AssetsCopied { files, folder: &folder.to_string_lossy() });
        }
        let launcher = Launcher { containers: &containers, listener: &tell, stop: stop_signal(stop), wait: self.wait };
        let replaced = if self.verb.replace.replace {
            Box::pin(launcher.replace(&plan, &self.secrets, &self.how)).await?
        } else {
            Replaced::nothing(launcher.launch_alone(&plan, &self.secrets).await?)
        };
        tell_addresses(session, &replaced.launched, engine.is_local());
        Ok(Ended::Runs(Box::new(replaced), Box::new(plan)))
    }

    /// The service of a Swarm.
    async fn serve(
        &self,
        access: &RegistryAccess,
        containers: &Containers,
        (mut plan, image): (LaunchPlan, &ImageFacts),
        stop: &Stop,
    ) -> Result<Ended, Error> {
        let name = plan_service(&plan, image, 1)?.spec.container.name;
        let present = match containers.swarm_role().await.map_err(LaunchError::from)? {
            SwarmRole::Manager => containers.service_replicas(name.as_str()).await.map_err(LaunchError::from)?,
            role => return Err(LaunchError::from(ContainerError::NoSwarm { name: name.to_string(), role }).into()),
        };
        let service = plan_service(&plan, image, self.verb.swarm.replicas.or(present).unwrap_or(1))?;
        // Loopback ports are those of a container.
        plan.warnings.retain(|warning| warning.code != "launch/published-everywhere");
        plan.warnings.extend(service.warnings.clone());
        self.session.warn(&plan.warnings);
        if self.verb.dry_run {
            return Ok(Ended::Planned(Box::new(plan)));
        }
        let login = match typed_reference(&service.spec.container.image) {
            Ok(reference) if reference.digest.is_some() => {
                let host = RegistryHost::of(&reference);
                let authenticator = access.authenticator()?;
                Some((authenticator.credentials(&host, Access::Pull).await?.login, host))
            }
            _ => None,
        };
        let tell = listener(self.session);
        let launcher = Launcher { containers, listener: &tell, stop: stop_signal(stop), wait: self.wait };
        let login = login.as_ref().map(|(login, host)| (login, host));
        let deployed = Box::pin(launcher.deploy(&service, &plan, &self.secrets, login)).await?;
        Ok(Ended::Serves(Box::new(deployed), Box::new(plan)))
    }

    fn plan(
        &self,
        reference: &Sourced<String>,
        image: &ImageFacts,
        run: Option<&RunDocument>,
    ) -> Result<LaunchPlan, LaunchError> {
        let (wishes, env_files) = (&self.wishes, self.env_files.as_slice());
        plan_launch(LaunchInputs { reference, image, run, wishes, env_files })
    }

    /// A container that takes the place of another takes its ports too, unless others are asked for. True when that changes something.
    fn take_over(&mut self, present: Option<&ContainerFacts>, port: Option<&Sourced<u16>>) -> bool {
        let Some(old) = present.filter(|_| self.verb.replace.replace && self.how.proxy.is_none()) else {
            return false;
        };
        if self.wishes.ports.is_some() || old.ports.is_empty() {
            return false;
        }
        let origin = Origin::Derived(format!("`{}`, which it replaces", old.name));
        let taken = old.ports.iter().map(|port_of_old| {
            let is_apps = port.is_some() && old.ports.len() == 1;
            let publish = Publish {
                address: Some(port_of_old.address),
                host_port: port_of_old.host_port,
                container_port: (!is_apps).then_some(port_of_old.container_port),
                protocol: port_of_old.protocol,
            };
            Sourced::new(publish, origin.clone())
        });
        self.wishes.ports = Some(taken.collect());
        true
    }

    /// Where no proxy serves the folder of assets, the container does. True when that changes something.
    fn serve_assets(&mut self, run: Option<&RunDocument>, is_local: bool) -> bool {
        let (Some(folder), true) = (self.assets(), is_local && self.how.proxy.is_none()) else { return false };
        let Some((run, target)) = run.and_then(|run| Some((run, run.hashed_assets()?))) else { return false };
        let source = folder.join(run.base_path.trim_matches('/')).join("_next/static");
        let Some(source) = source.to_str().map(str::to_owned) else { return false };
        let mount = Mount::Bind { source, target, access: docker::Access::ReadOnly };
        self.wishes.mounts.push(Sourced::new(mount, Origin::Flag("--assets".to_owned())));
        true
    }

    /// What a daemon of another machine does not see.
    fn folders_of_this_side(&self, plan: &LaunchPlan) -> Vec<Warning> {
        let mounted = plan.mounts.iter().filter_map(|mount| match &mount.value {
            Mount::Bind { source, .. } => Some(Warning::new(
                "launch/remote-folder",
                format!("`{source}` is a folder of the daemon's machine, and not of this one"),
            )),
            _ => None,
        });
        let assets = self.assets().filter(|_| self.how.proxy.is_none()).map(|folder| {
            let message =
                format!("the app runs on another machine, and does not serve the assets in `{}`", folder.display());
            Warning::new("launch/remote-folder", message).with_hint("serve the folder with a proxy, and give `--proxy`")
        });
        mounted.chain(assets).collect()
    }

    fn assets(&self) -> Option<PathBuf> {
        self.verb.replace.assets.as_ref().map(|folder| current_folder().join(folder))
    }
}

/// Copies the assets of the image that runs and of the one that is to run; the answer is how many files were new.
async fn copy_both(
    session: &Session,
    containers: &Containers,
    app: &AppContainers,
    (image, run): (&ImageFacts, Option<&RunDocument>),
    folder: &Path,
) -> Result<usize, Error> {
    let Some(run) = run else { return Ok(0) };
    let mut files = 0;
    if let Some(old) = app.running.first()
        && old.image_id != image.id
        && let Some(old_run) = read_run_document(containers, &old.image_id, &known_images(session)).await?
    {
        files += copy_assets(containers, &old.image_id, &old_run, folder).await?;
    }
    Ok(files + copy_assets(containers, &image.id, run, folder).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_is_a_folder_a_document_or_an_image() {
        let kind = |text: &str| match target(text) {
            Target::Image(_) => "image",
            Target::Folder(_) => "folder",
            Target::Document(_) => "document",
        };
        for (text, expected) in [
            (".", "folder"),
            ("examples/hello-next", "folder"),
            ("examples/hello-next/package.json", "document"),
            ("missing.yml", "document"),
            ("ghcr.io/acme/shop:1.2", "image"),
            ("hello-next", "image"),
            ("localhost:5000/a.b/c", "image"),
        ] {
            assert_eq!(kind(text), expected, "{text}");
        }
    }
}
