//! Deployments: one per commit, environment and app, found again by a second run of the same job.

use serde::Deserialize;
use serde_json::json;

use super::GitHub;
use crate::report::forge::error::ForgeError;
use crate::report::forge::exchange::{Call, Method, Repeat, Request};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::report::forge) enum DeploymentState {
    InProgress,
    Success,
    Failure,
    /// Stopped before it was known.
    Error,
}

impl DeploymentState {
    fn as_str(self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Error => "error",
        }
    }
}

#[derive(Debug, Deserialize)]
struct Deployment {
    id: u64,
    /// An object, or a text that may hold one.
    #[serde(default)]
    payload: serde_json::Value,
}

impl Deployment {
    fn is_of(&self, app: &str) -> bool {
        let of = |payload: &serde_json::Value| payload["nextdeploy"].as_str() == Some(app);
        match &self.payload {
            serde_json::Value::String(text) => serde_json::from_str(text).is_ok_and(|payload| of(&payload)),
            payload => of(payload),
        }
    }
}

impl GitHub {
    /// The deployment of `commit` to `environment`, made when it is not there.
    pub async fn put_deployment(
        &self,
        call: Call,
        commit: &str,
        environment: &str,
        app: &str,
    ) -> Result<u64, ForgeError> {
        let found = self.find_deployment(call, commit, environment, app).await?;
        if let Some(id) = found {
            return Ok(id);
        }
        let body = json!({
            "ref": commit,
            "environment": environment,
            "description": "image built by nextdeploy",
            "payload": { "nextdeploy": app },
            "auto_merge": false,
            // The status of this very run is pending, which would be a conflict.
            "required_contexts": [],
            "transient_environment": self.place.pull_request.is_some(),
            "production_environment": self.place.pull_request.is_none() && environment == "production",
        });
        let request = Request::write(Method::Post, self.path("deployments"), body, Repeat::Duplicates);
        match call.ask(self, &request).await {
            Ok(answer) => Ok(call.read::<Deployment, _>(self, &answer)?.id),
            Err(
                error @ (ForgeError::Unavailable { .. } | ForgeError::NoAnswer { .. } | ForgeError::Unreachable { .. }),
            ) => {
                // Nobody knows whether it was made.
                self.find_deployment(call, commit, environment, app).await.ok().flatten().ok_or(error)
            }
            Err(error) => Err(error),
        }
    }

    async fn find_deployment(
        &self,
        call: Call,
        commit: &str,
        environment: &str,
        app: &str,
    ) -> Result<Option<u64>, ForgeError> {
        let environment = percent_encoded(environment);
        let path = self.path(&format!("deployments?sha={commit}&environment={environment}&per_page=100"));
        let answer = call.ask(self, &Request::get(path)).await?;
        let deployments: Vec<Deployment> = call.read(self, &answer)?;
        Ok(deployments.into_iter().find(|deployment| deployment.is_of(app)).map(|deployment| deployment.id))
    }

    /// The last status is the one that counts.
    pub async fn set_deployment_state(
        &self,
        call: Call,
        id: u64,
        state: DeploymentState,
        environment_url: Option<&str>,
    ) -> Result<(), ForgeError> {
        let mut body = json!({ "state": state.as_str(), "auto_inactive": true });
        if let Some(url) = &self.place.run_url {
            body["log_url"] = json!(url);
        }
        if let Some(url) = environment_url {
            body["environment_url"] = json!(url);
        }
        let path = self.path(&format!("deployments/{id}/statuses"));
        call.ask(self, &Request::write(Method::Post, path, body, Repeat::Harmless)).await.map(drop)
    }
}

/// A value of a query (RFC 3986, section 2.1).
fn percent_encoded(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::percent_encoded;

    #[test]
    fn names_of_environments_cannot_add_to_a_query() {
        assert_eq!(percent_encoded("preview/7&x=ü"), "preview%2F7%26x%3D%C3%BC");
    }
}
