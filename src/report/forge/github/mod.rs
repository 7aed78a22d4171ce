//! GitHub's REST API (version 2022-11-28) through octocrab, also on GitHub Enterprise Server.

mod comment;
mod deployment;
mod status;

use octocrab::Octocrab;
use octocrab::service::middleware::retry::RetryConfig;

use super::error::ForgeError;
use super::exchange::{Answer, Call, Lost, MAX_ANSWER, Method, Request, Transport, cause, names_next, seconds, text};
use super::place::Place;
use crate::net::read_body;
use crate::repo::ci::CiSystem;
use crate::secret::Secret;

pub(super) use deployment::DeploymentState;

/// One repository at GitHub.
pub(super) struct GitHub {
    api: Octocrab,
    place: Place,
}

impl GitHub {
    /// To be called inside the runtime, which octocrab's queue needs.
    pub fn new(place: Place, http: reqwest::Client, token: &Secret) -> Result<Self, ForgeError> {
        let odd = || ForgeError::OddAddress { variable: "GITHUB_API_URL", address: place.api.clone() };
        let api = Octocrab::builder()
            .base_uri(place.api.as_str())
            .map_err(|_| odd())?
            .personal_token(token.expose().clone())
            // Its own retries know no limit of time and repeat requests that make duplicates.
            .add_retry_config(RetryConfig::None)
            .build_with_reqwest(http)
            .map_err(|_| odd())?;
        Ok(Self { api, place })
    }

    /// The scopes of a personal token that can see the repository; `None` for other kinds of tokens.
    pub async fn scopes(&self, call: Call) -> Result<Option<String>, ForgeError> {
        let path = format!("/repos/{}", self.place.repository);
        let answer = call.ask(self, &Request::get(path)).await?;
        Ok(answer.scopes.filter(|scopes| !scopes.trim().is_empty()))
    }

    /// A path below the repository.
    fn path(&self, rest: &str) -> String {
        format!("/repos/{}/{rest}", self.place.repository)
    }
}

impl Transport for GitHub {
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
        let path = request.path.as_str();
        let body = request.body.as_ref();
        let response = match request.method {
            Method::Get => self.api._get(path).await,
            Method::Post => self.api._post(path, body).await,
            Method::Patch => self.api._patch(path, body).await,
            Method::Put => self.api._put(path, body).await,
        };
        let response = response.map_err(|error| lost(&error))?;
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        let exhausted = header("x-ratelimit-remaining") == Some("0");
        let mut answer = Answer {
            status: response.status().as_u16(),
            body: String::new(),
            retry_after: seconds(header("retry-after")),
            refilled_at: header("x-ratelimit-reset").filter(|_| exhausted).and_then(|at| at.trim().parse().ok()),
            scopes: header("x-oauth-scopes").map(str::to_owned),
            has_next: names_next(header("link")),
        };
        answer.body = text(read_body(response.into_body(), MAX_ANSWER).await, |error| Lost::Unknown(cause(error)))?;
        Ok(answer)
    }
}

fn lost(error: &octocrab::Error) -> Lost {
    let mut link: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = link {
        if let Some(error) = error.downcast_ref::<reqwest::Error>() {
            return super::exchange::lost(error);
        }
        link = error.source();
    }
    Lost::Unknown(cause(error))
}
