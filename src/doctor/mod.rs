//! What would make a build fail: repository, machine, credentials and CI, each finding with one action.
//!
//! In: the results of the other stages. Out: [`DoctorFinding`]s in the order in which a build would meet the problems. The probes ask
//! the daemon and the registries, the checks judge the answers; nothing here changes anything, or decides what a build does.

mod checks;
mod finding;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;

use crate::config::settings::PushPolicy;
use crate::docker::connection::{DaemonError, Engine, find_endpoint};
use crate::host::Environment;
use crate::image::plan::ImagePlan;
use crate::image_ref::ImageRef;
use crate::net::Network;
use crate::registry::transfer::{LoginAnswer, ask_about_login};
use crate::registry::{Access, AuthError, Authenticator, Login, RegistryHost};

pub use checks::{CiState, RegistryState, TokenState, check_ci, check_credentials, check_machine, check_repository};
pub use finding::{DoctorFinding, DoctorResult, FindingArea, FindingLevel, exit_code};

/// The daemon, and what it says about its machine. `platform` is the requested one.
pub async fn probe_machine(
    environment: &Environment,
    ca_bundle: Option<&Path>,
    platform: Option<&str>,
) -> (Option<Engine>, Vec<DoctorFinding>) {
    let connected = async {
        let engine = Engine::connect(find_endpoint(environment, ca_bundle)?, environment).await?;
        let own = engine.platform().await?;
        Ok::<_, DaemonError>((engine, own))
    };
    match connected.await {
        Err(error) => (None, vec![DoctorFinding::problem(FindingArea::Machine, &error)]),
        Ok((engine, own)) => {
            let usage = engine.usage().await.ok();
            let findings = check_machine(&engine, usage.as_ref(), &own, platform);
            (Some(engine), findings)
        }
    }
}

/// One reference of each registry that the tags name. A name without registry and namespace is local.
pub fn registries_of(plan: &ImagePlan) -> BTreeMap<RegistryHost, ImageRef> {
    let references = plan.tags.iter().filter_map(|tag| ImageRef::parse(&tag.value).ok());
    let remote = references.filter(|reference| reference.domain.is_some() || reference.path.contains('/'));
    remote.map(|reference| (RegistryHost::of(&reference), reference)).collect()
}

/// The credentials for each registry, and whether it accepts them.
pub async fn probe_registries(
    registries: &BTreeMap<RegistryHost, ImageRef>,
    authenticator: Result<Authenticator, AuthError>,
    network: &Network,
    engine: Option<&Engine>,
    push: PushPolicy,
) -> Vec<DoctorFinding> {
    let authenticator = match authenticator {
        Ok(authenticator) => authenticator,
        Err(error) => return vec![DoctorFinding::problem(FindingArea::Registry, &error)],
    };
    let mut states = Vec::new();
    for (host, reference) in registries {
        let found = authenticator.credentials(host, Access::Push).await;
        let answer = match (&found, engine) {
            (Ok(credentials), Some(engine)) if credentials.login != Login::Anonymous => {
                ask_about_login(engine, network, reference, &credentials.login).await
            }
            _ => LoginAnswer::Unknown,
        };
        states.push(RegistryState { host: host.clone(), found, answer });
    }
    check_credentials(&states, push)
}
