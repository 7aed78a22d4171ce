//! Changes in a whole configuration of Caddy, as values: our routes are added, replaced and removed, and nothing else changes.

use serde_json::{Map, Value, json};

use super::error::ProxyError;
use super::route::{
    DRAINING, PROXY, SECOND, SWITCH, SiteListener, dials, draining_handlers, id_prefix, listeners, render_route,
    route_id,
};
use super::site::{Scheme, Site, Upstream};
use super::switch::{SwitchFolder, UpstreamPair, UpstreamSide};

/// Begins the names of the servers that are made here; they may carry the routes of several apps.
const SERVER_PREFIX: &str = "nextdeploy_";

/// A whole configuration for `site` alone, with the admin API at `admin` (`127.0.0.1:2019`).
pub fn render_json(site: &Site, admin: &str) -> Result<Value, ProxyError> {
    with_site(json!({ "admin": { "listen": admin } }), site, None)
}

/// `config` with `site` in it, which replaces what the app had before. An upstream that it had before goes on to be counted.
/// Of a `pair` the one that gets the requests is the site's.
pub(super) fn with_site(mut config: Value, site: &Site, pair: Option<&UpstreamPair>) -> Result<Value, ProxyError> {
    let is_named = |upstream: &Upstream| pair.map_or(site.upstream == *upstream, |pair| pair.contains(upstream));
    let mut gone = upstreams(&config, &site.app).unwrap_or_default();
    gone.retain(|upstream| !is_named(upstream));
    let draining = if gone.is_empty() { draining(&config, &site.app) } else { gone };
    let wanted = listeners(site);
    check_free(&config, site, &wanted)?;
    if !config.is_object() {
        config = json!({});
    }
    let mut placed: Vec<(String, String)> = Vec::new();
    for listener in &wanted {
        let servers = servers_mut(&mut config);
        let name = server_for(servers, listener);
        let server = servers.entry(name.clone()).or_insert_with(|| new_server(listener));
        serve_plainly(server, listener);
        place(server, render_route(site, pair, listener, &draining), listener);
        placed.push((name, route_id(&site.app, listener)));
    }
    remove_routes(&mut config, &site.app, &placed);
    Ok(config)
}

/// `config` without the routes of `app`; `None` when it has none.
pub(super) fn without_site(mut config: Value, app: &str) -> Option<Value> {
    upstreams(&config, app)?;
    remove_routes(&mut config, app, &[]);
    Some(config)
}

/// The pair for `site` in `config`: what the app has already, with the site's upstream at the side that is live.
pub(super) fn pair_for(
    config: &Value,
    site: &Site,
    folder: &SwitchFolder,
    live: UpstreamSide,
    spare: Upstream,
) -> UpstreamPair {
    let spare = match pair(config, &site.app) {
        None => spare,
        Some(known) if *known.at(live.other()) == site.upstream => known.at(live).clone(),
        Some(known) => known.at(live.other()).clone(),
    };
    UpstreamPair::new(folder.clone(), live, site.upstream.clone(), spare)
}

/// The two upstreams of `app`; `None` when it has one, or no site.
pub(super) fn pair(config: &Value, app: &str) -> Option<UpstreamPair> {
    let (mut folder, mut blue, mut green) = (None, None, None);
    visit(config, &mut |object| {
        if is_part(object, app, SWITCH) {
            let root = object.get("match").and_then(|sets| sets.pointer("/0/file/root")).and_then(Value::as_str);
            folder = folder.take().or_else(|| SwitchFolder::parse(root?));
        } else if is_part(object, app, PROXY) {
            blue = blue.take().or_else(|| dialled(object).into_iter().next());
        } else if is_part(object, app, SECOND) {
            green = green.take().or_else(|| dialled(object).into_iter().next());
        }
    });
    Some(UpstreamPair { folder: folder?, blue: blue?, green: green? })
}

/// `config` with `upstream` at one side of the pair of `app`; `None` when there is no such side.
pub(super) fn with_side(mut config: Value, app: &str, side: UpstreamSide, upstream: &Upstream) -> Option<Value> {
    let part = match side {
        UpstreamSide::Blue => PROXY,
        UpstreamSide::Green => SECOND,
    };
    let mut found = false;
    visit_mut(&mut config, &mut |object| {
        if is_part(object, app, part) {
            object.insert("upstreams".to_owned(), dials(std::slice::from_ref(upstream)));
            found = true;
        }
    });
    found.then_some(config)
}

/// `config` with `upstream` alone for `app`, and what the app had before. Everything else of its site stays as it is.
pub(super) fn with_upstream(mut config: Value, app: &str, upstream: &Upstream) -> Option<(Value, Vec<Upstream>)> {
    let before = upstreams(&config, app)?;
    let previous: Vec<Upstream> = before.into_iter().filter(|known| known != upstream).collect();
    if previous.is_empty() {
        return Some((config, previous));
    }
    remove_parts(&mut config, app, SWITCH);
    visit_mut(&mut config, &mut |object| {
        if is_part(object, app, PROXY) {
            object.insert("upstreams".to_owned(), dials(std::slice::from_ref(upstream)));
        } else if is_part(object, app, DRAINING) {
            object.insert("handle".to_owned(), draining_handlers(&previous));
        }
    });
    Some((config, previous))
}

/// All upstreams of `app` that can get requests; `None` when there is no site of it.
pub(super) fn upstreams(config: &Value, app: &str) -> Option<Vec<Upstream>> {
    let mut found = None;
    visit(config, &mut |object| {
        if is_part(object, app, PROXY) || is_part(object, app, SECOND) {
            found.get_or_insert_with(Vec::new).extend(dialled(object));
        }
    });
    found.map(unique)
}

fn draining(config: &Value, app: &str) -> Vec<Upstream> {
    let mut found = Vec::new();
    visit(config, &mut |object| {
        if is_part(object, app, DRAINING) {
            object.values().for_each(|value| visit(value, &mut |handler| found.extend(dialled(handler))));
        }
    });
    unique(found)
}

fn unique(mut upstreams: Vec<Upstream>) -> Vec<Upstream> {
    upstreams.sort();
    upstreams.dedup();
    upstreams
}

fn dialled(handler: &Map<String, Value>) -> Vec<Upstream> {
    let list = handler.get("upstreams").and_then(Value::as_array).map_or(&[] as &[_], Vec::as_slice);
    list.iter().filter_map(|upstream| Upstream::parse(upstream.get("dial")?.as_str()?).ok()).collect()
}

/// Fails if another site has one of the hosts or listeners.
fn check_free(config: &Value, site: &Site, wanted: &[SiteListener]) -> Result<(), ProxyError> {
    let own = id_prefix(&site.app);
    for listener in wanted {
        let overlapping = servers(config).filter(|(_, server)| serves(server, &listener.listen));
        for (name, server) in overlapping {
            for route in routes(server).filter(|route| !id_of(route).is_some_and(|id| id.starts_with(&own))) {
                if let Some(address) = taken(route, listener) {
                    return Err(ProxyError::Taken { address, by: owner(route, name) });
                }
            }
        }
    }
    Ok(())
}

/// The host of `listener` that `route` answers for.
fn taken(route: &Value, listener: &SiteListener) -> Option<String> {
    let Some(matches) = route.get("match").and_then(Value::as_array).filter(|sets| !sets.is_empty()) else {
        // For all hosts: ours with names stand before it.
        return (listener.hosts.is_empty() && answers(route)).then(|| listener.listen.clone());
    };
    let whole = |set: &Value| set.as_object().is_some_and(|set| set.len() == 1);
    let hosts = matches.iter().filter(|set| whole(set)).filter_map(|set| set.get("host")?.as_array()).flatten();
    let mut hosts = hosts.filter_map(Value::as_str).map(str::to_ascii_lowercase);
    hosts.find(|host| listener.hosts.contains(host))
}

/// A route without handlers, or one that only changes headers, leaves the answer to the next.
fn answers(route: &Value) -> bool {
    route.get("terminal").and_then(Value::as_bool).unwrap_or(false)
        || route.get("handle").and_then(Value::as_array).is_some_and(|handlers| {
            let passing = ["headers", "encode", "vars", "map", "request_body", "rewrite", "tracing"];
            handlers.iter().any(|handler| !passing.iter().any(|name| handler["handler"] == **name))
        })
}

fn owner(route: &Value, server: &str) -> String {
    match id_of(route).and_then(|id| id.strip_prefix("nextdeploy:")?.rsplit_once(':')) {
        Some((app, _)) => format!("for the app `{app}`"),
        None => format!("in its server `{server}`, by a route that nextdeploy did not make"),
    }
}

/// The server that has the listener already, or the name of a new one.
fn server_for(servers: &Map<String, Value>, listener: &SiteListener) -> String {
    let found = servers.iter().find(|(_, server)| serves(server, &listener.listen));
    found.map_or_else(|| format!("{SERVER_PREFIX}{}", listener.port), |(name, _)| name.clone())
}

fn new_server(listener: &SiteListener) -> Value {
    let mut server = json!({ "listen": [listener.listen], "routes": [] });
    if listener.scheme == Scheme::Http {
        server["automatic_https"] = json!({ "disable": true });
    }
    server
}

/// Keeps Caddy from getting certificates for names that are served without TLS.
fn serve_plainly(server: &mut Value, listener: &SiteListener) {
    let disabled = server.pointer("/automatic_https/disable").and_then(Value::as_bool).unwrap_or(false);
    if listener.scheme == Scheme::Https || disabled || listener.hosts.is_empty() {
        return;
    }
    let Some(server) = server.as_object_mut() else { return };
    let automatic = server.entry("automatic_https").or_insert_with(|| json!({}));
    let skip = automatic.as_object_mut().map(|automatic| automatic.entry("skip").or_insert_with(|| json!([])));
    if let Some(Value::Array(skip)) = skip {
        for host in listener.hosts.iter().map(|host| json!(host)) {
            if !skip.contains(&host) {
                skip.push(host);
            }
        }
    }
}

/// In the place of the route with the same id. A new one goes before all others when it names hosts, and else behind them.
fn place(server: &mut Value, route: Value, listener: &SiteListener) {
    let Some(server) = server.as_object_mut() else { return };
    let Value::Array(routes) = server.entry("routes").or_insert_with(|| json!([])) else { return };
    let known = routes.iter().position(|known| known.get("@id") == route.get("@id"));
    match known {
        Some(at) => routes[at] = route,
        None if listener.hosts.is_empty() => routes.push(route),
        None => routes.insert(0, route),
    }
}

/// All routes of `app` but those in `kept` (server, id); servers of ours that carry nothing any more go, too.
fn remove_routes(config: &mut Value, app: &str, kept: &[(String, String)]) {
    let own = id_prefix(app);
    servers_mut(config).retain(|name, server| {
        let Some(routes) = server.get_mut("routes").and_then(Value::as_array_mut) else { return true };
        routes.retain(|route| {
            let id = id_of(route).unwrap_or_default();
            !id.starts_with(&own) || kept.iter().any(|(server, kept)| server == name && kept == id)
        });
        !(name.starts_with(SERVER_PREFIX) && routes.is_empty())
    });
    prune(config, &["apps", "http", "servers"]);
}

/// Removes objects along `path` that hold nothing, the innermost first.
fn prune(config: &mut Value, path: &[&str]) {
    let (Some((key, rest)), Some(object)) = (path.split_first(), config.as_object_mut()) else { return };
    let Some(inner) = object.get_mut(*key) else { return };
    prune(inner, rest);
    if inner.as_object().is_some_and(Map::is_empty) {
        object.remove(*key);
    }
}

/// Whether a server listens where `listen` would. An address of one interface is part of `:PORT`.
fn serves(server: &Value, listen: &str) -> bool {
    let split = |text: &str| {
        let text = text.strip_prefix("tcp/").unwrap_or(text);
        text.rsplit_once(':').map(|(host, port)| (host.to_owned(), port.to_owned()))
    };
    let any = |host: &str| matches!(host, "" | "0.0.0.0" | "[::]");
    let Some((host, port)) = split(listen) else { return false };
    let listens = server.get("listen").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    listens
        .filter_map(split)
        .any(|(other, ports)| in_range(&ports, &port) && (other == host || any(&other) || any(&host)))
}

/// `8080` or `8080-8085`.
fn in_range(ports: &str, port: &str) -> bool {
    let Ok(port) = port.parse::<u16>() else { return false };
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    first.parse().is_ok_and(|first: u16| first <= port) && last.parse().is_ok_and(|last: u16| port <= last)
}

fn servers(config: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let servers = config.pointer("/apps/http/servers").and_then(Value::as_object);
    servers.into_iter().flatten().map(|(name, server)| (name.as_str(), server))
}

/// Makes the way to the servers where it is missing. What stands there instead of an object is replaced: Caddy would not run it.
fn servers_mut(config: &mut Value) -> &mut Map<String, Value> {
    let mut place = config;
    for key in ["apps", "http", "servers"] {
        place = object_mut(place).entry(key).or_insert_with(|| json!({}));
    }
    object_mut(place)
}

fn object_mut(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = json!({});
    }
    value.as_object_mut().expect("it was made an object in the line before")
}

fn routes(server: &Value) -> impl Iterator<Item = &Value> {
    server.get("routes").and_then(Value::as_array).into_iter().flatten()
}

fn id_of(route: &Value) -> Option<&str> {
    route.get("@id")?.as_str()
}

fn is_part(object: &Map<String, Value>, app: &str, suffix: &str) -> bool {
    let id = object.get("@id").and_then(Value::as_str);
    id.and_then(|id| id.strip_prefix(&id_prefix(app))).is_some_and(|rest| rest.ends_with(suffix))
}

fn visit(value: &Value, see: &mut dyn FnMut(&Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            see(object);
            object.values().for_each(|value| visit(value, see));
        }
        Value::Array(list) => list.iter().for_each(|value| visit(value, see)),
        _ => {}
    }
}

/// Takes parts of the site of `app` out of the lists that they are in.
fn remove_parts(value: &mut Value, app: &str, suffix: &str) {
    match value {
        Value::Object(object) => object.values_mut().for_each(|value| remove_parts(value, app, suffix)),
        Value::Array(list) => {
            list.retain(|value| !value.as_object().is_some_and(|object| is_part(object, app, suffix)));
            for value in list {
                remove_parts(value, app, suffix);
            }
        }
        _ => {}
    }
}

fn visit_mut(value: &mut Value, see: &mut dyn FnMut(&mut Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            see(object);
            object.values_mut().for_each(|value| visit_mut(value, see));
        }
        Value::Array(list) => list.iter_mut().for_each(|value| visit_mut(value, see)),
        _ => {}
    }
}
