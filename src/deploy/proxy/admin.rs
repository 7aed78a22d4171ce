//! Client of Caddy's admin API. A change reads the whole configuration and is written back only if it has not changed in between.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, ETAG, HeaderMap, IF_MATCH};
use reqwest::{Method, StatusCode, Url};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;

use super::config;
use super::error::ProxyError;
use super::site::{Site, Upstream, check_app};
use super::switch::{SwitchFolder, SwitchRoot, UpstreamPair};
use crate::diagnostic::{Warning, error_chain, shown, size_text};
use crate::net::{BodyError, read_body};
use crate::{host, net};

/// More than the configuration of thousands of sites.
const MAX_ANSWER: usize = 32 * 1024 * 1024;
const TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Attempts to change a configuration that others change at the same time.
const ATTEMPTS: u32 = 8;
/// A connection that the previous configuration accepted may send its first request for five seconds (Go's `Server.Shutdown`),
/// and that request goes to the previous upstream.
const SETTLE: Duration = Duration::from_millis(5_500);
/// From the moment Caddy checks the file of a switch until it counts the request.
const SETTLE_OF_SWITCH: Duration = Duration::from_millis(500);
const POLL: Duration = Duration::from_millis(100);

/// A running Caddy.
#[derive(Debug, Clone)]
pub struct CaddyAdmin {
    client: reqwest::Client,
    /// Without a path.
    url: Url,
}

/// What became of a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SiteChange {
    Created,
    Changed,
    Unchanged,
}

/// How a change of the upstream went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Switched {
    /// All that could get requests before; empty when nothing changed.
    pub previous: Vec<String>,
    pub drained: Drained,
    pub by: SwitchedBy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SwitchedBy {
    /// Caddy saw it in a folder.
    Folder,
    /// Caddy loaded another configuration, and closed its idle connections of HTTP/1.1.
    Configuration,
    /// The same, as the folder of the switch cannot be used by this user; the site has none any more.
    ConfigurationWithoutSwitch,
}

/// What is known of the requests that ran at the previous upstreams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Drained {
    /// All were answered, after this time.
    Idle(Duration),
    /// The time was over before that.
    TimedOut { requests: u64 },
    /// The requests go to the new upstream, but the number of those at the old one is unknown.
    Unknown { reason: String },
}

#[derive(Deserialize)]
struct UpstreamStatus {
    address: String,
    num_requests: u64,
}

impl CaddyAdmin {
    /// `url` as `http://127.0.0.1:2019`. Sends no request yet. Proxies of the environment are not used.
    pub fn new(url: &str) -> Result<Self, ProxyError> {
        let wrong = |reason| ProxyError::AdminAddress { reason };
        let text = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let url = Url::parse(&text).map_err(|_| wrong("invalid URL"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong("it is neither `http://` nor `https://`"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("the admin API takes no password"));
        }
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("it ends behind the port"));
        }
        net::install_provider();
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
        let found = match config::pair(&config, app) {
            Some(pair) => Some(vec![pair.at(pair.folder.live()?).clone()]),
            None => config::upstreams(&config, app),
        };
        Ok(found.map(|list| list.iter().map(ToString::to_string).collect()))
    }

    /// Whether Caddy has a site of `app`.
    pub async fn has_site(&self, app: &str) -> Result<bool, ProxyError> {
        check_app(app)?;
        let (config, _) = self.config().await?;
        Ok(config::upstreams(&config, app).is_some())
    }

    /// Whether Caddy can read `folder` of this machine: it has to import a file there whose name only this program knows.
    pub async fn sees(&self, folder: &SwitchFolder) -> Result<bool, ProxyError> {
        let word = format!("nextdeploy-{}", host::random_word());
        let probe = folder.probe(&word, &word)?;
        let import = format!("import \"{}\"\n", probe.path().display());
        match self.send(Method::POST, "adapt", Some(AdminBody::Caddyfile(import)), None).await {
            // A file with one word is the address of a site.
            Ok((adapted, _)) => Ok(String::from_utf8_lossy(&adapted).contains(&format!("\"{word}\""))),
            Err(AdminFailure::Status(..)) => Ok(false),
            Err(failure) => Err(self.error(failure)),
        }
    }

    /// The folder in which the site of `app` is switched; `None` when each switch loads a configuration instead, with a warning unless that
    /// was chosen.
    ///
    /// # Errors
    /// [`ProxyError::SwitchFolder`] when a folder was chosen and either side cannot use it.
    pub async fn switch_folder(
        &self,
        root: &SwitchRoot,
        app: &str,
    ) -> Result<(Option<SwitchFolder>, Option<Warning>), ProxyError> {
        let folder = match root {
            SwitchRoot::None => return Ok((None, None)),
            SwitchRoot::Default(root) | SwitchRoot::Chosen(root) => SwitchFolder::of(root, app)?,
        };
        let visible = match folder.make() {
            Ok(()) => self.sees(&folder).await,
            Err(error) => Err(error),
        };
        if !matches!(visible, Ok(true)) {
            folder.remove_if_empty();
        }
        let reason = match visible {
            Ok(true) => return Ok((Some(folder), None)),
            Ok(false) => "Caddy does not see it".to_owned(),
            Err(ProxyError::SwitchFolder { reason, .. }) => reason,
            Err(error) => return Err(error),
        };
        let path = folder.path().to_path_buf();
        if matches!(root, SwitchRoot::Chosen(_)) {
            return Err(ProxyError::SwitchFolder { path, reason });
        }
        let message = format!("the site is not switched in `{}` ({reason})", path.display());
        let warning = Warning::new("proxy/no-switch", message).with_hint(
            "`run --replace` will load a configuration, which closes idle connections; set `--switch-dir` to a folder that Caddy's user \
             can read, or to `none` to silence this warning",
        );
        Ok((None, Some(warning)))
    }

    /// A warning when other machines can reach the admin API, which has no password.
    pub fn exposure_warning(&self) -> Option<Warning> {
        if self.is_on_loopback() {
            return None;
        }
        let message = format!("Caddy's admin API at {} is not on this machine and has no password", self.address());
        let hint = "bind it to loopback and reach it through a tunnel: `ssh -L 2019:127.0.0.1:2019 SERVER`";
        Some(Warning::new("proxy/admin-exposed", message).with_hint(hint))
    }

    /// The upstream of `app` that a switch goes to without a new configuration; `None` when there is no such switch.
    pub async fn spare(&self, app: &str) -> Result<Option<Upstream>, ProxyError> {
        check_app(app)?;
        let (config, _) = self.config().await?;
        match config::pair(&config, app) {
            Some(pair) if self.serves_by(&pair).await? => Ok(Some(pair.at(pair.folder.live()?.other()).clone())),
            _ => Ok(None),
        }
    }

    /// An unusable folder is not an error: a configuration can be loaded instead.
    async fn serves_by(&self, pair: &UpstreamPair) -> Result<bool, ProxyError> {
        match self.sees(&pair.folder).await {
            Err(ProxyError::SwitchFolder { .. }) => Ok(false),
            seen => seen,
        }
    }

    /// Makes Caddy serve `site`, and leaves everything else that it serves as it is. A configuration that Caddy refuses changes nothing.
    /// With `folder`, which Caddy [sees](Self::sees), its upstream can be switched there.
    pub async fn ensure_site(&self, site: &Site, folder: Option<&SwitchFolder>) -> Result<SiteChange, ProxyError> {
        let live = folder.map(SwitchFolder::live).transpose()?;
        let spare = Upstream::free();
        self.change(|before| {
            let known = config::upstreams(before, site.app()).is_some();
            let pair =
                folder.zip(live).map(|(folder, live)| config::pair_for(before, site, folder, live, spare.clone()));
            let after = config::with_site(before.clone(), site, pair.as_ref())?;
            let outcome = match (known, after == *before) {
                (_, true) => SiteChange::Unchanged,
                (true, false) => SiteChange::Changed,
                (false, false) => SiteChange::Created,
            };
            Ok((after, outcome))
        })
        .await
    }

    /// Takes the site of `app` away, with its switch; false when there is none.
    pub async fn remove_site(&self, app: &str) -> Result<bool, ProxyError> {
        check_app(app)?;
        let (removed, pair) = self
            .change(|before| {
                let pair = config::pair(before, app);
                Ok(match config::without_site(before.clone(), app) {
                    Some(after) => (after, (true, pair)),
                    None => (before.clone(), (false, None)),
                })
            })
            .await?;
        // Another Caddy's is none of its business.
        if let Some(pair) = pair
            && self.serves_by(&pair).await?
        {
            pair.folder.remove()?;
        }
        Ok(removed)
    }

    /// Sends the requests of `app` to `upstream` from now on, and waits until none runs at the previous one any more, for `limit`
    /// at most. Fails only when nothing was switched.
    pub async fn switch_upstream(&self, app: &str, upstream: &str, limit: Duration) -> Result<Switched, ProxyError> {
        check_app(app)?;
        let upstream = Upstream::parse(upstream)?;
        let (config, _) = self.config().await?;
        let mut by = SwitchedBy::Configuration;
        if let Some(pair) = config::pair(&config, app) {
            if self.serves_by(&pair).await? {
                return self.turn(app, &pair, &upstream, limit).await;
            }
            by = SwitchedBy::ConfigurationWithoutSwitch;
        }
        let previous = self
            .change(|before| {
                config::with_upstream(before.clone(), app, &upstream)
                    .ok_or_else(|| ProxyError::NoSite { url: self.address().to_owned(), app: app.to_owned() })
            })
            .await?;
        let previous: Vec<String> = previous.iter().map(ToString::to_string).collect();
        let drained = self.drain(&previous, SETTLE, limit).await;
        Ok(Switched { previous, drained, by })
    }

    /// The switch of a pair. An upstream that it does not know needs a configuration first.
    async fn turn(
        &self,
        app: &str,
        pair: &UpstreamPair,
        upstream: &Upstream,
        limit: Duration,
    ) -> Result<Switched, ProxyError> {
        let live = pair.folder.live()?;
        let (mut previous, mut by) = (Vec::new(), SwitchedBy::Folder);
        if pair.at(live) != upstream {
            let next = live.other();
            if pair.at(next) != upstream {
                let gone = || ProxyError::NoSite { url: self.address().to_owned(), app: app.to_owned() };
                self.change(|before| {
                    let after = config::with_side(before.clone(), app, next, upstream).ok_or_else(gone)?;
                    Ok((after, ()))
                })
                .await?;
                by = SwitchedBy::Configuration;
            }
            pair.folder.turn(next)?;
            previous.push(pair.at(live).to_string());
        }
        let settle = if by == SwitchedBy::Folder { SETTLE_OF_SWITCH } else { SETTLE };
        let drained = self.drain(&previous, settle, limit).await;
        Ok(Switched { previous, drained, by })
    }

    /// Waits until no request runs at `upstreams`, which get no new ones after `settle`, for `limit` at most.
    async fn drain(&self, upstreams: &[String], settle: Duration, limit: Duration) -> Drained {
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
            if requests == 0 && elapsed >= settle.min(limit) {
                return Drained::Idle(elapsed);
            }
            if elapsed >= limit {
                return Drained::TimedOut { requests };
            }
            tokio::time::sleep(POLL.min(limit.saturating_sub(elapsed))).await;
        }
    }

    async fn running_requests(&self, upstreams: &[String]) -> Result<u64, ProxyError> {
        let sent = self.send(Method::GET, "reverse_proxy/upstreams", None, None).await;
        let (body, _) = sent.map_err(|failure| self.error(failure))?;
        let all: Vec<UpstreamStatus> =
            serde_json::from_slice(&body).map_err(|_| self.not_caddy("no list of upstreams"))?;
        Ok(all.iter().filter(|status| upstreams.contains(&status.address)).map(|status| status.num_requests).sum())
    }

    /// Applies `edit` to the current configuration, and again if others change it in between.
    async fn change<T>(&self, edit: impl Fn(&Value) -> Result<(Value, T), ProxyError>) -> Result<T, ProxyError> {
        for _ in 0..ATTEMPTS {
            let (before, tag) = self.config().await?;
            let (after, outcome) = edit(&before)?;
            if after == before || self.write(&after, tag.as_deref()).await? {
                return Ok(outcome);
            }
        }
        Err(ProxyError::Contended { url: self.address().to_owned() })
    }

    /// The whole configuration, `null` when there is none, and its entity tag.
    async fn config(&self) -> Result<(Value, Option<String>), ProxyError> {
        let sent = self.send(Method::GET, "config/", None, None).await;
        let (body, headers) = sent.map_err(|failure| self.error(failure))?;
        let config: Value = serde_json::from_slice(&body).map_err(|_| self.not_caddy("no JSON"))?;
        if !config.is_object() && !config.is_null() {
            return Err(self.not_caddy("no configuration"));
        }
        let tag = headers.get(ETAG).and_then(|tag| tag.to_str().ok()).map(str::to_owned);
        Ok((config, tag))
    }

    /// False when the configuration has changed since `tag`.
    async fn write(&self, config: &Value, tag: Option<&str>) -> Result<bool, ProxyError> {
        match self.send(Method::POST, "config/", Some(AdminBody::Json(config)), tag).await {
            Ok(_) => Ok(true),
            Err(AdminFailure::Status(StatusCode::PRECONDITION_FAILED, _)) => Ok(false),
            Err(failure) => Err(self.error(failure)),
        }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<AdminBody<'_>>,
        tag: Option<&str>,
    ) -> Result<(Vec<u8>, HeaderMap), AdminFailure> {
        let mut url = self.url.clone();
        url.set_path(path);
        let mut request = self.client.request(method, url);
        request = match body {
            None => request,
            Some(AdminBody::Json(value)) => request.json(value),
            Some(AdminBody::Caddyfile(text)) => request.header(CONTENT_TYPE, "text/caddyfile").body(text),
        };
        if let Some(tag) = tag {
            request = request.header(IF_MATCH, tag);
        }
        let response = request.send().await.map_err(AdminFailure::Connection)?;
        let status = response.status();
        let mut headers = response.headers().clone();
        // Until Caddy 2.8 the entity tag comes behind the body.
        let read = read_body(reqwest::Body::from(response), MAX_ANSWER).await.map_err(|error| match error {
            BodyError::TooLong { limit } => AdminFailure::TooLong { limit },
            BodyError::Broken(error) => AdminFailure::Connection(error),
        })?;
        headers.extend(read.trailers);
        let body = read.bytes;
        if status.is_success() {
            return Ok((body, headers));
        }
        Err(AdminFailure::Status(status, String::from_utf8_lossy(&body).into_owned()))
    }

    fn error(&self, failure: AdminFailure) -> ProxyError {
        let url = self.address().to_owned();
        match failure {
            AdminFailure::Connection(error) => {
                ProxyError::Unreachable { url, reason: error_chain(&error.without_url()) }
            }
            AdminFailure::TooLong { limit } => {
                ProxyError::NotCaddy { url, reason: format!("its answer is longer than {}", size_text(limit as u64)) }
            }
            AdminFailure::Status(status, body) => match serde_json::from_str::<Value>(&body) {
                Ok(Value::Object(answer)) if answer.get("error").is_some_and(Value::is_string) => {
                    let message = answer["error"].as_str().unwrap_or_default().to_owned();
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

/// What is sent.
enum AdminBody<'a> {
    Json(&'a Value),
    Caddyfile(String),
}

/// Why a request did not succeed.
enum AdminFailure {
    Connection(reqwest::Error),
    TooLong { limit: usize },
    Status(StatusCode, String),
}
