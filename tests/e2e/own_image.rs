//! nextdeploy's own image, built from a packed program as for releases. Its base images cannot be pulled in a test, so
//! `node:22-slim` provides the certificate authorities and the shell.

use std::collections::BTreeMap;
use std::fs;
use std::future::pending;
use std::path::Path;

use nextdeploy::docker::build::{BuildRun, ContextBody};
use nextdeploy::image::dockerfile::{BuildContext, ContextContent, ContextEntry};
use tokio::sync::mpsc;

use crate::action::runner::{PROGRAM, copy_app, project};
use crate::docker::{Engine, Image};
use crate::docker_builder::harness;

/// Builds the stage `target` of the top-level `Dockerfile` with the program under test.
async fn build(target: &str) -> Image {
    let mut request = harness::request(&format!("own-{target}"));
    request.target = Some(target.to_owned());
    let arguments = [("PROGRAM", "packed"), ("ROOTS", "node:22-slim"), ("SHELL_BASE", "node:22-slim")];
    request.build_args = arguments.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect();
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let program = Path::new(PROGRAM);
    let packed = ContextContent::File { disk: program.into(), size: fs::metadata(program).unwrap().len() };
    let text = fs::read(project().join("Dockerfile")).unwrap();
    let entries = vec![
        ContextEntry { path: "Dockerfile".into(), content: ContextContent::Generated(text), mode: 0o644 },
        ContextEntry { path: format!("dist/{architecture}/nextdeploy").into(), content: packed, mode: 0o755 },
    ];
    let engine = harness::engine(&[]).await;
    let (events, _) = mpsc::channel(1);
    let image = Image { engine: Engine::default(), tag: request.tags[0].to_string() };
    let run = BuildRun { engine: &engine, request: &request, events };
    run.build(ContextBody::of(BuildContext { entries }), pending()).await.unwrap_or_else(|error| panic!("{error}"));
    image
}

#[tokio::test]
async fn the_image_contains_only_the_program_and_certificate_authorities() {
    let image = build("tool").await;
    let config = image.inspect()["Config"].clone();
    assert_eq!(config["Entrypoint"], serde_json::json!(["nextdeploy"]));
    assert_eq!(config["Env"], serde_json::json!(["PATH=/usr/local/bin", "HOME=/tmp"]));
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("image.tar");
    image.engine.docker(&["image", "save", "--output", archive.to_str().unwrap(), &image.tag]);
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(fs::File::open(archive).unwrap()).entries().unwrap() {
        let layer = entry.unwrap();
        if !layer.path().unwrap().ends_with("layer.tar") {
            continue;
        }
        for entry in tar::Archive::new(layer).entries().unwrap() {
            let header = entry.as_ref().unwrap().header().clone();
            let path = entry.unwrap().path().unwrap().display().to_string();
            if header.entry_type().is_file() || path == "tmp/" {
                files.insert(path, header.mode().unwrap() & 0o7777);
            }
        }
    }
    let files: Vec<(&str, u32)> = files.iter().map(|(path, mode)| (path.as_str(), *mode)).collect();
    assert_eq!(
        files,
        [("etc/ssl/certs/ca-certificates.crt", 0o644), ("tmp/", 0o1777), ("usr/local/bin/nextdeploy", 0o755)]
    );
}

#[tokio::test]
async fn the_image_with_a_shell_builds_through_the_socket_as_any_user_of_its_group() {
    let image = build("shell").await;
    let engine = Engine::with_base(22);
    let app = tempfile::tempdir().unwrap();
    copy_app(app.path());
    let socket = harness::socket().to_str().unwrap().to_owned();
    let group = std::os::unix::fs::MetadataExt::gid(&fs::metadata(&socket).unwrap()).to_string();
    let (daemon, checkout) = (format!("{socket}:/var/run/docker.sock"), format!("{}:/work:ro", app.path().display()));
    let built = Image { engine: engine.clone(), tag: "nd-own-image:1".to_owned() };
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(app.path(), permissions).unwrap();
    let options = ["run", "--rm", "--user", "1234", "--group-add", &group, "--volume", &daemon, "--volume", &checkout];
    let command = [&image.tag, "sh", "-c", "nextdeploy build --json --tag nd-own-image:1"];
    let printed = engine.docker(&[&options[..], &["--workdir", "/work"], &command].concat());
    let result: serde_json::Value = serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}"));
    assert_eq!(result["imageId"], built.inspect()["Id"]);
}
