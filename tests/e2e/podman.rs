//! A daemon without `BuildKit`: Podman's Docker API builds the same application with the classic builder.

use std::time::{Duration, Instant};

use crate::docker::{Container, Engine, Image, PODMAN_TURN};
use crate::fixture::{Case, GREETING, Repository, TRACKED_SECRET, UNTRACKED_CANARY};
use crate::http;
use crate::program::nextdeploy;

#[test]
fn podman_builds_and_runs_an_application() {
    let _turn = PODMAN_TURN.blocking_lock();
    let case = Case::named("npm-next16-app");
    let engine = Engine::service("podman");
    engine.require_base(case.node);
    let repository = Repository::compose(&case);
    let before = repository.fingerprint();
    let image = Image { engine: engine.clone(), tag: "localhost/nd-e2e-podman:test".to_owned() };
    let run = nextdeploy(&engine, repository.path(), &["build", "--tag", &image.tag]);
    assert_eq!(run.code, Some(0), "nextdeploy build: {:?}\n{}", run.code, run.stderr);
    assert_eq!(repository.fingerprint(), before, "the repository was changed");

    // Podman's defaults exceed the file and process limits of a machine that is itself a container.
    let container = Container::start(
        &image,
        "nd-e2e-podman",
        3000,
        &["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"],
    );
    // Podman leaves the health check to systemd, which may be missing.
    let started = Instant::now();
    while http::get(container.address, "/").is_err() {
        assert!(started.elapsed() < Duration::from_secs(30), "no answer\n{}", container.logs());
        std::thread::sleep(Duration::from_millis(200));
    }
    assert!(container.get("/").text().contains("built for the north pole"));
    assert!(container.get("/hello/ada").text().contains(&format!("{GREETING}, ada")));
    let found = image.containing(&[UNTRACKED_CANARY, TRACKED_SECRET, "built for the north pole"]);
    assert_eq!(found, ["built for the north pole"], "secrets in the image");
}
