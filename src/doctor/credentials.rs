//! Who we would be at the registries that the tags name.

use super::{Area, Finding, Level};
use crate::config::settings::PushPolicy;
use crate::diagnostic::ExitCode;
use crate::image_ref::RegistryHost;
use crate::registry::{AuthError, Credential, Login, LoginStatus};

/// One registry with what the search for credentials gave, and what it says about them.
pub struct RegistryState {
    pub host: RegistryHost,
    pub found: Result<Credential, AuthError>,
    pub status: LoginStatus,
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
        Ok(Credential { login: Login::Anonymous, tried, .. }) => Finding::warning(
            Area::Registry,
            "doctor/no-credentials",
            format!("there are no credentials for {host}: {}", tried.join("; ")),
            format!(
                "log in with `docker login {host}`, or give `--registry {host} --username NAME --password env:NAME`"
            ),
        ),
        Ok(credentials) if registry.status == LoginStatus::Rejected => {
            let refused = Finding::warning(
                Area::Registry,
                "doctor/login-refused",
                format!("{host} does not take the credentials from {}", credentials.origin),
                format!("check name and password, or log in anew with `docker login {host}`"),
            );
            if push == PushPolicy::Never {
                refused
            } else {
                Finding { level: Level::Problem, exit_code: Some(ExitCode::Authentication), ..refused }
            }
        }
        Ok(credentials) => {
            let taken = if registry.status == LoginStatus::Accepted { ", which it takes" } else { "" };
            let message = format!("{host}: credentials from {}{taken}", credentials.origin);
            Finding::ok(Area::Registry, "doctor/credentials", message)
        }
    }
}
