//! `nextdeploy manifest`.

use super::launching::known_images;
use super::{Session, block_on, containers};
use crate::config::cli::{CliSettings, Ecs, ManifestArgs, ManifestCommand, SharedManifestArgs};
use crate::deploy::manifest::{
    ComposeOptions, EcsOptions, KubernetesOptions, ManifestError, parse_secret_arns, render_compose, render_ecs,
    render_kubernetes,
};
use crate::deploy::{
    ContainerConfig, LaunchError, LaunchInputs, MachineFacts, current_folder, plan_launch, read_config, read_env_files,
    with_variables_of_secrets,
};
use crate::diagnostic::ExitCode;
use crate::docker::{ImageFacts, read_run_document};
use crate::error::Error;
use crate::origin::{Origin, Sourced};

pub fn run(session: &Session, verb: &ManifestArgs, words: &CliSettings) -> Result<ExitCode, Error> {
    let args = verb.args();
    let config = configuration(session, args)?;
    let reference = match (&args.image, &config.image) {
        (Some(text), _) => Sourced::new(text.clone(), Origin::Flag("IMAGE".to_owned())),
        (None, Some(image)) => image.clone(),
        (None, None) => return Err(LaunchError::NoImage.into()),
    };
    let env_files = read_env_files(&config)?;
    let (image, run) = block_on(async {
        let containers = containers::connect(session, words).await?;
        let image = containers.image_facts(&reference.value).await.map_err(LaunchError::from)?;
        let run = read_run_document(&containers, &image.id, &known_images(session)).await?;
        Ok::<_, Error>((image, run))
    })??;
    let inputs = LaunchInputs {
        reference: &reference,
        image: &image,
        run: run.as_ref(),
        config: &config,
        env_files: &env_files,
        machine: MachineFacts::default(),
    };
    let plan = plan_launch(inputs)?;
    let manifest = match &verb.command {
        ManifestCommand::Kubernetes(verb) => render_kubernetes(
            &plan,
            &KubernetesOptions {
                namespace: verb.namespace.clone(),
                replicas: verb.replicas,
                hosts: verb.host.clone(),
                ingress_class: verb.ingress_class.clone(),
                tls_secret: verb.tls_secret.clone(),
                secret: verb.secret_name.clone(),
                pull_secret: verb.pull_secret.clone(),
            },
        )?,
        ManifestCommand::Compose(verb) => render_compose(
            &plan,
            &ComposeOptions {
                replicas: verb.replicas,
                caddy: verb.caddy.clone(),
                secrets_folder: verb.secrets_dir.trim_end_matches('/').to_owned(),
            },
        )?,
        ManifestCommand::Ecs(verb) => render_ecs(&plan, &ecs_options(verb, &image)?)?,
    };
    session.warn(&manifest.warnings);
    session.data(manifest.text.trim_end())?;
    Ok(ExitCode::Ok)
}

/// Without the values of secrets, which no manifest contains.
fn configuration(session: &Session, args: &SharedManifestArgs) -> Result<ContainerConfig, LaunchError> {
    let environment = with_variables_of_secrets(&args.container, &session.environment);
    let flags = ContainerConfig::from_flags(&args.container, &current_folder(), &environment)?;
    Ok(match &args.spec {
        None => flags,
        Some(path) => flags.over(read_config(path.as_ref(), &session.environment)?),
    })
}

fn ecs_options(verb: &Ecs, image: &ImageFacts) -> Result<EcsOptions, ManifestError> {
    Ok(EcsOptions {
        region: verb.aws_region.clone(),
        execution_role: verb.execution_role.clone(),
        task_role: verb.task_role.clone(),
        log_group: verb.log_group.clone(),
        secret_arns: parse_secret_arns(&verb.secret_arn)?,
        platform: image.platform.clone(),
    })
}
