//! The client with which a build tells the service that hosts the repository. Never ends a run.

use std::fs;

use super::Session;
use super::project::Project;
use crate::diagnostic::{Diagnostic, Warning};
use crate::forge::{Announcer, ForgeError, Place, Service, Wanted};
use crate::network::Network;
use crate::origin::Detected;
use crate::secret::Secret;
use crate::settings::SecretValue;

/// What the settings ask to be told.
pub fn wanted(project: &Project) -> Wanted {
    let settings = &project.forge;
    Wanted {
        comment: settings.comment,
        commit_status: settings.commit_status,
        deployment: settings.deployment.as_ref().map(|name| name.value.clone()),
        environment_url: settings.environment_url.as_ref().map(|url| url.value.clone()),
    }
}

/// A client with the token of this run; to be called inside the runtime.
pub fn announcer(
    session: &Session,
    project: &Project,
    place: Place,
    wanted: Wanted,
    network: &Network,
) -> Result<Announcer, Warning> {
    let token = token(session, project, &place)?;
    let http = network.client().map_err(|error| Warning::new(error.code(), error.to_string()))?;
    Announcer::new(place, http, &token, app(project), wanted).map_err(|error| error.warning())
}

/// The name that people know the app by.
fn app(project: &Project) -> &str {
    project.settings.name.as_ref().map_or(&project.facts.name.value, |name| &name.value)
}

/// The token of the setting, or of the variable that people use for it.
fn token(session: &Session, project: &Project, place: &Place) -> Result<Secret, Warning> {
    let (setting, variable, hint) = match place.service {
        Service::GitHub => (
            &project.publish.github_token,
            "GITHUB_TOKEN",
            "give it with the input `github-token: ${{ github.token }}`, or as `GITHUB_TOKEN`",
        ),
        Service::GitLab => (
            &project.forge.gitlab_token,
            "GITLAB_TOKEN",
            "give a project access token with the scope `api` as the masked variable `GITLAB_TOKEN`",
        ),
    };
    let missing = || ForgeError::NoToken { host: place.host().to_owned(), hint }.warning();
    match setting {
        Some(Detected { value: SecretValue::Value(token), .. }) => Ok(token.clone()),
        Some(Detected { value: SecretValue::File(path), origin }) => {
            fs::read_to_string(path).map(Secret::new).map_err(|error| {
                Warning::new(
                    "forge/token-file",
                    format!("the token in `{}` ({origin}) cannot be read: {error}", path.display()),
                )
                .with_hint("name a file that this user can read")
            })
        }
        None => {
            let token = session.environment.get(variable).filter(|token| !token.trim().is_empty());
            token.map(|token| Secret::new(token.to_owned())).ok_or_else(missing)
        }
    }
}
