//! A build of a few inline files with a real daemon, and its result.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use nextdeploy::builder::{BuildError, BuildEvent, BuildRequest};
use nextdeploy::config::settings::{CacheUse, PullPolicy};
use nextdeploy::docker::build::{BuildRun, ContextBody};
use nextdeploy::docker::connection::{Address, Endpoint, Engine};
use nextdeploy::host::Environment;
use nextdeploy::image::BuiltImage;
use nextdeploy::image::dockerfile::{BuildContext, ContextContent, ContextEntry};
use nextdeploy::image_ref::ImageRef;
use nextdeploy::origin::Origin;
use tokio::sync::mpsc;

pub const BASE: &str = "FROM node:22-slim\n";

pub fn request(tag: &str) -> BuildRequest {
    BuildRequest {
        context: BuildContext::default(),
        dockerfile: "Dockerfile".into(),
        tags: vec![ImageRef::parse(&format!("nd-builder-test:{tag}")).unwrap()],
        platform: None,
        target: None,
        build_args: BTreeMap::new(),
        labels: BTreeMap::new(),
        secrets: Vec::new(),
        credentials: BTreeMap::new(),
        network: None,
        cache_from: Vec::new(),
        memory: None,
        cache: CacheUse::Use,
        pull: PullPolicy::Missing,
        timeout: None,
    }
}

/// A context of these files.
pub fn context(files: &[(&str, &str)]) -> ContextBody {
    let entry = |(path, text): &(&str, &str)| ContextEntry {
        path: path.into(),
        content: ContextContent::Generated(text.as_bytes().to_vec()),
        mode: 0o644,
    };
    ContextBody::of(BuildContext { entries: files.iter().map(entry).collect() })
}

/// The socket of the daemon under test: `DOCKER_HOST`, else the default one. Any Docker Engine since 20.10 works.
pub fn socket() -> PathBuf {
    let host = std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".into());
    host.strip_prefix("unix://").expect("the tests look at the daemon's processes: it must run here").into()
}

pub async fn engine(pairs: &[(&str, &str)]) -> Engine {
    let environment = Environment::from_pairs(pairs.iter().copied());
    let endpoint =
        Endpoint { address: Address::Unix(socket()), origin: Origin::Default("test".into()), ca_bundle: None };
    Engine::connect(endpoint, &environment).await.expect("a Docker daemon answers")
}

pub async fn podman() -> Engine {
    let folder = std::env::var("NEXTDEPLOY_SERVICES_RUN").unwrap_or_else(|_| "/run/nextdeploy-services".into());
    let socket = PathBuf::from(folder).join("podman.sock");
    let endpoint = Endpoint { address: Address::Unix(socket), origin: Origin::Default("test".into()), ca_bundle: None };
    Engine::connect(endpoint, &Environment::default()).await.expect("Podman answers (scripts/services start podman)")
}

pub struct Built {
    pub result: Result<BuiltImage, BuildError>,
    pub events: Vec<BuildEvent>,
}

impl Built {
    pub fn image(&self) -> &BuiltImage {
        self.result.as_ref().unwrap_or_else(|error| panic!("the build failed: {error}\n{:#?}", self.events))
    }

    /// The output of all steps.
    pub fn log(&self) -> String {
        let lines = self.events.iter().filter_map(|event| match event {
            BuildEvent::StepLog { bytes, .. } => Some(String::from_utf8_lossy(bytes).into_owned()),
            _ => None,
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    /// `name outcome` of each finished step that belongs to an instruction.
    pub fn steps(&self) -> Vec<String> {
        let mut names = BTreeMap::new();
        let mut steps = Vec::new();
        for event in &self.events {
            match event {
                BuildEvent::StepStarted { id, name, internal: false } => drop(names.insert(id.clone(), name.clone())),
                BuildEvent::StepFinished { id, outcome, .. } => {
                    steps.extend(names.get(id).map(|name| format!("{name} {outcome:?}")));
                }
                _ => {}
            }
        }
        steps
    }
}

pub async fn build(engine: &Engine, request: &BuildRequest, dockerfile: &str) -> Built {
    build_until(engine, request, context(&[("Dockerfile", dockerfile)]), std::future::pending()).await
}

pub async fn build_until(
    engine: &Engine,
    request: &BuildRequest,
    context: ContextBody,
    cancel: impl Future<Output = ()>,
) -> Built {
    let (sender, mut receiver) = mpsc::channel(64);
    let collect = tokio::spawn(async move {
        let mut events = Vec::new();
        while let Some(event) = receiver.recv().await {
            events.push(event);
        }
        events
    });
    let result = BuildRun { engine, request, events: sender }.build(context, cancel).await;
    Built { result, events: collect.await.unwrap() }
}

/// The docker command line, to inspect results independently of the code under test.
pub fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output().unwrap();
    assert!(output.status.success(), "docker {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Removes the tags of a test on drop.
pub struct Cleanup(pub &'static [&'static str]);

impl Drop for Cleanup {
    fn drop(&mut self) {
        for tag in self.0 {
            let _ = Command::new("docker").args(["image", "rm", "-f", &format!("nd-builder-test:{tag}")]).output();
        }
    }
}

pub fn unique() -> String {
    tempfile::NamedTempFile::with_prefix("nd").unwrap().path().file_name().unwrap().to_string_lossy().into_owned()
}
