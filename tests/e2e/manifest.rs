//! Manifests of a real image: each is accepted by the engine's own schema, Compose runs it, and what Kubernetes and Amazon ECS would
//! do with its volumes is emulated.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use std::{fs, thread};

use serde_json::Value;

use crate::docker::{Engine, Image, services_folder};
use crate::fixture::{Case, Repository};
use crate::http;
use crate::program::nextdeploy;

const TAG: &str = "nd-e2e-manifest:test";
const CANARY: &str = "canary-71f0";

fn validator(name: &str, folder: &Path, arguments: &[&str]) -> Result<String, String> {
    let program = format!("{}/validators/{name}", services_folder());
    let output = Command::new(&program).args(arguments).current_dir(folder).output();
    let output =
        output.unwrap_or_else(|error| panic!("{program}: {error}\nhint: run scripts/services start validators"));
    let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.success() { Ok(told) } else { Err(format!("{name} {arguments:?}: {told}")) }
}

/// The app of a fixture, with a working folder.
struct Scene {
    engine: Engine,
    folder: tempfile::TempDir,
    _image: Image,
}

impl Scene {
    fn set() -> Self {
        let case = Case::named("npm-next16-app");
        let engine = Engine::with_base(case.node);
        let repository = Repository::compose(&case);
        let image = Image { engine: engine.clone(), tag: TAG.to_owned() };
        let run = nextdeploy(&engine, repository.path(), &["build", "--tag", TAG, "--health-path", "/hello/ada"]);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        Self { engine, folder: tempfile::tempdir().unwrap(), _image: image }
    }

    /// The output of `nextdeploy manifest ARGUMENTS`, also saved to a file of that name.
    fn manifest(&self, file: &str, arguments: &[&str]) -> String {
        let arguments = [&["manifest"], arguments].concat();
        let run = nextdeploy(&self.engine, self.folder.path(), &arguments);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        assert!(!run.stdout.contains(CANARY) && !run.stderr.contains(CANARY));
        fs::write(self.folder.path().join(file), &run.stdout).unwrap();
        run.stdout
    }
}

/// Starts quickly, with one prerendered page and one rendered on request.
fn check_app(address: SocketAddr, logs: impl Fn() -> String) {
    let started = Instant::now();
    while http::get(address, "/").is_err() {
        assert!(started.elapsed() < Duration::from_mins(1), "no answer\n{}", logs());
        thread::sleep(Duration::from_millis(200));
    }
    for path in ["/", "/hello/ada"] {
        let answer = http::get(address, path).unwrap();
        assert_eq!(answer.status, 200, "{path}: {}\n{}", answer.text(), logs());
    }
}

#[test]
fn manifests_are_valid_and_run() {
    let scene = Scene::set();
    check_kubernetes(&scene);
    check_ecs(&scene);
    check_compose(&scene);
}

fn check_kubernetes(scene: &Scene) {
    let folder = scene.folder.path();
    let text = scene.manifest("pod.yaml", &["kubernetes", TAG, "--replicas", "1"]);
    let everything = [
        "kubernetes",
        TAG,
        "--host",
        "shop.example.com",
        "--tls-secret",
        "tls",
        "--ingress-class",
        "nginx",
        "--namespace",
        "web",
        "--pull-secret",
        "ghcr",
        "--secret",
        "NOT_SET_HERE",
        "--volume",
        "data:/data",
        "--cpus",
        "0.5",
        "--env",
        "EMPTY=",
    ];
    scene.manifest("all.yaml", &everything);
    for version in ["1.30", "1.37"] {
        for file in ["pod.yaml", "all.yaml"] {
            validator("kubernetes-validate", folder, &["-k", version, file]).unwrap_or_else(|error| panic!("{error}"));
        }
    }
    let broken = text.replace("replicas: 1", "replicas: one");
    fs::write(folder.join("broken.yaml"), broken).unwrap();
    validator("kubernetes-validate", folder, &["broken.yaml"]).unwrap_err();
    let told = nextdeploy(&scene.engine, folder, &["manifest", "kubernetes", TAG, "--volume", "data:/data"]).stderr;
    assert!(told.contains("manifest/claim-missing") && told.contains(": `data`"), "{told}");

    let deployment: Value = serde_saphyr::from_str(text.split("---\n").next().unwrap()).unwrap();
    let pod = &deployment["spec"]["template"]["spec"];
    let security = &pod["securityContext"];
    let user = format!("{}:{}", security["runAsUser"], security["runAsGroup"]);
    let volumes = Volumes::make(scene, &names(&pod["volumes"]), "0o777");
    let init = &pod["initContainers"][0];
    volumes.run_once(&user, &texts(&init["command"]), &places(&init["volumeMounts"], "name", "mountPath"));
    let container = &pod["containers"][0];
    assert_eq!(container["readinessProbe"]["httpGet"]["path"], "/hello/ada");
    let env = container["env"].as_array().unwrap().iter();
    let env = env.map(|one| format!("{}={}", one["name"].as_str().unwrap(), one["value"].as_str().unwrap()));
    volumes.check_app(&user, &env.collect::<Vec<_>>(), &places(&container["volumeMounts"], "name", "mountPath"));
}

fn check_ecs(scene: &Scene) {
    let arguments = [
        "ecs",
        TAG,
        "--aws-region",
        "eu-central-1",
        "--execution-role",
        "arn:aws:iam::123456789012:role/ecs",
        "--secret",
        "KEY",
        "--secret-arn",
        "KEY=arn:aws:ssm:eu-central-1:123456789012:parameter/key",
    ];
    let text = scene.manifest("task.json", &arguments);
    validator("task-definition-validate", scene.folder.path(), &["task.json"])
        .unwrap_or_else(|error| panic!("{error}"));
    fs::write(scene.folder.path().join("broken.json"), text.replace("\"essential\": true", "\"essential\": 1"))
        .unwrap();
    validator("task-definition-validate", scene.folder.path(), &["broken.json"]).unwrap_err();

    let task: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&task["cpu"], &task["memory"]), (&Value::from("256"), &Value::from("512")));
    let (prepare, app) = (&task["containerDefinitions"][0], &task["containerDefinitions"][1]);
    let volumes = Volumes::make(scene, &names(&task["volumes"]), "0o755");
    volumes.run_once(
        "0",
        &texts(&prepare["entryPoint"]),
        &places(&prepare["mountPoints"], "sourceVolume", "containerPath"),
    );
    let env = app["environment"].as_array().unwrap().iter();
    let env = env.map(|one| format!("{}={}", one["name"].as_str().unwrap(), one["value"].as_str().unwrap()));
    let mounts = places(&app["mountPoints"], "sourceVolume", "containerPath");
    volumes.check_app(app["user"].as_str().unwrap(), &env.collect::<Vec<_>>(), &mounts);
}

/// Removes everything of the project.
struct Project<'a>(&'a Path);

impl Drop for Project<'_> {
    fn drop(&mut self) {
        let _ = validator(
            "docker-compose",
            self.0,
            &["--project-name", "nd-e2e-manifest", "down", "--volumes", "--timeout", "1"],
        );
    }
}

fn check_compose(scene: &Scene) {
    let folder = scene.folder.path();
    let limits = ["--cpus", "0.5", "--pids", "100"];
    let arguments = ["compose", TAG, "--publish", "0", "--secret", "SECRET_WORD", "--env", "PRICE=$5 and ${HOME}"];
    let arguments = [&arguments[..], &limits].concat();
    let text = scene.manifest("compose.yaml", &arguments);
    fs::create_dir(folder.join("secrets")).unwrap();
    fs::write(folder.join("secrets/SECRET_WORD"), CANARY).unwrap();
    let compose = |arguments: &[&str]| {
        let all = [&["--project-name", "nd-e2e-manifest"], arguments].concat();
        validator("docker-compose", folder, &all).unwrap_or_else(|error| panic!("{error}\n{text}"))
    };
    let read = compose(&["config", "--format", "json"]);
    let read: Value = serde_json::from_str(&read).unwrap();
    let services = read["services"].as_object().unwrap();
    assert_eq!(services.keys().collect::<Vec<_>>(), ["npm-app"], "{read}");

    let _project = Project(folder);
    compose(&["up", "--detach", "--wait", "--wait-timeout", "60"]);
    let id = compose(&["ps", "--quiet"]);
    let published = scene.engine.docker(&["port", id.trim()]);
    let address = published.lines().find_map(|line| line.split(" -> ").nth(1)?.parse().ok()).unwrap();
    check_app(address, || scene.engine.docker(&["logs", id.trim()]));
    let inspect: Value = serde_json::from_str(&scene.engine.docker(&["inspect", id.trim()])).unwrap();
    let (host, config) = (&inspect[0]["HostConfig"], &inspect[0]["Config"]);
    assert_eq!(host["ReadonlyRootfs"], true);
    assert_eq!(host["CapDrop"], serde_json::json!(["ALL"]));
    assert_eq!(
        (&host["Memory"], &host["NanoCpus"], &host["PidsLimit"]),
        (&Value::from(512 * 1024 * 1024), &Value::from(500_000_000), &Value::from(100))
    );
    assert!(config["Env"].as_array().unwrap().contains(&Value::from("PRICE=$5 and ${HOME}")), "{config}");
    assert!(!inspect.to_string().contains(CANARY));
    let seen =
        scene.engine.docker(&["exec", id.trim(), "node", "-p", "fs.readFileSync('/run/secrets/SECRET_WORD', 'utf8')"]);
    assert_eq!(seen, CANARY);

    scene.manifest(
        "compose.yaml",
        &["compose", TAG, "--caddy", "--replicas", "2", "--pids", "100", "--secrets-as", "env", "--secret", "WORD"],
    );
    compose(&["config", "--quiet"]);
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

fn names(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
}

fn places(list: &Value, name: &str, path: &str) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    list.as_array().unwrap().iter().map(|one| (text(&one[name]), text(&one[path]))).collect()
}

/// Volumes as an engine provides them: empty, owned by root, with a mode.
struct Volumes<'a> {
    scene: &'a Scene,
    names: Vec<String>,
}

impl Drop for Volumes<'_> {
    fn drop(&mut self) {
        let _ = self.scene.engine.try_docker(&["rm", "--force", "nd-e2e-manifest-app"]);
        for name in &self.names {
            let _ = self.scene.engine.try_docker(&["volume", "rm", &volume(name)]);
        }
    }
}

fn volume(name: &str) -> String {
    format!("nd-e2e-manifest-{name}")
}

impl<'a> Volumes<'a> {
    fn make(scene: &'a Scene, names: &[String], mode: &str) -> Self {
        let volumes = Self { scene, names: names.to_vec() };
        for name in names {
            let (mount, script) =
                (format!("{}:/volume:nocopy", volume(name)), format!("fs.chmodSync('/volume',{mode})"));
            scene.engine.docker(&[
                "run",
                "--rm",
                "--user",
                "0",
                "--volume",
                &mount,
                "--entrypoint",
                "node",
                TAG,
                "-e",
                &script,
            ]);
        }
        volumes
    }

    fn arguments(user: &str, mounts: &[(String, String)]) -> Vec<String> {
        let mut arguments: Vec<String> =
            ["run", "--read-only", "--user", user, "--security-opt", "no-new-privileges"].map(str::to_owned).into();
        for (name, target) in mounts {
            arguments.extend(["--volume".to_owned(), format!("{}:{target}:nocopy", volume(name))]);
        }
        arguments
    }

    fn docker(&self, arguments: &[String]) -> String {
        self.scene.engine.docker(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// The container that prepares the volumes.
    fn run_once(&self, user: &str, command: &[String], mounts: &[(String, String)]) {
        let mut arguments = Self::arguments(user, mounts);
        arguments.extend(["--rm", "--entrypoint", &command[0], TAG].map(str::to_owned));
        arguments.extend(command[1..].iter().cloned());
        self.docker(&arguments);
    }

    fn check_app(&self, user: &str, env: &[String], mounts: &[(String, String)]) {
        let name = "nd-e2e-manifest-app";
        let mut arguments = Self::arguments(user, mounts);
        arguments.extend(
            ["--detach", "--cap-drop", "ALL", "--publish", "127.0.0.1::3000", "--name", name].map(str::to_owned),
        );
        for variable in env {
            arguments.extend(["--env".to_owned(), variable.clone()]);
        }
        arguments.push(TAG.to_owned());
        self.docker(&arguments);
        let published = self.scene.engine.docker(&["port", name, "3000/tcp"]);
        check_app(published.lines().find_map(|line| line.parse().ok()).unwrap(), || {
            self.scene.engine.docker(&["logs", name])
        });
        for (_, target) in mounts {
            let script = format!("fs.writeFileSync('{target}/written', '')");
            self.scene.engine.docker(&["exec", name, "node", "-e", &script]);
        }
    }
}
