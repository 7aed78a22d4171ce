//! The responses to a browser with each of the three ways to configure the site.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;

use http_body_util::{BodyExt as _, Empty};
use hyper::Request;

use super::app::{App, CHUNK_DELAY, CHUNKS};
use super::caddy::{Caddy, adapt, validate};
use super::{block_on, free_port, load};
use crate::docker::Engine;
use crate::program::nextdeploy;

const IMMUTABLE: &str = "public, max-age=31536000, immutable";

struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
    /// The arrival time of each part of the body.
    parts: Vec<Instant>,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

async fn get(address: SocketAddr, path: &str, encoding: &str) -> Answer {
    let mut sender = load::connect(address).await.unwrap();
    let request = Request::get(path).header("host", address.to_string()).header("accept-encoding", encoding);
    let response = sender.send_request(request.body(Empty::new()).unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let text = |value: &hyper::header::HeaderValue| value.to_str().unwrap().to_owned();
    let headers = response.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    let (mut body, mut parts, mut frames) = (Vec::new(), Vec::new(), response.into_body());
    while let Some(frame) = frames.frame().await {
        if let Ok(data) = frame.unwrap().into_data() {
            body.extend_from_slice(&data);
            parts.push(Instant::now());
        }
    }
    Answer { status, headers, body, parts }
}

/// The program with the flags common to all these tests.
fn configure(app: &App, port: u16, assets: Option<&Path>, more: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let (upstream, domain) = (app.upstream(), format!("127.0.0.1:{port}"));
    let mut arguments = vec!["proxy", "caddy", "--name", "shop", "--upstream", &upstream, "--domain", &domain];
    arguments.extend(["--health-path", "/api/health"]);
    let assets = assets.map(|folder| folder.to_str().unwrap().to_owned());
    if let Some(assets) = &assets {
        arguments.extend(["--assets", assets]);
    }
    arguments.extend(more);
    let run = nextdeploy(&Engine::default(), folder.path(), &arguments);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    run.stdout
}

/// A folder with files of the previous version, laid out like the URLs.
fn assets(base_path: &str) -> tempfile::TempDir {
    let folder = tempfile::Builder::new().prefix("nd assets, größer ").tempdir().unwrap();
    let place = folder.path().join(format!(".{base_path}/_next/static/chunks"));
    fs::create_dir_all(&place).unwrap();
    fs::write(place.join("old.js"), "old ".repeat(400)).unwrap();
    fs::write(folder.path().join("secret.txt"), "not hashed").unwrap();
    folder
}

async fn check_site(port: u16, base_path: &str) {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let page = get(address, "/", "identity").await;
    assert_eq!((page.status, page.body.as_slice()), (200, b"app".as_slice()));
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    assert_eq!((page.header("server"), page.header("x-powered-by")), ("", ""));
    assert_eq!(page.header("cache-control"), "", "pages are the app's");
    assert_eq!(page.header("strict-transport-security"), "", "there is no TLS");
    assert_eq!(get(address, "/own", "identity").await.header("x-content-type-options"), "of-the-app");
    let forwarded = String::from_utf8(get(address, "/headers", "identity").await.body).unwrap();
    assert!(forwarded.contains(r#""x-forwarded-proto": "http""#), "{forwarded}");

    for (accepted, used) in [("zstd, gzip", "zstd"), ("gzip", "gzip"), ("identity", "")] {
        let big = get(address, "/big", accepted).await;
        assert_eq!(big.header("content-encoding"), used);
        assert_eq!(big.body.len() < 1000, !used.is_empty(), "{} bytes", big.body.len());
    }

    let hashed = |file: &str| format!("{base_path}/_next/static/{file}");
    let new = get(address, &hashed("new.js"), "gzip").await;
    assert_eq!((new.status, new.header("cache-control")), (200, IMMUTABLE));
    let old = get(address, &hashed("chunks/old.js"), "gzip").await;
    assert_eq!((old.status, old.header("cache-control"), old.header("content-encoding")), (200, IMMUTABLE, "gzip"));
    assert!(old.header("content-type").contains("javascript"));
    for path in [
        hashed("gone.js"),
        hashed("chunks/"),
        hashed("../../secret.txt"),
        hashed("..%2f..%2fsecret.txt"),
        "/secret.txt".to_owned(),
    ] {
        let missing = get(address, &path, "identity").await;
        assert_eq!((missing.status, missing.header("cache-control")), (404, ""), "{path}");
    }

    let stream = get(address, "/stream", "gzip").await;
    assert_eq!(stream.body.len(), CHUNKS * 700);
    let took = stream.parts.last().unwrap().duration_since(stream.parts[0]);
    assert!(took > CHUNK_DELAY * (u32::try_from(CHUNKS).unwrap() - 2), "the stream was held back: {took:?}");
}

#[test]
fn a_caddyfile_serves_the_site() {
    block_on(async {
        let (app, port, files) = (App::start("app").await, free_port(), assets("/docs"));
        let admin = format!("127.0.0.1:{}", free_port());
        let flags = ["--base-path", "/docs", "--admin", &admin];
        let text = configure(&app, port, Some(files.path()), &flags);
        let _caddy = Caddy::with_caddyfile(&admin, &text);
        check_site(port, "/docs").await;
    });
}

#[test]
fn an_imported_site_is_served_alongside_others() {
    block_on(async {
        let (app, port, files) = (App::start("app").await, free_port(), assets(""));
        let site = configure(&app, port, Some(files.path()), &["--format", "site"]);
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("shop.caddy"), site).unwrap();
        let (admin, other) = (format!("127.0.0.1:{}", free_port()), free_port());
        let text = format!(
            "{{\n\tadmin {admin}\n}}\n\nhttp://127.0.0.1:{other} {{\n\tbind 127.0.0.1\n\trespond other\n}}\n\nimport {}/*.caddy\n",
            folder.path().display()
        );
        let _caddy = Caddy::with_caddyfile(&admin, &text);
        check_site(port, "").await;
        assert_eq!(get(([127, 0, 0, 1], other).into(), "/", "identity").await.body, b"other");
    });
}

#[test]
fn a_site_is_loaded_changed_and_removed_and_others_stay() {
    block_on(async {
        let (app, next) = (App::start("app").await, App::start("next").await);
        let (port, files, other) = (free_port(), assets(""), free_port());
        let theirs = |port: u16| {
            serde_json::json!({
                "listen": [format!("127.0.0.1:{port}")],
                "automatic_https": { "disable": true },
                "routes": [{ "handle": [{ "handler": "static_response", "body": "other" }] }],
            })
        };
        let servers = serde_json::json!({ "theirs": theirs(other), "shared": theirs(port) });
        let caddy = Caddy::with_apps(&serde_json::json!({ "http": { "servers": servers } }));
        let load =
            |app, assets| configure(app, port, assets, &["--load", "--switch-dir", "none", "--admin", &caddy.admin]);
        assert_eq!(load(&app, Some(files.path())).trim(), "created");
        check_site(port, "").await;
        assert_eq!(load(&app, Some(files.path())).trim(), "unchanged");
        assert_eq!(load(&next, Some(files.path())).trim(), "changed");
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        assert_eq!(get(address, "/", "identity").await.body, b"next");
        let their = SocketAddr::from(([127, 0, 0, 1], other));
        assert_eq!(get(their, "/", "identity").await.body, b"other");
        let remove = |expected| {
            let folder = tempfile::tempdir().unwrap();
            let arguments = ["proxy", "caddy", "--name", "shop", "--remove", "--admin", &caddy.admin];
            let run = nextdeploy(&Engine::default(), folder.path(), &arguments);
            assert_eq!((run.code, run.stdout.trim()), (Some(0), expected), "{}", run.stderr);
        };
        remove("removed");
        remove("unchanged");
        assert_eq!(get(address, "/", "identity").await.body, b"other");
        assert_eq!(get(their, "/", "identity").await.body, b"other");
    });
}

#[test]
fn caddy_accepts_the_configuration_for_public_names() {
    block_on(async {
        let (app, files) = (App::start("app").await, assets(""));
        for more in [
            ["--domain", "shop.example.com", "--base-path", "/docs"],
            ["--domain", "https://shop.internal:8443", "--domain", ":8088"],
            ["--domain", "[::1]:8087", "--domain", "http://shop.example.com"],
        ] {
            for assets in [None, Some(files.path())] {
                let text = configure(&app, 8089, assets, &more);
                validate("caddyfile", &text).unwrap_or_else(|error| panic!("{text}\n{error}"));
                let adapted = adapt(&text).unwrap_or_else(|error| panic!("{text}\n{error}"));
                let json = configure(&app, 8089, assets, &[&more[..], &["--format", "json"]].concat());
                validate("json", &json).unwrap_or_else(|error| panic!("{json}\n{error}"));
                let json: serde_json::Value = serde_json::from_str(&json).unwrap();
                assert_eq!(listened(&adapted), listened(&json));
                assert_eq!(adapted["admin"], json["admin"]);
            }
        }
    });
}

/// Every address that servers listen on.
fn listened(config: &serde_json::Value) -> Vec<String> {
    let servers = config.pointer("/apps/http/servers").unwrap().as_object().unwrap();
    let mut all: Vec<String> = servers
        .values()
        .flat_map(|server| server["listen"].as_array().unwrap())
        .map(|address| address.as_str().unwrap().to_owned())
        .collect();
    all.sort();
    all
}

#[test]
fn facts_come_from_the_repository() {
    let repository = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(repository.path().join(name), text).unwrap();
    write(
        "package.json",
        r#"{ "name": "shop", "scripts": { "build": "next build" }, "dependencies": { "next": "16.0.0" } }"#,
    );
    write(
        "package-lock.json",
        r#"{ "lockfileVersion": 3, "packages": { "node_modules/next": { "version": "16.0.0" } } }"#,
    );
    write("next.config.js", "module.exports = { basePath: '/docs' }");
    fs::create_dir(repository.path().join("app")).unwrap();
    write("app/page.js", "");
    let arguments = ["proxy", "caddy", "--domain", "shop.example.com", "--port", "4000", "--health-path", "/up"];
    let run = nextdeploy(&Engine::default(), repository.path(), &arguments);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    for part in ["shop.example.com {", "reverse_proxy 127.0.0.1:4000", "\"/docs/_next/static/*\"", "health_uri \"/up\""]
    {
        assert!(run.stdout.contains(part), "no `{part}` in\n{}", run.stdout);
    }
    validate("caddyfile", &run.stdout).unwrap();
}
