//! The event file of GitHub Actions, as far as it is needed (GitHub, "Webhook events and payloads").

use serde::Deserialize;

use super::Variables;
use crate::diagnostic::{Location, Warning, printable};

#[derive(Debug, Default, Deserialize)]
pub(super) struct Event {
    pub repository: Option<Repository>,
    pub pull_request: Option<PullRequest>,
    /// Of a push: the full reference of the branch that a tag was made from.
    pub base_ref: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Repository {
    pub full_name: Option<String>,
    pub default_branch: Option<String>,
    pub description: Option<String>,
    pub license: Option<License>,
}

#[derive(Debug, Deserialize)]
pub(super) struct License {
    pub spdx_id: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct PullRequest {
    pub number: Option<u64>,
    pub head: Option<Side>,
    pub base: Option<Side>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Side {
    #[serde(rename = "ref")]
    pub branch: Option<String>,
    pub sha: Option<String>,
    /// `null` when the fork is deleted.
    pub repo: Option<Repository>,
}

impl Event {
    /// `None` with a warning when the file cannot be used; the run goes on without it.
    pub fn read(variables: Variables<'_>, text: Option<&str>, warnings: &mut Vec<Warning>) -> Option<Self> {
        let path = variables.text("GITHUB_EVENT_PATH")?;
        let lost = "fork, default branch and head commit of a pull request are unknown";
        let Some(text) = text else {
            let message = format!("the event file `{}` cannot be read; {lost}", printable(path));
            let hint = "check that the folder of `GITHUB_EVENT_PATH` is there where this program runs";
            warnings.push(Warning::new("ci/event-file-missing", message).with_hint(hint));
            return None;
        };
        match serde_json::from_str(text.trim_start_matches('\u{feff}')) {
            Ok(event) => Some(event),
            Err(error) => {
                let message = format!("the event file is not what GitHub writes ({error}); {lost}");
                let warning = Warning::new("ci/event-file", message)
                    .with_hint("check the file that `GITHUB_EVENT_PATH` names")
                    .at(Location::column(path, error.line(), error.column()));
                warnings.push(warning);
                None
            }
        }
    }
}
