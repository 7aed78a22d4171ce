//! The log, outputs and summary of a run in CI, with inputs that look like workflow commands.

use std::fs;
use std::path::PathBuf;

use crate::program::{Repository, Run};

/// A GitHub Actions job in a repository.
struct Job {
    repository: Repository,
    folder: tempfile::TempDir,
}

impl Job {
    fn new() -> Self {
        let job = Self { repository: Repository::next_app(), folder: tempfile::tempdir().unwrap() };
        for name in ["output", "summary", "artifacts"] {
            fs::write(job.path(name), "").unwrap();
        }
        job
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn run(&self, arguments: &[&str], more: &[(&str, &str)]) -> Run {
        let path = |name: &str| self.path(name).to_str().unwrap().to_owned();
        let files = [path("output"), path("summary"), path("artifacts"), path("")];
        let mut variables = vec![
            ("GITHUB_ACTIONS", "true"),
            ("CI", "true"),
            ("GITHUB_OUTPUT", &files[0]),
            ("GITHUB_STEP_SUMMARY", &files[1]),
            ("GITHUB_ARTIFACTS", &files[2]),
            ("RUNNER_TEMP", &files[3]),
            ("GITHUB_WORKSPACE", self.repository.root().to_str().unwrap()),
        ];
        variables.extend_from_slice(more);
        self.repository.run_with(arguments, &variables)
    }

    /// Parses the file as the runner does.
    fn outputs(&self) -> Vec<(String, String)> {
        let text = self.text("output");
        let mut lines = text.split('\n');
        let mut outputs = Vec::new();
        while let Some(line) = lines.next() {
            let Some((name, delimiter)) = line.split_once("<<") else {
                assert!(line.is_empty(), "{line:?}");
                continue;
            };
            let value: Vec<&str> = lines.by_ref().take_while(|line| *line != delimiter).collect();
            outputs.push((name.to_owned(), value.join("\n")));
        }
        outputs
    }

    fn output(&self, name: &str) -> String {
        self.outputs().into_iter().find(|(known, _)| known == name).map(|(_, value)| value).unwrap()
    }
}

/// Names of the commands that the runner would execute, as `ActionCommandManager.cs` parses both streams.
fn commands(run: &Run) -> Vec<String> {
    let mut names = Vec::new();
    for line in run.stderr.lines().chain(run.stdout.lines()) {
        let newer = line.trim_start().strip_prefix("::").and_then(|rest| rest.split_once("::"));
        let older = line.split_once("##[").and_then(|(_, rest)| rest.split_once(']'));
        if let Some((info, _)) = newer.or(older) {
            names.push(info.split(' ').next().unwrap().to_owned());
        }
    }
    names
}

const HOSTILE: &str = "x\n::set-output name=image::evil\n  ::add-mask::a\n##[add-mask]e\n%0A::error::b\r\nimage<<EOF\nevil\nEOF\n</details># h | `\u{202e}";

#[test]
fn an_error_is_an_annotation_on_its_file() {
    let job = Job::new();
    job.repository.write("package.json", "{\n  \"name\": \"shop\",,\n}\n");
    let run = job.run(&["detect"], &[]);
    assert_eq!(run.code, Some(3), "{run:#?}");
    let line = run.stderr.lines().find(|line| line.starts_with("::error ")).unwrap();
    assert!(line.starts_with("::error file=package.json,line=2,col="), "{line}");
    assert!(line.contains("%0Ahint: "), "{line}");
    assert!(!run.stderr.contains("\nerror:"), "told once: {run:#?}");
}

#[test]
fn a_warning_is_an_annotation_on_its_file() {
    let job = Job::new();
    job.repository.write("next.config.js", "module.exports = {}\n").write("next.config.mjs", "export default {}\n");
    let run = job.run(&["build", "--dry-run"], &[]);
    run.succeeds().says("::warning file=next.config.mjs,title=");
}

#[test]
fn errors_of_every_command_are_annotations_unless_ci_is_none() {
    let job = Job::new();
    for arguments in
        [&["plan", "--port", "0"][..], &["build", "--port", "0"], &["dockerfile", "--port", "0"], &["schema", "no"]]
    {
        let run = job.run(arguments, &[]);
        assert_eq!((run.code, commands(&run)), (Some(2), vec!["error".to_owned()]), "{run:#?}");
        let plain = job.run(&[arguments, &["--ci", "none"]].concat(), &[]);
        assert!(
            plain.code == Some(2) && commands(&plain).is_empty() && plain.stderr.starts_with("error: "),
            "{plain:#?}"
        );
    }
    job.run(&["plan", "--ci", "travis"], &[]).says("unknown value `travis`, expected one of");
}

#[test]
fn a_dry_run_has_outputs_and_a_summary() {
    let job = Job::new();
    job.run(&["build", "--dry-run", "--image", "ghcr.io/acme/shop", "--tag", "1.2.3"], &[]).succeeds();
    assert_eq!(job.outputs().len(), 14, "{:?}", job.outputs());
    for (name, value) in [
        ("image", "ghcr.io/acme/shop:1.2.3"),
        ("repository", "ghcr.io/acme/shop"),
        ("tag", "1.2.3"),
        ("digest", ""),
        ("pushed", "false"),
        ("next-version", "16.4.6"),
        ("package-manager", "npm"),
    ] {
        assert_eq!(job.output(name), value, "{name}");
    }
    assert!(job.output("dockerfile").contains("\nFROM deps AS build\n"));
    assert!(
        job.text("summary").starts_with("## 📝 <code>shop</code>: planned, not built\n"),
        "{}",
        job.text("summary")
    );
    assert_eq!(fs::read_to_string(job.output("summary-file")).unwrap(), job.text("summary"));
    assert_eq!(job.text("artifacts"), "");
}

#[test]
fn hostile_values_are_neither_commands_nor_outputs_nor_markup() {
    let job = Job::new();
    let plain = job.run(&["build", "--dry-run", "--env", "X=x"], &[]);
    let expected = (commands(&plain), job.outputs().len());
    let headings = |text: &str| text.lines().filter(|line| line.starts_with('#')).count();
    let ours = headings(&job.text("summary"));
    let manifest = serde_json::json!({
        "name": "shop", "description": HOSTILE, "scripts": { "build": HOSTILE, HOSTILE: HOSTILE }, "dependencies": { "next": "16.4.6" },
    });
    job.repository.write("package.json", manifest.to_string());
    for name in ["output", "summary"] {
        fs::write(job.path(name), "").unwrap();
    }
    let hostile = format!("X={HOSTILE}");
    let arguments = ["build", "--dry-run", "--env", &hostile, "--label", "a=<b>|`##[error]x"];
    let run =
        job.run(&arguments, &[("GITHUB_HEAD_REF", HOSTILE), ("GITHUB_EVENT_NAME", HOSTILE), ("GITHUB_ACTOR", HOSTILE)]);
    run.succeeds();
    let mut names = commands(&run);
    names.retain(|name| name != "warning");
    assert_eq!((names, job.outputs().len()), expected, "{run:#?}");
    let summary = job.text("summary");
    let (page, _) = summary.split_once("<details>").unwrap();
    assert!(!page.contains("</details>") && !page.contains('\u{202e}'), "{page}");
    assert!(headings(page) <= ours, "{page}");
}

#[test]
fn json_output_is_unchanged_in_ci() {
    let job = Job::new();
    job.repository.write(
        "package.json",
        r#"{"name":"shop","scripts":{"build":"echo ##[add-mask]a && next build"},"dependencies":{"next":"16.4.6"}}"#,
    );
    let run = job.run(&["detect", "--json"], &[]);
    run.succeeds();
    let facts: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(facts["build"]["script"]["value"]["command"], "echo ##[add-mask]a && next build");
    assert!(commands(&run).is_empty(), "{run:#?}");
}

#[test]
fn secrets_are_masked_before_any_other_output() {
    let job = Job::new();
    let key = "-----BEGIN KEY-----\nc2VjcmV0LW9mLXRoZS1qb2I=\n-----END KEY-----\n";
    let run = job.run(&["build", "--dry-run", "--secret", "DEPLOY_KEY"], &[("DEPLOY_KEY", key)]);
    run.succeeds();
    assert!(run.stderr.starts_with("::add-mask::-----BEGIN KEY-----\n::add-mask::c2VjcmV0"), "{run:#?}");
    let elsewhere = run.stderr.replace("::add-mask::c2VjcmV0LW9mLXRoZS1qb2I=", "") + &run.stdout;
    for text in [elsewhere, job.text("output"), job.text("summary")] {
        assert!(!text.contains("c2VjcmV0"), "{text}");
    }
}

#[test]
fn a_report_that_cannot_be_written_does_not_change_the_exit_code() {
    let job = Job::new();
    let missing = job.path("no/such/file");
    let missing = missing.to_str().unwrap();
    let variables = [
        ("GITHUB_OUTPUT", missing),
        ("GITHUB_STEP_SUMMARY", "/"),
        ("GITHUB_EVENT_PATH", missing),
        ("RUNNER_TEMP", missing),
    ];
    let run = job.run(&["build", "--dry-run"], &variables);
    run.succeeds();
    assert_eq!(run.stderr.matches("title=ci/unwritable").count(), 3, "{run:#?}");
    let failed = job.run(&["build", "--dry-run", "--port", "0"], &variables);
    assert_eq!(failed.code, Some(2), "{failed:#?}");
}

#[test]
fn a_summary_over_the_limit_is_omitted() {
    let job = Job::new();
    let before = "x".repeat(1024 * 1024 - 20);
    fs::write(job.path("summary"), &before).unwrap();
    job.run(&["build", "--dry-run"], &[]).succeeds().says("ci/unwritable");
    assert_eq!(job.text("summary"), before);
    fs::write(job.path("summary"), &before[..before.len() - 3_000]).unwrap();
    job.run(&["build", "--dry-run"], &[]).succeeds();
    let text = job.text("summary");
    assert!(text.len() <= 1024 * 1024 && text.contains("Omitted"), "{}", text.len());
}

#[test]
fn a_failed_build_has_a_summary_and_outputs() {
    let job = Job::new();
    let socket = job.path("no.sock");
    let run = job.run(&["build"], &[("DOCKER_HOST", &format!("unix://{}", socket.display()))]);
    assert_eq!(run.code, Some(4), "{run:#?}");
    let summary = job.text("summary");
    assert!(summary.starts_with("## ❌ <code>shop</code> was not built\n"), "{summary}");
    assert!(summary.contains("**What to do:** "), "{summary}");
    assert_eq!(job.outputs().len(), 14, "{:?}", job.outputs());
    for (name, value) in [("image", ""), ("tags", ""), ("digest", ""), ("pushed", "false"), ("next-version", "16.4.6")]
    {
        assert_eq!(job.output(name), value, "{name}");
    }
    assert_eq!(fs::read_to_string(job.output("summary-file")).unwrap(), summary);
    let groups = commands(&run).iter().filter(|name| name.contains("group")).count();
    assert_eq!(groups % 2, 0, "every group is closed: {run:#?}");
}

#[test]
fn a_run_that_fails_before_detection_has_outputs() {
    let job = Job::new();
    job.repository.write("package.json", "{");
    assert_eq!(job.run(&["build"], &[]).code, Some(3));
    let known: Vec<String> =
        job.outputs().into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, _)| name).collect();
    assert_eq!(known, ["pushed", "summary-file"]);
    assert!(fs::read_to_string(job.output("summary-file")).unwrap().contains("package.json"));
}

/// Where systems without GitHub-style output files look for results.
#[test]
fn a_failure_is_reported_in_the_format_of_each_system() {
    const PUSHED: &str = "NEXTDEPLOY_OUTPUT_PUSHED";
    let job = Job::new();
    let path = |name: &str| job.path(name).to_str().unwrap().to_owned();
    let (folder, variables) = (path(""), path("variables"));
    for (own, file, line) in [
        (("GITLAB_CI", "true"), "nextdeploy.env", format!("{PUSHED}=false\n")),
        (("CIRCLECI", "true"), "variables", format!("export {PUSHED}='false'\n")),
        (("BITBUCKET_BUILD_NUMBER", "7"), "variables", format!("{PUSHED}=false\n")),
        (("JENKINS_URL", "https://ci.example"), "nextdeploy.properties", format!("{PUSHED}=false\n")),
    ] {
        fs::write(job.path("variables"), "").unwrap();
        let (page, files) = (path("page.md"), [("BASH_ENV", &*variables), ("WORKSPACE_TMP", &folder)]);
        let job_variables = [
            own,
            files[0],
            files[1],
            ("CI_PROJECT_DIR", &folder),
            ("BITBUCKET_PIPELINES_VARIABLES_PATH", &variables),
            ("DOCKER_HOST", "unix:///nonexistent/docker.sock"),
        ];
        let run = job.repository.run_with(&["build", "--summary", &page], &job_variables);
        assert_eq!(run.code, Some(4), "{run:#?}");
        assert!(job.text(file).contains(&line), "{own:?}: {}", job.text(file));
        assert!(job.text("page.md").starts_with("## ❌"), "{own:?}: {}", job.text("page.md"));
        fs::remove_file(&page).unwrap();
    }
    let variables =
        [("TF_BUILD", "True"), ("AGENT_TEMPDIRECTORY", &*folder), ("DOCKER_HOST", "unix:///nonexistent.sock")];
    let run = job.repository.run_with(&["build"], &variables);
    assert_eq!(run.code, Some(4), "{run:#?}");
    run.says(&format!("##vso[task.setvariable variable={PUSHED};isOutput=true]false\n"))
        .says("##vso[task.uploadsummary]");
}

#[test]
fn gitlab_gets_sections_and_a_dotenv_report() {
    let job = Job::new();
    let folder = job.path("");
    let page = job.path("page.md");
    let variables = [("GITLAB_CI", "true"), ("CI_PROJECT_DIR", folder.to_str().unwrap()), ("HOSTILE", HOSTILE)];
    let arguments = ["build", "--dry-run", "--summary", page.to_str().unwrap(), "--env", "HOSTILE"];
    let run = job.repository.run_with(&arguments, &variables);
    run.succeeds().says("\u{1b}[0Ksection_start:");
    let report = job.text("nextdeploy.env");
    assert!(
        report.lines().all(|line| line.starts_with("NEXTDEPLOY_OUTPUT_") && !line.contains([' ', '"'])),
        "{report}"
    );
    assert!(report.contains("NEXTDEPLOY_OUTPUT_PUSHED=false\n"), "{report}");
    assert!(job.text("page.md").starts_with("## 📝"));
}

#[test]
fn files_written_by_a_run_are_not_sources_of_the_next() {
    let repository = Repository::next_app();
    repository.write("Dockerfile", "FROM scratch\nCOPY . /\n");
    let root = repository.root().to_str().unwrap().to_owned();
    let variables = [("GITLAB_CI", "true"), ("CI_PROJECT_DIR", root.as_str()), ("CI_COMMIT_BRANCH", "main")];
    let written = ["image.json", "id", "page.md", "kept"].map(|name| format!("{root}/{name}"));
    let outputs = ["--metadata-file", &written[0], "--iidfile", &written[1], "--summary", &written[2]];
    for dockerfile in ["generated", "own"] {
        let context = |arguments: &[&str]| {
            let arguments = [&["build", "--dry-run", "--dockerfile", dockerfile][..], arguments].concat();
            let run = repository.run_with(&arguments, &variables);
            run.succeeds();
            let line = run.stdout.lines().find(|line| line.contains(" entries")).map(str::to_owned);
            line.unwrap_or_else(|| panic!("{run:#?}"))
        };
        let clean = context(&[]);
        repository.write("image.json", "{}");
        repository.write("id", "sha256:0");
        repository.write("kept/store.tar", "packages");
        let all = [&outputs[..], &["--cache-dir", &written[3]]].concat();
        assert_eq!(context(&all), clean);
        for report in ["nextdeploy.env", "page.md"] {
            assert!(repository.root().join(report).is_file(), "{report} was written");
        }
        repository.write("nextdeploy-annotations.json", "{}");
        assert_eq!(context(&all), clean);
        assert_ne!(context(&[]), clean, "files that this run does not write are sources");
        for name in ["image.json", "id", "page.md", "kept/store.tar", "nextdeploy.env", "nextdeploy-annotations.json"] {
            fs::remove_file(repository.root().join(name)).unwrap();
        }
        fs::remove_dir(repository.root().join("kept")).unwrap();
    }
}

/// A fake `buildkite-agent`; returns the `PATH` that contains it.
fn agent(job: &Job, script: &str) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = job.path("bin");
    fs::create_dir_all(&folder).unwrap();
    let program = folder.join("buildkite-agent");
    fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    format!("{}:/usr/bin:/bin", folder.display())
}

/// Saves standard input to a file named after the arguments.
const RECORDING: &str = r#"name=$(printf %s "$*" | tr ' /' '_+') && cat >"$TOLD/$name""#;

#[test]
fn buildkite_gets_an_annotation_and_meta_data_through_its_agent() {
    let job = Job::new();
    let path = agent(&job, RECORDING);
    let told = job.path("told");
    fs::create_dir(&told).unwrap();
    let variables =
        [("BUILDKITE", "true"), ("BUILDKITE_JOB_ID", "77-ab"), ("PATH", &*path), ("TOLD", told.to_str().unwrap())];
    let run = |arguments: &[&str], more: &[(&str, &str)]| {
        let run = job.repository.run_with(arguments, &[&variables[..], more].concat());
        let files = fs::read_dir(&told).unwrap().map(|entry| entry.unwrap().path());
        let texts: Vec<(String, String)> = files
            .map(|file| {
                let text = fs::read_to_string(&file).unwrap();
                fs::remove_file(&file).unwrap();
                (file.file_name().unwrap().to_str().unwrap().to_owned(), text)
            })
            .collect();
        (run, texts)
    };
    let (dry, texts) =
        run(&["build", "--dry-run", "--tag", "shop:1", "--tag", "shop:2"], &[("BUILDKITE_STEP_KEY", "image")]);
    dry.succeeds();
    let value = |name: &str| texts.iter().find(|(known, _)| known == name).map(|(_, text)| text.as_str());
    assert_eq!(value("meta-data_set_nextdeploy:image:tags"), Some("shop:1\nshop:2"), "{texts:#?}");
    assert_eq!(value("meta-data_set_nextdeploy:image:pushed"), Some("false"));
    assert_eq!(value("meta-data_set_nextdeploy:image:digest"), None, "nothing empty is told");
    let page = value("annotate_--style_success_--context_nextdeploy-image").unwrap();
    assert!(page.starts_with("## 📝 <code>shop</code>"), "{page}");
    assert!(!dry.stderr.contains("notice"), "{dry:#?}");

    let (failed, texts) = run(&["build"], &[("DOCKER_HOST", "unix:///nonexistent.sock")]);
    assert_eq!(failed.code, Some(4), "{failed:#?}");
    let names: Vec<&str> = texts.iter().map(|(name, _)| name.as_str()).collect();
    assert!(names.contains(&"annotate_--style_error_--context_nextdeploy-77-ab"), "{names:?}");
    assert!(names.contains(&"meta-data_set_nextdeploy:pushed"), "{names:?}");

    let (off, texts) = run(&["build", "--dry-run", "--summary=false"], &[]);
    off.succeeds();
    assert!(!texts.is_empty() && !texts.iter().any(|(name, _)| name.starts_with("annotate")), "{texts:?}");
    let (elsewhere, texts) = run(&["build", "--dry-run"], &[("BUILDKITE_JOB_ID", "")]);
    elsewhere.succeeds();
    assert!(texts.is_empty(), "no job of Buildkite: {texts:?}");
}

#[test]
fn an_agent_that_fails_or_hangs_changes_nothing() {
    let job = Job::new();
    let run = |script: &str| {
        let path = agent(&job, script);
        let variables = [("BUILDKITE", "true"), ("BUILDKITE_JOB_ID", "77"), ("PATH", &*path)];
        job.repository.run_with(&["build", "--dry-run"], &variables)
    };
    let failing = run("echo first >&2; printf '~~~ \\033[31mnot connected\\n' >&2; exit 1");
    failing.succeeds().says("notice: `buildkite-agent` rejected").says("~~~ \\u{1b}[31mnot connected");
    let started = std::time::Instant::now();
    run("sleep 600").succeeds().says("it did not end within 10 s");
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
    fs::remove_file(job.path("bin/buildkite-agent")).unwrap();
    let variables = [("BUILDKITE", "true"), ("BUILDKITE_JOB_ID", "77")];
    let without = job.repository.run_with(&["build", "--dry-run"], &variables);
    assert!(!without.succeeds().stderr.contains("notice"), "{without:#?}");
}
