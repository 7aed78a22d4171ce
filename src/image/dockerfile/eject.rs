//! A standalone Dockerfile, for projects that stop using this program: it builds with plain `docker build .` in the root of the
//! repository.
//!
//! Returns the files as values; the caller writes them and refuses to overwrite existing ones.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::context::{
    BUILD_SCRIPTS, COPIED_WITHOUT, ContextError, FIELDS, LAUNCHER, SHARP_LOCKFILE, SHARP_MANIFEST, plan_file,
};
use super::render::{BuilderBackend, EJECTED_FOLDER, Layout, render_stages};
use crate::config::settings::EnvFilePolicy;
use crate::image::plan::{ImagePlan, ManagerSetup};
use crate::rel_path::RelPath;
use crate::repo::{ENVIRONMENT_FILE_PATTERNS, Excluded, STANDARD_EXCLUSIONS, SourceText, SourceTree};

const SELECT_INPUTS: &str = include_str!("../scripts/select-inputs.cjs");
/// Labels that are true for one commit only.
const COMMIT_LABELS: [&str; 5] = [
    "nextdeploy.commit",
    "nextdeploy.dirty",
    "org.opencontainers.image.created",
    "org.opencontainers.image.revision",
    "org.opencontainers.image.version",
];

/// One file of the ejected build, relative to the root of the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EjectedFile {
    pub path: PathBuf,
    pub content: String,
}

/// `Dockerfile`, its ignore file, and the scripts that it copies.
///
/// A `.dockerignore` of the repository stays: its rules, and ours after them, go to `Dockerfile.dockerignore`, which
/// BuildKit prefers.
pub fn eject(plan: &ImagePlan, tree: &SourceTree) -> Result<Vec<EjectedFile>, ContextError> {
    let plan = without_commit(plan);
    let existing = match tree.text(&RelPath::root().child(".dockerignore")) {
        Some(SourceText::Text(text)) => Some(text.as_str()),
        _ => None,
    };
    let ignore_file = if existing.is_some() { "Dockerfile.dockerignore" } else { ".dockerignore" };
    let mut files = vec![
        file("Dockerfile", dockerfile(&plan)),
        file(ignore_file, ignore_rules(&plan, tree, existing.unwrap_or_default())),
        scripted("inputs.json", inputs_file(&plan)),
        scripted("launcher.cjs", LAUNCHER.to_owned()),
        scripted("plan.json", plan_file(&plan)),
        scripted("select-inputs.cjs", SELECT_INPUTS.to_owned()),
    ];
    files.extend(BUILD_SCRIPTS.map(|(name, script)| scripted(name, script.to_owned())));
    if plan.output.sharp.is_some() {
        files.push(scripted("sharp/package.json", SHARP_MANIFEST.to_owned()));
        files.push(scripted("sharp/package-lock.json", SHARP_LOCKFILE.to_owned()));
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn file(path: &str, content: String) -> EjectedFile {
    EjectedFile { path: PathBuf::from(path), content }
}

fn scripted(name: &str, content: String) -> EjectedFile {
    file(&format!("{EJECTED_FOLDER}/{name}"), content)
}

fn without_commit(plan: &ImagePlan) -> ImagePlan {
    let mut plan = plan.clone();
    plan.labels.retain(|name, _| !COMMIT_LABELS.contains(&name.as_str()));
    plan.source_date_epoch = None;
    plan
}

fn dockerfile(plan: &ImagePlan) -> String {
    let mut text = "# Written by nextdeploy; edit it as you like. Build it in the root of the repository:\n".to_owned();
    let secrets: String = plan.secrets.iter().fold(String::new(), |mut text, secret| {
        let _ = write!(text, " --secret id={}", secret.id);
        text
    });
    let _ = writeln!(text, "#   docker build{secrets} --tag {} .", plan.name.value);
    text + &render_stages(plan, BuilderBackend::BuildKit, Layout::Repository)
}

/// Lists for `select-inputs.cjs`.
fn inputs_file(plan: &ImagePlan) -> String {
    let install = &plan.install;
    let mut files: Vec<&str> = install.files.iter().map(RelPath::as_str).collect();
    if let ManagerSetup::File(path) = &install.setup {
        files.push(path.as_str());
    }
    let lists = serde_json::json!({
        "fields": FIELDS.as_slice(),
        "manifests": install.manifests,
        "copiedManifests": install.copied_manifests,
        "copiedWithout": COPIED_WITHOUT,
        "files": files,
        "folders": install.folders,
    });
    format!("{lists:#}\n")
}

/// The repository's own rules, then what a build by this program leaves out.
fn ignore_rules(plan: &ImagePlan, tree: &SourceTree, existing: &str) -> String {
    let mut text = existing.trim_end().to_owned();
    if !text.is_empty() {
        text.push('\n');
    }
    let mut rule = |line: &str| {
        let _ = writeln!(text, "{line}");
    };
    for (excluded, _) in STANDARD_EXCLUSIONS {
        match excluded {
            Excluded::Name(name) => rule(&format!("**/{name}")),
            Excluded::Inside(folder, name) => rule(&format!("**/{folder}/{name}")),
            Excluded::Suffix(end) => rule(&format!("**/*{end}")),
        }
    }
    for line in ["**/.pnp.*"].iter().chain(&ENVIRONMENT_FILE_PATTERNS) {
        rule(line);
    }
    let tracked = tree.git.iter().flat_map(|git| &git.tracked_env_files);
    for path in
        tracked.filter(|path| plan.env_files != EnvFilePolicy::Strip && !path.split('.').any(|part| part == "local"))
    {
        rule(&format!("!{path}"));
    }
    let is_literal = |folder: &&RelPath| !folder.as_str().contains(['*', '?', '[', '\\', '\n', '\r']);
    for folder in plan.build.outputs.iter().filter(is_literal).filter(|folder| folder.name() != ".next") {
        rule(&format!("/{folder}"));
    }
    for line in [".nextdeploy/*", &format!("!{EJECTED_FOLDER}")] {
        rule(line);
    }
    text
}
