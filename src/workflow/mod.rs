//! CI definitions that build the image: choices in, texts of files out. Pure.
//!
//! Never merges into an existing definition.

mod choices;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use serde_json::Value;

pub use choices::{Choices, CiTarget, Program, Release, TargetRegistry, WorkflowError};

const GITHUB_WORKFLOW: &str = include_str!("templates/github.yml");
const GITHUB_AWS_LOGIN: &str = include_str!("templates/github-aws.yml");
const GITLAB_JOB: &str = include_str!("templates/gitlab.yml");
const GITLAB_AWS_IDENTITY: &str = "  id_tokens:\n    AWS_TOKEN:\n      aud: $CI_SERVER_URL\n";
/// The AWS SDK reads the token from a file.
const GITLAB_WRITE_TOKEN: &str = r#"    - mkdir -p "$CI_PROJECT_DIR.tmp"
    - (umask 077 && printf %s "$AWS_TOKEN" >"$AWS_WEB_IDENTITY_TOKEN_FILE")
"#;

/// A file to write, relative to the top of the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    pub path: String,
    pub content: String,
    /// What has to be set up in the CI system first, one action each.
    pub to_do: Vec<String>,
}

impl Choices {
    /// The definition file for these choices.
    pub fn definition(&self) -> Definition {
        match self.target {
            CiTarget::GitHub => github_workflow(self),
            CiTarget::GitLab => gitlab_job(self),
        }
    }

    /// `image`, or `image-web` for the app in `apps/web`. On GitLab, `image` alone is a keyword.
    fn job_name(&self) -> String {
        let mut name = "image".to_owned();
        let last = self.directory.as_str().rsplit('/').next().unwrap_or_default();
        let plain: String = last.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
        if !plain.is_empty() {
            let _ = write!(name, "-{}", plain.to_ascii_lowercase());
        }
        name
    }
}

/// A workflow of GitHub Actions: least permissions, actions pinned by commit.
fn github_workflow(choices: &Choices) -> Definition {
    let name = choices.job_name();
    let mut with: Vec<(&str, String)> = Vec::new();
    if !choices.directory.is_root() {
        with.push(("working-directory", quoted(choices.directory.as_str())));
    }
    let (mut permission, mut sign_in, mut to_do) = (String::new(), String::new(), Vec::new());
    match &choices.registry {
        TargetRegistry::Own => "      packages: write # pushes to GHCR\n".clone_into(&mut permission),
        TargetRegistry::Ecr(place) => {
            "      id-token: write # signs in to AWS\n".clone_into(&mut permission);
            to_do.push(
                "set the variable `AWS_ROLE_ARN` of the repository to a role that may push (`nextdeploy ecr policy`)"
                    .to_owned(),
            );
            let (host, region) = if let Some((host, ecr)) = place {
                (host.to_string(), ecr.region.clone())
            } else {
                to_do.push("set the variables `ECR_REGISTRY` (the host) and `AWS_REGION`".to_owned());
                ("${{ vars.ECR_REGISTRY }}".to_owned(), "${{ vars.AWS_REGION }}".to_owned())
            };
            sign_in = fill(GITHUB_AWS_LOGIN, &[("REGION", &region)]);
            with.push(("registry", host));
        }
        TargetRegistry::Other(host) => {
            with.push(("registry", host.to_string()));
            with.push(("username", "${{ vars.REGISTRY_USERNAME }}".to_owned()));
            with.push(("password", "${{ secrets.REGISTRY_PASSWORD }}".to_owned()));
            to_do.push(format!(
                "set the variable `REGISTRY_USERNAME` and the secret `REGISTRY_PASSWORD` of the repository, for {host}"
            ));
        }
    }
    let program = match &choices.program.comment {
        Some(comment) => format!("{} # {comment}", choices.program.location),
        None => choices.program.location.clone(),
    };
    let mut inputs = String::new();
    if !with.is_empty() {
        inputs.push_str("        with:\n");
        for (input, value) in with {
            inputs += &["          ", input, ": ", &value, "\n"].concat();
        }
    }
    let content = fill(
        GITHUB_WORKFLOW,
        &[
            ("NAME", &name),
            ("BRANCH", &quoted(&pattern(&choices.branch))),
            ("PERMISSION", &permission),
            ("SIGN_IN", &sign_in),
            ("PROGRAM", &program),
            ("WITH", &inputs),
        ],
    );
    Definition { path: format!(".github/workflows/{name}.yml"), content: content.trim_end().to_owned() + "\n", to_do }
}

/// A job for GitLab CI, for runners that start Docker-in-Docker.
fn gitlab_job(choices: &Choices) -> Definition {
    let mut variables: Vec<(&str, String)> = Vec::new();
    let (mut identity, mut sign_in, mut to_do) = ("", "", Vec::new());
    if !choices.directory.is_root() {
        // GitLab expands variables in variables.
        variables.push((
            "NEXTDEPLOY_WORKING_DIRECTORY",
            Value::from(choices.directory.as_str().replace('$', "$$")).to_string(),
        ));
    }
    match &choices.registry {
        TargetRegistry::Own => {}
        TargetRegistry::Ecr(place) => {
            (identity, sign_in) = (GITLAB_AWS_IDENTITY, GITLAB_WRITE_TOKEN);
            let (host, region) = place.as_ref().map_or_else(
                || ("$ECR_REGISTRY".to_owned(), "$ECR_REGION".to_owned()),
                |(host, ecr)| (host.to_string(), ecr.region.clone()),
            );
            variables.push(("NEXTDEPLOY_REGISTRY", host));
            variables.push(("AWS_REGION", region));
            variables.push(("AWS_WEB_IDENTITY_TOKEN_FILE", "$CI_PROJECT_DIR.tmp/aws-token".to_owned()));
            let place = if place.is_some() { "" } else { ", `ECR_REGISTRY` (the host) and `ECR_REGION`" };
            to_do.push(format!("set the CI/CD variable `AWS_ROLE_ARN` to a role that may push{place}"));
        }
        TargetRegistry::Other(host) => {
            variables.push(("NEXTDEPLOY_REGISTRY", host.to_string()));
            to_do.push(format!(
                "set the CI/CD variables `NEXTDEPLOY_USERNAME` and `NEXTDEPLOY_PASSWORD` (masked), for {host}"
            ));
        }
    }
    let lines: String = variables.iter().map(|(name, value)| ["    ", name, ": ", value, "\n"].concat()).collect();
    let content = fill(
        GITLAB_JOB,
        &[
            ("NAME", &format!("build-{}", choices.job_name())),
            ("PROGRAM", &choices.program.location),
            ("IDENTITY", identity),
            ("VARIABLES", &lines),
            ("SIGN_IN", sign_in),
        ],
    );
    Definition { path: ".gitlab-ci.yml".to_owned(), content, to_do }
}

/// Replaces each `@NAME@` in `text` by its value, once: values are not scanned for further marks.
fn fill(text: &str, values: &[(&str, &str)]) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('@') {
        let length = after.bytes().take_while(|b| b.is_ascii_uppercase() || *b == b'_').count();
        let (name, following) = after.split_at(length);
        filled.push_str(before);
        let value = values.iter().find(|(known, _)| *known == name);
        if let (Some(following), Some((_, value))) = (following.strip_prefix('@'), value) {
            filled.push_str(value);
            rest = following;
        } else {
            filled.push('@');
            rest = after;
        }
    }
    filled + rest
}

/// The text as a YAML string, in which GitHub finds no expressions either.
fn quoted(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted.replace("${{", "${{ '${{' }}")
}

/// A branch pattern that matches exactly this name.
fn pattern(branch: &str) -> String {
    branch.chars().flat_map(|c| ['\\', c].into_iter().skip(usize::from(!"*+?![]".contains(c)))).collect()
}

/// An ignore file and the lines it should contain. Existing lines are never removed.
#[derive(Debug, Clone, Copy)]
pub struct IgnoreFile {
    pub name: &'static str,
    comment: &'static str,
    lines: &'static [&'static str],
}

pub const GITIGNORE: IgnoreFile = IgnoreFile {
    name: ".gitignore",
    comment: "# The record of the last build, which names its own commit.",
    lines: &[".nextdeploy/"],
};

pub const DOCKERIGNORE: IgnoreFile = IgnoreFile {
    name: ".dockerignore",
    comment: "# Not needed in an image. nextdeploy excludes most of it anyway; other tools do not.",
    lines: &[".git", ".github", ".gitlab-ci.yml", "**/node_modules", "**/.next", "**/.env*.local"],
};

impl IgnoreFile {
    /// The new content; `None` if no line is missing.
    pub fn completed(&self, present: Option<&str>) -> Option<String> {
        let known: Vec<&str> = present.unwrap_or_default().lines().map(plain).collect();
        let missing: Vec<&str> = self.lines.iter().copied().filter(|line| !known.contains(&plain(line))).collect();
        if missing.is_empty() {
            return None;
        }
        let mut content = present.unwrap_or_default().to_owned();
        if !content.is_empty() {
            content.push_str(if content.ends_with('\n') { "\n" } else { "\n\n" });
        }
        Some(content + self.comment + "\n" + &missing.join("\n") + "\n")
    }
}

/// `/node_modules/`, `**/node_modules` and `node_modules` are equivalent here.
fn plain(line: &str) -> &str {
    let line = line.trim();
    line.strip_prefix("**/").or_else(|| line.strip_prefix('/')).unwrap_or(line).trim_end_matches('/')
}
