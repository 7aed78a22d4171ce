//! Sites that Caddy rejects, and a missing Caddy: each is reported clearly, and the previous configuration stays active.

use std::fs::{self, Permissions};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;

use super::app::App;
use super::caddy::Caddy;
use super::{block_on, free_port};
use crate::docker::Engine;
use crate::http;
use crate::program::{Run, nextdeploy, nextdeploy_with};

fn load(admin: &str, name: &str, domain: &str, upstream: &str) -> Run {
    load_with(admin, name, (domain, upstream), &["--switch-dir", "none"])
}

fn load_with(admin: &str, name: &str, (domain, upstream): (&str, &str), more: &[&str]) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let mut arguments =
        vec!["proxy", "caddy", "--name", name, "--upstream", upstream, "--domain", domain, "--load", "--admin", admin];
    arguments.extend(more);
    nextdeploy(&Engine::default(), folder.path(), &arguments)
}

fn check_reported(run: &Run, code: i32, parts: &[&str]) {
    assert_eq!((run.code, run.stdout.as_str()), (Some(code), ""), "{}", run.stderr);
    for part in parts {
        assert!(run.stderr.contains(part), "no `{part}` in\n{}", run.stderr);
    }
}

#[test]
fn a_configuration_rejected_by_caddy_changes_nothing() {
    block_on(async {
        let (caddy, app, port) = (Caddy::empty(), App::start("app").await, free_port());
        let domain = format!("localhost:{port}");
        assert_eq!(load(&caddy.admin, "shop", &domain, &app.upstream()).code, Some(0));
        let somebody = TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = format!("localhost:{}", somebody.local_addr().unwrap().port());
        let run = load(&caddy.admin, "blog", &taken, &app.upstream());
        check_reported(&run, 7, &["proxy/refused", "address already in use", "still serves"]);
        let run = load(&caddy.admin, "blog", &domain, &app.upstream());
        check_reported(&run, 2, &["proxy/address-taken", "`localhost`", "for the app `shop`"]);
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let answer = tokio::task::spawn_blocking(move || {
            http::get_for(address, "/", &format!("localhost:{port}")).unwrap().text()
        });
        assert_eq!(answer.await.unwrap(), "app");
    });
}

#[test]
fn a_missing_caddy_is_reported() {
    let admin = format!("http://127.0.0.1:{}", free_port());
    let run = load(&admin, "shop", "localhost:1", "127.0.0.1:1");
    check_reported(&run, 7, &["proxy/unreachable", &admin, "refused", "systemctl start caddy"]);
}

#[test]
fn a_server_that_is_not_caddy_is_reported() {
    block_on(async {
        let app = App::start("app").await;
        let run = load(&app.upstream(), "shop", "localhost:1", "127.0.0.1:1");
        check_reported(&run, 7, &["proxy/not-caddy", "404", "--admin"]);
    });
}

#[test]
fn proxies_from_the_environment_are_not_used() {
    let (caddy, folder) = (Caddy::empty(), tempfile::tempdir().unwrap());
    let arguments = ["proxy", "caddy", "--name", "shop", "--remove", "--admin", &caddy.admin];
    let proxy = [("HTTP_PROXY", "http://127.0.0.1:1"), ("ALL_PROXY", "http://127.0.0.1:1")];
    let run = nextdeploy_with(&Engine::default(), folder.path(), &arguments, &proxy);
    assert_eq!((run.code, run.stdout.trim()), (Some(0), "unchanged"), "{}", run.stderr);
}

#[test]
fn the_admin_api_is_never_exposed() {
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
        check_reported(&nextdeploy(&Engine::default(), folder.path(), &arguments), 2, &["proxy/admin-address"]);
    }
}

fn mode(bits: u32) -> Permissions {
    Permissions::from_mode(bits)
}

#[test]
fn a_switch_folder_invisible_to_caddy_is_reported() {
    block_on(async {
        let (caddy, app, port) = (Caddy::of_nobody(), App::start("app").await, free_port());
        let (domain, upstream) = (format!("localhost:{port}"), app.upstream());
        // Only its owner can access it.
        let folder = tempfile::Builder::new().permissions(mode(0o700)).tempdir().unwrap();
        let asked = ["--switch-dir", folder.path().to_str().unwrap()];
        let load = |more: &[&str]| load_with(&caddy.admin, "shop", (&domain, &upstream), more);
        check_reported(&load(&asked), 2, &["proxy/switch-folder", asked[1], "Caddy does not see it", "--switch-dir"]);
        assert!(fs::read_dir(folder.path()).unwrap().next().is_none(), "what was made for it is gone");
        // A folder in use by another Caddy is left unchanged.
        let in_use = folder.path().join("shop/green");
        fs::create_dir(in_use.parent().unwrap()).unwrap();
        fs::write(&in_use, "").unwrap();
        check_reported(&load(&asked), 2, &["proxy/switch-folder"]);
        assert!(in_use.exists(), "the requests of a site went to another upstream");
        fs::remove_dir_all(in_use.parent().unwrap()).unwrap();
        let state = folder.path().join("state");
        let environment = [("XDG_STATE_HOME", state.to_str().unwrap())];
        let arguments = [
            "proxy",
            "caddy",
            "--name",
            "shop",
            "--upstream",
            &upstream,
            "--domain",
            &domain,
            "--load",
            "--admin",
            &caddy.admin,
        ];
        let run = nextdeploy_with(&Engine::default(), folder.path(), &arguments, &environment);
        assert_eq!((run.code, run.stdout.trim()), (Some(0), "created"), "{}", run.stderr);
        assert!(
            run.stderr.contains("proxy/no-switch") && run.stderr.contains("closes idle connections"),
            "{}",
            run.stderr
        );
        let unusable = folder.path().join("file");
        fs::write(&unusable, "").unwrap();
        check_reported(
            &load(&["--switch-dir", unusable.to_str().unwrap()]),
            2,
            &["proxy/switch-folder", "Not a directory"],
        );
        let open = tempfile::Builder::new().permissions(mode(0o755)).tempdir().unwrap();
        let run = load(&["--switch-dir", open.path().to_str().unwrap()]);
        assert_eq!((run.code, run.stdout.trim()), (Some(0), "changed"), "{}", run.stderr);
        assert!(open.path().join("shop").is_dir() && !run.stderr.contains("warning"), "{}", run.stderr);
        let remove = ["proxy", "caddy", "--name", "shop", "--remove", "--admin", &caddy.admin];
        let run = nextdeploy(&Engine::default(), folder.path(), &remove);
        assert_eq!((run.code, run.stdout.trim()), (Some(0), "removed"), "{}", run.stderr);
        assert!(fs::read_dir(open.path()).unwrap().next().is_none(), "the folder of the app goes with its site");
    });
}
