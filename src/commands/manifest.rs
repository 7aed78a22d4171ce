//! `nextdeploy manifest`.

use std::collections::BTreeMap;

use super::launching::known_images;
use super::{Session, block_on, containers};
use crate::config::cli::{Ecs, Manifest, ManifestArgs, ManifestCommand, Words};
use crate::deploy::manifest::{
    ComposeOptions, EcsOptions, KubernetesOptions, ManifestError, render_compose, render_ecs, render_kubernetes,
};
use crate::deploy::{
    ContainerConfig, LaunchError, LaunchInputs, MachineFacts, current_folder, plan_launch, read_config, read_env_files,
    read_run_document,
};
use crate::diagnostic::ExitCode;
use crate::docker::ImageFacts;
use crate::error::Error;
use crate::host::Environment;
use crate::origin::{Origin, Sourced};

pub fn run(session: &Session, verb: &Manifest, words: &Words) -> Result<ExitCode, Error> {
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

/// Values of secrets are not needed, so that the variables named by flags may be unset.
fn configuration(session: &Session, args: &ManifestArgs) -> Result<ContainerConfig, Error> {
    let names = args.container.secret.iter().filter_map(|text| {
        let named = text.split(',').find_map(|part| part.strip_prefix("env="));
        named.or_else(|| (!text.contains(['=', ','])).then_some(text.as_str()))
    });
    let missing = names.filter(|name| session.environment.get(name).is_none()).map(|name| (name, "not needed"));
    let environment = Environment::from_pairs(session.environment.iter().chain(missing));
    let flags = ContainerConfig::from_flags(&args.container, &current_folder(), &environment)?;
    Ok(match &args.spec {
        None => flags,
        Some(path) => flags.over(read_config(path.as_ref(), &session.environment)?),
    })
}

fn ecs_options(verb: &Ecs, image: &ImageFacts) -> Result<EcsOptions, ManifestError> {
    let source = |text: &String| {
        let parts = text.split_once('=').filter(|(name, _)| !name.is_empty());
        parts.map(|(name, arn)| (name.to_owned(), arn.to_owned())).ok_or_else(|| ManifestError::Value {
            what: "source of a secret",
            text: text.clone(),
            reason: "expected `NAME=ARN`",
        })
    };
    Ok(EcsOptions {
        region: verb.aws_region.clone(),
        execution_role: verb.execution_role.clone(),
        task_role: verb.task_role.clone(),
        log_group: verb.log_group.clone(),
        secret_arns: verb.secret_arn.iter().map(source).collect::<Result<BTreeMap<_, _>, _>>()?,
        platform: image.platform.clone(),
    })
}
