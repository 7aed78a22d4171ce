//! One request to Caddy's admin API, and what its answer means.

use reqwest::header::{CONTENT_TYPE, HeaderMap, IF_MATCH};
use reqwest::{Method, StatusCode};
use serde_json::Value;

use super::admin::Admin;
use super::error::ProxyError;
use crate::diagnostic::{error_chain, shown, size_text};
use crate::net::{BodyError, read_body};

/// More than the configuration of thousands of sites.
const MAX_ANSWER: usize = 32 * 1024 * 1024;

/// What is sent.
pub(super) enum Body<'a> {
    Json(&'a Value),
    Caddyfile(String),
}

/// Anything but success.
pub(super) enum Answer {
    None(reqwest::Error),
    TooLong { limit: usize },
    Status(StatusCode, String),
}

impl Admin {
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<Body<'_>>,
        tag: Option<&str>,
    ) -> Result<(Vec<u8>, HeaderMap), Answer> {
        let mut url = self.url.clone();
        url.set_path(path);
        let mut request = self.client.request(method, url);
        request = match body {
            None => request,
            Some(Body::Json(value)) => request.json(value),
            Some(Body::Caddyfile(text)) => request.header(CONTENT_TYPE, "text/caddyfile").body(text),
        };
        if let Some(tag) = tag {
            request = request.header(IF_MATCH, tag);
        }
        let response = request.send().await.map_err(Answer::None)?;
        let status = response.status();
        let mut headers = response.headers().clone();
        // Until Caddy 2.8 the entity tag comes behind the body.
        let read = read_body(reqwest::Body::from(response), MAX_ANSWER).await.map_err(|error| match error {
            BodyError::TooLong { limit } => Answer::TooLong { limit },
            BodyError::Broken(error) => Answer::None(error),
        })?;
        headers.extend(read.trailers);
        let body = read.bytes;
        if status.is_success() {
            return Ok((body, headers));
        }
        Err(Answer::Status(status, String::from_utf8_lossy(&body).into_owned()))
    }

    pub(super) fn error(&self, answer: Answer) -> ProxyError {
        let url = self.address().to_owned();
        match answer {
            Answer::None(error) => ProxyError::Unreachable { url, reason: error_chain(&error.without_url()) },
            Answer::TooLong { limit } => {
                ProxyError::NotCaddy { url, reason: format!("its answer is longer than {}", size_text(limit as u64)) }
            }
            Answer::Status(status, body) => match serde_json::from_str::<Value>(&body) {
                Ok(Value::Object(told)) if told.get("error").is_some_and(Value::is_string) => {
                    let message = told["error"].as_str().unwrap_or_default().to_owned();
                    ProxyError::Refused { url, message }
                }
                _ => ProxyError::NotCaddy { url, reason: format!("status {status}: {}", shown(body.trim())) },
            },
        }
    }

    pub(super) fn not_caddy(&self, reason: &str) -> ProxyError {
        ProxyError::NotCaddy { url: self.address().to_owned(), reason: reason.to_owned() }
    }
}
