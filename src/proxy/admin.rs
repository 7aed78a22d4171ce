//! Client of Caddy's admin API. A change reads the whole configuration, and is written back only when nobody else wrote meanwhile.

use std::time::Duration;

use http_body_util::BodyExt as _;
use reqwest::header::{ETAG, HeaderMap, IF_MATCH};
use reqwest::{Method, StatusCode, Url};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;

use super::config;
use super::error::ProxyError;
use super::site::{Site, Upstream, check_app};
use crate::diagnostic::{error_chain, shown};
use crate::network;

const TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a change is tried when somebody else changes the configuration at the same time.
const ATTEMPTS: u32 = 8;
/// A connection that the previous configuration accepted may send its first request for five seconds (Go's `Server.Shutdown`),
/// and that request goes to the previous upstream.
const SETTLE: Duration = Duration::from_millis(5_500);
const POLL: Duration = Duration::from_millis(100);

/// A running Caddy.
#[derive(Debug, Clone)]
pub struct Admin {
    client: reqwest::Client,
    /// Without a path.
    url: Url,
}

/// What became of a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Ensured {
    Created,
    Changed,
    Unchanged,
}

/// How a change of the upstream went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Switched {
    /// Where the requests went before; empty when nothing changed.
    pub previous: Vec<String>,
    pub drained: Drained,
}

/// What is known of the requests that ran at the previous upstreams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Drained {
    /// All were answered, after this time.
    Idle(Duration),
    /// The time was over before that.
    TimedOut { requests: u64 },
    /// The requests go to the new upstream, but Caddy does not tell how many run at the old one.
    Unknown { reason: String },
}

#[derive(Deserialize)]
struct UpstreamStatus {
    address: String,
    num_requests: u64,
}

impl Admin {
    /// `url` as `http://127.0.0.1:2019`. Nothing is asked yet. Proxies of the environment are not used.
    pub fn new(url: &str) -> Result<Self, ProxyError> {
        let wrong = |reason| ProxyError::AdminAddress { reason };
        let text = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let url = Url::parse(&text).map_err(|_| wrong("it is no URL"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong("it is neither `http://` nor `https://`"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("the admin API takes no password"));
        }
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("it ends behind the port"));
        }
        network::install_provider();
        let mut builder = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            // Every change of the configuration starts the admin API anew.
            .pool_max_idle_per_host(0);
        if url.scheme() == "http" {
            builder = builder.tls_certs_only([]);
        }
        let client = builder.build().map_err(|error| ProxyError::Client { reason: error_chain(&error) })?;
        Ok(Self { client, url })
    }

    /// Without a slash at the end.
    pub fn address(&self) -> &str {
        self.url.as_str().trim_end_matches('/')
    }

    /// `HOST:PORT` for a configuration that is written: only an address that this machine alone reaches.
    pub fn listen_address(&self) -> Result<String, ProxyError> {
        match (self.url.host_str(), self.url.port_or_known_default()) {
            (Some(host), Some(port)) if self.is_on_loopback() => Ok(format!("{host}:{port}")),
            _ => Err(ProxyError::AdminAddress { reason: "everybody could reach it there, and it has no password" }),
        }
    }

    /// Only this machine reaches it.
    pub fn is_on_loopback(&self) -> bool {
        match self.url.host_str().map(|host| host.trim_matches(['[', ']'])) {
            Some("localhost") => true,
            Some(host) => host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback()),
            None => false,
        }
    }

    /// Where the requests of `app` go; `None` when Caddy has no site of it.
    pub async fn upstreams(&self, app: &str) -> Result<Option<Vec<String>>, ProxyError> {
        check_app(app)?;
        let (config, _) = self.config().await?;
        let found = config::upstreams(&config, app);
        Ok(found.map(|list| list.iter().map(ToString::to_string).collect()))
    }

    /// Makes Caddy serve `site`, and leaves everything else that it serves as it is. A configuration that Caddy refuses changes nothing.
    pub async fn ensure_site(&self, site: &Site) -> Result<Ensured, ProxyError> {
        self.change(|before| {
            let known = config::upstreams(before, site.app()).is_some();
            let after = config::with_site(before.clone(), site)?;
            let outcome = match (known, after == *before) {
                (_, true) => Ensured::Unchanged,
                (true, false) => Ensured::Changed,
                (false, false) => Ensured::Created,
            };
            Ok((after, outcome))
        })
        .await
    }

    /// Takes the site of `app` away; false when there is none.
    pub async fn remove_site(&self, app: &str) -> Result<bool, ProxyError> {
        check_app(app)?;
        self.change(|before| {
            Ok(match config::without_site(before.clone(), app) {
                Some(after) => (after, true),
                None => (before.clone(), false),
            })
        })
        .await
    }

    /// Sends the requests of `app` to `upstream` from now on, and waits until none runs at the previous one any more, for `limit`
    /// at most. Fails only when nothing was switched.
    pub async fn switch_upstream(&self, app: &str, upstream: &str, limit: Duration) -> Result<Switched, ProxyError> {
        check_app(app)?;
        let upstream = Upstream::parse(upstream)?;
        let previous = self
            .change(|before| {
                config::with_upstream(before.clone(), app, &upstream)
                    .ok_or_else(|| ProxyError::NoSite { url: self.address().to_owned(), app: app.to_owned() })
            })
            .await?;
        let previous: Vec<String> = previous.iter().map(ToString::to_string).collect();
        let drained = self.drain(&previous, limit).await;
        Ok(Switched { previous, drained })
    }

    /// Waits until no request runs at `upstreams`, which get no new ones, for `limit` at most.
    pub async fn drain(&self, upstreams: &[String], limit: Duration) -> Drained {
        let started = Instant::now();
        if upstreams.is_empty() {
            return Drained::Idle(Duration::ZERO);
        }
        loop {
            let requests = match self.running_requests(upstreams).await {
                Ok(requests) => requests,
                Err(error) => return Drained::Unknown { reason: error.to_string() },
            };
            let elapsed = started.elapsed();
            if requests == 0 && elapsed >= SETTLE.min(limit) {
                return Drained::Idle(elapsed);
            }
            if elapsed >= limit {
                return Drained::TimedOut { requests };
            }
            tokio::time::sleep(POLL.min(limit.saturating_sub(elapsed))).await;
        }
    }

    async fn running_requests(&self, upstreams: &[String]) -> Result<u64, ProxyError> {
        let asked = self.ask(Method::GET, "reverse_proxy/upstreams", None, None).await;
        let (body, _) = asked.map_err(|answer| self.error(answer))?;
        let all: Vec<UpstreamStatus> =
            serde_json::from_slice(&body).map_err(|_| self.not_caddy("no list of upstreams"))?;
        Ok(all.iter().filter(|status| upstreams.contains(&status.address)).map(|status| status.num_requests).sum())
    }

    /// Applies `edit` to the configuration as it is, again when it was changed meanwhile.
    async fn change<T>(&self, edit: impl Fn(&Value) -> Result<(Value, T), ProxyError>) -> Result<T, ProxyError> {
        for _ in 0..ATTEMPTS {
            let (before, tag) = self.config().await?;
            let (after, outcome) = edit(&before)?;
            if after == before || self.write(&after, tag.as_deref()).await? == Written::Yes {
                return Ok(outcome);
            }
        }
        Err(ProxyError::Contended { url: self.address().to_owned() })
    }

    /// The whole configuration, `null` when there is none, and its entity tag.
    async fn config(&self) -> Result<(Value, Option<String>), ProxyError> {
        let asked = self.ask(Method::GET, "config/", None, None).await;
        let (body, headers) = asked.map_err(|answer| self.error(answer))?;
        let config: Value = serde_json::from_slice(&body).map_err(|_| self.not_caddy("no JSON"))?;
        if !config.is_object() && !config.is_null() {
            return Err(self.not_caddy("no configuration"));
        }
        let tag = headers.get(ETAG).and_then(|tag| tag.to_str().ok()).map(str::to_owned);
        Ok((config, tag))
    }

    async fn write(&self, config: &Value, tag: Option<&str>) -> Result<Written, ProxyError> {
        match self.ask(Method::POST, "config/", Some(config), tag).await {
            Ok(_) => Ok(Written::Yes),
            Err(Answer::Status(StatusCode::PRECONDITION_FAILED, _)) => Ok(Written::NoLongerTheSame),
            Err(answer) => Err(self.error(answer)),
        }
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        tag: Option<&str>,
    ) -> Result<(Vec<u8>, HeaderMap), Answer> {
        let mut url = self.url.clone();
        url.set_path(path);
        let mut request = self.client.request(method, url);
        if let Some(body) = body {
            request = request.json(body);
        }
        if let Some(tag) = tag {
            request = request.header(IF_MATCH, tag);
        }
        let response = request.send().await.map_err(Answer::None)?;
        let status = response.status();
        let mut headers = response.headers().clone();
        // Until Caddy 2.8 the entity tag comes behind the body.
        let mut frames = reqwest::Body::from(response);
        let mut body = Vec::new();
        while let Some(frame) = frames.frame().await {
            match frame.map_err(Answer::None)?.into_data() {
                Ok(data) => body.extend_from_slice(&data),
                Err(frame) => headers.extend(frame.into_trailers().unwrap_or_default()),
            }
        }
        if status.is_success() {
            return Ok((body, headers));
        }
        Err(Answer::Status(status, String::from_utf8_lossy(&body).into_owned()))
    }

    fn error(&self, answer: Answer) -> ProxyError {
        let url = self.address().to_owned();
        match answer {
            Answer::None(error) => ProxyError::Unreachable { url, reason: error_chain(&error.without_url()) },
            Answer::Status(status, body) => match serde_json::from_str::<Value>(&body) {
                Ok(Value::Object(told)) if told.get("error").is_some_and(Value::is_string) => {
                    let message = told["error"].as_str().unwrap_or_default().to_owned();
                    ProxyError::Refused { url, message }
                }
                _ => ProxyError::NotCaddy { url, reason: format!("status {status}: {}", shown(body.trim())) },
            },
        }
    }

    fn not_caddy(&self, reason: &str) -> ProxyError {
        ProxyError::NotCaddy { url: self.address().to_owned(), reason: reason.to_owned() }
    }
}

#[derive(PartialEq, Eq)]
enum Written {
    Yes,
    NoLongerTheSame,
}

/// Anything but success.
enum Answer {
    None(reqwest::Error),
    Status(StatusCode, String),
}
