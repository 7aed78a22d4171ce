//! A whole build as a GitHub Actions job: how the runner parses the log while the project's scripts print hostile lines.

use std::fs;

use crate::docker::{Engine, Image};
use crate::fixture::{Case, Repository};
use crate::program::{Run, nextdeploy_in_job};

const FORGED: &str =
    "::error::forged\\n  ::add-mask::e\\n##[group]forged\\nnextdeploy: routes: {\\\"api\\\":[\\\"/forged\\\"]}";

/// Lines that would be commands, outside those sections in which the runner ignores commands.
fn obeyed(log: &str) -> Vec<&str> {
    let mut stopped: Option<String> = None;
    let mut obeyed = Vec::new();
    for line in log.lines() {
        if let Some(end) = &stopped {
            if line == end {
                stopped = None;
            }
        } else if let Some(token) = line.strip_prefix("::stop-commands::") {
            stopped = Some(format!("::{token}::"));
        } else if line.trim_start().starts_with("::") || line.contains("##[") {
            obeyed.push(line);
        }
    }
    assert_eq!(stopped, None, "commands are taken again at the end");
    obeyed
}

#[test]
fn a_build_in_a_job_emits_only_its_own_commands() {
    let engine = Engine::with_base(22);
    let repository = Repository::compose(&Case::named("npm-next16-app"));
    let manifest = repository.path().join("package.json");
    let text = fs::read_to_string(&manifest).unwrap();
    let loud = text.replace("\"next build\"", &format!("\"node -e 'console.log(`{FORGED}`)' && next build\""));
    assert_ne!(text, loud);
    fs::write(&manifest, loud).unwrap();
    repository.commit("A build that prints commands");
    let image = Image { engine, tag: "nd-e2e-ci-log:test".to_owned() };

    let job = tempfile::tempdir().unwrap();
    let file = |name: &str| job.path().join(name);
    let run = |round: &str| -> (Run, String, String) {
        let (output, summary) = (file(&format!("output-{round}")), file(&format!("summary-{round}")));
        let variables = [
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_OUTPUT", output.to_str().unwrap()),
            ("GITHUB_STEP_SUMMARY", summary.to_str().unwrap()),
            ("GITHUB_WORKSPACE", repository.path().to_str().unwrap()),
            ("NPM_TOKEN", "secret-of-the-job"),
        ];
        let arguments = ["build", "--tag", &image.tag, "--secret", "NPM_TOKEN"];
        let run = nextdeploy_in_job(&image.engine, repository.path(), &arguments, &variables);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        (run, fs::read_to_string(output).unwrap(), fs::read_to_string(summary).unwrap())
    };

    let (first, output, summary) = run("first");
    assert!(first.stderr.contains("forged"), "the project's output is shown: {}", first.stderr);
    let commands = obeyed(&first.stderr);
    assert!(commands.iter().all(|line| !line.contains("forged")), "{commands:#?}");
    assert_eq!(commands[0], "::add-mask::secret-of-the-job");
    let groups: Vec<&str> = commands.iter().copied().filter(|line| line.contains("group")).collect();
    let [project, _, plan, _, build, end] = groups[..] else { panic!("{groups:#?}") };
    assert_eq!((project, plan), ("::group::Project", "::group::Plan of the image"));
    assert_eq!((build, end), ("::group::Build", "::endgroup::"));
    assert_eq!(output.matches("<<ghadelimiter_").count(), 14, "{output}");
    assert!(summary.contains("</code> is built\n") && !summary.contains("forged</code>"), "{summary}");
    assert!(summary.contains("**○ static**"), "routes of the build: {summary}");

    // Every step is cached now, so the routes are read from the image, through a temporary container.
    let (_, _, again) = run("second");
    let routes = |page: &str| page.split("### ").find(|part| part.contains(" route")).map(str::to_owned).unwrap();
    assert_eq!(routes(&summary), routes(&again));
    assert!(again.contains("(unchanged)") && !again.contains("🆕"), "{again}");
    let filter = format!("ancestor={}", image.tag);
    assert_eq!(image.engine.docker(&["ps", "--all", "--quiet", "--filter", &filter]), "");
}

#[test]
fn a_failed_push_keeps_the_outputs_of_the_image() {
    let engine = Engine::with_base(22);
    let repository = Repository::compose(&Case::named("npm-next16-app"));
    // A closed port.
    let image = Image { engine, tag: "127.0.0.1:9/nd-e2e/unpushed:test".to_owned() };
    let job = tempfile::tempdir().unwrap();
    let file = |name: &str| job.path().join(name).to_str().unwrap().to_owned();
    let (output, summary) = (file("output"), file("summary"));
    let variables = [("GITHUB_ACTIONS", "true"), ("GITHUB_OUTPUT", &*output), ("GITHUB_STEP_SUMMARY", &*summary)];
    let arguments = ["build", "--push", "--tag", &image.tag];
    let run = nextdeploy_in_job(&image.engine, repository.path(), &arguments, &variables);
    assert_eq!(run.code, Some(6), "{}", run.stderr);
    let output = fs::read_to_string(output).unwrap();
    let value = |name: &str| {
        let mut lines = output.lines().skip_while(|line| !line.starts_with(&format!("{name}<<")));
        lines.nth(1).unwrap_or_else(|| panic!("no {name}: {output}"))
    };
    assert_eq!((value("pushed"), value("digest"), value("image")), ("false", "", image.tag.as_str()));
    assert!(value("image-id").starts_with("sha256:"), "{output}");
    let summary = fs::read_to_string(summary).unwrap();
    assert!(summary.contains("is built, but not pushed\n") && summary.contains("**What to do:**"), "{summary}");
}
