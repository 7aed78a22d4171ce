//! `nextdeploy doctor`.

use std::path::Path;
use std::sync::Arc;

use super::Session;
use super::announce::forge_client;
use crate::config::CliSettings;
use crate::config::cli::DoctorArgs;
use crate::config::settings::PushPolicy;
use crate::diagnostic::ExitCode;
use crate::docker::connection::Engine;
use crate::doctor::{
    CiState, DoctorFinding, DoctorResult, FindingArea, TokenState, check_ci, check_repository, exit_code,
    probe_machine, probe_registries, registries_of,
};
use crate::error::{CommandError, Error};
use crate::image::plan::ImagePlan;
use crate::image_ref::RegistryHost;
use crate::net::Network;
use crate::pipeline::Opened;
use crate::registry::Keychain;
use crate::repo::GitDetail;
use crate::report::forge::{ForgeAction, ForgeTarget, RequestedReports};
use crate::report::render_findings;

pub fn run(session: &Session, verb: &DoctorArgs, words: &CliSettings) -> Result<ExitCode, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(CommandError::Runtime)?;
    let findings = runtime.block_on(examine(session, words));
    if verb.json {
        session.json(&DoctorResult::new(&findings))?;
    } else {
        session.text(&render_findings(&findings, session.style))?;
    }
    Ok(exit_code(&findings))
}

/// A problem in one area does not prevent the checks of the others.
async fn examine(session: &Session, words: &CliSettings) -> Vec<DoctorFinding> {
    let mut findings = Vec::new();
    let opened = session.open(words, GitDetail::Full);
    let known = match opened.and_then(|project| project.plan().map(|plan| (project, plan))) {
        Ok((project, plan)) => {
            let warnings = project.tree.warnings.iter();
            findings.extend(warnings.map(|warning| DoctorFinding::of_warning(FindingArea::Repository, warning)));
            findings.extend(check_repository(&project.tree, &project.facts, &plan, project.ci.system));
            Some((project, plan))
        }
        Err(error) => {
            findings.push(DoctorFinding::problem(FindingArea::Repository, &error));
            None
        }
    };
    let platform = known.as_ref().and_then(|(project, _)| project.settings.platform.as_ref());
    let ca_bundle = known.as_ref().and_then(|(project, _)| ca_bundle(project));
    let platform = platform.map(|platform| platform.value.as_str());
    let (engine, found) = probe_machine(&session.environment, ca_bundle, platform).await;
    findings.extend(found);
    if let Some((project, plan)) = &known {
        findings.extend(examine_job(session, project, plan, engine.as_ref()).await);
    }
    findings
}

fn ca_bundle(project: &Opened) -> Option<&Path> {
    project.settings.ca_bundle.as_ref().map(|bundle| bundle.value.as_path())
}

/// Credentials for the registries of the tags, and the permissions of the job.
async fn examine_job(
    session: &Session,
    project: &Opened,
    plan: &ImagePlan,
    engine: Option<&Engine>,
) -> Vec<DoctorFinding> {
    let network = Arc::new(Network::new(&session.environment, ca_bundle(project)));
    let registries = registries_of(plan);
    let push = project.publish.push.as_ref().map_or(PushPolicy::Never, |push| push.value);
    let keychain = Keychain::new(&project.publish, &plan.registries, &session.environment, Arc::clone(&network));
    let mut findings = probe_registries(&registries, keychain, &network, engine, push).await;
    let requested = RequestedReports::from(&project.forge);
    let token = check_token(session, project, &requested, &network).await;
    let hosts: Vec<RegistryHost> = registries.into_keys().collect();
    findings.extend(check_ci(&CiState::new(&project.ci, &requested, token, &hosts, &session.environment)));
    findings
}

async fn check_token(
    session: &Session,
    project: &Opened,
    requested: &RequestedReports,
    network: &Network,
) -> TokenState {
    if requested.first().is_none() {
        return TokenState::NotNeeded;
    }
    let target = match ForgeTarget::find(&session.environment, &project.ci, ForgeAction::CheckToken) {
        Ok(target) => target,
        Err(error) => return TokenState::Refused(error.warning()),
    };
    match forge_client(session, project, target, requested.clone(), network) {
        Ok(client) => match client.check_token().await {
            Ok(scopes) => TokenState::Valid { scopes },
            Err(error) => TokenState::Refused(error.warning()),
        },
        Err(warning) => TokenState::Refused(warning),
    }
}
