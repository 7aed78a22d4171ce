//! `nextdeploy run`.

use std::path::Path;
use std::time::Duration;

use super::display::progress_mode;
use super::launching::{explain, known_images, launch_listener, print_addresses, stop_signal};
use super::{Session, block_on, build, pull};
use crate::config::cli::{CliSettings, RunArgs};
use crate::config::metadata::ConfigFiles;
use crate::config::settings::{self, Resolved};
use crate::deploy::{
    ContainerConfig, DeployOptions, Deployment, ImageSource, LaunchError, LaunchInputs, LaunchPlan, LaunchedService,
    Launcher, LoadedEnvFile, MachineFacts, Replaced, Replacement, RunTarget, SecretFile, current_folder, plan_launch,
    plan_service, present_replicas, read_config, read_env_files, read_secrets, wait_timeout,
};
use crate::diagnostic::ExitCode;
use crate::docker::connection::Engine;
use crate::docker::{ContainerError, Containers, ImageFacts, read_run_document};
use crate::error::Error;
use crate::origin::{Origin, Sourced};
use crate::pipeline::{RegistryAccess, Stop, named_registry, typed_reference};
use crate::registry::Access;
use crate::report::launch::{PlanResult, RunResult, ServiceResult, render_launch_plan};

pub fn run(session: &Session, verb: &RunArgs, words: &CliSettings) -> Result<ExitCode, Error> {
    let flags = ContainerConfig::from_flags(&verb.container, &current_folder(), &session.environment)?;
    let options = DeployOptions {
        replace: verb.replace.replace,
        replacement: Replacement::from_flags(verb.replace.proxy.as_ref(), verb.replace.drain.as_ref())?,
        assets: verb.replace.assets.as_ref().map(|folder| current_folder().join(folder)),
    };
    let wait = wait_timeout(verb.wait_timeout.as_ref())?;
    let resolved = settings::resolve(words, &session.environment, &ConfigFiles::default())?;
    session.warn(&resolved.warnings);
    let target = RunTarget::new(verb.target.as_deref(), verb.spec.as_deref())?;
    let config = match &target.document {
        None => flags,
        Some(path) => flags.over(read_config(path, &session.environment)?),
    };
    // Read before a build that may take minutes, so that errors come first.
    let env_files = read_env_files(&config)?;
    let secrets = read_secrets(&config)?;
    mask_secrets(session, &secrets);
    let image = match (target.source, &config.image) {
        (ImageSource::Image(text), _) => Sourced::new(text, Origin::Flag("IMAGE".to_owned())),
        (ImageSource::Folder(folder), _) => match build(session, verb, &folder, words)? {
            Ok(image) => image,
            Err(code) => return Ok(code),
        },
        (ImageSource::Document, Some(image)) => image.clone(),
        (ImageSource::Document, None) => return Err(LaunchError::NoImage.into()),
    };
    let run = ContainerRun { session, verb, resolved, config, env_files, secrets, options, wait };
    let (ended, stop) = block_on(async {
        let stop = Stop::on_signals();
        (Box::pin(run.launch(image, &stop)).await, stop)
    })?;
    match ended {
        Err(error) => explain(session, error, &stop),
        Ok(outcome) => print(session, verb, &outcome),
    }
}

/// Hides the values in the log from here on.
fn mask_secrets(session: &Session, secrets: &[SecretFile]) {
    for secret in secrets {
        let name = format!("the secret `{}`", secret.id);
        session.log.mask(&name, String::from_utf8_lossy(secret.value.expose()).trim_end());
    }
}

/// Builds the folder. The image is named by its first tag.
fn build(
    session: &Session,
    verb: &RunArgs,
    folder: &Path,
    words: &CliSettings,
) -> Result<Result<Sourced<String>, ExitCode>, Error> {
    if verb.dry_run {
        return Err(LaunchError::DryRunOfFolder { folder: folder.to_path_buf() }.into());
    }
    let mut words = words.clone();
    words.directory = Some(folder.to_path_buf());
    Ok(build::build_image(session, &words)?
        .map(|image| Sourced::new(image.name(), Origin::Derived("the build".to_owned()))))
}

enum RunOutcome {
    Planned(Box<LaunchPlan>),
    Runs(Box<Replaced>, Box<LaunchPlan>),
    Serves(Box<LaunchedService>, Box<LaunchPlan>),
}

fn print(session: &Session, verb: &RunArgs, outcome: &RunOutcome) -> Result<ExitCode, Error> {
    match (outcome, verb.json) {
        (RunOutcome::Planned(plan), true) => session.json(&PlanResult::new(plan))?,
        (RunOutcome::Planned(plan), false) => session.text(&render_launch_plan(plan))?,
        (RunOutcome::Serves(service, plan), true) => session.json(&ServiceResult::new(service, Some(plan)))?,
        (RunOutcome::Serves(service, _), false) => session.data(&service.name)?,
        (RunOutcome::Runs(replaced, plan), true) => session.json(&RunResult::replacing(replaced, Some(plan)))?,
        (RunOutcome::Runs(replaced, _), false) => session.data(&replaced.launched.facts.name)?,
    }
    Ok(ExitCode::Ok)
}

/// One run with everything but its image.
struct ContainerRun<'a> {
    session: &'a Session,
    verb: &'a RunArgs,
    resolved: Resolved,
    config: ContainerConfig,
    env_files: Vec<LoadedEnvFile>,
    secrets: Vec<SecretFile>,
    options: DeployOptions,
    wait: Duration,
}

impl ContainerRun<'_> {
    async fn launch(&self, reference: Sourced<String>, stop: &Stop) -> Result<RunOutcome, Error> {
        let session = self.session;
        let access = RegistryAccess {
            environment: session.environment.clone(),
            settings: self.resolved.publish.clone(),
            // The tag of a build may come from a file of the repository.
            registries: typed_reference(&reference.value)
                .iter()
                .map(|image| named_registry(image, &reference.origin))
                .collect(),
            ca_bundle: self.resolved.settings.ca_bundle.as_ref().map(|bundle| bundle.value.clone()),
        };
        let engine = tokio::select! {
            () = stop.clone().requested() => return Err(LaunchError::Interrupted.into()),
            engine = access.connect() => engine?,
        };
        session.tell(&format!("{engine} at {}", engine.address()));
        let containers = Containers::new(&engine);
        let image = Box::pin(self.image(&access, &engine, &containers, (&reference, stop))).await?;
        let run = read_run_document(&containers, &image.id, &known_images(session)).await?;
        let inputs = LaunchInputs {
            reference: &reference,
            image: &image,
            run: run.as_ref(),
            config: &self.config,
            env_files: &self.env_files,
            machine: MachineFacts::default(),
        };
        if self.verb.swarm.swarm {
            return Box::pin(self.serve(&access, &containers, (plan_launch(inputs)?, &image), stop)).await;
        }
        Box::pin(self.run_container(&containers, inputs, stop)).await
    }

    /// The facts of the image, which is pulled if the daemon lacks it.
    async fn image(
        &self,
        access: &RegistryAccess,
        engine: &Engine,
        containers: &Containers,
        (reference, stop): (&Sourced<String>, &Stop),
    ) -> Result<ImageFacts, Error> {
        match containers.image_facts(&reference.value).await {
            Err(ContainerError::ImageMissing { .. })
                if !self.verb.dry_run && !reference.value.starts_with("sha256:") =>
            {
                let mode = progress_mode(self.session, self.resolved.run.progress);
                let wanted = typed_reference(&reference.value)?;
                Box::pin(pull::pull_missing((self.session, mode), access, engine, &wanted, stop)).await?;
                Ok(containers.image_facts(&reference.value).await.map_err(LaunchError::from)?)
            }
            found => Ok(found.map_err(LaunchError::from)?),
        }
    }

    async fn run_container(
        &self,
        containers: &Containers,
        inputs: LaunchInputs<'_>,
        stop: &Stop,
    ) -> Result<RunOutcome, Error> {
        let session = self.session;
        let deployment = Deployment::plan(containers, inputs, &self.options).await?;
        session.warn(&deployment.plan.warnings);
        if self.verb.dry_run {
            return Ok(RunOutcome::Planned(Box::new(deployment.plan)));
        }
        let listener = launch_listener(session);
        let launcher = Launcher { containers, listener: &listener, stop: stop_signal(stop), wait: self.wait };
        let replaced = deployment.carry_out(&launcher, &self.secrets, &known_images(session)).await?;
        print_addresses(session, &replaced.launched, containers.engine().is_local());
        Ok(RunOutcome::Runs(Box::new(replaced), Box::new(deployment.plan)))
    }

    /// Deploys a service of a Swarm.
    async fn serve(
        &self,
        access: &RegistryAccess,
        containers: &Containers,
        (mut plan, image): (LaunchPlan, &ImageFacts),
        stop: &Stop,
    ) -> Result<RunOutcome, Error> {
        let present = present_replicas(containers, &plan).await?;
        let service = plan_service(&plan, image, self.verb.swarm.replicas.or(present).unwrap_or(1))?;
        plan.warnings.clone_from(&service.warnings);
        self.session.warn(&plan.warnings);
        if self.verb.dry_run {
            return Ok(RunOutcome::Planned(Box::new(plan)));
        }
        let login = match typed_reference(&service.spec.container.image) {
            Ok(reference) if reference.digest.is_some() => {
                let host = reference.registry();
                let keychain = access.keychain()?;
                Some((keychain.resolve(&host, Access::Pull).await?.login, host))
            }
            _ => None,
        };
        let listener = launch_listener(self.session);
        let launcher = Launcher { containers, listener: &listener, stop: stop_signal(stop), wait: self.wait };
        let login = login.as_ref().map(|(login, host)| (login, host));
        let deployed = Box::pin(launcher.deploy(&service, &plan, &self.secrets, login)).await?;
        Ok(RunOutcome::Serves(Box::new(deployed), Box::new(plan)))
    }
}
