//! Repositories that tags without one go to: what was given, else the registry's own place for this project.

use super::{Inputs, PlanError, identity};
use crate::config::settings::PushPolicy;
use crate::diagnostic::Warning;
use crate::image_ref::ImageRef;
use crate::origin::{Origin, Sourced};
use crate::repo::ci::{self, CiSystem};

/// Where tags without a repository go.
pub(super) struct Repositories {
    pub list: Vec<Sourced<ImageRef>>,
    pub place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Named by `--image`.
    Given,
    /// Made from the registry and the project.
    Registry,
    /// A name on this machine only.
    Local,
}

/// Pushing was asked for, and this run may have the credentials for it.
pub(super) fn is_pushed(inputs: Inputs<'_>) -> bool {
    match inputs.publish.push.as_ref().map(|push| push.value) {
        Some(PushPolicy::Always) => true,
        Some(PushPolicy::Auto) => inputs.ci.without_secrets().is_none(),
        Some(PushPolicy::Never) | None => false,
    }
}

pub(super) fn plan_repositories(
    inputs: Inputs<'_>,
    name: &str,
    warnings: &mut Vec<Warning>,
) -> Result<Repositories, PlanError> {
    if !inputs.settings.images.is_empty() {
        return Ok(Repositories { list: inputs.settings.images.clone(), place: Place::Given });
    }
    let named = match &inputs.publish.registry {
        Some(registry) => of_registry(inputs, registry, name, warnings)?,
        None if is_pushed(inputs) => of_gitlab(inputs, name).or_else(|| of_github_job(inputs, name)),
        None => None,
    };
    let (place, text) = match named {
        Some(text) => (Place::Registry, text),
        None => (Place::Local, Sourced::new(name.to_owned(), Origin::Derived("the app's name".to_owned()))),
    };
    let reference = ImageRef::parse(&text.value).map_err(|reason| PlanError::InvalidRepository {
        repository: text.value.clone(),
        origin: text.origin.to_string(),
        reason: reason.to_string(),
    })?;
    Ok(Repositories { list: vec![Sourced::new(reference, text.origin)], place })
}

/// What named the registry of `repository`: the name of the project below it may come from elsewhere.
pub(super) fn registry_origin(inputs: Inputs<'_>, place: Place, repository: &Sourced<ImageRef>) -> Origin {
    match (place, &inputs.publish.registry) {
        (Place::Given | Place::Local, _) => repository.origin.clone(),
        (Place::Registry, Some(registry)) => registry.origin.clone(),
        (Place::Registry, None) if inputs.ci.registry_image.is_some() => {
            Origin::Variable("CI_REGISTRY_IMAGE".to_owned())
        }
        (Place::Registry, None) => Origin::Variable("GITHUB_REPOSITORY".to_owned()),
    }
}

fn of_registry(
    inputs: Inputs<'_>,
    registry: &Sourced<String>,
    name: &str,
    warnings: &mut Vec<Warning>,
) -> Result<Option<Sourced<String>>, PlanError> {
    let host = registry.value.as_str();
    let derived = |text: String, from: &str| {
        Sourced::new(text.to_ascii_lowercase(), Origin::Derived(format!("{from} and {}", registry.origin)))
    };
    let username = inputs.publish.username.as_ref().map(|username| username.value.as_str());
    let repository = match (host, username) {
        ("ghcr.io", _) => match (github_repository(inputs), username) {
            (Some((repository, from)), _) => derived(in_workspace(inputs, format!("ghcr.io/{repository}"), name), from),
            (None, Some(owner)) => derived(format!("ghcr.io/{owner}/{name}"), "the username"),
            (None, None) if is_pushed(inputs) => return Err(PlanError::NoOwner { registry: host.to_owned() }),
            (None, None) => return Ok(None),
        },
        ("docker.io", Some(owner)) => derived(format!("{owner}/{name}"), "the username"),
        ("docker.io", None) => {
            warnings.push(
                Warning::new(
                    "plan/no-namespace",
                    format!("Docker Hub: `{name}` has no namespace, and no account of yours can push such a name"),
                )
                .with_hint("give `--username`, or `--image NAMESPACE/NAME`"),
            );
            derived(format!("docker.io/{name}"), "the app's name")
        }
        _ => {
            let of_ci = inputs.ci.registry_image.as_deref().filter(|image| image.split('/').next() == Some(host));
            match of_ci {
                Some(image) => derived(in_workspace(inputs, image.to_owned(), name), "`CI_REGISTRY_IMAGE`"),
                None => derived(format!("{host}/{name}"), "the app's name"),
            }
        }
    };
    Ok(Some(repository))
}

fn of_gitlab(inputs: Inputs<'_>, name: &str) -> Option<Sourced<String>> {
    let image = inputs.ci.registry_image.as_ref()?.to_ascii_lowercase();
    let text = in_workspace(inputs, image, name);
    Some(Sourced::new(text, Origin::Variable("CI_REGISTRY_IMAGE".to_owned())))
}

/// A job of GitHub's that was handed its token can push to GHCR.
fn of_github_job(inputs: Inputs<'_>, name: &str) -> Option<Sourced<String>> {
    let token = inputs.publish.github_token.as_ref()?;
    let is_github = inputs.ci.repository_url.as_deref().and_then(ci::host_of).is_some_and(|host| host == "github.com");
    let repository = inputs.ci.repository.as_ref().filter(|_| is_github && inputs.ci.system == CiSystem::GitHub)?;
    let text = in_workspace(inputs, format!("ghcr.io/{}", repository.to_ascii_lowercase()), name);
    Some(Sourced::new(text, Origin::Derived(format!("`GITHUB_REPOSITORY` and {}", token.origin))))
}

/// An app of a workspace has an image of its own below the repository's.
fn in_workspace(inputs: Inputs<'_>, repository: String, name: &str) -> String {
    if inputs.facts.app_dir.is_root() { repository } else { format!("{repository}/{name}") }
}

/// `owner/name` on GitHub, and where it was read.
fn github_repository(inputs: Inputs<'_>) -> Option<(String, &'static str)> {
    if inputs.ci.system == CiSystem::GitHub
        && let Some(repository) = &inputs.ci.repository
    {
        return Some((repository.clone(), "`GITHUB_REPOSITORY`"));
    }
    let url = identity::source_url(inputs)?;
    let is_github = ci::host_of(&url).is_some_and(|host| host == "github.com");
    let path = ci::repository_of(&url).filter(|path| is_github && path.matches('/').count() == 1)?;
    Some((path.to_owned(), "the git remote"))
}
