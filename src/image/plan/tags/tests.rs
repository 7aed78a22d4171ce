use std::fmt::Write as _;

use super::super::sample::{Sample, from_flag};
use crate::config::settings::{PushPolicy, SecretValue};
use crate::diagnostic::Diagnostic;
use crate::image_ref::ImageRef;
use crate::repo::ci::{CiContext, CiEvent, CiSystem, PullRequest, PullRequestSource};
use crate::secret::Secret;
use crate::tags::Flavor;

/// What a user sees of the names: each with its origin, the version label, and warnings; or the error.
fn names_of(sample: &Sample) -> String {
    let mut text = String::new();
    match sample.try_plan() {
        Err(error) => writeln!(text, "  error[{}]: {error}\n  hint: {}", error.code(), error.hints()[0]).unwrap(),
        Ok(plan) => {
            for tag in &plan.tags {
                writeln!(text, "  {tag}").unwrap();
            }
            writeln!(text, "  version {}", plan.labels["org.opencontainers.image.version"]).unwrap();
            for warning in &plan.warnings {
                writeln!(text, "  warning[{}]: {}", warning.code, warning.message).unwrap();
            }
        }
    }
    text
}

type Change = fn(&mut Sample);

fn snapshot(name: &str, cases: &[(&str, Change)]) {
    let mut text = String::new();
    for (case, change) in cases {
        let mut sample = Sample::npm();
        change(&mut sample);
        // The checkout of a CI run is at the commit of the run.
        if let (Some(commit), Some(git)) = (&sample.ci.commit, &mut sample.tree.git) {
            git.commit = Some(commit.clone());
        }
        writeln!(text, "{case}\n{}", names_of(&sample)).unwrap();
    }
    insta::assert_snapshot!(name, text);
}

fn github(event: CiEvent) -> CiContext {
    CiContext {
        system: CiSystem::GitHub,
        event,
        commit: Some("90dd6032fac8bda1b6c4436a2e65de27961ed071".to_owned()),
        repository: Some("Acme/Shop".to_owned()),
        repository_url: Some("https://github.com/Acme/Shop".to_owned()),
        default_branch: Some("main".to_owned()),
        ..CiContext::default()
    }
}

fn branch(name: &str) -> CiContext {
    CiContext { branch: Some(name.to_owned()), ..github(CiEvent::Push) }
}

fn pull_request(from: PullRequestSource) -> CiContext {
    let request = PullRequest { number: 7, from, base_branch: Some("main".to_owned()), ..PullRequest::default() };
    CiContext { branch: Some("fix".to_owned()), pull_request: Some(request), ..github(CiEvent::PullRequest) }
}

fn gitlab() -> CiContext {
    CiContext {
        system: CiSystem::GitLab,
        event: CiEvent::Push,
        branch: Some("main".to_owned()),
        registry_image: Some("registry.gitlab.example/Acme/web/shop".to_owned()),
        ..CiContext::default()
    }
}

fn pushed(sample: &mut Sample, policy: PushPolicy) {
    sample.publish.push = Some(from_flag(policy, "--push"));
}

fn token(sample: &mut Sample) {
    let value = SecretValue::Value(Secret::new("ghs_x".to_owned()));
    sample.publish.github_token = Some(from_flag(value, "--github-token"));
}

fn registry(sample: &mut Sample, host: &str) {
    sample.publish.registry = Some(from_flag(host.to_owned(), "--registry"));
}

fn images(sample: &mut Sample, names: &[&str]) {
    sample.settings.images = names.iter().map(|name| from_flag(ImageRef::parse(name).unwrap(), "--image")).collect();
}

#[test]
fn nothing_given() {
    snapshot(
        "nothing_given",
        &[
            ("a developer's machine", |_| {}),
            ("with changes", |s| s.tree.git.as_mut().unwrap().dirty = true),
            ("without git", |s| s.tree.git = None),
            ("push of a branch", |s| s.ci = branch("main")),
            ("push of a tag", |s| s.ci = CiContext { tag: Some("v2.0.0".to_owned()), ..github(CiEvent::Push) }),
            ("pull request", |s| s.ci = pull_request(PullRequestSource::Fork)),
            ("schedule", |s| s.ci = CiContext { event: CiEvent::Schedule, ..branch("main") }),
            ("unknown CI, where git knows the branch", |s| {
                s.ci = CiContext { system: CiSystem::Other, ..CiContext::default() };
                s.tree.git.as_mut().unwrap().branch = Some("main".to_owned());
            }),
            ("unknown CI on a detached head", |s| s.ci = CiContext { system: CiSystem::Other, ..CiContext::default() }),
            ("gitlab without a push", |s| s.ci = gitlab()),
        ],
    );
}

#[test]
fn tags_and_rules() {
    snapshot(
        "tags_and_rules",
        &[
            ("typed names", |s| s.tags(&["localhost:5000/a", "acme/shop:2.0", "localhost:5000/a:latest"])),
            ("a word and a name", |s| s.tags(&["v1", "localhost:5000/a:1"])),
            ("rules for images", |s| {
                s.ci = branch("feature/x");
                s.tags(&["type=ref,event=branch", "type=sha", "acme/extra:1"]);
                images(s, &["ghcr.io/acme/shop", "registry.example.com:5000/shop"]);
            }),
            ("images without rules", |s| {
                s.tree.git.as_mut().unwrap().branch = Some("main".to_owned());
                images(s, &["ghcr.io/acme/shop"]);
            }),
            ("images on a detached head", |s| images(s, &["ghcr.io/acme/shop"])),
            ("a flavor", |s| {
                s.ci = branch("main");
                s.tags(&["type=ref,event=branch"]);
                s.settings.flavor = Flavor::default();
                s.settings.flavor.apply("latest=true,prefix=web-").unwrap();
            }),
            ("a version in git, outside CI", |s| {
                let git = s.tree.git.as_mut().unwrap();
                git.branch = Some("main".to_owned());
                git.tag = Some("v3.1.4".to_owned());
                s.tags(&["type=semver,pattern={{version}}", "type=ref,event=branch"]);
            }),
            ("circleci, with a pull request open for the branch", |s| {
                s.ci = CiContext { event: CiEvent::Push, ..pull_request(PullRequestSource::SameRepository) };
                s.tags(&["type=ref,event=branch", "type=ref,event=pr"]);
            }),
            ("no rule applies", |s| {
                s.ci = pull_request(PullRequestSource::SameRepository);
                s.tags(&["type=semver,pattern={{version}}"]);
                images(s, &["ghcr.io/acme/shop"]);
            }),
            ("no rule applies, and it is to be pushed", |s| {
                s.ci = pull_request(PullRequestSource::SameRepository);
                s.tags(&["type=semver,pattern={{version}}"]);
                pushed(s, PushPolicy::Auto);
            }),
            ("no rule applies, and a fork cannot push", |s| {
                s.ci = pull_request(PullRequestSource::Fork);
                s.tags(&["type=semver,pattern={{version}}"]);
                pushed(s, PushPolicy::Auto);
            }),
            ("every rule is disabled, beside a name", |s| s.tags(&["type=sha,enable=false", "acme/shop:1"])),
        ],
    );
}

#[test]
fn repositories_of_registries() {
    snapshot(
        "repositories_of_registries",
        &[
            ("ghcr in a workflow", |s| {
                s.ci = branch("main");
                registry(s, "ghcr.io");
            }),
            ("ghcr, an app of a workspace", |s| {
                *s = Sample::npm().in_workspace(None);
                s.ci = branch("main");
                registry(s, "ghcr.io");
                s.tags(&["1.0"]);
            }),
            ("ghcr from a developer's machine", |s| {
                s.tree.git.as_mut().unwrap().remote = Some("git@github.com:Acme/Shop.git".to_owned());
                registry(s, "ghcr.io");
            }),
            ("ghcr with a username", |s| {
                registry(s, "ghcr.io");
                s.publish.username = Some(from_flag("Ada".to_owned(), "--username"));
            }),
            ("ghcr of nobody that is known, not pushed", |s| registry(s, "ghcr.io")),
            ("gitlab, pushed", |s| {
                s.ci = gitlab();
                pushed(s, PushPolicy::Auto);
            }),
            ("gitlab, an app of a workspace", |s| {
                *s = Sample::npm().in_workspace(None);
                s.ci = gitlab();
                pushed(s, PushPolicy::Always);
            }),
            ("a workflow with its token, pushed", |s| {
                s.ci = branch("main");
                token(s);
                pushed(s, PushPolicy::Auto);
            }),
            ("a workflow with its token, from a fork", |s| {
                s.ci = pull_request(PullRequestSource::Fork);
                token(s);
                pushed(s, PushPolicy::Auto);
            }),
            ("a workflow with its token, on a server of its own", |s| {
                s.ci = branch("main");
                s.ci.repository_url = Some("https://github.acme.example/Acme/Shop".to_owned());
                token(s);
                pushed(s, PushPolicy::Auto);
            }),
            ("gitlab by its registry", |s| {
                s.ci = gitlab();
                registry(s, "registry.gitlab.example");
            }),
            ("gitlab to another registry", |s| {
                s.ci = gitlab();
                registry(s, "123456789012.dkr.ecr.eu-central-1.amazonaws.com");
            }),
            ("docker hub", |s| {
                registry(s, "docker.io");
                s.publish.username = Some(from_flag("acme".to_owned(), "--username"));
            }),
            ("docker hub without a username", |s| registry(s, "docker.io")),
            ("a registry with a port", |s| registry(s, "localhost:5000")),
            ("pushed without a registry", |s| {
                s.ci = branch("main");
                pushed(s, PushPolicy::Always);
            }),
            ("pushed without a registry, but from a fork", |s| {
                s.ci = pull_request(PullRequestSource::Fork);
                pushed(s, PushPolicy::Auto);
            }),
            ("pushed under a typed name", |s| {
                s.tags(&["acme/shop:1"]);
                pushed(s, PushPolicy::Always);
            }),
        ],
    );
}
