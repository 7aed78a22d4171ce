//! Who we would be at the registries that the tags name.

use super::{Area, Finding, Level};
use crate::registry::{AuthError, Credentials, Login, RegistryHost};
use crate::settings::PushPolicy;

/// One registry with what the search for credentials gave; nothing was sent to the registry itself.
pub struct RegistryState {
    pub host: RegistryHost,
    pub found: Result<Credentials, AuthError>,
}

pub fn check_credentials(registries: &[RegistryState], push: PushPolicy) -> Vec<Finding> {
    registries.iter().map(|registry| check(registry, push)).collect()
}

fn check(registry: &RegistryState, push: PushPolicy) -> Finding {
    let host = &registry.host;
    match &registry.found {
        Err(error) => {
            let problem = Finding::problem(Area::Registry, error);
            // Without a push nobody asks for them.
            if push == PushPolicy::Never {
                Finding { level: Level::Warning, exit_code: None, ..problem }
            } else {
                problem
            }
        }
        Ok(Credentials { login: Login::Anonymous, tried, .. }) => Finding::warning(
            Area::Registry,
            "doctor/no-credentials",
            format!("there are no credentials for {host}: {}", tried.join("; ")),
            format!(
                "log in with `docker login {host}`, or give `--registry {host} --username NAME --password env:NAME`"
            ),
        ),
        Ok(credentials) => Finding::ok(
            Area::Registry,
            "doctor/credentials",
            format!("{host}: credentials from {}", credentials.origin),
        ),
    }
}
