//! Images made of a few incompressible files, so that the size of a layer is also its size on the wire.

use std::io::Write;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::docker::{Engine, Image};

/// Label of the images, used to identify them in the registry.
pub const LABEL: (&str, &str) = ("org.opencontainers.image.title", "made of nothing");

/// Loads a unique image with layers of these sizes in bytes, and names it `reference`.
pub fn load(reference: &str, layers: &[usize]) -> Image {
    let engine = Engine::default();
    let mut archive = tar::Builder::new(Vec::new());
    let mut diff_ids = Vec::new();
    let mut files = Vec::new();
    for (number, size) in layers.iter().enumerate() {
        let mut layer = tar::Builder::new(Vec::new());
        append(&mut layer, &format!("layer-{number}"), &noise(*size));
        let bytes = layer.into_inner().unwrap();
        diff_ids.push(format!("sha256:{:x}", Sha256::digest(&bytes)));
        files.push(format!("{number}/layer.tar"));
        append(&mut archive, &format!("{number}/layer.tar"), &bytes);
    }
    let history: Vec<_> = files.iter().map(|file| json!({ "created_by": file })).collect();
    let config = json!({
        "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
        "os": "linux",
        "created": "2026-01-02T03:04:05Z",
        "config": { "Labels": { (LABEL.0): LABEL.1 }, "Cmd": ["/layer-0"], "Env": ["GREETING=hello"] },
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
        "history": history,
    });
    append(&mut archive, "config.json", config.to_string().as_bytes());
    let manifest = json!([{ "Config": "config.json", "RepoTags": [reference], "Layers": files }]);
    append(&mut archive, "manifest.json", manifest.to_string().as_bytes());

    let mut docker =
        engine.command().args(["load", "--quiet"]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    docker.stdin.take().unwrap().write_all(&archive.into_inner().unwrap()).unwrap();
    assert!(docker.wait().unwrap().success(), "docker load {reference} (scripts/services start docker)");
    Image { engine, tag: reference.to_owned() }
}

/// A second name of `image`.
pub fn name(image: &Image, reference: &str) -> Image {
    image.engine.docker(&["tag", &image.tag, reference]);
    Image { engine: image.engine.clone(), tag: reference.to_owned() }
}

fn append(archive: &mut tar::Builder<Vec<u8>>, path: &str, bytes: &[u8]) {
    let mut header = tar::Header::new_ustar();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    archive.append_data(&mut header, path, bytes).unwrap();
}

/// Pseudorandom bytes (xorshift, Marsaglia 2003).
fn noise(size: usize) -> Vec<u8> {
    static CALLS: AtomicU64 = AtomicU64::new(1);
    let moment = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    let mut state =
        u64::try_from(moment & u128::from(u64::MAX)).unwrap() ^ (CALLS.fetch_add(1, Ordering::Relaxed) << 48) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(&mut next).flatten().take(size).collect()
}
