//! `nextdeploy doctor`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Session;
use super::announce;
use crate::config::cli::{Doctor, Words};
use crate::config::settings::PushPolicy;
use crate::diagnostic::ExitCode;
use crate::docker::connection::{Engine, find_endpoint};
use crate::doctor::{
    Area, Checkout, CiState, Finding, RegistryState, TokenState, check_ci, check_credentials, check_machine,
    check_repository, exit_code,
};
use crate::error::{CommandError, Error};
use crate::image::plan::ImagePlan;
use crate::image_ref::ImageRef;
use crate::net::Network;
use crate::pipeline::{Opened, planned_registries};
use crate::registry::transfer::{LoginAnswer, ask_about_login};
use crate::registry::{Access, Authenticator, Login, RegistryHost};
use crate::repo::GitDetail;
use crate::report::forge::{Action, Announcer, Place};
use crate::report::{DoctorResult, render_findings};

pub fn run(session: &Session, verb: &Doctor, words: &Words) -> Result<ExitCode, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(CommandError::Runtime)?;
    let findings = runtime.block_on(examine(session, words));
    if verb.json {
        session.json(&DoctorResult::new(&findings))?;
    } else {
        session.text(&render_findings(&findings, session.style))?;
    }
    Ok(exit_code(&findings))
}

/// A problem in one place keeps nobody from looking at the others.
async fn examine(session: &Session, words: &Words) -> Vec<Finding> {
    let mut findings = Vec::new();
    let known =
        match session.open(words, GitDetail::Full).and_then(|project| project.plan().map(|plan| (project, plan))) {
            Ok((project, plan)) => {
                let system = project.ci.system;
                findings
                    .extend(project.tree.warnings.iter().map(|warning| Finding::of_warning(Area::Repository, warning)));
                let checkout = checkout(&project);
                findings.extend(check_repository(&project.tree, &project.facts, &plan, checkout, system));
                Some((project, plan))
            }
            Err(error) => {
                findings.push(Finding::problem(Area::Repository, &error));
                None
            }
        };
    let project = known.as_ref().map(|(project, _)| project);
    let (engine, found) = machine(session, project).await;
    findings.extend(found);
    if let Some((project, plan)) = &known {
        findings.extend(registries(session, project, plan, engine.as_ref()).await);
    }
    findings
}

fn checkout(project: &Opened) -> Checkout {
    match &project.tree.git {
        None => Checkout::None,
        Some(git) if git.shallow => Checkout::Shallow,
        Some(_) => Checkout::Whole,
    }
}

async fn machine(session: &Session, project: Option<&Opened>) -> (Option<Engine>, Vec<Finding>) {
    let settings = project.map(|project| &project.settings);
    let ca_bundle = settings.and_then(|settings| settings.ca_bundle.as_ref()).map(|bundle| bundle.value.as_path());
    let engine = match find_endpoint(&session.environment, ca_bundle) {
        Ok(endpoint) => Engine::connect(endpoint, &session.environment).await,
        Err(error) => Err(error),
    };
    let known = match engine {
        Ok(engine) => engine.platform().await.map(|platform| (engine, platform)),
        Err(error) => Err(error),
    };
    match known {
        Err(error) => (None, vec![Finding::problem(Area::Machine, &error)]),
        Ok((engine, own)) => {
            let usage = engine.usage().await.ok();
            let asked = settings.and_then(|settings| settings.platform.as_ref());
            let found = check_machine(&engine, usage.as_ref(), &own, asked.map(|platform| platform.value.as_str()));
            (Some(engine), found)
        }
    }
}

/// Credentials for the registries of the tags, and the rights of the job.
async fn registries(session: &Session, project: &Opened, plan: &ImagePlan, engine: Option<&Engine>) -> Vec<Finding> {
    let ca_bundle = project.settings.ca_bundle.as_ref().map(|bundle| bundle.value.as_path());
    let network = Arc::new(Network::new(&session.environment, ca_bundle));
    let references = plan
        .tags
        .iter()
        .map(|tag| tag.value.clone())
        // A name without registry and namespace is local.
        .filter(|reference| reference.domain.is_some() || reference.path.contains('/'));
    // One of each registry.
    let asked: BTreeMap<RegistryHost, ImageRef> =
        references.map(|reference| (RegistryHost::of(&reference), reference)).collect();
    let hosts: Vec<RegistryHost> = asked.keys().cloned().collect();
    let push = project.publish.push.as_ref().map_or(PushPolicy::Never, |push| push.value);
    let mut findings = Vec::new();
    match Authenticator::new(&project.publish, &planned_registries(plan), &session.environment, Arc::clone(&network)) {
        Err(error) => findings.push(Finding::problem(Area::Registry, &error)),
        Ok(authenticator) => {
            let mut states = Vec::new();
            for (host, reference) in &asked {
                let found = authenticator.credentials(host, Access::Push).await;
                let answer = match (&found, engine) {
                    (Ok(credentials), Some(engine)) if credentials.login != Login::Anonymous => {
                        ask_about_login(engine, &network, reference, &credentials.login).await
                    }
                    _ => LoginAnswer::Unknown,
                };
                states.push(RegistryState { host: host.clone(), found, answer });
            }
            findings.extend(check_credentials(&states, push));
        }
    }
    let wanted = announce::wanted(project);
    let is_set = |name: &str| session.environment.get(name).is_some_and(|value| !value.is_empty());
    findings.extend(check_ci(&CiState {
        ci: &project.ci,
        wanted: &wanted,
        token: check_token(session, project, &network).await,
        registries: &hosts,
        has_identity: is_set("ACTIONS_ID_TOKEN_REQUEST_URL") || is_set("AWS_WEB_IDENTITY_TOKEN_FILE"),
        has_aws_credentials: is_set("AWS_ACCESS_KEY_ID")
            || is_set("AWS_PROFILE")
            || is_set("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"),
    }));
    findings
}

async fn check_token(session: &Session, project: &Opened, network: &Network) -> TokenState {
    let wanted = announce::wanted(project);
    if wanted.first().is_none() {
        return TokenState::NotNeeded;
    }
    let place = match Place::find(&session.environment, &project.ci, Action::CheckToken) {
        Ok(place) => place,
        Err(error) => return TokenState::Refused(error.warning()),
    };
    match announce::announcer(session, project, place, wanted, network) {
        Ok(announcer) => match Announcer::check_token(&announcer).await {
            Ok(scopes) => TokenState::Valid { scopes },
            Err(error) => TokenState::Refused(error.warning()),
        },
        Err(warning) => TokenState::Refused(warning),
    }
}
