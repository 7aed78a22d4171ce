//! GitHub's REST API (version 2022-11-28), also of GitHub Enterprise Server: comments, commit statuses, deployments.
//!
//! octocrab sends raw requests only: its typed calls read responses without a limit (`body.collect()`, octocrab 0.54), and do not give
//! access to the headers for rate limits.

use octocrab::Octocrab;
use octocrab::service::middleware::retry::RetryConfig;
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::error::ForgeError;
use super::exchange::{
    ApiCall, ApiResponse, ForgeApi, ForgeRequest, Idempotence, MAX_RESPONSE, SendError, body_text, has_next_page,
    innermost_cause, retry_after_seconds,
};
use super::target::{CommentMarker, ForgeTarget, ReportedOutcome};
use crate::net::read_body;
use crate::repo::ci::CiSystem;
use crate::secret::{Secret, redact};

/// Longest comment, in characters.
const COMMENT_LIMIT: usize = 65_536;
/// Longest description of a commit status, in characters.
const DESCRIPTION_LIMIT: usize = 140;
const PER_PAGE: usize = 100;
/// A pull request with more pages of comments gets a second comment of ours.
const MAX_PAGES: usize = 30;

/// One repository on GitHub.
pub(super) struct GitHubApi {
    api: Octocrab,
    target: ForgeTarget,
}

#[derive(Debug, Deserialize)]
struct IssueComment {
    id: u64,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    user: Option<CommentAuthor>,
    #[serde(default)]
    author_association: Option<String>,
}

#[derive(Debug, Deserialize)]
struct CommentAuthor {
    #[serde(default, rename = "type")]
    kind: String,
}

impl IssueComment {
    /// Anyone can write our marker into a comment; a comment that an outsider could edit afterwards is never updated.
    fn is_trusted(&self) -> bool {
        let is_bot = self.user.as_ref().is_some_and(|user| user.kind == "Bot");
        is_bot || matches!(self.author_association.as_deref(), Some("OWNER" | "MEMBER" | "COLLABORATOR"))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DeploymentState {
    InProgress,
    Success,
    Failure,
    /// Interrupted.
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
struct GitHubDeployment {
    id: u64,
    /// An object, or a string that may contain one.
    #[serde(default)]
    payload: serde_json::Value,
}

impl GitHubDeployment {
    fn is_of(&self, app: &str) -> bool {
        let of = |payload: &serde_json::Value| payload["nextdeploy"].as_str() == Some(app);
        match &self.payload {
            serde_json::Value::String(text) => serde_json::from_str(text).is_ok_and(|payload| of(&payload)),
            payload => of(payload),
        }
    }
}

impl GitHubApi {
    /// Must be called within the async runtime, which octocrab's queue needs.
    pub fn new(target: ForgeTarget, http: reqwest::Client, token: &Secret) -> Result<Self, ForgeError> {
        let invalid = || ForgeError::InvalidApiUrl { variable: "GITHUB_API_URL", url: target.api.clone() };
        let api = Octocrab::builder()
            .base_uri(target.api.as_str())
            .map_err(|_| invalid())?
            .personal_token(token.expose().clone())
            // Its own retries have no time limit and repeat requests that create duplicates.
            .add_retry_config(RetryConfig::None)
            .build_with_reqwest(http)
            .map_err(|_| invalid())?;
        Ok(Self { api, target })
    }

    /// The scopes of a personal token with access to the repository; `None` for other kinds of tokens.
    pub async fn scopes(&self, call: ApiCall) -> Result<Option<String>, ForgeError> {
        let path = format!("/repos/{}", self.target.repository);
        let response = call.send(self, &ForgeRequest::get(path)).await?;
        Ok(response.scopes.filter(|scopes| !scopes.trim().is_empty()))
    }

    /// A path below the repository.
    fn path(&self, rest: &str) -> String {
        format!("/repos/{}/{rest}", self.target.repository)
    }

    /// Updates the comment with `marker`, or creates it. It is looked up first, so that there is never a second one.
    pub async fn put_comment(
        &self,
        call: ApiCall,
        number: u64,
        marker: &CommentMarker,
        body: &str,
    ) -> Result<(), ForgeError> {
        let body = marker.prepend_to(body, COMMENT_LIMIT);
        let found = self.find_comment(call, number, marker).await?;
        if let Some(comment) = found {
            if comment.body.as_deref().is_some_and(|old| same_text(old, &body)) {
                return Ok(());
            }
            match self.update_comment(call, comment.id, &body).await {
                // The comment of another account, or deleted meanwhile.
                Err(ForgeError::NotAllowed { .. } | ForgeError::NotFound { .. }) => {}
                result => return result,
            }
        }
        match self.create_comment(call, number, &body).await {
            Err(
                error @ (ForgeError::Unavailable { .. } | ForgeError::NoAnswer { .. } | ForgeError::Unreachable { .. }),
            ) => {
                // It may have been created: check before creating another one.
                match self.find_comment(call, number, marker).await {
                    Ok(None) => self.create_comment(call, number, &body).await,
                    Ok(Some(comment)) if comment.body.as_deref().is_some_and(|created| same_text(created, &body)) => {
                        Ok(())
                    }
                    Ok(Some(_)) | Err(_) => Err(error),
                }
            }
            result => result,
        }
    }

    async fn find_comment(
        &self,
        call: ApiCall,
        number: u64,
        marker: &CommentMarker,
    ) -> Result<Option<IssueComment>, ForgeError> {
        for page in 1..=MAX_PAGES {
            let path = self.path(&format!("issues/{number}/comments?per_page={PER_PAGE}&page={page}"));
            let response = call.send(self, &ForgeRequest::get(path)).await?;
            let comments: Vec<IssueComment> = call.read(self, &response)?;
            let ours = |comment: &IssueComment| {
                comment.body.as_deref().is_some_and(|body| marker.begins(body)) && comment.is_trusted()
            };
            if let Some(comment) = comments.into_iter().find(ours) {
                return Ok(Some(comment));
            }
            if !response.has_next {
                break;
            }
        }
        Ok(None)
    }

    async fn update_comment(&self, call: ApiCall, id: u64, body: &str) -> Result<(), ForgeError> {
        let path = self.path(&format!("issues/comments/{id}"));
        let request = ForgeRequest::write(Method::PATCH, path, json!({ "body": body }), Idempotence::Safe);
        call.send(self, &request).await.map(drop)
    }

    async fn create_comment(&self, call: ApiCall, number: u64, body: &str) -> Result<(), ForgeError> {
        let path = self.path(&format!("issues/{number}/comments"));
        let request = ForgeRequest::write(Method::POST, path, json!({ "body": body }), Idempotence::Duplicates);
        call.send(self, &request).await.map(drop)
    }

    /// The deployment of `commit` to `environment`, created if it does not exist. A second run of the same job finds it again.
    pub async fn put_deployment(
        &self,
        call: ApiCall,
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
            // The commit status of this run is pending, which would be a conflict.
            "required_contexts": [],
            "transient_environment": self.target.pull_request.is_some(),
            "production_environment": self.target.pull_request.is_none() && environment == "production",
        });
        let request = ForgeRequest::write(Method::POST, self.path("deployments"), body, Idempotence::Duplicates);
        match call.send(self, &request).await {
            Ok(response) => Ok(call.read::<GitHubDeployment, _>(self, &response)?.id),
            Err(
                error @ (ForgeError::Unavailable { .. } | ForgeError::NoAnswer { .. } | ForgeError::Unreachable { .. }),
            ) => {
                // It may have been created.
                self.find_deployment(call, commit, environment, app).await.ok().flatten().ok_or(error)
            }
            Err(error) => Err(error),
        }
    }

    async fn find_deployment(
        &self,
        call: ApiCall,
        commit: &str,
        environment: &str,
        app: &str,
    ) -> Result<Option<u64>, ForgeError> {
        let environment: String = form_urlencoded::byte_serialize(environment.as_bytes()).collect();
        let path = self.path(&format!("deployments?sha={commit}&environment={environment}&per_page=100"));
        let response = call.send(self, &ForgeRequest::get(path)).await?;
        let deployments: Vec<GitHubDeployment> = call.read(self, &response)?;
        Ok(deployments.into_iter().find(|deployment| deployment.is_of(app)).map(|deployment| deployment.id))
    }

    /// The last status of a deployment counts, so repeating it is safe.
    pub async fn set_deployment_state(
        &self,
        call: ApiCall,
        id: u64,
        state: DeploymentState,
        environment_url: Option<&str>,
    ) -> Result<(), ForgeError> {
        let mut body = json!({ "state": state.as_str(), "auto_inactive": true });
        if let Some(url) = &self.target.run_url {
            body["log_url"] = json!(url);
        }
        if let Some(url) = environment_url {
            body["environment_url"] = json!(url);
        }
        let path = self.path(&format!("deployments/{id}/statuses"));
        call.send(self, &ForgeRequest::write(Method::POST, path, body, Idempotence::Safe)).await.map(drop)
    }

    /// The last status of a context counts, so repeating it is safe. `None` is a running build.
    pub async fn set_status(
        &self,
        call: ApiCall,
        commit: &str,
        app: &str,
        outcome: Option<&ReportedOutcome<'_>>,
    ) -> Result<(), ForgeError> {
        let (state, description) = match outcome {
            None => ("pending", "the image is being built"),
            Some(ReportedOutcome::Succeeded { description, .. }) => ("success", *description),
            Some(ReportedOutcome::Failed { description, .. }) => ("failure", *description),
            Some(ReportedOutcome::Stopped) => ("error", "the build was interrupted"),
        };
        let description: String = redact(description).chars().take(DESCRIPTION_LIMIT).collect();
        let mut body = json!({
            "state": state,
            "context": format!("nextdeploy / {app}"),
            "description": description,
        });
        if let Some(url) = &self.target.run_url {
            body["target_url"] = json!(url);
        }
        let request =
            ForgeRequest::write(Method::POST, self.path(&format!("statuses/{commit}")), body, Idempotence::Safe);
        call.send(self, &request).await.map(drop)
    }
}

impl ForgeApi for GitHubApi {
    fn host(&self) -> &str {
        self.target.host()
    }

    fn system(&self) -> CiSystem {
        self.target.system()
    }

    fn is_from_fork(&self) -> bool {
        self.target.from_fork
    }

    async fn send(&self, request: &ForgeRequest) -> Result<ApiResponse, SendError> {
        let path = request.path.as_str();
        let body = request.body.as_ref();
        let response = match request.method {
            Method::POST => self.api._post(path, body).await,
            Method::PATCH => self.api._patch(path, body).await,
            _ => self.api._get(path).await,
        };
        let response = response.map_err(|error| octocrab_error(&error))?;
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        let exhausted = header("x-ratelimit-remaining") == Some("0");
        let mut read = ApiResponse {
            status: response.status().as_u16(),
            body: String::new(),
            retry_after: retry_after_seconds(header("retry-after")),
            refilled_at: header("x-ratelimit-reset").filter(|_| exhausted).and_then(|at| at.trim().parse().ok()),
            scopes: header("x-oauth-scopes").map(str::to_owned),
            has_next: has_next_page(header("link")),
        };
        read.body = body_text(read_body(response.into_body(), MAX_RESPONSE).await, |error| {
            SendError::Unknown(innermost_cause(error))
        })?;
        Ok(read)
    }
}

fn octocrab_error(error: &octocrab::Error) -> SendError {
    let mut link: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = link {
        if let Some(error) = error.downcast_ref::<reqwest::Error>() {
            return super::exchange::send_error(error);
        }
        link = error.source();
    }
    SendError::Unknown(innermost_cause(error))
}

/// The service may change line endings and drop the last one.
fn same_text(old: &str, new: &str) -> bool {
    old.replace("\r\n", "\n").trim_end() == new.trim_end()
}

#[cfg(test)]
mod tests {
    #[test]
    fn environment_names_cannot_extend_a_query() {
        let encoded: String = form_urlencoded::byte_serialize("preview/7&x=ü".as_bytes()).collect();
        assert_eq!(encoded, "preview%2F7%26x%3D%C3%BC");
    }
}
