use std::fmt::Write as _;

use super::*;

fn check(variables: &[(&str, &str)], event: Option<&str>) -> CiContext {
    CiContext::detect(&Environment::from_pairs(variables.iter().copied()), event, 1_760_000_000)
}

/// What a run says, one line per fact.
fn facts_of(variables: &[(&str, &str)], event: Option<&str>) -> String {
    let context = check(variables, event);
    let mut text = String::new();
    let serde_json::Value::Object(fields) = serde_json::to_value(&context).unwrap() else { unreachable!() };
    for (name, value) in fields.iter().filter(|(name, value)| !value.is_null() && *name != "time") {
        writeln!(text, "  {name}: {}", value.as_str().map_or_else(|| value.to_string(), str::to_owned)).unwrap();
    }
    for warning in &context.warnings {
        let place = warning.location.as_ref().map_or_else(String::new, |place| format!(" at {place}"));
        writeln!(text, "  warning[{}]: {}{place}", warning.code, warning.message).unwrap();
    }
    if let Some(reason) = context.without_secrets() {
        writeln!(text, "  no secrets: {reason} (fork: {})", context.is_fork_pull_request()).unwrap();
    }
    text
}

const GITHUB: &[(&str, &str)] = &[
    ("GITHUB_ACTIONS", "true"),
    ("GITHUB_SERVER_URL", "https://github.com"),
    ("GITHUB_REPOSITORY", "Acme/Shop"),
    ("GITHUB_REPOSITORY_OWNER", "Acme"),
    ("GITHUB_ACTOR", "ada"),
    ("GITHUB_SHA", "1111111111111111111111111111111111111111"),
    ("GITHUB_EVENT_PATH", "/github/event.json"),
];

fn github<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [GITHUB, more].concat()
}

fn pull_request(repository: &str) -> String {
    format!(
        r#"{{ "number": 7, "repository": {{ "full_name": "Acme/Shop", "default_branch": "main" }},
              "pull_request": {{ "number": 7, "base": {{ "ref": "main" }},
                 "head": {{ "ref": "feature/x", "sha": "2222222222222222222222222222222222222222", "repo": {repository} }} }} }}"#
    )
}

const PULL: &[(&str, &str)] = &[("GITHUB_EVENT_NAME", "pull_request"), ("GITHUB_REF", "refs/pull/7/merge")];

#[test]
fn a_developers_machine_is_not_a_ci_system() {
    let context = check(&[], None);
    assert_eq!(context, CiContext { time: 1_760_000_000, ..CiContext::default() });
    assert_eq!(check(&[("CI", "false")], None).system, CiSystem::None);
    assert_eq!(check(&[("CI", "1")], None).system, CiSystem::Other);
    assert_eq!(check(&[("GITEA_ACTIONS", "true"), ("GITHUB_ACTIONS", "true")], None).system, CiSystem::Gitea);
}

#[test]
fn github_events() {
    let push = r#"{ "repository": { "full_name": "Acme/Shop", "default_branch": "main", "description": "Sells things",
        "license": { "spdx_id": "MIT" } }, "base_ref": null }"#;
    let tag = r#"{ "repository": { "default_branch": "main", "license": { "spdx_id": "NOASSERTION" } }, "base_ref": "refs/heads/main" }"#;
    let same = pull_request(r#"{ "full_name": "acme/shop" }"#);
    let fork = pull_request(r#"{ "full_name": "eve/Shop" }"#);
    let deleted = pull_request("null");
    let name = |event| ("GITHUB_EVENT_NAME", event);
    let cases = [
        ("push of a branch", github(&[name("push"), ("GITHUB_REF", "refs/heads/main")]), Some(push)),
        ("push of a tag", github(&[name("push"), ("GITHUB_REF", "refs/tags/v1.2.3")]), Some(tag)),
        (
            "only the name of the reference",
            GITHUB[..6].iter().copied().chain([("GITHUB_REF_TYPE", "tag"), ("GITHUB_REF_NAME", "v1")]).collect(),
            None,
        ),
        ("pull request", github(PULL), Some(same.as_str())),
        ("pull request of a fork", github(PULL), Some(fork.as_str())),
        ("pull request of a deleted fork", github(PULL), Some(deleted.as_str())),
        (
            "pull request of Dependabot",
            [GITHUB, PULL, &[("GITHUB_ACTOR", "dependabot[bot]")]].concat(),
            Some(same.as_str()),
        ),
        (
            "pull_request_target",
            github(&[name("pull_request_target"), ("GITHUB_REF", "refs/heads/main")]),
            Some(fork.as_str()),
        ),
        (
            "merge queue",
            github(&[name("merge_group"), ("GITHUB_REF", "refs/heads/gh-readonly-queue/main/pr-7-abc")]),
            Some("{}"),
        ),
        (
            "schedule",
            github(&[name("schedule"), ("GITHUB_REF", "refs/heads/main")]),
            Some(r#"{ "schedule": "0 3 * * *" }"#),
        ),
        ("by hand", github(&[name("workflow_dispatch"), ("GITHUB_REF", "refs/heads/main")]), Some("{}")),
        ("release", github(&[name("release"), ("GITHUB_REF", "refs/tags/v2")]), Some("{}")),
        ("no event file", github(PULL), None),
        ("broken event file", github(PULL), Some("{\n  \"pull_request\": [")),
        ("event of another shape", github(PULL), Some(r#"{ "pull_request": { "number": "seven" } }"#)),
        ("event that is no object", github(PULL), Some("[]")),
    ];
    let text = cases.iter().fold(String::new(), |text, (name, variables, event)| {
        text + &format!("{name}\n{}\n", facts_of(variables, *event))
    });
    insta::assert_snapshot!(text);
}

fn snapshot(name: &str, cases: &[(&str, Vec<(&str, &str)>)]) {
    let text = cases
        .iter()
        .fold(String::new(), |text, (name, variables)| text + &format!("{name}\n{}\n", facts_of(variables, None)));
    assert!(!text.contains("hunter2"));
    insta::assert_snapshot!(name, text);
}

#[test]
fn gitlab_pipelines() {
    let merge_request = [
        ("GITLAB_CI", "true"),
        ("CI_PIPELINE_SOURCE", "merge_request_event"),
        ("CI_MERGE_REQUEST_IID", "7"),
        ("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME", "fix"),
        ("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "main"),
        ("CI_MERGE_REQUEST_PROJECT_PATH", "acme/web/shop"),
        ("CI_COMMIT_SHA", "merge"),
        ("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA", "head"),
    ];
    let with = |more: &[(&'static str, &'static str)]| [&merge_request, more].concat();
    let cases = [
        (
            "gitlab branch",
            vec![
                ("GITLAB_CI", "true"),
                ("CI_PIPELINE_SOURCE", "push"),
                ("CI_COMMIT_SHA", "abc"),
                ("CI_COMMIT_BRANCH", "main"),
                ("CI_DEFAULT_BRANCH", "main"),
                ("CI_PROJECT_URL", "https://gitlab.example/acme/web/shop"),
                ("CI_PROJECT_PATH", "acme/web/shop"),
                ("CI_PROJECT_NAMESPACE", "acme/web"),
                ("GITLAB_USER_LOGIN", "ada"),
                ("CI_REGISTRY_IMAGE", "registry.gitlab.example/acme/web/shop"),
            ],
        ),
        ("gitlab tag", vec![("GITLAB_CI", "true"), ("CI_PIPELINE_SOURCE", "push"), ("CI_COMMIT_TAG", "v1")]),
        (
            "gitlab schedule",
            vec![("GITLAB_CI", "true"), ("CI_PIPELINE_SOURCE", "schedule"), ("CI_COMMIT_BRANCH", "main")],
        ),
        ("gitlab merge request", with(&[("CI_MERGE_REQUEST_SOURCE_PROJECT_PATH", "acme/web/shop")])),
        ("gitlab merge request of a fork", with(&[("CI_MERGE_REQUEST_SOURCE_PROJECT_PATH", "eve/shop")])),
        ("gitlab merge request without paths", merge_request[..4].to_vec()),
        ("gitlab merge train", with(&[("CI_MERGE_REQUEST_EVENT_TYPE", "merge_train")])),
    ];
    snapshot("gitlab", &cases);
}

#[test]
fn azure_circleci_and_buildkite() {
    let cases = [
        (
            "azure branch",
            vec![
                ("TF_BUILD", "True"),
                ("BUILD_REASON", "IndividualCI"),
                ("BUILD_SOURCEBRANCH", "refs/heads/feature/x"),
                ("BUILD_SOURCEVERSION", "abc"),
                ("BUILD_REPOSITORY_URI", "https://acme@dev.azure.com/acme/web/_git/shop"),
                ("BUILD_REPOSITORY_NAME", "shop"),
            ],
        ),
        (
            "azure pull request of a fork",
            vec![
                ("TF_BUILD", "True"),
                ("BUILD_REASON", "PullRequest"),
                ("BUILD_SOURCEBRANCH", "refs/pull/7/merge"),
                ("BUILD_SOURCEVERSION", "merge"),
                ("SYSTEM_PULLREQUEST_SOURCECOMMITID", "head"),
                ("SYSTEM_PULLREQUEST_PULLREQUESTID", "123456"),
                ("SYSTEM_PULLREQUEST_PULLREQUESTNUMBER", "7"),
                ("SYSTEM_PULLREQUEST_SOURCEBRANCH", "refs/heads/fix"),
                ("SYSTEM_PULLREQUEST_TARGETBRANCH", "main"),
                ("SYSTEM_PULLREQUEST_ISFORK", "True"),
                ("BUILD_REPOSITORY_NAME", "acme/shop"),
            ],
        ),
        (
            "circleci branch with a pull request",
            vec![
                ("CIRCLECI", "true"),
                ("CIRCLE_SHA1", "abc"),
                ("CIRCLE_BRANCH", "fix"),
                ("CIRCLE_PULL_REQUEST", "https://github.com/acme/shop/pull/7"),
                ("CIRCLE_PROJECT_USERNAME", "acme"),
                ("CIRCLE_PROJECT_REPONAME", "shop"),
                ("CIRCLE_REPOSITORY_URL", "git@github.com:acme/shop.git"),
            ],
        ),
        (
            "circleci pull request of a fork",
            vec![
                ("CIRCLECI", "true"),
                ("CIRCLE_BRANCH", "pull/7"),
                ("CIRCLE_PR_NUMBER", "7"),
                ("CIRCLE_PR_USERNAME", "eve"),
            ],
        ),
        ("circleci tag", vec![("CIRCLECI", "true"), ("CIRCLE_TAG", "v1")]),
        (
            "buildkite branch",
            vec![
                ("BUILDKITE", "true"),
                ("BUILDKITE_COMMIT", "HEAD"),
                ("BUILDKITE_BRANCH", "main"),
                ("BUILDKITE_SOURCE", "ui"),
                ("BUILDKITE_PULL_REQUEST", "false"),
                ("BUILDKITE_REPO", "git@github.com:acme/shop.git"),
                ("BUILDKITE_PIPELINE_DEFAULT_BRANCH", "main"),
            ],
        ),
        (
            "buildkite pull request of a fork",
            vec![
                ("BUILDKITE", "true"),
                ("BUILDKITE_COMMIT", "abc"),
                ("BUILDKITE_BRANCH", "eve:fix"),
                ("BUILDKITE_PULL_REQUEST", "7"),
                ("BUILDKITE_REPO", "git@github.com:acme/shop.git"),
                ("BUILDKITE_PULL_REQUEST_REPO", "https://github.com/eve/shop.git"),
            ],
        ),
    ];
    snapshot("azure_circleci_and_buildkite", &cases);
}

#[test]
fn bitbucket_jenkins_and_forgejo() {
    let cases = [
        (
            "bitbucket pull request",
            vec![
                ("BITBUCKET_BUILD_NUMBER", "3"),
                ("BITBUCKET_COMMIT", "abc"),
                ("BITBUCKET_BRANCH", "fix"),
                ("BITBUCKET_PR_ID", "7"),
                ("BITBUCKET_REPO_FULL_NAME", "acme/shop"),
                ("BITBUCKET_WORKSPACE", "acme"),
            ],
        ),
        (
            "jenkins branch",
            vec![
                ("JENKINS_URL", "https://ci.example"),
                ("GIT_COMMIT", "abc"),
                ("GIT_BRANCH", "origin/main"),
                ("GIT_URL", "https://bot:hunter2@github.com/acme/shop.git"),
                ("BRANCH_IS_PRIMARY", "true"),
            ],
        ),
        ("jenkins tag", vec![("JENKINS_URL", "https://ci.example"), ("BRANCH_NAME", "v1"), ("TAG_NAME", "v1")]),
        (
            "jenkins change of a fork",
            vec![
                ("JENKINS_URL", "https://ci.example"),
                ("BRANCH_NAME", "PR-7"),
                ("CHANGE_ID", "7"),
                ("CHANGE_BRANCH", "fix"),
                ("CHANGE_TARGET", "main"),
                ("CHANGE_FORK", "eve"),
            ],
        ),
        (
            "forgejo",
            vec![
                ("FORGEJO_ACTIONS", "true"),
                ("GITHUB_ACTIONS", "true"),
                ("GITHUB_REF", "refs/heads/main"),
                ("GITHUB_EVENT_NAME", "push"),
                ("GITHUB_SERVER_URL", "https://code.example/"),
                ("GITHUB_REPOSITORY", "acme/shop"),
            ],
        ),
    ];
    snapshot("bitbucket_jenkins_and_forgejo", &cases);
}

#[test]
fn remotes_become_web_addresses() {
    for (remote, expected) in [
        ("git@example.com:acme/shop.git", Some("https://example.com/acme/shop")),
        ("ssh://git@example.com:2222/acme/shop.git", Some("https://example.com/acme/shop")),
        ("https://u:p@example.com/acme/@shop/", Some("https://example.com/acme/@shop")),
        ("http://localhost:3000/acme/shop.git", Some("http://localhost:3000/acme/shop")),
        ("example.com:acme/shop", Some("https://example.com/acme/shop")),
        ("/srv/shop.git", None),
        ("../shop", None),
        ("file:///srv/shop.git", None),
        ("C:\\shop", None),
        ("work:acme/shop", None),
        ("https://example.com", None),
        ("", None),
    ] {
        assert_eq!(web_url(remote).as_deref(), expected, "{remote}");
    }
}
