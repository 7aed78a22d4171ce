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
use crate::image_ref::{ImageRef, RegistryHost};
use crate::net::Network;
use crate::registry::transfer::check_login;
use crate::registry::{Access, AuthError, Keychain, Login, LoginStatus};

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
    let remote = plan.tags.iter().map(|tag| tag.value.clone()).filter(|reference| !reference.is_local());
    remote.map(|reference| (reference.registry(), reference)).collect()
}

/// The credentials for each registry, and whether it accepts them.
pub async fn probe_registries(
    registries: &BTreeMap<RegistryHost, ImageRef>,
    keychain: Result<Keychain, AuthError>,
    network: &Network,
    engine: Option<&Engine>,
    push: PushPolicy,
) -> Vec<DoctorFinding> {
    let keychain = match keychain {
        Ok(keychain) => keychain,
        Err(error) => return vec![DoctorFinding::problem(FindingArea::Registry, &error)],
    };
    let mut probed = Vec::new();
    for (host, reference) in registries {
        let found = keychain.resolve(host, Access::Push).await;
        let status = match (&found, engine) {
            (Ok(credentials), Some(engine)) if credentials.login != Login::Anonymous => {
                check_login(engine, network, reference, &credentials.login).await
            }
            _ => LoginStatus::Unknown,
        };
        probed.push(RegistryState { host: host.clone(), found, status });
    }
    check_credentials(&probed, push)
}
