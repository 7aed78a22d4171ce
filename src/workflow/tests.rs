use serde_json::Value;

use super::*;
use crate::rel_path::RelPath;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

fn choices(target: CiTarget, registry: Option<&str>, directory: &str, branch: &str) -> Choices {
    let release = Release { repository: "Acme/nextdeploy", commit: COMMIT, version: "1.2.3" };
    Choices {
        target,
        registry: TargetRegistry::parse(registry, target).unwrap(),
        directory: RelPath::new(directory).unwrap(),
        branch: branch.to_owned(),
        program: Program::new(target, None, release).unwrap(),
    }
}

fn parsed(choices: &Choices) -> Value {
    let content = choices.definition().content;
    serde_saphyr::from_str(&content).unwrap_or_else(|error| panic!("{error}\n{content}"))
}

#[test]
fn definitions_for_every_registry() {
    let mut text = String::new();
    for (target, registry, directory) in [
        (CiTarget::GitHub, None, ""),
        (CiTarget::GitHub, Some("ecr"), ""),
        (CiTarget::GitHub, Some("123456789012.dkr.ecr.eu-central-1.amazonaws.com"), "apps/web"),
        (CiTarget::GitHub, Some("registry.example.com:5000"), ""),
        (CiTarget::GitLab, None, ""),
        (CiTarget::GitLab, Some("ecr"), "apps/web"),
        (CiTarget::GitLab, Some("ghcr"), ""),
    ] {
        let definition = choices(target, registry, directory, "main").definition();
        writeln!(text, "== {} {registry:?} {directory:?}\n{}", definition.path, definition.content).unwrap();
        for action in definition.to_do {
            writeln!(text, "to do: {action}").unwrap();
        }
    }
    insta::assert_snapshot!(text);
}

#[test]
fn a_workflow_has_least_permissions() {
    for (registry, expected) in [
        (None, r#"{"contents":"read","packages":"write"}"#),
        (Some("ecr"), r#"{"contents":"read","id-token":"write"}"#),
        (Some("docker.io"), r#"{"contents":"read"}"#),
    ] {
        let workflow = parsed(&choices(CiTarget::GitHub, registry, "", "main"));
        assert_eq!(workflow["permissions"].to_string(), "{}");
        assert_eq!(workflow["jobs"]["image"]["permissions"].to_string(), expected);
        assert!(workflow["on"]["pull_request_target"].is_null());
    }
}

#[test]
fn hostile_names_stay_values() {
    let hostile = "apps/we: b\"${{ github.token }} #'";
    let workflow = parsed(&choices(CiTarget::GitHub, None, hostile, "!a+b\" ]"));
    let steps = &workflow["jobs"]["image"]["steps"];
    assert_eq!(steps[1]["with"]["working-directory"], "apps/we: b\"${{ '${{' }} github.token }} #'");
    assert_eq!(workflow["on"]["push"]["branches"][0], "\\!a\\+b\" \\]");
    let job = parsed(&choices(CiTarget::GitLab, None, "apps/$CI_JOB_TOKEN: x", "main"));
    assert_eq!(job.as_object().unwrap().len(), 1);
    let job = job.as_object().unwrap().values().next().unwrap();
    assert_eq!(job["variables"]["NEXTDEPLOY_WORKING_DIRECTORY"], "apps/$$CI_JOB_TOKEN: x");
}

#[test]
fn marks_in_values_are_not_replaced() {
    assert_eq!(fill("a@b @X@@Y@ c@v1", &[("X", "@Y@"), ("Y", "y")]), "a@b @Y@y c@v1");
}

#[test]
fn the_ci_system_is_derived_from_the_remote() {
    let check =
        |remote: &str, expected: Option<CiTarget>| assert_eq!(CiTarget::of_remote(remote), expected, "{remote}");
    check("https://github.com/acme/shop.git", Some(CiTarget::GitHub));
    check("github.com:acme/gitlab", Some(CiTarget::GitHub));
    check("ssh://github.acme.example:22/acme/shop", Some(CiTarget::GitHub));
    check("https://gitlab.example.com/acme/github", Some(CiTarget::GitLab));
    check("https://git.example.com/github/shop", None);
    check("https://notgithub.com/a/b", None);
    check("", None);
}

#[test]
fn locations_of_the_program_are_validated() {
    let check = |target, uses: &str| Program::new(target, Some(uses), Release::default()).is_ok();
    for action in ["acme/nextdeploy@v1", "acme/tools/next@main", "acme/nextdeploy@feature/x"] {
        assert!(check(CiTarget::GitHub, action), "{action}");
    }
    for other in ["acme/nextdeploy", "@v1", "a/b@", "a@b", "../x/y@v1", "a/b@v1\n- run: id", "a/b@${{x}}", "a/b@v1 # x"]
    {
        assert!(!check(CiTarget::GitHub, other), "{other}");
    }
    assert!(check(CiTarget::GitLab, "registry.example.com/tools/nextdeploy:1-shell"));
    assert!(!check(CiTarget::GitLab, "no image\nscript: id"));
    assert!(Program::new(CiTarget::GitHub, Some("a/b@v1"), Release::default()).unwrap().is_movable());
    assert!(!choices(CiTarget::GitHub, None, "", "main").program.is_movable());
    let error = Program::new(CiTarget::GitHub, None, Release::default()).unwrap_err();
    assert!(matches!(error, WorkflowError::NoRelease { .. }));
}

#[test]
fn registries_are_parsed() {
    let check = |text: &str| TargetRegistry::parse(Some(text), CiTarget::GitHub);
    assert_eq!(check("ghcr.io").unwrap(), TargetRegistry::Own);
    assert!(matches!(check("123456789012.dkr.ecr.eu-west-1.amazonaws.com").unwrap(), TargetRegistry::Ecr(Some(_))));
    assert!(matches!(check("localhost:5000").unwrap(), TargetRegistry::Other(_)));
    for wrong in ["", "gitlba", "a/b", "example.com/team", "host:port", "x y.example", "https://example.com"] {
        assert!(check(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn only_missing_lines_are_added_to_ignore_files() {
    assert_eq!(GITIGNORE.completed(Some("/.nextdeploy\n")), None);
    let first = DOCKERIGNORE.completed(None).unwrap();
    assert_eq!(DOCKERIGNORE.completed(Some(&first)), None);
    let grown = DOCKERIGNORE.completed(Some("node_modules\n.git/")).unwrap();
    assert!(grown.starts_with("node_modules\n.git/\n\n# "), "{grown}");
    assert_eq!(grown.matches("node_modules").count(), 1, "{grown}");
    assert!(grown.ends_with("**/.env*.local\n"), "{grown}");
}
