//! GitLab CI: sections in the log, the dotenv report, and links for the job page.
//!
//! Formats as in GitLab's documentation of job logs, `artifacts:reports:dotenv` and `artifacts:reports:annotations`.

use super::dialect::{Dialect, FileMode, FileWrite, LogGroup, PublishedOutputs, file_of};
use crate::host::Environment;
use crate::repo::{ANNOTATIONS_REPORT, DOTENV_REPORT};

pub(super) struct GitLab;

/// GitLab rejects a larger dotenv file.
const DOTENV_LIMIT: usize = 5 * 1024;

impl Dialect for GitLab {
    fn has_groups(&self) -> bool {
        true
    }

    fn open(&self, group: &LogGroup) -> String {
        let LogGroup { name, title, opened } = group;
        format!("\u{1b}[0Ksection_start:{opened}:nextdeploy_{name}[collapsed=true]\r\u{1b}[0K{title}\n")
    }

    fn close(&self, group: &LogGroup, now: i64) -> String {
        format!("\u{1b}[0Ksection_end:{now}:nextdeploy_{}\r\u{1b}[0K\n", group.name)
    }

    fn output_files(&self, published: PublishedOutputs<'_>, environment: &Environment) -> Vec<FileWrite> {
        let Some(folder) = file_of(environment, "CI_PROJECT_DIR") else { return Vec::new() };
        let file = |name: &'static str, content| FileWrite {
            path: folder.join(name),
            content,
            mode: FileMode::Replace,
            named_by: name,
        };
        let mut files = vec![file(DOTENV_REPORT, dotenv(published))];
        let links = links(published, environment);
        if !links.is_empty() {
            let document = serde_json::json!({ "nextdeploy": links });
            files.push(file(ANNOTATIONS_REPORT, format!("{document:#}\n")));
        }
        files
    }
}

/// One variable per line. The format has neither quotes nor escapes, so values with spaces or line breaks are omitted.
fn dotenv(published: PublishedOutputs<'_>) -> String {
    let mut text = String::new();
    for (name, value) in published.outputs.variables() {
        let line = format!("{name}={value}\n");
        if value.chars().all(|c| c.is_ascii_graphic()) && text.len() + line.len() <= DOTENV_LIMIT {
            text.push_str(&line);
        }
    }
    text
}

fn links(published: PublishedOutputs<'_>, environment: &Environment) -> Vec<serde_json::Value> {
    let registry = environment.get("CI_REGISTRY").filter(|host| !host.is_empty());
    let project =
        environment.get("CI_PROJECT_URL").filter(|url| url.starts_with("https://") || url.starts_with("http://"));
    published
        .pushed
        .iter()
        .map(|pushed| {
            let reference = &pushed.reference;
            let url = match project {
                Some(project) if registry.is_some() && reference.domain.as_deref() == registry => {
                    format!("{project}/container_registry")
                }
                _ => format!(
                    "https://{}",
                    reference
                        .domain
                        .as_ref()
                        .map_or_else(|| format!("hub.docker.com/r/{}", reference.path), |_| reference.repository())
                ),
            };
            serde_json::json!({ "external_link": { "label": format!("Image {reference}"), "url": url } })
        })
        .collect()
}
