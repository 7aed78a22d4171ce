//! Client of Caddy's admin API. A change reads the whole configuration, and is written back only when nobody else wrote meanwhile.

use std::time::Duration;

use reqwest::header::ETAG;
use reqwest::{Method, StatusCode, Url};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;

use super::config;
use super::error::ProxyError;
use super::exchange::{Answer, Body};
use super::site::{Site, Upstream, check_app};
use super::switch::{Pair, SwitchFolder};
use crate::diagnostic::error_chain;
use crate::{host, net};

const TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a change is tried when somebody else changes the configuration at the same time.
const ATTEMPTS: u32 = 8;
/// A connection that the previous configuration accepted may send its first request for five seconds (Go's `Server.Shutdown`),
/// and that request goes to the previous upstream.
const SETTLE: Duration = Duration::from_millis(5_500);
/// From a look at the file of a switch to a request that is counted.
const SETTLE_OF_SWITCH: Duration = Duration::from_millis(500);
const POLL: Duration = Duration::from_millis(100);

/// A running Caddy.
#[derive(Debug, Clone)]
pub struct Admin {
    pub(super) client: reqwest::Client,
    /// Without a path.
    pub(super) url: Url,
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

    /// Whether Caddy reads what this machine has in `folder`, which is there: it is asked to import a file that only this program knows.
    pub async fn sees(&self, folder: &SwitchFolder) -> Result<bool, ProxyError> {
        let word = format!("nextdeploy-{}", host::random_word());
        let probe = folder.probe(&word, &word)?;
        let import = format!("import \"{}\"\n", probe.path().display());
        match self.ask(Method::POST, "adapt", Some(Body::Caddyfile(import)), None).await {
            // A file with one word is the address of a site.
            Ok((adapted, _)) => Ok(String::from_utf8_lossy(&adapted).contains(&format!("\"{word}\""))),
            Err(Answer::Status(..)) => Ok(false),
            Err(answer) => Err(self.error(answer)),
        }
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

    /// A folder that is gone or closed is no error: a configuration does it, too.
    async fn serves_by(&self, pair: &Pair) -> Result<bool, ProxyError> {
        match self.sees(&pair.folder).await {
            Err(ProxyError::SwitchFolder { .. }) => Ok(false),
            seen => seen,
        }
    }

    /// Makes Caddy serve `site`, and leaves everything else that it serves as it is. A configuration that Caddy refuses changes nothing.
    /// With `folder`, which Caddy [sees](Self::sees), its upstream can be switched there.
    pub async fn ensure_site(&self, site: &Site, folder: Option<&SwitchFolder>) -> Result<Ensured, ProxyError> {
        let live = folder.map(SwitchFolder::live).transpose()?;
        let spare = Upstream::free();
        self.change(|before| {
            let known = config::upstreams(before, site.app()).is_some();
            let pair =
                folder.zip(live).map(|(folder, live)| config::pair_for(before, site, folder, live, spare.clone()));
            let after = config::with_site(before.clone(), site, pair.as_ref())?;
            let outcome = match (known, after == *before) {
                (_, true) => Ensured::Unchanged,
                (true, false) => Ensured::Changed,
                (false, false) => Ensured::Created,
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
    async fn turn(&self, app: &str, pair: &Pair, upstream: &Upstream, limit: Duration) -> Result<Switched, ProxyError> {
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
        match self.ask(Method::POST, "config/", Some(Body::Json(config)), tag).await {
            Ok(_) => Ok(Written::Yes),
            Err(Answer::Status(StatusCode::PRECONDITION_FAILED, _)) => Ok(Written::NoLongerTheSame),
            Err(answer) => Err(self.error(answer)),
        }
    }
}

#[derive(PartialEq, Eq)]
enum Written {
    Yes,
    NoLongerTheSame,
}
