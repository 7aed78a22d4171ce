//! Notes on merge requests through GitLab's API (version 4).

use reqwest::Method;
use reqwest::header::HeaderMap;
use serde::Deserialize;
use serde_json::json;

use super::error::ForgeError;
use super::exchange::{
    ApiCall, ApiResponse, ForgeApi, ForgeRequest, Idempotence, MAX_RESPONSE, SendError, body_text, has_next_page,
    retry_after_seconds, send_error,
};
use super::target::{CommentMarker, ForgeTarget};
use crate::net::read_body;
use crate::repo::ci::CiSystem;
use crate::secret::Secret;

/// Longest note, in characters.
const NOTE_LIMIT: usize = 1_000_000;
const MAX_PAGES: usize = 30;

/// One project on GitLab.
pub(super) struct GitLabApi {
    http: reqwest::Client,
    target: ForgeTarget,
    token: Secret,
}

#[derive(Debug, Deserialize)]
pub(super) struct GitLabUser {
    id: u64,
}

#[derive(Debug, Deserialize)]
struct Note {
    id: u64,
    #[serde(default)]
    body: String,
    author: GitLabUser,
}

impl GitLabApi {
    pub fn new(target: ForgeTarget, http: reqwest::Client, token: Secret) -> Self {
        Self { http, target, token }
    }

    /// Updates our note with `marker`, or creates it.
    pub async fn put_note(
        &self,
        call: ApiCall,
        number: u64,
        marker: &CommentMarker,
        body: &str,
    ) -> Result<(), ForgeError> {
        let body = marker.prepend_to(body, NOTE_LIMIT);
        let me = self.current_user(call).await?;
        let found = self.find_note(call, number, marker, &me).await?;
        if let Some(note) = found {
            if note.body.trim_end() == body.trim_end() {
                return Ok(());
            }
            let path = self.notes(number, &format!("/{}", note.id));
            let request = ForgeRequest::write(Method::PUT, path, json!({ "body": body }), Idempotence::Safe);
            return call.send(self, &request).await.map(drop);
        }
        let request =
            ForgeRequest::write(Method::POST, self.notes(number, ""), json!({ "body": body }), Idempotence::Duplicates);
        match call.send(self, &request).await {
            Err(error @ (ForgeError::Unavailable { .. } | ForgeError::NoAnswer { .. })) => {
                // It may have been created: check before creating another one.
                match self.find_note(call, number, marker, &me).await {
                    Ok(Some(_)) => Ok(()),
                    Ok(None) => call.send(self, &request).await.map(drop),
                    Err(_) => Err(error),
                }
            }
            result => result.map(drop),
        }
    }

    /// The user that the token belongs to.
    pub async fn current_user(&self, call: ApiCall) -> Result<GitLabUser, ForgeError> {
        let response = call.send(self, &ForgeRequest::get("/user".to_owned())).await?;
        call.read(self, &response)
    }

    async fn find_note(
        &self,
        call: ApiCall,
        number: u64,
        marker: &CommentMarker,
        me: &GitLabUser,
    ) -> Result<Option<Note>, ForgeError> {
        for page in 1..=MAX_PAGES {
            let query = format!("?per_page=100&page={page}&sort=asc&order_by=created_at");
            let response = call.send(self, &ForgeRequest::get(self.notes(number, &query))).await?;
            let notes: Vec<Note> = call.read(self, &response)?;
            let found = notes.into_iter().find(|note| note.author.id == me.id && marker.begins(&note.body));
            if found.is_some() || !response.has_next {
                return Ok(found);
            }
        }
        Ok(None)
    }

    fn notes(&self, number: u64, rest: &str) -> String {
        format!("/projects/{}/merge_requests/{number}/notes{rest}", self.target.repository)
    }
}

impl ForgeApi for GitLabApi {
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
        let url = format!("{}{}", self.target.api, request.path);
        let mut builder = self.http.request(request.method.clone(), url).header("PRIVATE-TOKEN", self.token.expose());
        if let Some(body) = &request.body {
            builder = builder.json(body);
        }
        let response = builder.send().await.map_err(|error| send_error(&error))?;
        let header = |headers: &HeaderMap, name: &str| {
            headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        let headers = response.headers().clone();
        let exhausted = header(&headers, "ratelimit-remaining").as_deref() == Some("0");
        Ok(ApiResponse {
            status: response.status().as_u16(),
            retry_after: retry_after_seconds(header(&headers, "retry-after").as_deref()),
            refilled_at: header(&headers, "ratelimit-reset").filter(|_| exhausted).and_then(|at| at.parse().ok()),
            scopes: None,
            has_next: header(&headers, "x-next-page").is_some_and(|page| !page.is_empty())
                || has_next_page(header(&headers, "link").as_deref()),
            body: body_text(read_body(reqwest::Body::from(response), MAX_RESPONSE).await, send_error)?,
        })
    }
}
