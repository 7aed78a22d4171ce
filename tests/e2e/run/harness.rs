//! The app that is run, built once for all concurrent tests, and the checks for leftovers.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, Weak};

use serde_json::Value;

use crate::docker::{Engine, Image, PODMAN_TURN};
use crate::fixture::{Repository, copy_tree};
use crate::http;
use crate::program::{Run, nextdeploy_with};

/// Name of the app, and prefix of everything created for it.
const TAG: &str = "nd-e2e-run:app";

/// The image of the app; removed with its last user.
pub fn app_image(engine: &Engine) -> Arc<Image> {
    static BUILT: Mutex<Weak<Image>> = Mutex::new(Weak::new());
    let mut built = BUILT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(image) = built.upgrade() {
        return image;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let repository = Repository::filled(|folder| {
        for part in ["app", "public", "package.json", "package-lock.json", "tsconfig.json"] {
            let (from, to) = (root.join("examples/hello-next").join(part), folder.join(part));
            if from.is_dir() { copy_tree(&from, &to) } else { assert!(fs::copy(from, to).is_ok()) }
        }
        copy_tree(&root.join("tests/e2e/fixtures/run"), folder);
    });
    let image = Arc::new(Image { engine: engine.clone(), tag: TAG.to_owned() });
    let run = nextdeploy_with(engine, repository.path(), &["build", "--tag", TAG], &[]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    *built = Arc::downgrade(&image);
    image
}

/// One app with a unique name, so that tests do not affect each other; everything it created is removed on drop, and only then may
/// anything be left.
pub struct App {
    pub engine: Engine,
    /// The label of the image that it runs from.
    pub name: String,
    pub image: String,
    folder: tempfile::TempDir,
    _of: Option<Arc<Image>>,
}

impl Drop for App {
    fn drop(&mut self) {
        for name in self.containers() {
            // Including its secrets, and in any case.
            nextdeploy_with(&self.engine, self.folder.path(), &["rm", "--force", &name], &[]);
            let _ = self.engine.try_docker(&["rm", "--force", "--volumes", &name]);
        }
        for volume in self.list(&["volume", "ls", "--format", "{{.Name}}"]) {
            let _ = self.engine.try_docker(&["volume", "rm", &volume]);
        }
        for network in self.list(&["network", "ls", "--format", "{{.Name}}"]) {
            let _ = self.engine.try_docker(&["network", "rm", &network]);
        }
        let _turn = self.engine.host.is_some().then(|| PODMAN_TURN.blocking_lock());
        let _ = self.engine.try_docker(&["image", "rm", "--force", &self.image]);
    }
}

impl App {
    /// The app of the fixture.
    pub fn of_fixture(name: &str) -> Self {
        let engine = Engine::with_base(22);
        let built = app_image(&engine);
        Self::labelled(engine, name, &built.tag.clone(), Some(built))
    }

    /// The app of the fixture in another engine, into which the built image is loaded.
    pub fn of_fixture_at(engine: Engine, name: &str) -> Self {
        engine.require_base(22);
        let built = app_image(&Engine::with_base(22));
        let mut saved = built.engine.command().args(["save", &built.tag]).stdout(Stdio::piped()).spawn().unwrap();
        let loaded = engine.command().args(["load", "--quiet"]).stdin(saved.stdout.take().unwrap()).output().unwrap();
        assert!(saved.wait().unwrap().success() && loaded.status.success(), "{loaded:?}");
        let app = Self::labelled(engine, name, TAG, None);
        let _turn = PODMAN_TURN.blocking_lock();
        // The image of the test is kept.
        app.engine.docker(&["image", "rm", "--force", TAG]);
        app
    }

    /// An image not built by this program.
    pub fn foreign(name: &str) -> Self {
        Self::foreign_at(Engine::with_base(22), name)
    }

    pub fn foreign_at(engine: Engine, name: &str) -> Self {
        Self::labelled(engine, name, "node:22-slim", None)
    }

    fn labelled(engine: Engine, name: &str, from: &str, of: Option<Arc<Image>>) -> Self {
        let (name, folder) = (format!("nd-run-{name}"), tempfile::tempdir().unwrap());
        let image = format!("{name}:test");
        fs::write(folder.path().join("Dockerfile"), format!("FROM {from}\nLABEL nextdeploy.app={name}\n")).unwrap();
        let _turn = engine.host.is_some().then(|| PODMAN_TURN.blocking_lock());
        engine.docker(&["build", "--quiet", "--tag", &image, &folder.path().to_string_lossy()]);
        Self { engine, name, image, folder, _of: of }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn write(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_string_lossy().into_owned()
    }

    /// `nextdeploy run ARGUMENTS`, with a separate network for the app.
    pub fn run(&self, arguments: &[&str]) -> Run {
        self.run_with(arguments, &[])
    }

    pub fn run_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Run {
        let mut all = vec!["run", "--network", &self.name];
        all.extend(arguments);
        nextdeploy_with(&self.engine, self.path(), &all, environment)
    }

    pub fn nextdeploy(&self, arguments: &[&str]) -> Run {
        nextdeploy_with(&self.engine, self.path(), arguments, &[])
    }

    fn list(&self, arguments: &[&str]) -> Vec<String> {
        let label = format!("label=nextdeploy.app={}", self.name);
        let mut all = arguments.to_vec();
        all.extend(["--filter", &label]);
        let found = self.engine.docker(&all);
        found.lines().map(str::to_owned).collect()
    }

    /// Newest first, running or not.
    pub fn containers(&self) -> Vec<String> {
        self.list(&["ps", "--all", "--format", "{{.Names}}"])
    }

    pub fn running(&self) -> Vec<String> {
        self.list(&["ps", "--format", "{{.Names}}"])
    }

    pub fn inspect(&self, container: &str) -> Value {
        let text = self.engine.docker(&["inspect", container]);
        serde_json::from_str::<Vec<Value>>(&text).unwrap().remove(0)
    }

    /// The address of the one running container.
    pub fn address(&self) -> SocketAddr {
        let running = self.running();
        assert_eq!(running.len(), 1, "{running:?}");
        let published = self.engine.docker(&["port", &running[0]]);
        published.lines().find_map(|line| line.split(" -> ").nth(1)?.parse().ok()).unwrap()
    }

    pub fn get(&self, path: &str) -> http::Answer {
        http::get(self.address(), path).unwrap()
    }

    /// Everything with the label of the app, and helpers used to create it.
    pub fn left_behind(&self) -> Vec<String> {
        let mut left = self.containers();
        left.extend(self.list(&["volume", "ls", "--format", "{{.Name}}"]));
        left.extend(self.list(&["network", "ls", "--format", "{{.Name}}"]));
        left.extend(secret_folders().into_iter().filter(|folder| folder.starts_with(&self.name)));
        left
    }
}

/// Names of the secret folders on this machine, which start with the names of their containers.
pub fn secret_folders() -> Vec<String> {
    let entries = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten().collect::<Vec<_>>();
    let outer = ["/run/nextdeploy", "/dev/shm"].into_iter().flat_map(|place| entries(Path::new(place)));
    let outer = outer.filter(|entry| entry.file_name().to_string_lossy().starts_with("nextdeploy-"));
    // A folder that another test is removing reads as empty.
    let inner = outer.flat_map(|folder| entries(&folder.path()));
    inner.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

/// The exit code and the output, for the message of an assertion.
pub fn expect(run: &Run, code: i32) {
    assert_eq!(run.code, Some(code), "stdout: {}\nstderr: {}", run.stdout, run.stderr);
}
