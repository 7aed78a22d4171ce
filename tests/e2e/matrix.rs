//! Package managers × Next.js versions × routers × output modes: built, started, requested, and searched for secrets.

use std::fs;
use std::time::{Duration, Instant};

use regex_lite::Regex;
use serde_json::Value;

use crate::docker::{Container, Engine, Image};
use crate::fixture::{Case, GREETING, Output, Repository, Router, TRACKED_SECRET, UNTRACKED_CANARY, all_cases};
use crate::http;
use crate::program::nextdeploy;

/// From SIGTERM to the exit of the container, including the docker command line.
const STOP_LIMIT: Duration = Duration::from_secs(2);

macro_rules! cases {
    ($($test:ident: $name:literal,)*) => {
        $(#[test] fn $test() { run_case($name); })*

        #[test]
        fn every_case_builds_and_runs() {
            let listed: Vec<String> = all_cases().into_iter().map(|case| case.name).collect();
            assert_eq!(listed, [$($name),*]);
        }
    };
}

cases! {
    npm_next16_app: "npm-next16-app",
    yarn1_next13_pages: "yarn1-next13-pages",
    yarn4_next15_standalone: "yarn4-next15-standalone",
    yarn4_pnp_next14_pages: "yarn4-pnp-next14-pages",
    pnpm9_next14_base_path: "pnpm9-next14-base-path",
    pnpm8_next13_app: "pnpm8-next13-app",
    bun_next16_pages: "bun-next16-pages",
    npm_next15_export: "npm-next15-export",
    npm_next14_custom_server: "npm-next14-custom-server",
    npm_next14_server_tsx: "npm-next14-server-tsx",
    pnpm_turbo_next16: "pnpm-turbo-next16",
    npm_workspaces_next15: "npm-workspaces-next15",
}

fn run_case(name: &str) {
    let case = Case::named(name);
    let engine = Engine::with_base(case.node);
    let repository = Repository::compose(&case);
    let before = repository.fingerprint();

    check_detection(&case, &engine, &repository);
    let started = Instant::now();
    let image = build(&case, &engine, &repository);
    eprintln!("{name}: built in {:.0} s", started.elapsed().as_secs_f64());

    assert_eq!(repository.fingerprint(), before, "the repository was changed");
    check_configuration(&case, &image, &repository.head());
    check_no_secret(&image);
    check_as_shipped(&case, &image);
    check_read_only(&case, &image);
    check_arbitrary_user(&case, &image);
    eprintln!("{name}: passed in {:.0} s", started.elapsed().as_secs_f64());
}

/// `nextdeploy detect --json` finds the facts in the list of cases.
fn check_detection(case: &Case, engine: &Engine, repository: &Repository) {
    let mut arguments = vec!["detect", "--json"];
    if let Some(app) = &case.app {
        arguments.extend(["--app", app]);
    }
    let run = nextdeploy(engine, repository.path(), &arguments);
    assert_eq!(run.code, Some(0), "nextdeploy detect\n{}", run.stderr);
    let facts: Value = serde_json::from_str(&run.stdout).unwrap();
    let (name, version) = case.package_manager.split_once('@').unwrap();
    let manager = &facts["packageManager"]["value"];
    assert!(manager["kind"].as_str().unwrap().starts_with(name), "{manager}");
    if name != "npm" {
        assert_eq!(manager["version"]["value"], version, "{manager}");
    }
    assert_eq!(facts["lockfile"]["path"], case.lockfile);
    assert_eq!(facts["next"]["value"]["text"], case.next);
    assert_eq!(facts["node"]["value"]["major"], case.node);
    assert_eq!(facts["nextDir"], case.app_folder());
    let routers = [(Router::App, "app"), (Router::Pages, "pages")];
    for (router, key) in routers {
        assert_eq!(!facts["routers"][key].is_null(), case.router == router, "{}", facts["routers"]);
    }
}

/// `nextdeploy build`, which prints only the image reference to standard output.
fn build(case: &Case, engine: &Engine, repository: &Repository) -> Image {
    let image = Image { engine: engine.clone(), tag: format!("nd-e2e-{}:test", case.name) };
    let mut arguments = vec!["build", "--tag", &image.tag];
    if let Some(app) = &case.app {
        arguments.extend(["--app", app]);
    }
    let file = case.build_env_file.as_ref().map(|file| repository.path().join(file).to_str().unwrap().to_owned());
    if let Some(file) = &file {
        arguments.extend(["--build-env-file", file]);
    }
    let run = nextdeploy(engine, repository.path(), &arguments);
    assert_eq!(run.code, Some(0), "nextdeploy build: {:?}\n{}", run.code, run.stderr);
    let reference = run.stdout.trim_end();
    assert_eq!(run.stdout.lines().count(), 1, "stdout carries more than the image reference: {}", run.stdout);
    let id = |reference: &str| engine.docker(&["image", "inspect", "--format", "{{.Id}}", reference]);
    assert_eq!(id(reference), id(&image.tag), "stdout names another image: {reference}");
    assert!(
        !run.stderr.contains(TRACKED_SECRET) && !run.stderr.contains(UNTRACKED_CANARY),
        "a secret was printed\n{}",
        run.stderr
    );
    assert!(run.stderr.contains("PAYMENT_SECRET_KEY"), "the secret that was left out is not named\n{}", run.stderr);
    image
}

fn check_configuration(case: &Case, image: &Image, commit: &str) {
    let config = &image.inspect()["Config"];
    assert_eq!(config["Labels"]["org.opencontainers.image.revision"], commit);
    let user = config["User"].as_str().unwrap();
    assert!(user.starts_with("1001"), "the user must be numeric and not root, but is {user:?}");
    assert_eq!(config["Healthcheck"]["Test"][0], "CMD", "the health check must not need a shell");
    assert!(config["ExposedPorts"]["3000/tcp"].is_object(), "port 3000 is not exposed: {config}");
    assert!(
        !config["Env"].to_string().contains("BUILD_"),
        "a variable of the build is in the image: {}",
        config["Env"]
    );
    let version = image.engine.docker(&["run", "--rm", "--entrypoint", "node", &image.tag, "--version"]);
    assert!(version.starts_with(&format!("v{}.", case.node)), "Node.js {} was wanted, {version} is there", case.node);
}

fn check_no_secret(image: &Image) {
    // The text of the page is searched for as well, to prove that the search works.
    let found = image.containing(&[UNTRACKED_CANARY, TRACKED_SECRET, "built for the north pole"]);
    assert_eq!(found, ["built for the north pole"], "secrets in the image {}", image.tag);
}

/// Started like a user does, but with the `HOSTNAME` that some platforms set.
fn check_as_shipped(case: &Case, image: &Image) {
    let container =
        Container::start(image, &format!("nd-e2e-{}-shipped", case.name), 3000, &["--env", "HOSTNAME=some-pod"]);
    container.wait_until_healthy();
    check_pages(case, &container, GREETING);
    check_assets(case, &container);
    check_stop(&container);
}

fn check_read_only(case: &Case, image: &Image) {
    let cache = match case.app_folder() {
        "." => "/app/.next/cache".to_owned(),
        folder => format!("/app/{folder}/.next/cache"),
    };
    let options = ["--read-only", "--tmpfs", "/tmp", "--tmpfs", &cache];
    let container = Container::start(image, &format!("nd-e2e-{}-read-only", case.name), 3000, &options);
    container.wait_until_healthy();
    check_pages(case, &container, GREETING);
    check_optimised_image(case, &container);
    check_stop(&container);
}

/// Like on some platforms: an arbitrary user id in group 0, with another port and environment.
fn check_arbitrary_user(case: &Case, image: &Image) {
    let options = ["--user", "12345:0", "--env", "PORT=8080", "--env", "GREETING=bonjour"];
    let container = Container::start(image, &format!("nd-e2e-{}-user", case.name), 8080, &options);
    container.wait_until_healthy();
    // Exported pages are fixed at build time.
    check_pages(case, &container, if case.output == Output::Export { GREETING } else { "bonjour" });
    check_optimised_image(case, &container);
    check_stop(&container);
}

fn check_pages(case: &Case, container: &Container, greeting: &str) {
    let base = &case.base_path;
    let home = container.get(if base.is_empty() { "/" } else { base });
    assert!(home.text().contains("fixture home"), "{}", home.text());
    assert!(
        home.text().contains("built for the north pole"),
        "NEXT_PUBLIC_SITE is not the tracked one: {}",
        home.text()
    );
    let hello = container.get(&format!("{base}/hello/ada")).text();
    assert!(hello.contains(&format!("{greeting}, ada")), "{hello}");
    let ping = container.get(&format!("{base}/api/ping")).text();
    assert_eq!(serde_json::from_str::<Value>(&ping).unwrap()["pong"], true, "{ping}");
    for (path, text) in &case.also_answers {
        let answer = container.get(path).text();
        assert!(answer.contains(text), "GET {path} does not contain {text}: {answer}");
    }
    let missing = http::get(container.address, &format!("{base}/nothing/here")).unwrap();
    assert_eq!(missing.status, 404, "{}", missing.text());
}

fn check_assets(case: &Case, container: &Container) {
    let base = &case.base_path;
    let home = container.get(if base.is_empty() { "/" } else { base }).text();
    for (pattern, kind) in
        [(r#"/_next/static/[^"'\\ ]+\.css"#, "text/css"), (r#"/_next/static/[^"'\\ ]+\.js"#, "javascript")]
    {
        let path = Regex::new(pattern).unwrap().find(&home).unwrap_or_else(|| panic!("no {kind} in the page: {home}"));
        let asset = container.get(&format!("{base}{}", path.as_str()));
        assert!(asset.header("content-type").contains(kind), "{}: {:?}", path.as_str(), asset.headers);
        assert!(asset.header("cache-control").contains("immutable"), "{}: {:?}", path.as_str(), asset.headers);
        assert!(!asset.body.is_empty());
    }
    assert!(container.get(&format!("{base}/robots.txt")).text().starts_with("User-agent"));
    let photo = container.get(&format!("{base}/photo.png"));
    assert_eq!(photo.header("content-type"), "image/png");
    assert_eq!(photo.body, original_photo(), "the file in public/ is served changed");
    check_optimised_image(case, container);
}

fn original_photo() -> Vec<u8> {
    fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/fixtures/templates/shared/public/photo.png")).unwrap()
}

/// Image optimisation works: another format, much smaller, and kept in the cache, which must be writable.
fn check_optimised_image(case: &Case, container: &Container) {
    if case.output == Output::Export {
        return;
    }
    let base = &case.base_path;
    let path = format!("{base}/_next/image?url={}%2Fphoto.png&w=640&q=75", base.replace('/', "%2F"));
    let image = container.get(&path);
    assert_eq!(image.header("content-type"), "image/webp", "not optimised\n{}", container.logs());
    let (before, after) = (original_photo().len(), image.body.len());
    assert!(after * 2 < before, "{before} bytes became {after}");
    let started = Instant::now();
    while container.get(&path).header("x-nextjs-cache") != "HIT" {
        assert!(started.elapsed() < Duration::from_secs(5), "the optimised image is not cached\n{}", container.logs());
    }
}

fn check_stop(container: &Container) {
    let (time, code) = container.stop();
    assert!(time < STOP_LIMIT, "SIGTERM took {time:?} (exit code {code})\n{}", container.logs());
    assert!(["0", "143"].contains(&code.as_str()), "exit code {code}\n{}", container.logs());
}
