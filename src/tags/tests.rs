use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;
use crate::diagnostic::Diagnostic as _;
use crate::image_ref::is_tag;
use crate::origin::{Origin, Sourced};

const COMMIT: &str = "90dd6032fac8bda1b6c4436a2e65de27961ed071";

/// 10 January 2020, 00:30 UTC; the commit is a day older.
fn facts() -> RunFacts<'static> {
    RunFacts {
        commit: Some(COMMIT),
        commit_time: Some(1_578_529_800),
        time: 1_578_616_200,
        default_branch: Some("main"),
        ..RunFacts::default()
    }
}

fn on_branch(branch: &'static str) -> RunFacts<'static> {
    RunFacts { branch: Some(branch), ..facts() }
}

fn on_tag(tag: &'static str) -> RunFacts<'static> {
    RunFacts { tag: Some(tag), ..facts() }
}

fn in_pull_request() -> RunFacts<'static> {
    RunFacts { pull_request: Some(2), base_branch: Some("main"), ..facts() }
}

fn rules(texts: &[&str]) -> Vec<Sourced<TagRule>> {
    let rule = |text: &&str| Sourced::new(TagRule::parse(text).unwrap(), Origin::Flag("--tag".to_owned()));
    texts.iter().map(rule).collect()
}

fn flavor(entries: &[&str]) -> Flavor {
    let mut flavor = Flavor::default();
    for entry in entries {
        flavor.apply(entry).unwrap();
    }
    flavor
}

/// The tags, without their origins.
fn check(texts: &[&str], entries: &[&str], facts: &RunFacts<'_>) -> Vec<String> {
    let evaluation = evaluate(&rules(texts), &flavor(entries), facts).unwrap();
    assert!(evaluation.tags.iter().all(|tag| is_tag(&tag.value)));
    evaluation.tags.into_iter().map(|tag| tag.value).collect()
}

#[test]
fn rules_by_event() {
    let events: &[(&str, RunFacts<'_>)] = &[
        ("push of main", on_branch("main")),
        ("push of feature/x", on_branch("feature/x")),
        ("push of v1.2.3", on_tag("v1.2.3")),
        ("push of v2.0.8-beta.67", on_tag("v2.0.8-beta.67")),
        ("push of web/v1.2.3", on_tag("web/v1.2.3")),
        ("push of 20200110-RC2", on_tag("20200110-RC2")),
        ("pull request 2", in_pull_request()),
        ("schedule on main", RunFacts { is_schedule: true, ..on_branch("main") }),
        ("nothing known", RunFacts::default()),
    ];
    let sets: &[&[&str]] = &[
        &["type=schedule", "type=ref,event=branch", "type=ref,event=tag", "type=ref,event=pr"],
        &[
            "type=ref,event=branch",
            "type=ref,event=pr",
            "type=semver,pattern={{version}}",
            "type=semver,pattern={{major}}.{{minor}}",
            "type=semver,pattern=v{{major}},enable={{is_not_default_branch}}",
            "type=sha",
        ],
        &["type=semver,pattern={{raw}}", "type=sha,format=long,prefix="],
        &[r"type=semver,pattern={{version}},match=^web/v(\d+\.\d+\.\d+)$"],
        &[r"type=match,pattern=\d+", r"type=match,pattern=v(\d+\.\d+),group=1", "type=match,pattern=/V(.*)/i,group=1"],
        &["type=pep440,pattern={{version}}", "type=pep440,pattern={{major}}.{{minor}}"],
        &["type=edge", "type=raw,value=latest,enable={{is_default_branch}}", "stable"],
        &["type=edge,branch=feature/x", "type=sha,prefix={{branch}}-,suffix=-{{date 'YYYYMMDD'}}"],
        &[
            "type=schedule,pattern={{date 'YYYYMMDD-HHmmss' tz='Asia/Tokyo'}}",
            "type=raw,value={{commit_date 'YYYY.MM.DD'}}",
        ],
        &["type=raw,value={{base_ref}}{{tag}},prefix=to-", "type=raw,value={{{sha}}},priority=950"],
    ];
    let mut text = String::new();
    for set in sets {
        writeln!(text, "{}", set.join("\n")).unwrap();
        for (event, facts) in events {
            let evaluation = evaluate(&rules(set), &Flavor::default(), facts).unwrap();
            let tags: Vec<_> = evaluation.tags.into_iter().map(|tag| tag.value).collect();
            writeln!(text, "  {event:<24}{}", tags.join(" ")).unwrap();
            for warning in evaluation.warnings {
                writeln!(text, "    {}: {}", warning.code, warning.message).unwrap();
            }
        }
        text.push('\n');
    }
    insta::assert_snapshot!(text);
}

#[test]
fn versions_by_pattern() {
    // The table of metadata-action's documentation, and what is no version.
    let cases = [
        ("v1.2.3", "{{raw}}", "v1.2.3 latest"),
        ("v1.2.3", "{{version}}", "1.2.3 latest"),
        ("v1.2.3", "{{major}}.{{minor}}", "1.2 latest"),
        ("v1.2.3", "v{{major}}", "v1 latest"),
        ("v1.2.3", "{{ minor }}", "2 latest"),
        ("v1.2.3", "{{patch}}", "3 latest"),
        ("1.2.3+build.5", "{{version}}", "1.2.3 latest"),
        ("1.2.3+build.5", "{{raw}}", "1.2.3-build.5 latest"),
        ("v2.0.8-beta.67", "{{raw}}", "v2.0.8-beta.67"),
        ("v2.0.8-beta.67", "{{version}}", "2.0.8-beta.67"),
        ("v2.0.8-beta.67", "{{major}}", "2.0.8-beta.67"),
        ("v2.0.8-beta.67", "v{{raw}}", "2.0.8-beta.67"),
        ("1.2", "{{version}}", ""),
        ("release", "{{version}}", ""),
        ("=1.2.3", "{{version}}", ""),
        ("v01.2.3", "{{version}}", ""),
    ];
    for (tag, pattern, expected) in cases {
        let tags = check(&[&format!("type=semver,pattern={pattern}")], &[], &on_tag(tag));
        assert_eq!(tags.join(" "), expected, "{tag} {pattern}");
    }
    let pep440 = [
        ("v1.2.3rc2", "{{raw}}", "v1.2.3rc2"),
        ("1.2.3post1", "{{major}}.{{minor}}", "1.2.3.post1"),
        ("1.0", "{{major}}.{{minor}}.{{patch}}", "1.0.0 latest"),
    ];
    for (tag, pattern, expected) in pep440 {
        let tags = check(&[&format!("type=pep440,pattern={pattern}")], &[], &on_tag(tag));
        assert_eq!(tags.join(" "), expected, "{tag} {pattern}");
    }
    let typed = ["type=semver,pattern={{major}},value=v{{date 'YYYY.M.D'}}"];
    assert_eq!(check(&typed, &[], &on_branch("main")), ["2020", "latest"]);
}

#[test]
fn priority_decides_the_order_and_the_first_tag_decides_latest() {
    let set = ["type=sha", "type=ref,event=tag", "type=raw,value=x", "type=raw,value=y,priority=2000"];
    assert_eq!(check(&set, &[], &on_tag("v1")), ["y", "v1", "x", "sha-90dd603"]);
    assert_eq!(check(&set[..3], &[], &on_tag("v1")), ["v1", "x", "sha-90dd603", "latest"]);
    assert_eq!(check(&["type=ref,event=tag", "v1", "latest"], &[], &on_tag("v1")), ["v1", "latest"]);
}

#[test]
fn flavors() {
    let set = ["type=ref,event=branch", "type=sha", "type=raw,value=x,prefix="];
    let tags = |entries: &[&str]| check(&set, entries, &on_branch("main")).join(" ");
    assert_eq!(tags(&["latest=true"]), "main x sha-90dd603 latest");
    assert_eq!(tags(&["prefix=web-", "suffix=-slim"]), "web-main-slim x-slim sha-90dd603-slim");
    assert_eq!(tags(&["latest=true,prefix=web-,onlatest=true"]), "web-main x sha-90dd603 web-latest");
    assert_eq!(
        tags(&["latest=true", "suffix=-{{branch}},onlatest=true"]),
        "main-main x-main sha-90dd603-main latest-main"
    );
    assert_eq!(check(&["type=ref,event=tag"], &["latest=false"], &on_tag("v1")), ["v1"]);
    assert_eq!(check(&["type=ref,event=tag,enable=false"], &["latest=true"], &on_tag("v1")), Vec::<String>::new());
}

#[test]
fn short_commits_have_the_configured_length() {
    let facts = RunFacts { short_commit: 12, ..on_branch("main") };
    assert_eq!(check(&["type=sha", "x-{{sha}}"], &[], &facts), ["x-90dd6032fac8", "sha-90dd6032fac8"]);
    let facts = RunFacts { short_commit: 100, ..facts };
    assert_eq!(check(&["type=sha,prefix="], &[], &facts), [COMMIT]);
}

#[test]
fn each_tag_names_its_rule() {
    let evaluation = evaluate(&rules(&["1.0", "type=ref,event=tag"]), &Flavor::default(), &on_tag("v1")).unwrap();
    let origins: Vec<_> = evaluation.tags.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(origins.join("\n"), @r"
    v1 (from `type=ref,event=tag` of `--tag`)
    1.0 (from `--tag`)
    latest (from `latest=auto`, for `type=ref,event=tag`)
    ");
}

#[test]
fn commas_are_quoted_with_the_whole_attribute() {
    let set = [r#"type=raw,"value={{date 'dddd, MMMM Do YYYY, h:mm:ss a'}}""#];
    assert_eq!(check(&set, &[], &facts()), ["Friday-January-10th-2020-12-30-00-am"]);
    let set = [r#"type=schedule,pattern={{date "YYYY"}}"#];
    assert_eq!(check(&set, &[], &RunFacts { is_schedule: true, ..facts() }), ["2020"]);
}

#[test]
fn words_are_rules_and_names_with_slashes_are_references() {
    let reference = |text: &str| match TagEntry::parse(text).unwrap() {
        TagEntry::ImageRef(reference) => Some(reference.to_string()),
        TagEntry::Rule(_) => None,
    };
    assert_eq!(reference("v1"), None);
    assert_eq!(reference("{{branch}}/x"), None);
    assert_eq!(reference("value=a/b"), None);
    assert_eq!(reference("localhost:5000/a").as_deref(), Some("localhost:5000/a"));
    assert_eq!(reference("acme/shop:1").as_deref(), Some("acme/shop:1"));
    assert_eq!(reference("shop:1").as_deref(), Some("shop:1"));
}

/// What a user reads about a rule that makes no sense.
#[test]
fn wrong_rules() {
    let entries = [
        "",
        " , ",
        "type=semvre,pattern={{version}}",
        "type=",
        "type=semver",
        "type=semver,pattern=",
        "type=semver,patern={{version}}",
        "type=sha,colour=red",
        "type=edge,main",
        "type=ref",
        "type=ref,event=push",
        "type=sha,format=tiny",
        "type=raw",
        "type=raw,value=a,value=b",
        "type=raw,value={{date 'dddd, MMMM'}}",
        r#"type=raw,value="a,b""#,
        r#"type=raw,"value=a"#,
        "type=raw,value=a,enable=maybe",
        "type=raw,value=a,priority=high",
        "type=match,pattern=v(.*,group=1",
        "type=match,pattern=v(.*),group=one",
        "type=match,pattern=/v/z",
        "type=match,pattern=(?=v)",
        r"type=semver,pattern={{version}},match=v\d",
        "type=semver,pattern={{verison}}",
        "type=semver,pattern={{branch}}",
        "type=raw,value={{major}}",
        "type=raw,value={{brnch}}",
        "type=raw,value={{#if branch}}x{{/if}}",
        "type=raw,value={{branch",
        "type=raw,value={{branch 'x'}}",
        "type=raw,value={{date}}",
        "type=raw,value={{date 'YYYY' tz='Mars/Olympus'}}",
        "type=raw,value={{date 'YYYY' zone='UTC'}}",
        "Acme/Shop:V1",
        "https://ghcr.io/acme/shop",
        "acme/shop@sha256:0000000000000000000000000000000000000000000000000000000000000000",
        "a:b:c",
    ];
    let mut text = String::new();
    for entry in entries {
        let error = TagEntry::parse(entry).expect_err(entry);
        writeln!(text, "{entry}\n  [{}] {error}\n  hint: {}", error.code(), error.hints().join("; ")).unwrap();
    }
    for entry in ["latest=maybe", "latest", "colour=red", "onlatest=true", "prefix=a,onlatest=1", "prefix={{x}}"] {
        let error = Flavor::default().apply(entry).expect_err(entry);
        writeln!(text, "flavor {entry}\n  [{}] {error}\n  hint: {}", error.code(), error.hints().join("; ")).unwrap();
    }
    insta::assert_snapshot!(text);
}

#[test]
fn what_only_the_run_shows_names_the_rule_too() {
    let error = evaluate(&rules(&["type=sha,enable={{branch}}"]), &Flavor::default(), &on_branch("main")).unwrap_err();
    assert_eq!(error.value.to_string(), "invalid value in `enable=main`, expected `true` or `false`");
    let unknown = RunFacts { default_branch: None, ..on_branch("main") };
    let evaluation = evaluate(&rules(&["type=edge", "type=sha"]), &Flavor::default(), &unknown).unwrap();
    assert_eq!(evaluation.warnings[0].code, "tags/default-branch-unknown");
    let without_commit = RunFacts { commit: None, ..on_branch("main") };
    let evaluation = evaluate(&rules(&["type=sha"]), &Flavor::default(), &without_commit).unwrap();
    assert_eq!(evaluation.warnings[0].code, "tags/unknown-fact");
    assert_eq!(TagRule::defaults().len(), 4);
}

proptest! {
    #[test]
    fn no_entry_breaks_anything(entry in ".{0,60}", attributes in "(type=(raw|sha|semver|match|schedule)?,?)?[a-z=,{}' \"/.\\\\(*]{0,40}", branch in any::<String>()) {
        for text in [entry, attributes] {
            let _ = Flavor::default().apply(&text);
            match TagEntry::parse(&text) {
                Ok(TagEntry::Rule(rule)) => {
                    let run = RunFacts { branch: Some(&branch), tag: Some(&branch), ..facts() };
                    let rule = Sourced::new(*rule, Origin::Flag("--tag".to_owned()));
                    if let Ok(evaluation) = evaluate(&[rule], &Flavor::default(), &run) {
                        prop_assert!(evaluation.tags.iter().all(|tag| is_tag(&tag.value)));
                    }
                }
                Ok(TagEntry::ImageRef(_)) => {}
                Err(error) => prop_assert!(!error.to_string().contains('\n') && !error.hints().is_empty()),
            }
        }
    }
}

/// The examples of the documentation.
#[test]
fn documented_rules_give_the_documented_tags() {
    let words = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let table = include_str!("../../docs/tags.md").split("| Rule | Run | Tags |").nth(1).unwrap();
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let mut seen = 0;
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split(" |").collect();
        let (rule, run, tags) =
            (words(cells[0]).remove(0), words(cells[1]).remove(0), words(cells.get(2).unwrap_or(&"")));
        let kind = cells[1].trim().split(" `").next().unwrap().to_owned();
        let facts = match kind.as_str() {
            "branch" => RunFacts { branch: Some(&run), ..facts() },
            "tag" => RunFacts { tag: Some(&run), ..facts() },
            "schedule on" => RunFacts { is_schedule: true, branch: Some(&run), ..facts() },
            _ => RunFacts { pull_request: run.parse().ok(), base_branch: Some("main"), ..facts() },
        };
        assert_eq!(check(&[&rule], &[], &facts), tags, "{row}");
        seen += 1;
    }
    assert!(seen > 20, "{seen} rows");
}
