//! What Caddy, or nobody, does with a site: each told clearly, and what was served before is served still.

use std::net::{SocketAddr, TcpListener};

use super::app::App;
use super::caddy::Caddy;
use super::{block_on, free_port};
use crate::docker::Engine;
use crate::http;
use crate::program::{Run, nextdeploy, nextdeploy_with};

fn load(admin: &str, name: &str, domain: &str, upstream: &str) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let arguments =
        ["proxy", "caddy", "--name", name, "--upstream", upstream, "--domain", domain, "--load", "--admin", admin];
    nextdeploy(&Engine::default(), folder.path(), &arguments)
}

fn check_told(run: &Run, code: i32, parts: &[&str]) {
    assert_eq!((run.code, run.stdout.as_str()), (Some(code), ""), "{}", run.stderr);
    for part in parts {
        assert!(run.stderr.contains(part), "no `{part}` in\n{}", run.stderr);
    }
}

#[test]
fn a_configuration_that_caddy_refuses_changes_nothing() {
    block_on(async {
        let (caddy, app, port) = (Caddy::empty(), App::start("app").await, free_port());
        let domain = format!("localhost:{port}");
        assert_eq!(load(&caddy.admin, "shop", &domain, &app.upstream()).code, Some(0));
        let somebody = TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = format!("localhost:{}", somebody.local_addr().unwrap().port());
        let run = load(&caddy.admin, "blog", &taken, &app.upstream());
        check_told(&run, 7, &["proxy/refused", "address already in use", "served still"]);
        let run = load(&caddy.admin, "blog", &domain, &app.upstream());
        check_told(&run, 2, &["proxy/address-taken", "`localhost`", "for the app `shop`"]);
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let answer = tokio::task::spawn_blocking(move || {
            http::get_for(address, "/", &format!("localhost:{port}")).unwrap().text()
        });
        assert_eq!(answer.await.unwrap(), "app");
    });
}

#[test]
fn no_caddy_is_told() {
    let admin = format!("http://127.0.0.1:{}", free_port());
    let run = load(&admin, "shop", "localhost:1", "127.0.0.1:1");
    check_told(&run, 7, &["proxy/unreachable", &admin, "refused", "systemctl start caddy"]);
}

#[test]
fn something_else_than_caddy_is_told() {
    block_on(async {
        let app = App::start("app").await;
        let run = load(&app.upstream(), "shop", "localhost:1", "127.0.0.1:1");
        check_told(&run, 7, &["proxy/not-caddy", "404", "--admin"]);
    });
}

#[test]
fn a_proxy_of_the_environment_is_not_asked() {
    let (caddy, folder) = (Caddy::empty(), tempfile::tempdir().unwrap());
    let arguments = ["proxy", "caddy", "--name", "shop", "--remove", "--admin", &caddy.admin];
    let proxy = [("HTTP_PROXY", "http://127.0.0.1:1"), ("ALL_PROXY", "http://127.0.0.1:1")];
    let run = nextdeploy_with(&Engine::default(), folder.path(), &arguments, &proxy);
    assert_eq!((run.code, run.stdout.trim()), (Some(0), "unchanged"), "{}", run.stderr);
}

#[test]
fn the_admin_api_is_never_opened_to_others() {
    let folder = tempfile::tempdir().unwrap();
    for format in ["caddyfile", "json"] {
        let arguments = [
            "proxy",
            "caddy",
            "--name",
            "shop",
            "--upstream",
            "a:1",
            "--domain",
            "a.com",
            "--format",
            format,
            "--admin",
            "0.0.0.0:2019",
        ];
        check_told(&nextdeploy(&Engine::default(), folder.path(), &arguments), 2, &["proxy/admin-address"]);
    }
}
