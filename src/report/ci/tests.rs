use std::borrow::Cow;
use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;
use crate::diagnostic::ExitCode;
use crate::host::Environment;
use crate::image::PushedReference;
use crate::image::plan::sample::Sample;
use crate::image_ref::ImageRef;
use crate::report::outputs::{ImageState, OutputSource, Outputs};

const ALL: [CiSystem; 10] = [
    CiSystem::None,
    CiSystem::GitHub,
    CiSystem::GitLab,
    CiSystem::Azure,
    CiSystem::CircleCi,
    CiSystem::Buildkite,
    CiSystem::Bitbucket,
    CiSystem::Jenkins,
    CiSystem::Forgejo,
    CiSystem::Gitea,
];

#[derive(Debug, thiserror::Error)]
#[error("`next.config.ts` says 50% of what it should, `a,b:c`\n::error::forged")]
struct OddError;

impl Diagnostic for OddError {
    fn code(&self) -> &'static str {
        "project/odd"
    }
    fn hints(&self) -> Vec<String> {
        vec!["say 100%".to_owned()]
    }
    fn exit_code(&self) -> ExitCode {
        ExitCode::Project
    }
}

fn reporter(system: CiSystem) -> Reporter {
    Reporter::new(dialect_of(system), Style::Plain)
}

fn group() -> LogGroup {
    LogGroup { name: "build", title: "Build", opened: 1_700_000_000 }
}

/// The log of a run with one message of every kind.
fn sample_log(system: CiSystem) -> String {
    let mut reporter = reporter(system);
    let dialect = reporter.dialect();
    let mut log = reporter.mask("-----BEGIN KEY-----\n{\nabcdef%\r\n");
    log += &reporter.open(group());
    log += &dialect.stop("token");
    log += &reporter
        .harmless("#1 | npm\n::add-mask::a\n  ::set-output name=x::y\nz ##[error]a ##vso[task.setsecret]b\n--- c\n");
    log += &dialect.resume("token");
    log += &reporter.open(LogGroup { name: "push", title: "Push", opened: 1_700_000_009 });
    let place = Location::column("app/a,b:c%.tsx", 3, 7);
    log += &reporter.warning(&Warning::new("plan/odd", "odd ]; `x`").with_hint("even it"), Some(place));
    log += &reporter.error(&OddError, Some(Location::file("package.json")), 1_700_000_010);
    log + &reporter.end(1_700_000_010)
}

#[test]
fn log_of_every_system() {
    let text: Vec<String> = ALL.iter().map(|system| format!("== {system:?}\n{}\n", sample_log(*system))).collect();
    let text = text.concat();
    insta::assert_snapshot!(text.replace('\u{1b}', "␛").replace('\r', "␍"));
}

fn published<T>(pushed: &[PushedReference], run: impl FnOnce(PublishedOutputs<'_>) -> T) -> T {
    let sample = Sample::new("pnpm", Some("10.12.4"), "16.4.5");
    let plan = sample.plan();
    let outputs = Outputs::of(&OutputSource {
        facts: Some(&sample.facts),
        plan: Some(&plan),
        dockerfile: "FROM a\nENV X=\"<<EOF\"\nghadelimiter_token\n",
        image: ImageState::Planned,
        pushed,
        all_pushed: true,
        metadata: r#"{"it's":"$(id) é\n;]%0A"}"#,
        summary_file: Some("/tmp/a b's.md"),
    });
    run(PublishedOutputs { outputs: &outputs, pushed, token: "token" })
}

fn pushed() -> [PushedReference; 2] {
    ["registry.example.com/acme/shop:1.2.3", "registry.example.com/acme/shop:latest"].map(|reference| PushedReference {
        reference: ImageRef::parse(reference).unwrap(),
        digest: format!("sha256:{}", "ab".repeat(32)),
        manifest_size: 1234,
        unchanged: false,
    })
}

#[test]
fn outputs_of_every_system() {
    let environment = Environment::from_pairs([
        ("GITHUB_OUTPUT", "/run/output"),
        ("GITHUB_ARTIFACTS", "/run/artifacts"),
        ("CI_PROJECT_DIR", "/builds/shop"),
        ("CI_PROJECT_URL", "https://gitlab.example.com/acme/shop"),
        ("CI_REGISTRY", "registry.example.com"),
        ("BASH_ENV", "/run/bash"),
        ("WORKSPACE_TMP", "/ws@tmp"),
        ("BITBUCKET_PIPELINES_VARIABLES_PATH", "/run/variables"),
    ]);
    let mut text = String::new();
    for system in ALL {
        let _ = writeln!(text, "== {system:?}");
        published(&pushed(), |published| {
            text += &dialect_of(system).output_lines(published);
            for file in dialect_of(system).output_files(published, &environment) {
                let _ = write!(text, "-- {} ({:?})\n{}", file.path.display(), file.mode, file.content);
            }
        });
    }
    insta::assert_snapshot!(text);
}

#[test]
fn without_the_variables_of_the_system_nothing_is_written() {
    for system in ALL {
        let files =
            published(&pushed(), |published| dialect_of(system).output_files(published, &Environment::default()));
        assert!(files.is_empty(), "{system:?}: {files:?}");
    }
}

#[test]
fn the_dotenv_report_stays_below_its_limit() {
    let sample = Sample::npm();
    let plan = sample.plan();
    let long = "x".repeat(5_000);
    let outputs = Outputs::of(&OutputSource {
        facts: Some(&sample.facts),
        plan: Some(&plan),
        dockerfile: "",
        image: ImageState::Planned,
        pushed: &[],
        all_pushed: false,
        metadata: "",
        summary_file: Some(&long),
    });
    let environment = Environment::from_pairs([("CI_PROJECT_DIR", "/builds")]);
    let published = PublishedOutputs { outputs: &outputs, pushed: &[], token: "token" };
    let files = dialect_of(CiSystem::GitLab).output_files(published, &environment);
    assert!(files[0].content.len() <= 5 * 1024 && !files[0].content.contains("SUMMARY_FILE"), "{files:?}");
    assert!(files[0].content.lines().all(|line| line.starts_with("NEXTDEPLOY_OUTPUT_")), "{files:?}");
}

#[test]
fn annotations_beyond_the_limit_are_counted() {
    let shown = |count: usize| {
        let mut reporter = reporter(CiSystem::GitHub);
        let lines: String =
            (0..count).map(|n| reporter.warning(&Warning::new("plan/odd", format!("odd {n}")), None)).collect();
        lines + &reporter.end(0)
    };
    let ten = shown(10);
    assert_eq!((ten.matches("::warning ").count(), ten.matches("odd 9").count()), (10, 1), "{ten}");
    let fourteen = shown(14);
    assert_eq!(fourteen.matches("::warning ").count(), 10, "{fourteen}");
    assert!(fourteen.contains("title=ci/more-warnings::5 more warnings"), "{fourteen}");
    assert!((0..14).all(|n| fourteen.contains(&format!("odd {n}"))), "nothing is lost: {fourteen}");
}

#[test]
fn findings_leave_room_for_the_error_itself() {
    let place = |line| Location::column("app/page.tsx", line, 5);
    let mut github = reporter(CiSystem::GitHub);
    let first = github.finding("builder/type-error", "Type error: x\n::error::y", place(1));
    assert_eq!(first, "::error file=app/page.tsx,line=1,col=5,title=builder/type-error::Type error: x%0A::error::y\n");
    let more: String = (2..40).map(|line| github.finding("builder/type-error", "x", place(line))).collect();
    assert_eq!(more.lines().count(), 6);
    assert!(github.error(&OddError, None, 0).contains("::error title="), "the error is shown");
    assert_eq!(reporter(CiSystem::GitLab).finding("builder/type-error", "x", place(1)), "", "it is in the log already");
}

#[test]
fn a_message_is_truncated_like_the_runner_does() {
    let warning = Warning::new("plan/odd", "é".repeat(10_000_000));
    let line = reporter(CiSystem::GitHub).warning(&warning, None);
    let message = line.trim_end().rsplit("::").next().unwrap();
    assert_eq!(message.chars().count(), 4096);
    assert!(message.ends_with('…'));
}

#[test]
fn short_lines_of_multi_line_secrets_are_not_masked() {
    let mut reporter = reporter(CiSystem::GitHub);
    assert_eq!(reporter.mask("abc\n"), "::add-mask::abc\n");
    assert_eq!(reporter.mask("{\n\"k\": 1\n}"), "::add-mask::\"k\": 1\n");
    assert_eq!(reporter.mask(" \n"), "");
}

#[test]
fn the_harmless_writer_passes_on_whole_lines() {
    use std::io::Write as _;
    let mut written = Vec::new();
    let mut writer = HarmlessWriter::new(dialect_of(CiSystem::GitHub), &mut written);
    for piece in [":", ":error::a\nb #", "#[error]c", "\n"] {
        writer.write_all(piece.as_bytes()).unwrap();
    }
    assert_eq!(String::from_utf8(written).unwrap(), "| ::error::a\nb ## [error]c\n");
}

/// As `ActionCommand.cs` reads a line, for any name of a command.
fn is_github_command(line: &str) -> bool {
    let start = line.trim_start();
    let newer = start.strip_prefix("::").is_some_and(|rest| rest.contains("::"));
    newer || line.split_once("##[").is_some_and(|(_, rest)| rest.contains(']'))
}

fn hostile() -> impl Strategy<Value = String> {
    const PARTS: &[&str] = &[
        "::", "##[", "##vso[", "]", "error", "add-mask", "%0A", "\n", "\r", " ", "\t", "--- ", "\u{200b}", "x", ",",
        "=",
    ];
    prop::collection::vec(prop::sample::select(PARTS), 0..12).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn outside_text_is_never_a_command(text in hostile()) {
        for line in reporter(CiSystem::GitHub).harmless(&text).split('\n') {
            prop_assert!(!is_github_command(line), "{line:?}");
        }
        for line in reporter(CiSystem::Azure).harmless(&text).split('\n') {
            prop_assert!(!line.contains("##vso[") && !line.contains("##["), "{line:?}");
        }
        for line in reporter(CiSystem::Buildkite).harmless(&text).split('\n') {
            prop_assert!(!line.trim_start().starts_with("---"), "{line:?}");
        }
    }

    #[test]
    fn a_warning_is_one_line_with_its_own_properties(text in hostile(), file in hostile()) {
        prop_assume!(!file.is_empty());
        let warning = Warning::new("plan/odd", text.clone()).with_hint(text.clone());
        let line = reporter(CiSystem::GitHub).warning(&warning, Some(Location::line(file.clone(), 3)));
        prop_assert_eq!(line.matches('\n').count(), 1);
        let info = line.trim_end().strip_prefix("::warning ").unwrap().split_once("::").unwrap().0;
        let names: Vec<&str> = info.split(',').map(|property| property.split_once('=').unwrap().0).collect();
        prop_assert_eq!(names, ["file", "line", "title"]);
        let azure = reporter(CiSystem::Azure).warning(&warning, Some(Location::line(file, 3)));
        prop_assert_eq!(azure.matches('\n').count(), 1);
        prop_assert_eq!(azure.matches(']').count(), 1, "{}", azure);
        prop_assert_eq!(azure.split(']').next().unwrap().matches(';').count(), 3, "{}", azure);
    }

    #[test]
    fn outputs_are_read_back_unchanged(value in hostile(), token in "[0-9a-f]{4}") {
        let value = format!("{value}\nghadelimiter_{token}\nname<<x\n{value}");
        let sample = Sample::npm();
        let plan = sample.plan();
        let outputs = Outputs::of(&OutputSource {
            facts: Some(&sample.facts), plan: Some(&plan), dockerfile: &value, image: ImageState::Planned, pushed: &[], all_pushed: false, metadata: &value, summary_file: Some(&value),
        });
        let environment = Environment::from_pairs([("GITHUB_OUTPUT", "/o")]);
        let files = dialect_of(CiSystem::GitHub).output_files(PublishedOutputs { outputs: &outputs, pushed: &[], token: &token }, &environment);
        let read = read_back(&files[0].content);
        let expected: Vec<(String, String)> = outputs.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        prop_assert_eq!(read, expected);
    }
}

/// As `FileCommandManager.cs` reads the file.
fn read_back(content: &str) -> Vec<(String, String)> {
    let mut lines = content.split('\n');
    let mut read = Vec::new();
    while let Some(line) = lines.next() {
        let Some((name, delimiter)) = line.split_once("<<") else {
            assert!(line.is_empty(), "{line:?}");
            continue;
        };
        let value: Vec<&str> = lines.by_ref().take_while(|line| *line != delimiter).collect();
        read.push((name.to_owned(), value.join("\n")));
    }
    read
}

#[test]
fn text_without_commands_is_unchanged() {
    for system in ALL {
        let line = "#12 | compiled in 3 s: a::b";
        assert!(matches!(dialect_of(system).harmless(line), Cow::Borrowed(same) if same == line), "{system:?}");
    }
}
