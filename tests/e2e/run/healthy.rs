//! Containers that become healthy, and their content.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::harness::{App, expect, secret_folders};

#[test]
fn an_image_is_run_until_it_is_healthy() {
    let app = App::of_fixture("healthy");
    let run = app.run(&["--publish", "0", &app.image]);
    expect(&run, 0);
    let name = run.stdout.trim();
    assert!(name.starts_with(&format!("{}-", app.name)), "{name}");
    assert!(run.stderr.contains(&format!("{name} is healthy after")), "{}", run.stderr);
    assert!(app.address().ip().is_loopback());
    assert!(app.get("/").text().contains("Hello from a container"));

    let seen = app.inspect(name);
    let host = &seen["HostConfig"];
    assert_eq!(host["RestartPolicy"]["Name"], "unless-stopped");
    assert_eq!(host["Memory"], 512 * 1024 * 1024, "the app renders on the server");
    assert_eq!((&host["CapDrop"][0], &host["SecurityOpt"][0]), (&"ALL".into(), &"no-new-privileges".into()));
    assert_eq!(host["LogConfig"]["Config"]["max-size"], "10m");
    let env = seen["Config"]["Env"].to_string();
    assert!(env.contains("NODE_OPTIONS=--max-old-space-size=384") && env.contains("PORT=3000"), "{env}");
    assert_eq!(seen["Config"]["Labels"]["nextdeploy.managed"], "true");

    let again = app.run(&["--publish", "0", &app.image]);
    expect(&again, 2);
    assert!(again.stderr.contains("already runs") && again.stderr.contains("--replace"), "{}", again.stderr);
    assert_eq!(app.running(), [name]);
}

#[test]
fn a_read_only_root_is_enough_for_image_optimisation_and_pages_that_are_rendered_again() {
    let app = App::of_fixture("readonly");
    expect(&app.run(&["--publish", "0", &app.image]), 0);
    let name = app.running().remove(0);
    assert_eq!(app.inspect(&name)["HostConfig"]["ReadonlyRootfs"], true);
    let denied = app.engine.try_docker(&["exec", &name, "touch", "/app/x"]).unwrap_err();
    assert!(denied.contains("Read-only"), "{denied}");

    let image = app.get("/_next/image?url=%2Faurora.png&w=640&q=75");
    assert_eq!((image.status, image.header("content-type")), (200, "image/webp"));
    let cached = app.engine.docker(&["exec", &name, "sh", "-c", "find /app/.next/cache/images -type f | wc -l"]);
    assert_ne!(cached, "0", "the optimised image is kept");

    let first = app.get("/news").text();
    let mut last = first.clone();
    for _ in 0..20 {
        std::thread::sleep(Duration::from_millis(600));
        last = app.get("/news").text();
        if last != first {
            break;
        }
    }
    assert_ne!(first, last, "the page is rendered again");
    let written = "find /app/.next/server -newermt '-1 minute' -name '*news*' | wc -l";
    assert_ne!(app.engine.docker(&["exec", &name, "sh", "-c", written]), "0", "and stored");
    let logs = app.engine.docker(&["logs", &name]);
    assert!(!logs.contains("EROFS") && !logs.contains("EACCES"), "{logs}");
}

/// Created by another user of the machine where a folder with a guessable name would be.
struct StrangersFolder;

impl StrangersFolder {
    const PATH: &str = "/dev/shm/nextdeploy";

    fn make() -> Self {
        fs::create_dir_all(format!("{}/secrets", Self::PATH)).unwrap();
        for path in [Self::PATH.to_owned(), format!("{}/secrets", Self::PATH)] {
            std::os::unix::fs::chown(&path, Some(12345), Some(12345)).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
        }
        Self
    }
}

impl Drop for StrangersFolder {
    fn drop(&mut self) {
        let found = fs::read_dir(format!("{}/secrets", Self::PATH)).map(Iterator::count);
        fs::remove_dir_all(Self::PATH).unwrap();
        assert_eq!(found.unwrap(), 0, "nothing is put there");
    }
}

#[test]
fn secrets_reach_only_the_app() {
    let app = App::of_fixture("secrets");
    let _stranger = StrangersFolder::make();
    let file = app.write("key.txt", "sk-file-canary\n");
    let secret = format!("id=other.key,src={file}");
    let arguments = ["--publish", "0", "--secret", "API_KEY", "--secret", &secret, &app.image, "--verbose"];
    let run = app.run_with(&arguments, &[("API_KEY", "sk-variable-canary")]);
    expect(&run, 0);
    assert!(!run.stderr.contains("canary") && !run.stdout.contains("canary"), "{}", run.stderr);
    let answer: Value = serde_json::from_slice(&app.get("/api/secret").body).unwrap();
    assert_eq!((&answer["variable"], &answer["file"]), (&"sk-variable-canary".into(), &"sk-variable-canary".into()));

    let name = app.running().remove(0);
    assert!(!app.inspect(&name).to_string().contains("canary"), "the daemon shows a secret");
    let own = app.engine.docker(&["exec", &name, "cat", "/run/secrets/other.key"]);
    assert_eq!(own, "sk-file-canary");
    let written = app.engine.try_docker(&["exec", "--user", "0", &name, "sh", "-c", "echo x > /run/secrets/API_KEY"]);
    assert!(written.is_err(), "they are read-only");
    let stranger = app.engine.try_docker(&["exec", "--user", "65534:65534", &name, "cat", "/run/secrets/API_KEY"]);
    assert!(stranger.unwrap_err().contains("Permission denied"));

    let seen = app.inspect(&name);
    let mounts = seen["Mounts"].as_array().unwrap();
    let source =
        mounts.iter().find(|mount| mount["Destination"] == "/run/secrets").unwrap()["Source"].as_str().unwrap();
    let (inner, outer) = (Path::new(source), Path::new(source).parent().unwrap());
    let state = |path: &Path| fs::metadata(path).map(|found| (found.uid(), found.mode() & 0o7777)).unwrap();
    assert_eq!((state(outer), state(inner)), ((0, 0o700), (1001, 0o500)));
    // Another user of the machine, and one with the same id as the app's user.
    for user in ["12345", "1001"] {
        let key = inner.join("API_KEY");
        let elsewhere = outer.with_extension("moved");
        for words in
            [vec![Path::new("ls"), outer], vec![Path::new("cat"), &key], vec![Path::new("mv"), outer, &elsewhere]]
        {
            let tried = Command::new("setpriv")
                .args(["--reuid", user, "--regid", user, "--clear-groups"])
                .args(&words)
                .output();
            assert!(!tried.unwrap().status.success(), "{user}: {words:?}");
        }
    }

    app.engine.docker(&["kill", &name]);
    app.engine.docker(&["start", &name]);
    assert_eq!(
        app.engine.docker(&["exec", &name, "cat", "/run/secrets/API_KEY"]),
        "sk-variable-canary",
        "a crash loses none"
    );
    expect(&app.nextdeploy(&["rm", "--force", &name]), 0);
    assert!(secret_folders().iter().all(|folder| !folder.starts_with(&app.name)), "{:?}", secret_folders());

    let arguments = ["--publish", "0", "--secret", "API_KEY", "--secrets-as", "env", &app.image];
    expect(&app.run_with(&arguments, &[("API_KEY", "sk-variable-canary")]), 0);
    let answer: Value = serde_json::from_slice(&app.get("/api/secret").body).unwrap();
    assert_eq!((&answer["variable"], &answer["file"]), (&"sk-variable-canary".into(), &Value::Null));
}

#[test]
fn a_new_volume_belongs_to_the_app_and_an_old_one_stays_as_it_is() {
    let app = App::of_fixture("volume");
    let (new, old) = (format!("{}-new-{}", app.name, "x".repeat(100)), format!("{}-old", app.name));
    app.engine.docker(&["volume", "create", "--label", &format!("nextdeploy.app={}", app.name), &old]);
    let (new, old) = (format!("{new}:/data/new"), format!("{old}:/data/old"));
    expect(&app.run(&["--publish", "0", "--volume", &new, "--volume", &old, &app.image]), 0);
    let name = app.running().remove(0);
    let touch = |path: &str| app.engine.try_docker(&["exec", &name, "touch", path]);
    touch("/data/new/file").unwrap();
    touch("/app/.next/cache/file").unwrap();
    assert!(touch("/data/old/file").unwrap_err().contains("Permission denied"));
}

#[test]
fn only_the_user_of_the_app_can_read_its_secrets() {
    let app = App::foreign("owner");
    for user in ["1005", "node", "node:1005", "2000:3000"] {
        let document = app.write(
            "c.yml",
            &format!(
                "user: {user}\nports: 0:8080\nsecrets: API_KEY\ncommand: [node, -e, \"const key = \
                 require('fs').readFileSync('/run/secrets/API_KEY', 'utf8'); require('http').createServer((q, r) => \
                 r.end(`${{key.length}}`)).listen(8080)\"]\n"
            ),
        );
        let run = app.run_with(&["--spec", &document, &app.image], &[("API_KEY", "sk-12345")]);
        expect(&run, 0);
        assert_eq!(app.get("/").text(), "8", "{user}");
        let name = run.stdout.trim();
        for other in ["65534:0", "65534:3000"] {
            let read = app.engine.try_docker(&["exec", "--user", other, name, "cat", "/run/secrets/API_KEY"]);
            assert!(read.unwrap_err().contains("Permission denied"), "{user}: {other} reads it");
        }
        expect(&app.nextdeploy(&["rm", "--force", name]), 0);
    }
    let document = app.write("c.yml", "user: nobody-knows\nports: []\nsecrets: API_KEY\ncommand: [sleep, '9']\n");
    let run = app.run_with(&["--spec", &document, &app.image], &[("API_KEY", "sk-12345")]);
    expect(&run, 7);
    assert!(run.stderr.contains("has no user `nobody-knows` in `/etc/passwd`"), "{}", run.stderr);
    assert_eq!(app.left_behind(), [app.name.as_str()], "nothing but the network of the first run");
}

#[test]
fn flags_override_the_document() {
    let app = App::of_fixture("document");
    app.write("app.env", "GREETING=\"from the file\"\nVERSION=file\n");
    fs::create_dir(app.path().join("shared")).unwrap();
    let document = app.write(
        "container.yml",
        &format!(
            "image: {}\nports: 0\nenvFiles: app.env\nenv: {{ VERSION: document }}\nvolumes: ['./shared:/shared:ro']\n\
             memory: 300m\nlabels: {{ team: web }}\nhooks:\n  postStart:\n    - [node, -e, 'console.log(`hook of ${{process.env.VERSION}}`)']\n",
            app.image
        ),
    );
    let run = app.run(&[&document, "--env", "VERSION=flag", "--json"]);
    expect(&run, 0);
    assert!(run.stderr.contains("| hook of flag"), "{}", run.stderr);
    let result: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((&result["app"], &result["replaced"]), (&app.name.clone().into(), &Value::Null));
    assert_eq!(result["addresses"][0], app.address().to_string());
    let schemas = nextdeploy::report::schemas();
    let (_, schema) = schemas.into_iter().find(|(name, _)| *name == "run-result").unwrap();
    assert!(jsonschema::is_valid(schema.as_value(), &result), "{result}");
    assert_eq!(app.get("/api/version").text(), "flag");

    let seen = app.inspect(result["name"].as_str().unwrap());
    assert_eq!(seen["HostConfig"]["Memory"], 300 * 1024 * 1024);
    assert_eq!(seen["Config"]["Labels"]["team"], "web");
    let env = seen["Config"]["Env"].to_string();
    assert!(env.contains("GREETING=from the file") && env.contains("--max-old-space-size=225"), "{env}");
    assert!(seen["Mounts"].to_string().contains("/shared"));
}

#[test]
fn a_dry_run_prints_every_choice_and_creates_nothing() {
    let app = App::of_fixture("dry");
    let run = app.run_with(
        &["--dry-run", "--secret", "API_KEY", "--publish", "0.0.0.0:80", &app.image],
        &[("API_KEY", "sk-canary")],
    );
    expect(&run, 0);
    for part in [
        "/run/secrets/API_KEY",
        "512 MiB",
        "0.0.0.0:80 → 3000",
        "(from `--publish`)",
        "unless-stopped",
        "nextdeploy.routes.isr=1",
    ] {
        assert!(run.stdout.contains(part), "{part} is missing\n{}", run.stdout);
    }
    assert!(run.stderr.contains("launch/published-everywhere") || run.stderr.contains("without TLS"), "{}", run.stderr);
    assert!(!run.stdout.contains("canary"));
    assert_eq!(app.left_behind(), [""; 0]);
    let json = app.run(&["--dry-run", "--json", &app.image]);
    let plan: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(plan["app"], app.name);
}

#[test]
fn a_foreign_image_runs_unchanged() {
    let app = App::foreign("foreign");
    let document = app.write(
        "c.yml",
        "ports: 0:8080\ncommand: [node, -e, \"require('http').createServer((q, r) => r.end('foreign')).listen(8080)\"]\n",
    );
    let run = app.run(&["--spec", &document, &app.image]);
    expect(&run, 0);
    assert!(run.stderr.contains("no health check"), "{}", run.stderr);
    assert_eq!(app.get("/").text(), "foreign");
    let seen = app.inspect(run.stdout.trim());
    assert_eq!((&seen["HostConfig"]["Memory"], &seen["HostConfig"]["ReadonlyRootfs"]), (&0.into(), &false.into()));
}

#[test]
fn hooks_run_with_the_secrets_of_the_app() {
    let app = App::of_fixture("hooks");
    let document = app.write(
        "c.yml",
        &format!(
            "image: {}\nports: 0\nsecrets: API_KEY\nhooks:\n  postStart: [[node, -e, 'console.log(process.env.API_KEY.length)']]\n  \
             preStop: [[node, -e, 'console.log(`bye with ${{process.env.API_KEY.length}}`)'], [node, -e, 'process.exit(4)']]\n",
            app.image
        ),
    );
    let run = app.run_with(&[&document], &[("API_KEY", "sk-12345")]);
    expect(&run, 0);
    assert!(run.stderr.contains("| 8"), "{}", run.stderr);
    let stop = app.nextdeploy(&["stop", run.stdout.trim()]);
    expect(&stop, 0);
    assert!(stop.stderr.contains("| bye with 8") && stop.stderr.contains("exit code 4"), "{}", stop.stderr);
    assert!(app.running().is_empty(), "a hook that fails keeps nothing running");
}
