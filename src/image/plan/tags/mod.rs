//! Names of the image: complete references as given, and every repository with the tags of the rules.
//!
//! Tags without a repository apply to the given repositories, else to the default repository of the registry for this project.

use std::collections::{BTreeMap, BTreeSet};

use super::error::PlanError;
use super::identity;
use super::image::Inputs;
use crate::config::settings::PushPolicy;
use crate::diagnostic::Warning;
use crate::image_ref::{ImageRef, RegistryHost, is_tag};
use crate::origin::{Origin, Sourced};
use crate::repo::ci::{self, CiEvent, CiSystem};
use crate::tags::{Evaluation, RunFacts, TagEntry, TagRule, evaluate, render_text};

/// All names of the image.
#[derive(Debug)]
pub(super) struct ImageNames {
    /// Complete references, the primary one first.
    pub tags: Vec<Sourced<ImageRef>>,
    /// Hosts of their registries, each with its origin.
    pub registries: Vec<Sourced<RegistryHost>>,
    /// The tag of highest priority that a rule produced.
    pub version: Option<String>,
}

/// Names the image, with a warning if it gets another name than requested.
pub(super) fn plan_names(inputs: Inputs<'_>, name: &str, warnings: &mut Vec<Warning>) -> Result<ImageNames, PlanError> {
    let typed = typed_references(inputs);
    let rules: Vec<Sourced<TagRule>> = inputs
        .settings
        .tags
        .iter()
        .filter_map(|tag| Some(Sourced::new(tag.value.rule()?.clone(), tag.origin.clone())))
        .collect();
    let registries = typed.iter().filter_map(|tag| registry_of(&tag.value, &tag.origin)).collect();
    let mut names = ImageNames { registries, tags: typed, version: None };
    if rules.is_empty() && inputs.settings.images.is_empty() && !names.tags.is_empty() {
        names.version = version_of(inputs);
        return Ok(deduplicated(names));
    }
    let repositories = plan_repositories(inputs, name, warnings)?;
    let evaluation = if rules.is_empty() { by_default(inputs, &repositories)? } else { by_rules(inputs, &rules)? };
    warnings.extend(evaluation.warnings);
    if evaluation.tags.is_empty() && names.tags.is_empty() {
        return without_tags(inputs, &rules, name, warnings);
    }
    // With `auto` the image is built without a push, which the run reports.
    let insists = inputs.publish.push.as_ref().is_some_and(|push| push.value == PushPolicy::Always);
    if repositories.place == RepositorySource::Local && insists && !evaluation.tags.is_empty() {
        return Err(PlanError::NoRegistry { tag: format!("{name}:{}", evaluation.tags[0].value) });
    }
    names.version = evaluation.tags.first().map(|tag| tag.value.clone()).filter(|tag| tag != "latest");
    for repository in &repositories.list {
        let named_by = registry_origin(inputs, repositories.place, repository);
        names.registries.extend(registry_of(&repository.value, &named_by));
        names.tags.extend(evaluation.tags.iter().map(|tag| {
            let reference = ImageRef { tag: Some(tag.value.clone()), ..repository.value.clone() };
            Sourced::new(reference, origin(tag, repository, repositories.place))
        }));
    }
    Ok(deduplicated(names))
}

/// The registry of `reference`: Docker Hub if it names none; `None` for local images, which have no namespace either.
fn registry_of(reference: &ImageRef, named_by: &Origin) -> Option<Sourced<RegistryHost>> {
    (!reference.is_local()).then(|| Sourced::new(reference.registry(), named_by.clone()))
}

/// The origin of the tag, and of the repository unless it was given explicitly.
fn origin(tag: &Sourced<String>, repository: &Sourced<ImageRef>, place: RepositorySource) -> Origin {
    let with = |reason: &str| format!("{reason}; repository {}", repository.origin);
    match (place, &tag.origin) {
        (RepositorySource::Registry, Origin::Derived(reason)) => Origin::Derived(with(reason)),
        (RepositorySource::Registry, Origin::Default(reason)) => Origin::Default(with(reason)),
        _ => tag.origin.clone(),
    }
}

fn deduplicated(mut names: ImageNames) -> ImageNames {
    let mut seen = BTreeSet::new();
    names.tags.retain(|tag| seen.insert(tag.value.fully_qualified()));
    names
}

fn typed_references(inputs: Inputs<'_>) -> Vec<Sourced<ImageRef>> {
    let references = inputs.settings.tags.iter().filter_map(|tag| match &tag.value {
        TagEntry::ImageRef(reference) => Some((reference, &tag.origin)),
        TagEntry::Rule(_) => None,
    });
    references
        .map(|(reference, origin)| {
            // Builders name images by tag, so that a digest alone is not enough.
            let tag = reference.tag.clone().or_else(|| Some("latest".to_owned()));
            Sourced::new(ImageRef { tag, ..reference.clone() }, origin.clone())
        })
        .collect()
}

/// The tag of the first reference that has one other than `latest`.
fn version_of(inputs: Inputs<'_>) -> Option<String> {
    inputs.settings.tags.iter().find_map(|tag| match &tag.value {
        TagEntry::ImageRef(reference) => reference.tag.clone().filter(|tag| tag != "latest"),
        TagEntry::Rule(_) => None,
    })
}

/// Facts of the run from the CI, or from git if the CI provides no branch, tag or pull request.
fn run_facts(inputs: Inputs<'_>) -> RunFacts<'_> {
    let ci = inputs.ci;
    let git = inputs.tree.git.as_ref();
    // A push remains a push while a pull request is open for its branch.
    let request = ci.pull_request.as_ref().filter(|_| ci.event != CiEvent::Push);
    let (branch, tag) = match (request, &ci.branch, &ci.tag) {
        (Some(_), ..) => (None, None),
        (None, _, Some(tag)) => (None, Some(tag)),
        (None, Some(branch), None) => (Some(branch), None),
        (None, None, None) => (git.and_then(|git| git.branch.as_ref()), git.and_then(|git| git.tag.as_ref())),
    };
    RunFacts {
        is_schedule: ci.event == CiEvent::Schedule,
        branch: branch.map(String::as_str),
        tag: tag.map(String::as_str),
        pull_request: request.map(|request| request.number),
        base_branch: request.map_or(ci.base_branch.as_deref(), |request| request.base_branch.as_deref()),
        default_branch: ci.default_branch.as_deref(),
        commit: identity::commit(inputs),
        commit_time: git.and_then(|git| git.commit_time),
        time: ci.time,
        short_commit: inputs.settings.commit_length.as_ref().map_or(0, |length| length.value),
    }
}

/// The labels of the user, with the expressions in their values replaced.
pub(super) fn render_labels(inputs: Inputs<'_>) -> Result<BTreeMap<String, Sourced<String>>, PlanError> {
    let facts = run_facts(inputs);
    let render = |(name, label): (&String, &Sourced<String>)| {
        let value = render_text(&label.value, &facts)
            .map_err(|error| PlanError::Tag { origin: label.origin.to_string(), error })?;
        Ok((name.clone(), Sourced::new(value, label.origin.clone())))
    };
    inputs.settings.labels.iter().map(render).collect()
}

fn by_rules(inputs: Inputs<'_>, rules: &[Sourced<TagRule>]) -> Result<Evaluation, PlanError> {
    evaluate(rules, &inputs.settings.flavor, &run_facts(inputs))
        .map_err(|error| PlanError::Tag { origin: error.origin.to_string(), error: error.value })
}

/// Default rules: those of `docker/metadata-action` in CI and for explicit images; on a developer's machine, and where those
/// produce no tag, `latest` and the commit.
fn by_default(inputs: Inputs<'_>, repositories: &Repositories) -> Result<Evaluation, PlanError> {
    if inputs.ci.system != CiSystem::None || repositories.place == RepositorySource::Given {
        let defaults: Vec<_> = TagRule::defaults()
            .into_iter()
            .map(|rule| Sourced::new(rule, Origin::Default("no `--tag`".to_owned())))
            .collect();
        let evaluation = by_rules(inputs, &defaults)?;
        if !evaluation.tags.is_empty() {
            return Ok(evaluation);
        }
    }
    let latest = Sourced::new("latest".to_owned(), Origin::Default("no `--tag`".to_owned()));
    let latest = (repositories.place != RepositorySource::Given).then_some(latest);
    let tags = latest.into_iter().chain(commit_tag(inputs)).collect();
    Ok(Evaluation { tags, warnings: Vec::new() })
}

/// The first eight characters of the commit, with `-dirty` if the work tree differs from it.
fn commit_tag(inputs: Inputs<'_>) -> Option<Sourced<String>> {
    const SHORT: usize = 8;
    let short: String = identity::commit(inputs)?.chars().take(SHORT).collect();
    let dirty = inputs.tree.git.as_ref().is_some_and(|git| git.dirty);
    let tag = if dirty { format!("{short}-dirty") } else { short };
    is_tag(&tag).then(|| Sourced::new(tag, Origin::Derived("the commit".to_owned())))
}

/// No rule applies to this run: an error for an image that is to be pushed; any other gets a local name.
fn without_tags(
    inputs: Inputs<'_>,
    rules: &[Sourced<TagRule>],
    name: &str,
    warnings: &mut Vec<Warning>,
) -> Result<ImageNames, PlanError> {
    let run = describe(&run_facts(inputs));
    if is_pushed(inputs) {
        let rules = rules.iter().map(|rule| rule.value.text().to_owned()).collect();
        return Err(PlanError::NoTags { run, rules });
    }
    let tag = commit_tag(inputs)
        .unwrap_or_else(|| Sourced::new("latest".to_owned(), Origin::Default("no tag rule applies".to_owned())));
    let tag = tag.map(|tag| ImageRef { domain: None, path: name.to_owned(), tag: Some(tag), digest: None });
    let message = format!("no tag rule applies to this run ({run}), so the image is named `{}`", tag.value);
    warnings
        .push(Warning::new("plan/no-tags", message).with_hint("add a rule that always applies, such as `type=sha`"));
    Ok(ImageNames { tags: vec![tag], registries: Vec::new(), version: None })
}

/// The run in messages: `branch main`.
fn describe(facts: &RunFacts<'_>) -> String {
    let ways = [
        facts.pull_request.map(|number| format!("pull request {number}")),
        facts.tag.map(|tag| format!("tag {}", crate::diagnostic::shown(tag))),
        facts.branch.map(|branch| format!("branch {}", crate::diagnostic::shown(branch))),
        facts.is_schedule.then(|| "schedule".to_owned()),
    ];
    let known: Vec<String> = ways.into_iter().flatten().collect();
    if known.is_empty() { "branch, tag and pull request are unknown".to_owned() } else { known.join(", ") }
}

/// Where tags without a repository go.
pub(super) struct Repositories {
    pub list: Vec<Sourced<ImageRef>>,
    pub place: RepositorySource,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RepositorySource {
    /// Given with `--image`.
    Given,
    /// Derived from the registry and the project.
    Registry,
    /// A local name without a registry.
    Local,
}

/// Pushing was requested, and this run may have the credentials for it.
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
        return Ok(Repositories { list: inputs.settings.images.clone(), place: RepositorySource::Given });
    }
    let named = match &inputs.publish.registry {
        Some(registry) => of_registry(inputs, registry, name, warnings)?,
        None if is_pushed(inputs) => of_gitlab(inputs, name).or_else(|| of_github_job(inputs, name)),
        None => None,
    };
    let (place, text) = match named {
        Some(text) => (RepositorySource::Registry, text),
        None => (RepositorySource::Local, Sourced::new(name.to_owned(), Origin::Derived("the app's name".to_owned()))),
    };
    let reference = ImageRef::parse(&text.value).map_err(|reason| PlanError::InvalidRepository {
        repository: text.value.clone(),
        origin: text.origin.to_string(),
        reason: reason.to_string(),
    })?;
    Ok(Repositories { list: vec![Sourced::new(reference, text.origin)], place })
}

/// The origin of the registry of `repository`; the path below it may come from elsewhere.
pub(super) fn registry_origin(inputs: Inputs<'_>, place: RepositorySource, repository: &Sourced<ImageRef>) -> Origin {
    match (place, &inputs.publish.registry) {
        (RepositorySource::Given | RepositorySource::Local, _) => repository.origin.clone(),
        (RepositorySource::Registry, Some(registry)) => registry.origin.clone(),
        (RepositorySource::Registry, None) if inputs.ci.registry_image.is_some() => {
            Origin::Variable("CI_REGISTRY_IMAGE".to_owned())
        }
        (RepositorySource::Registry, None) => Origin::Variable("GITHUB_REPOSITORY".to_owned()),
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
                    format!("Docker Hub: `{name}` has no namespace, so no user account can push it"),
                )
                .with_hint("pass `--username`, or `--image NAMESPACE/NAME`"),
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

/// A GitHub job with access to its token can push to GHCR.
fn of_github_job(inputs: Inputs<'_>, name: &str) -> Option<Sourced<String>> {
    let token = inputs.publish.github_token.as_ref()?;
    let is_github = inputs.ci.repository_url.as_deref().and_then(ci::host_of).is_some_and(|host| host == "github.com");
    let repository = inputs.ci.repository.as_ref().filter(|_| is_github && inputs.ci.system == CiSystem::GitHub)?;
    let text = in_workspace(inputs, format!("ghcr.io/{}", repository.to_ascii_lowercase()), name);
    Some(Sourced::new(text, Origin::Derived(format!("`GITHUB_REPOSITORY` and {}", token.origin))))
}

/// Each app of a workspace has its own image below the repository's.
fn in_workspace(inputs: Inputs<'_>, repository: String, name: &str) -> String {
    if inputs.facts.app_dir.is_root() { repository } else { format!("{repository}/{name}") }
}

/// `owner/name` on GitHub, and its origin.
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

#[cfg(test)]
mod tests;
