//! A [`Site`] as routes of Caddy's JSON, marked by `@id` so that they are found again.

use serde_json::{Map, Value, json};

use super::site::{
    COMPRESSED_TYPES, DEFAULT_HEADERS, DIAL_TIMEOUT_MS, HEALTH_INTERVAL_MS, HEALTH_TIMEOUT_MS, IMMUTABLE,
    KEEP_ALIVE_MS, REMOVED_HEADERS, Scheme, Site, TRANSPORT_SECURITY, TRY_DURATION_MS, TRY_INTERVAL_MS, Upstream,
};
use super::switch::{GREEN, SwitchFolder, UpstreamPair};

/// Caddy counts in nanoseconds.
const NANOSECONDS: u64 = 1_000_000;

/// One address to listen on, with the names that are served there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SiteListener {
    pub listen: String,
    pub port: u16,
    pub scheme: Scheme,
    /// Empty for any.
    pub hosts: Vec<String>,
}

/// The listeners of a site, in the order in which they were named.
pub(super) fn listeners(site: &Site) -> Vec<SiteListener> {
    let mut found: Vec<SiteListener> = Vec::new();
    for address in &site.addresses {
        let listen = address.listen();
        let host = address.host().map(str::to_owned);
        match found.iter_mut().find(|listener| listener.listen == listen && listener.scheme == address.scheme) {
            // Any name stays any name.
            Some(listener) if host.is_none() => listener.hosts.clear(),
            Some(listener) if listener.hosts.is_empty() => {}
            Some(listener) => listener.hosts.extend(host),
            None => found.push(SiteListener {
                listen,
                port: address.port,
                scheme: address.scheme,
                hosts: host.into_iter().collect(),
            }),
        }
    }
    found
}

/// What all ids of an app begin with; no name of an app has a colon.
pub(super) fn id_prefix(app: &str) -> String {
    format!("nextdeploy:{app}:")
}

pub(super) fn route_id(app: &str, listener: &SiteListener) -> String {
    format!("{}{}", id_prefix(app), listener.port)
}

/// Suffixes of the ids inside of a route.
pub(super) const PROXY: &str = ":proxy";
pub(super) const DRAINING: &str = ":draining";
pub(super) const SECOND: &str = ":second";
/// The route in front of the second one.
pub(super) const SWITCH: &str = ":switch";

/// The route of `site` on `listener`, to its upstream or to a pair. Upstreams in `draining` get no request and stay counted.
pub(super) fn render_route(
    site: &Site,
    pair: Option<&UpstreamPair>,
    listener: &SiteListener,
    draining: &[Upstream],
) -> Value {
    let id = route_id(&site.app, listener);
    let mut first = headers(listener.scheme);
    first.push(encode());
    let mut routes = vec![json!({ "handle": first }), draining_route(&id, draining)];
    if let Some(folder) = &site.assets {
        routes.push(assets(site, folder));
    }
    let mut first = &site.upstream;
    if let Some(pair) = pair {
        first = &pair.blue;
        let mut second = switched(&id, &pair.folder);
        second["handle"] = json!([reverse_proxy(site, &format!("{id}{SECOND}"), &pair.green)]);
        routes.push(second);
    }
    let mut proxy = reverse_proxy(site, &format!("{id}{PROXY}"), first);
    // A check of the upstream that stands by would fail, be logged for ever, and keep requests from it after the switch.
    if let (Some(path), None) = (&site.health_path, pair) {
        proxy["health_checks"] = health_checks(path);
    }
    routes.push(json!({ "handle": [proxy] }));
    let mut route = Map::new();
    route.insert("@id".to_owned(), json!(id));
    if !listener.hosts.is_empty() {
        route.insert("match".to_owned(), json!([{ "host": listener.hosts }]));
    }
    route.insert("handle".to_owned(), json!([{ "handler": "subroute", "routes": routes }]));
    route.insert("terminal".to_owned(), json!(true));
    Value::Object(route)
}

fn headers(scheme: Scheme) -> Vec<Value> {
    let defaults = DEFAULT_HEADERS.iter().chain((scheme == Scheme::Https).then_some(&TRANSPORT_SECURITY));
    // One handler each: `require` asks for the absence of all that it names.
    let mut handlers: Vec<Value> = defaults
        .map(|(name, value)| {
            let response = json!({ "require": { "headers": { (*name): null } }, "set": { (*name): [value] } });
            json!({ "handler": "headers", "response": response })
        })
        .collect();
    handlers.push(json!({ "handler": "headers", "response": { "deferred": true, "delete": REMOVED_HEADERS } }));
    handlers
}

fn encode() -> Value {
    json!({
        "handler": "encode",
        "encodings": { "gzip": {}, "zstd": {} },
        "prefer": ["zstd", "gzip"],
        "match": { "headers": { "Content-Length": ["*"], "Content-Type": COMPRESSED_TYPES } },
    })
}

/// A handler that no request reaches: Caddy tells the running requests of an upstream only as long as its configuration names it.
fn draining_route(id: &str, upstreams: &[Upstream]) -> Value {
    let id = format!("{id}{DRAINING}");
    json!({ "@id": id, "match": [{ "not": [{}] }], "handle": draining_handlers(upstreams) })
}

pub(super) fn draining_handlers(upstreams: &[Upstream]) -> Value {
    if upstreams.is_empty() {
        return json!([]);
    }
    json!([{ "handler": "reverse_proxy", "upstreams": dials(upstreams) }])
}

pub(super) fn dials(upstreams: &[Upstream]) -> Value {
    upstreams.iter().map(|upstream| json!({ "dial": upstream.as_str() })).collect()
}

fn assets(site: &Site, folder: &str) -> Value {
    let immutable = json!({ "handler": "headers", "response": { "set": { "Cache-Control": [IMMUTABLE] } } });
    json!({
        "match": [{
            "path": [site.hashed_assets()],
            "not": [{ "path": ["*/"] }],
            "file": { "root": folder },
        }],
        "handle": [immutable, { "handler": "file_server", "root": folder }],
        "terminal": true,
    })
}

/// Takes the requests while the file is there.
fn switched(id: &str, folder: &SwitchFolder) -> Value {
    let file = json!({ "root": folder.as_str(), "try_files": [format!("/{GREEN}")] });
    json!({ "@id": format!("{id}{SWITCH}"), "match": [{ "file": file }], "terminal": true })
}

fn health_checks(path: &str) -> Value {
    json!({ "active": {
        "uri": path,
        "interval": HEALTH_INTERVAL_MS * NANOSECONDS,
        "timeout": HEALTH_TIMEOUT_MS * NANOSECONDS,
    } })
}

fn reverse_proxy(site: &Site, id: &str, upstream: &Upstream) -> Value {
    let immutable =
        json!({ "handler": "headers", "response": { "deferred": true, "set": { "Cache-Control": [IMMUTABLE] } } });
    json!({
        "@id": id,
        "handler": "reverse_proxy",
        "upstreams": dials(std::slice::from_ref(upstream)),
        "load_balancing": {
            "try_duration": TRY_DURATION_MS * NANOSECONDS,
            "try_interval": TRY_INTERVAL_MS * NANOSECONDS,
        },
        "transport": {
            "protocol": "http",
            "dial_timeout": DIAL_TIMEOUT_MS * NANOSECONDS,
            "keep_alive": { "idle_timeout": KEEP_ALIVE_MS * NANOSECONDS },
        },
        "handle_response": [{
            "match": { "status_code": [2] },
            "routes": [
                { "match": [{ "path": [site.hashed_assets()] }], "handle": [immutable] },
                { "handle": [{ "handler": "copy_response" }] },
            ],
        }],
    })
}
