//! Notes on merge requests through GitLab's API (version 4).

use reqwest::header::HeaderMap;
use serde::Deserialize;
use serde_json::json;

use super::error::ForgeError;
use super::exchange::{
    Answer, Call, Lost, MAX_ANSWER, Method, Repeat, Request, Transport, lost, names_next, seconds, text,
};
use super::marker::Marker;
use super::place::Place;
use crate::net::read_body;
use crate::repo::ci::CiSystem;
use crate::secret::Secret;

/// Longest note that the API takes, in characters.
const NOTE_LIMIT: usize = 1_000_000;
const PAGES: usize = 30;

/// One project at GitLab.
pub(super) struct GitLab {
    http: reqwest::Client,
    place: Place,
    token: Secret,
}

#[derive(Debug, Deserialize)]
pub(super) struct User {
    id: u64,
}

#[derive(Debug, Deserialize)]
struct Note {
    id: u64,
    #[serde(default)]
    body: String,
    author: User,
}

impl GitLab {
    pub fn new(place: Place, http: reqwest::Client, token: Secret) -> Self {
        Self { http, place, token }
    }

    /// Writes `body` into our note that `marker` marks, or makes one.
    pub async fn put_note(&self, call: Call, number: u64, marker: &Marker, body: &str) -> Result<(), ForgeError> {
        let body = marker.above(body, NOTE_LIMIT);
        let me = self.me(call).await?;
        let found = self.find_note(call, number, marker, &me).await?;
        if let Some(note) = found {
            if note.body.trim_end() == body.trim_end() {
                return Ok(());
            }
            let path = self.notes(number, &format!("/{}", note.id));
            let request = Request::write(Method::Put, path, json!({ "body": body }), Repeat::Harmless);
            return call.ask(self, &request).await.map(drop);
        }
        let request = Request::write(Method::Post, self.notes(number, ""), json!({ "body": body }), Repeat::Duplicates);
        match call.ask(self, &request).await {
            Err(error @ (ForgeError::Unavailable { .. } | ForgeError::NoAnswer { .. })) => {
                // Nobody knows whether it was made: look before making another one.
                match self.find_note(call, number, marker, &me).await {
                    Ok(Some(_)) => Ok(()),
                    Ok(None) => call.ask(self, &request).await.map(drop),
                    Err(_) => Err(error),
                }
            }
            result => result.map(drop),
        }
    }

    /// Whose token it is.
    pub async fn me(&self, call: Call) -> Result<User, ForgeError> {
        let answer = call.ask(self, &Request::get("/user".to_owned())).await?;
        call.read(self, &answer)
    }

    async fn find_note(&self, call: Call, number: u64, marker: &Marker, me: &User) -> Result<Option<Note>, ForgeError> {
        for page in 1..=PAGES {
            let query = format!("?per_page=100&page={page}&sort=asc&order_by=created_at");
            let answer = call.ask(self, &Request::get(self.notes(number, &query))).await?;
            let notes: Vec<Note> = call.read(self, &answer)?;
            let found = notes.into_iter().find(|note| note.author.id == me.id && marker.begins(&note.body));
            if found.is_some() || !answer.has_next {
                return Ok(found);
            }
        }
        Ok(None)
    }

    fn notes(&self, number: u64, rest: &str) -> String {
        format!("/projects/{}/merge_requests/{number}/notes{rest}", self.place.repository)
    }
}

impl Transport for GitLab {
    fn host(&self) -> &str {
        self.place.host()
    }

    fn system(&self) -> CiSystem {
        self.place.system()
    }

    fn is_from_fork(&self) -> bool {
        self.place.from_fork
    }

    async fn send(&self, request: &Request) -> Result<Answer, Lost> {
        let address = format!("{}{}", self.place.api, request.path);
        let builder = match request.method {
            Method::Get => self.http.get(address),
            Method::Post => self.http.post(address),
            Method::Patch => self.http.patch(address),
            Method::Put => self.http.put(address),
        };
        let mut builder = builder.header("PRIVATE-TOKEN", self.token.expose());
        if let Some(body) = &request.body {
            builder = builder.json(body);
        }
        let response = builder.send().await.map_err(|error| lost(&error))?;
        let header = |headers: &HeaderMap, name: &str| {
            headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        let headers = response.headers().clone();
        let exhausted = header(&headers, "ratelimit-remaining").as_deref() == Some("0");
        Ok(Answer {
            status: response.status().as_u16(),
            retry_after: seconds(header(&headers, "retry-after").as_deref()),
            refilled_at: header(&headers, "ratelimit-reset").filter(|_| exhausted).and_then(|at| at.parse().ok()),
            scopes: None,
            has_next: header(&headers, "x-next-page").is_some_and(|page| !page.is_empty())
                || names_next(header(&headers, "link").as_deref()),
            body: text(read_body(reqwest::Body::from(response), MAX_ANSWER).await, lost)?,
        })
    }
}
