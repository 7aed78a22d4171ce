//! Proxies from the environment, as curl reads them: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY` in either case.

use std::fmt;

use super::NetworkError;
use crate::host::Environment;
use crate::secret::{Secret, hide_password};

/// Which requests go through which proxy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    pub http: Option<ProxyUrl>,
    pub https: Option<ProxyUrl>,
    /// Comma-separated hosts, domains and networks that are reached directly; `*` matches all.
    pub no_proxy: Option<String>,
}

/// The URL of a proxy, with a scheme. It may contain a password, which Display leaves out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyUrl {
    url: Secret,
    /// The variable that set it.
    pub variable: &'static str,
}

impl Proxies {
    pub(super) fn read(environment: &Environment) -> Result<Self, NetworkError> {
        let first = |names: &[&'static str]| {
            names.iter().find_map(|name| Some((*name, environment.get(name).filter(|value| !value.trim().is_empty())?)))
        };
        let proxy = |names: &[&'static str]| {
            first(names).map(|(variable, value)| ProxyUrl::parse(variable, value.trim())).transpose()
        };
        // A CGI server sets `HTTP_PROXY` from the request header `Proxy` (CVE-2016-5385).
        let http: &[_] = if environment.get("REQUEST_METHOD").is_some() {
            &["http_proxy", "ALL_PROXY", "all_proxy"]
        } else {
            &["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"]
        };
        Ok(Self {
            http: proxy(http)?,
            https: proxy(&["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])?,
            no_proxy: first(&["NO_PROXY", "no_proxy"]).map(|(_, hosts)| hosts.to_owned()),
        })
    }

    /// For the HTTP client. `direct` are additional hosts, as in `NO_PROXY`.
    pub(super) fn for_reqwest(&self, direct: Option<&str>) -> Result<Vec<reqwest::Proxy>, NetworkError> {
        let hosts: Vec<&str> = self.no_proxy.as_deref().into_iter().chain(direct).collect();
        let direct = || reqwest::NoProxy::from_string(&hosts.join(","));
        let made = |proxy: &ProxyUrl, make: fn(&str) -> reqwest::Result<reqwest::Proxy>| {
            make(proxy.expose()).map(|made| made.no_proxy(direct())).map_err(|_| proxy.unusable("not a URL"))
        };
        let http = self.http.as_ref().map(|proxy| made(proxy, |url| reqwest::Proxy::http(url)));
        let https = self.https.as_ref().map(|proxy| made(proxy, |url| reqwest::Proxy::https(url)));
        http.into_iter().chain(https).collect()
    }
}

impl ProxyUrl {
    fn parse(variable: &'static str, value: &str) -> Result<Self, NetworkError> {
        let url = if value.contains("://") { value.to_owned() } else { format!("http://{value}") };
        hide_password(&url);
        // Only the password is secret.
        let proxy = Self { url: Secret::compound(url), variable };
        let (scheme, _) = proxy.expose().split_once("://").expect("a scheme was added where there was none");
        if !matches!(scheme, "http" | "https") {
            return Err(proxy.unusable("only `http://` and `https://` proxies are supported"));
        }
        let valid = reqwest::Url::parse(proxy.expose()).is_ok_and(|url| url.has_host());
        if valid { Ok(proxy) } else { Err(proxy.unusable("not a URL")) }
    }

    /// The URL with user and password.
    pub fn expose(&self) -> &str {
        self.url.expose()
    }

    fn unusable(&self, reason: &str) -> NetworkError {
        NetworkError::Proxy { variable: self.variable, reason: reason.to_owned() }
    }
}

impl fmt::Display for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = reqwest::Url::parse(self.expose())
            .ok()
            .and_then(|url| Some((url.scheme().to_owned(), url.host_str()?.to_owned(), url.port_or_known_default()?)));
        match shown {
            Some((scheme, host, port)) => write!(f, "{scheme}://{host}:{port}"),
            None => f.write_str("a proxy"),
        }
    }
}
