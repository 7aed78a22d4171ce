//! The commit status: the last one of a context is the one that counts, so that writing it again is harmless.

use serde_json::json;

use super::GitHub;
use crate::report::forge::announcer::Outcome;
use crate::report::forge::error::ForgeError;
use crate::report::forge::exchange::{Call, Method, Repeat, Request};
use crate::secret::redact;

/// Longest description that the API takes, in characters.
const DESCRIPTION_LIMIT: usize = 140;

impl GitHub {
    /// `None` is a build that still runs.
    pub async fn set_status(
        &self,
        call: Call,
        commit: &str,
        app: &str,
        outcome: Option<&Outcome<'_>>,
    ) -> Result<(), ForgeError> {
        let (state, description) = match outcome {
            None => ("pending", "the image is being built"),
            Some(Outcome::Succeeded { description, .. }) => ("success", *description),
            Some(Outcome::Failed { description, .. }) => ("failure", *description),
            Some(Outcome::Stopped) => ("error", "the build was stopped"),
        };
        let description: String = redact(description).chars().take(DESCRIPTION_LIMIT).collect();
        let mut body = json!({
            "state": state,
            "context": format!("nextdeploy / {app}"),
            "description": description,
        });
        if let Some(url) = &self.place.run_url {
            body["target_url"] = json!(url);
        }
        let request = Request::write(Method::Post, self.path(&format!("statuses/{commit}")), body, Repeat::Harmless);
        call.ask(self, &request).await.map(drop)
    }
}
