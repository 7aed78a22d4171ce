//! Cache mounts copied out of the daemon and back, with ids that no other build uses.

use std::collections::BTreeMap;
use std::fs;
use std::future::pending;
use std::path::Path;

use nextdeploy::builder::{BuildError, BuildRequest};
use nextdeploy::config::settings::{CacheUse, PublishSettings, PullPolicy, Settings};
use nextdeploy::docker::build::{BuildRun, CacheTransfer, ContextBody};
use nextdeploy::docker::connection::Engine;
use nextdeploy::image::dockerfile::{BuildContext, ContextContent, ContextEntry};
use nextdeploy::image::plan::{CacheMount, CacheSharing, ImagePlan, Inputs, plan_image};
use nextdeploy::project::{self, DetectOptions};
use nextdeploy::repo::ci::CiContext;
use nextdeploy::repo::{Exclusions, SourceTree};
use tokio::sync::mpsc;

use crate::docker;
use crate::docker_builder::harness::engine;

/// The plan of a small app with mounts `ID-store` and `ID-next`.
fn plan(id: &str) -> ImagePlan {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("package.json", r#"{"name":"shop","scripts":{"build":"next build"},"dependencies":{"next":"16.4.6"}}"#);
    write(
        "package-lock.json",
        r#"{"name":"shop","lockfileVersion":3,"packages":{"":{"name":"shop","dependencies":{"next":"16.4.6"}},"node_modules/next":{"version":"16.4.6"}}}"#,
    );
    fs::create_dir(folder.path().join("app")).unwrap();
    write("app/page.tsx", "export default () => null\n");
    let tree = SourceTree::read(folder.path(), Exclusions::Standard, None).unwrap();
    let node = "22".to_owned();
    let settings = Settings {
        node_version: Some(nextdeploy::origin::Sourced::new(node, nextdeploy::origin::Origin::Flag("test".to_owned()))),
        ..Settings::default()
    };
    let options = DetectOptions { node: settings.node_version.clone(), ..DetectOptions::default() };
    let facts = project::detect(&tree, &options).unwrap();
    let (publish, ci) = (PublishSettings::default(), CiContext::default());
    let inputs = Inputs { settings: &settings, publish: &publish, ci: &ci, facts: &facts, tree: &tree };
    let mut plan = plan_image(inputs).unwrap();
    let mount = |name: &str| CacheMount {
        id: format!("{id}-{name}"),
        target: format!("/mounted/{name}"),
        sharing: CacheSharing::Locked,
    };
    plan.install.cache = mount("store");
    plan.build.cache = Some(mount("next"));
    plan
}

fn transfer<'a>(engine: &'a Engine, plan: &'a ImagePlan, folder: &'a Path) -> CacheTransfer<'a> {
    static NOBODY: BTreeMap<String, nextdeploy::builder::RegistryCredentials> = BTreeMap::new();
    CacheTransfer { engine, plan, folder, credentials: &NOBODY, platform: None }
}

/// Runs `command` with both mounts of `plan`; a failing command fails the build.
async fn run(engine: &Engine, plan: &ImagePlan, command: &str) -> Result<(), BuildError> {
    let mounts: String = [&plan.install.cache, plan.build.cache.as_ref().unwrap()]
        .map(|cache| format!("--mount=type=cache,id={},target={},sharing=locked ", cache.id, cache.target))
        .concat();
    let text = format!("FROM node:22-slim\nRUN {mounts}{command}\n");
    let entry =
        ContextEntry { path: "Dockerfile".into(), content: ContextContent::Generated(text.into_bytes()), mode: 0o644 };
    let request = BuildRequest {
        context: BuildContext::default(),
        dockerfile: "Dockerfile".to_owned(),
        tags: Vec::new(),
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
    };
    let (events, _) = mpsc::channel(1);
    let context = ContextBody::of(BuildContext { entries: vec![entry] });
    let image = BuildRun { engine, request: &request, events }.build(context, pending()).await?;
    docker::Engine::with_base(22).docker(&["rmi", &image.id]);
    Ok(())
}

fn unique() -> String {
    format!("nd-caches-{}-{}", std::process::id(), tempfile::tempdir().unwrap().path().file_name().unwrap().display())
        .replace('.', "")
}

#[tokio::test]
async fn caches_are_saved_and_restored_without_keys() {
    let engine = engine(&[]).await;
    let (before, folder) = (plan(&unique()), tempfile::tempdir().unwrap());
    let write = "mkdir -p /mounted/store/a && echo package > '/mounted/store/a/b c' && chmod 755 '/mounted/store/a/b c' && \
                 echo compiled > /mounted/next/pack && echo key > /mounted/next/.rscinfo && echo key > /mounted/next/.previewinfo";
    run(&engine, &before, write).await.unwrap();
    assert!(transfer(&engine, &before, folder.path()).save(pending()).await.unwrap() > 0);
    let mut names: Vec<String> =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(
        names,
        [format!("{}.tar", before.build.cache.as_ref().unwrap().id), format!("{}.tar", before.install.cache.id)]
    );

    // New ids stand in for a daemon that has never seen these mounts.
    let after = plan(&unique());
    for (old, new) in [
        (&before.install.cache.id, &after.install.cache.id),
        (&before.build.cache.as_ref().unwrap().id, &after.build.cache.as_ref().unwrap().id),
    ] {
        let text = String::from_utf8_lossy(&fs::read(folder.path().join(format!("{old}.tar"))).unwrap()).into_owned();
        assert!(!text.contains("rscinfo") && !text.contains("previewinfo"), "keys stay in the daemon");
        rename_root(&folder.path().join(format!("{old}.tar")), &folder.path().join(format!("{new}.tar")), new);
    }
    assert!(transfer(&engine, &after, folder.path()).restore(pending()).await.unwrap() > 0);
    let check = "test \"$(cat '/mounted/store/a/b c')\" = package && test -x '/mounted/store/a/b c' && \
                 test \"$(cat /mounted/next/pack)\" = compiled && test ! -e /mounted/next/.rscinfo && echo newer > /mounted/next/pack";
    run(&engine, &after, check).await.unwrap();

    // A mount with content is left unchanged.
    transfer(&engine, &after, folder.path()).restore(pending()).await.unwrap();
    run(&engine, &after, "test \"$(cat /mounted/next/pack)\" = newer").await.unwrap();
}

#[tokio::test]
async fn a_broken_archive_leaves_the_mount_empty() {
    let engine = engine(&[]).await;
    let (plan, folder) = (plan(&unique()), tempfile::tempdir().unwrap());
    fs::write(folder.path().join(format!("{}.tar", plan.install.cache.id)), vec![7; 4096]).unwrap();
    transfer(&engine, &plan, folder.path()).restore(pending()).await.unwrap();
    run(&engine, &plan, "test -z \"$(ls -A /mounted/store)\"").await.unwrap();
    let empty = tempfile::tempdir().unwrap();
    assert_eq!(transfer(&engine, &plan, empty.path()).restore(pending()).await.unwrap(), 0);
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let error = transfer(&engine, &plan, &file).save(pending()).await.unwrap_err();
    assert!(error.to_string().contains("file` cannot be used"), "{error}");
}

/// Rewrites `archive` with the first folder of each path renamed to `root`.
fn rename_root(archive: &Path, target: &Path, root: &str) {
    let mut renamed = tar::Builder::new(fs::File::create(target).unwrap());
    for entry in tar::Archive::new(fs::File::open(archive).unwrap()).entries().unwrap() {
        let mut entry = entry.unwrap();
        let path: std::path::PathBuf =
            std::iter::once(root.as_ref()).chain(entry.path().unwrap().iter().skip(1)).collect();
        let mut header = entry.header().clone();
        renamed.append_data(&mut header, path, &mut entry).unwrap();
    }
    renamed.into_inner().unwrap();
    fs::remove_file(archive).unwrap();
}
