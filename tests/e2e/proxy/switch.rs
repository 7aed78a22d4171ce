//! Switching the upstream while requests are running.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use nextdeploy::deploy::proxy::{
    CaddyAdmin, Drained, ProxyError, Site, SiteChange, SiteInput, SwitchFolder, SwitchedBy,
};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::app::App;
use super::caddy::Caddy;
use super::load::{Connections, Load};
use super::{block_on, free_port};

fn site(app: &str, scheme: &str, port: u16, upstream: &str) -> Site {
    let addresses = [format!("{scheme}://localhost:{port}"), format!("{scheme}://127.0.0.1:{port}")];
    let words = SiteInput {
        app,
        addresses: &addresses,
        upstream,
        base_path: None,
        health_path: Some("/api/health"),
        assets: None,
    };
    Site::new(&words).unwrap()
}

/// How a switch is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Configuration,
    Folder,
}

struct Scene {
    caddy: Caddy,
    /// The folder of the switch.
    folder: tempfile::TempDir,
    admin: CaddyAdmin,
    address: SocketAddr,
    old: App,
    new: App,
}

impl Scene {
    /// `old` serves `shop`; `new` runs next to it.
    async fn set(scheme: &str, by: By) -> Self {
        let port = free_port();
        // Tests use a temporary authority and do not bind port 80.
        let caddy = Caddy::with_apps(&json!({
            "http": { "servers": {}, "http_port": free_port() },
            "pki": { "certificate_authorities": { "local": { "install_trust": false } } },
        }));
        let admin = CaddyAdmin::new(&caddy.admin).unwrap();
        let (old, new) = (App::start("old").await, App::start("new").await);
        let root = tempfile::tempdir().unwrap();
        let folder = SwitchFolder::of(root.path(), "shop").unwrap();
        folder.make().unwrap();
        assert!(admin.sees(&folder).await.unwrap());
        let folder = (by == By::Folder).then_some(&folder);
        let site = site("shop", scheme, port, &old.upstream());
        assert_eq!(admin.ensure_site(&site, folder).await.unwrap(), SiteChange::Created);
        assert_eq!(admin.ensure_site(&site, folder).await.unwrap(), SiteChange::Unchanged);
        let scene = Self { caddy, folder: root, admin, address: ([127, 0, 0, 1], port).into(), old, new };
        // The second app of a pair listens on the port in the pair.
        if by == By::Folder {
            scene.know(&scene.new.upstream()).await;
        }
        if scheme == "https" {
            scene.wait_for_certificate().await;
        }
        scene
    }

    /// Sets the standby side of the pair to `upstream`.
    async fn know(&self, upstream: &str) {
        let old = self.old.upstream();
        for (to, by) in [(upstream, SwitchedBy::Configuration), (&old, SwitchedBy::Folder)] {
            let switched = self.admin.switch_upstream("shop", to, Duration::ZERO).await.unwrap();
            assert_eq!((switched.by, switched.previous.len()), (by, 1), "{to}");
        }
        assert_eq!(self.admin.spare("shop").await.unwrap().unwrap().as_str(), upstream);
    }

    async fn wait_for_certificate(&self) {
        nextdeploy::net::install_provider();
        let client = reqwest::Client::builder().no_proxy().tls_danger_accept_invalid_certs(true).build().unwrap();
        let started = Instant::now();
        while let Err(error) = client.get(format!("https://localhost:{}/", self.address.port())).send().await {
            assert!(started.elapsed() < Duration::from_secs(20), "{error:?}\n{}", self.caddy.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

async fn check_no_request_is_lost(path: &'static str, clients: usize, connections: Connections, by: By) {
    let scene = Scene::set(if connections == Connections::Http2 { "https" } else { "http" }, by).await;
    let load = Load::start(scene.address, path, clients, connections);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let started = Instant::now();
    let switched = scene.admin.switch_upstream("shop", &scene.new.upstream(), Duration::from_secs(20)).await.unwrap();
    assert_eq!(switched.previous, [scene.old.upstream()]);
    assert!(matches!(switched.drained, Drained::Idle(_)), "{switched:?}");
    let took = started.elapsed();
    scene.old.stop().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let tally = load.finish().await;
    eprintln!(
        "{path}, {connections:?}, {by:?}: {:?}, {} sent again, switched and drained in {took:?}",
        tally.answers, tally.repeated
    );
    assert!(tally.lost.is_empty(), "{} lost: {:?}\n{}", tally.lost.len(), tally.lost, scene.caddy.log());
    assert!(tally.answers["old"] > 0 && tally.answers["new"] > 0 && tally.answers.len() == 2, "{:?}", tally.answers);
    let expected = if by == By::Folder { SwitchedBy::Folder } else { SwitchedBy::Configuration };
    assert_eq!(switched.by, expected);
    // Only loading a configuration closes kept HTTP/1.1 connections.
    if connections != Connections::Kept || by == By::Folder {
        assert_eq!(tally.repeated, 0);
    }
}

#[test]
fn no_request_on_kept_connections_is_lost() {
    for by in [By::Configuration, By::Folder] {
        block_on(check_no_request_is_lost("/", 16, Connections::Kept, by));
    }
}

#[test]
fn no_request_on_new_connections_is_lost() {
    for by in [By::Configuration, By::Folder] {
        block_on(check_no_request_is_lost("/", 8, Connections::OneEach, by));
    }
}

#[test]
fn no_request_on_http_2_is_lost() {
    for by in [By::Configuration, By::Folder] {
        block_on(check_no_request_is_lost("/", 16, Connections::Http2, by));
    }
}

#[test]
fn slow_requests_are_completed_by_the_app_that_received_them() {
    for by in [By::Configuration, By::Folder] {
        block_on(check_no_request_is_lost("/slow/700", 8, Connections::OneEach, by));
    }
}

#[test]
fn a_connection_waiting_to_be_accepted_is_served() {
    block_on(async {
        let scene = Scene::set("http", By::Configuration).await;
        let mut waiting = TcpStream::connect(scene.address).await.unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
        let (admin, new) = (scene.admin.clone(), scene.new.upstream());
        let switch =
            tokio::spawn(async move { admin.switch_upstream("shop", &new, Duration::from_secs(20)).await.unwrap() });
        tokio::time::sleep(Duration::from_secs(4)).await;
        assert!(!switch.is_finished(), "the old app would be stopped too early");
        let request = format!("GET / HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", scene.address);
        waiting.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        waiting.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("old"), "{answer}");
        assert!(matches!(switch.await.unwrap().drained, Drained::Idle(_)));
    });
}

#[test]
fn draining_stops_at_the_limit() {
    block_on(async {
        let scene = Scene::set("http", By::Configuration).await;
        let load = Load::start(scene.address, "/slow/8000", 3, Connections::OneEach);
        tokio::time::sleep(Duration::from_millis(500)).await;
        let started = Instant::now();
        let switched =
            scene.admin.switch_upstream("shop", &scene.new.upstream(), Duration::from_secs(1)).await.unwrap();
        assert_eq!(switched.drained, Drained::TimedOut { requests: 3 });
        assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
        // The old app was not stopped: its requests continue.
        let tally = load.finish().await;
        assert_eq!((tally.answers.get("old"), tally.lost.len()), (Some(&3), 0), "{tally:?}");
        // And back, in the same way.
        let back = scene.admin.switch_upstream("shop", &scene.old.upstream(), Duration::ZERO).await.unwrap();
        assert_eq!(back.previous, [scene.new.upstream()]);
        assert_eq!(scene.admin.upstreams("shop").await.unwrap().unwrap(), [scene.old.upstream()]);
        let again = scene.admin.switch_upstream("shop", &scene.old.upstream(), Duration::from_secs(9)).await.unwrap();
        assert_eq!((again.previous.len(), again.drained), (0, Drained::Idle(Duration::ZERO)));
    });
}

#[test]
fn an_upgraded_connection_survives_a_switch_through_the_folder() {
    block_on(async {
        let scene = Scene::set("http", By::Folder).await;
        let mut socket = TcpStream::connect(scene.address).await.unwrap();
        let request = "GET /echo HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(socket.read_u8().await.unwrap());
        }
        assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
        let new = scene.new.upstream();
        let switched = scene.admin.switch_upstream("shop", &new, Duration::from_secs(1)).await.unwrap();
        assert_eq!((switched.by, switched.drained), (SwitchedBy::Folder, Drained::TimedOut { requests: 1 }));
        socket.write_all(b"still").await.unwrap();
        let mut answer = [0; 5];
        socket.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"still");
    });
}

#[test]
fn a_removed_switch_folder_falls_back_to_a_configuration() {
    block_on(async {
        let scene = Scene::set("http", By::Folder).await;
        std::fs::remove_dir_all(scene.folder.path().join("shop")).unwrap();
        assert_eq!(scene.admin.spare("shop").await.unwrap(), None);
        let switched = scene.admin.switch_upstream("shop", &scene.new.upstream(), Duration::ZERO).await.unwrap();
        assert_eq!(switched.by, SwitchedBy::ConfigurationWithoutSwitch);
        assert_eq!(scene.admin.upstreams("shop").await.unwrap().unwrap(), [scene.new.upstream()]);
    });
}

#[test]
fn concurrent_changes_are_all_applied() {
    block_on(async {
        let caddy = Caddy::empty();
        let app = App::start("app").await;
        let names = ["a", "b", "c", "d", "e"];
        let made = names.map(|name| {
            let (admin, site) =
                (CaddyAdmin::new(&caddy.admin).unwrap(), site(name, "http", free_port(), &app.upstream()));
            tokio::spawn(async move { admin.ensure_site(&site, None).await })
        });
        for task in made {
            assert_eq!(task.await.unwrap().unwrap(), SiteChange::Created);
        }
        let admin = CaddyAdmin::new(&caddy.admin).unwrap();
        for name in names {
            assert_eq!(admin.upstreams(name).await.unwrap().unwrap(), [app.upstream()], "{name}");
        }
        assert!(admin.remove_site("a").await.unwrap() && !admin.remove_site("a").await.unwrap());
        assert_eq!(admin.upstreams("a").await.unwrap(), None);
        let switched = admin.switch_upstream("a", "127.0.0.1:1", Duration::ZERO).await;
        assert!(matches!(switched, Err(ProxyError::NoSite { .. })), "{switched:?}");
    });
}
