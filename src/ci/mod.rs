//! Which CI the program runs in and what it says about the commit: environment in, [`CiContext`] out. Pure.

use serde::Serialize;

use crate::host::Environment;

/// The CI systems that are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum CiSystem {
    /// A developer's machine.
    #[default]
    None,
    GitHub,
    GitLab,
    /// `CI` is set, by nobody that is known.
    Other,
}

/// What the CI says about this run; git fills what is missing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CiContext {
    pub system: CiSystem,
    pub commit: Option<String>,
    pub branch: Option<String>,
    pub tag: Option<String>,
    /// `https://github.com/owner/name`.
    pub repository_url: Option<String>,
}

impl CiContext {
    /// Reads the variables of GitHub Actions and GitLab CI; everything else is `Other` or `None`.
    pub fn detect(environment: &Environment) -> Self {
        let var = |name: &str| environment.get(name).filter(|value| !value.is_empty()).map(str::to_owned);
        if environment.get("GITHUB_ACTIONS") == Some("true") {
            let named =
                |kind| (environment.get("GITHUB_REF_TYPE") == Some(kind)).then(|| var("GITHUB_REF_NAME")).flatten();
            return Self {
                system: CiSystem::GitHub,
                commit: var("GITHUB_SHA"),
                branch: var("GITHUB_HEAD_REF").or_else(|| named("branch")),
                tag: named("tag"),
                repository_url: var("GITHUB_SERVER_URL")
                    .zip(var("GITHUB_REPOSITORY"))
                    .map(|(server, repository)| format!("{server}/{repository}")),
            };
        }
        if environment.get("GITLAB_CI") == Some("true") {
            return Self {
                system: CiSystem::GitLab,
                commit: var("CI_COMMIT_SHA"),
                branch: var("CI_COMMIT_BRANCH").or_else(|| var("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME")),
                tag: var("CI_COMMIT_TAG"),
                repository_url: var("CI_PROJECT_URL"),
            };
        }
        let system = if environment.is_truthy("CI") { CiSystem::Other } else { CiSystem::None };
        Self { system, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(variables: &[(&str, &str)]) -> CiContext {
        CiContext::detect(&Environment::from_pairs(variables.iter().copied()))
    }

    #[test]
    fn a_developers_machine_is_no_ci() {
        assert_eq!(check(&[]), CiContext::default());
        assert_eq!(check(&[("CI", "false")]).system, CiSystem::None);
        assert_eq!(check(&[("CI", "1")]).system, CiSystem::Other);
    }

    #[test]
    fn github_tells_branch_from_tag() {
        let github = [("GITHUB_ACTIONS", "true"), ("GITHUB_REF_TYPE", "tag"), ("GITHUB_REF_NAME", "v1.2.3")];
        let context = check(&github);
        assert_eq!((context.branch, context.tag.as_deref()), (None, Some("v1.2.3")));
    }

    #[test]
    fn gitlab_merge_requests_have_their_source_branch() {
        let context =
            check(&[("GITLAB_CI", "true"), ("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME", "fix"), ("CI_COMMIT_SHA", "abc")]);
        assert_eq!((context.branch.as_deref(), context.commit.as_deref()), (Some("fix"), Some("abc")));
    }
}
