//! Base images of the build stages and of the result.

use super::{BaseFlavour, BasePlan, Inputs, Libc, PlanError};
use crate::diagnostic::Warning;
use crate::image_ref::ImageRef;
use crate::origin::{Origin, Sourced};

/// Node.js in distroless images, which have no shell to look it up.
const DISTROLESS_NODE: &str = "/nodejs/bin/node";

/// The images to build on and to run on.
pub(super) fn plan_base(
    inputs: Inputs<'_>,
    node_major: u32,
    warnings: &mut Vec<Warning>,
) -> Result<BasePlan, PlanError> {
    let default =
        || Sourced::new("slim".to_owned(), Origin::Default("small, and runs every native module".to_owned()));
    let base = inputs.settings.base.clone().unwrap_or_else(default);
    let official = |suffix: &str| {
        let reference = ImageRef {
            domain: None,
            path: "node".to_owned(),
            tag: Some(format!("{node_major}-{suffix}")),
            digest: None,
        };
        Sourced::new(reference, base.origin.clone())
    };
    let plan = |flavour, build: Sourced<ImageRef>, runtime, libc, node_path: &str| BasePlan {
        flavour,
        build,
        runtime,
        libc,
        node_path: node_path.to_owned(),
    };
    Ok(match base.value.as_str() {
        "slim" => plan(BaseFlavour::Slim, official("slim"), official("slim"), Libc::Glibc, "node"),
        "alpine" => plan(BaseFlavour::Alpine, official("alpine"), official("alpine"), Libc::Musl, "node"),
        "distroless" => {
            let runtime = ImageRef {
                domain: Some("gcr.io".to_owned()),
                path: format!("distroless/nodejs{node_major}-debian13"),
                tag: None,
                digest: None,
            };
            let runtime = Sourced::new(runtime, base.origin.clone());
            plan(BaseFlavour::Distroless, official("slim"), runtime, Libc::Glibc, DISTROLESS_NODE)
        }
        text => {
            let reference = ImageRef::parse(text).map_err(|invalid| PlanError::InvalidBase {
                image: text.to_owned(),
                origin: base.origin.to_string(),
                reason: invalid.to_string(),
            })?;
            let custom = Sourced::new(reference, base.origin.clone());
            if custom.value.path.contains("distroless") {
                plan(BaseFlavour::Distroless, official("slim"), custom, Libc::Glibc, DISTROLESS_NODE)
            } else {
                let libc = libc_of(&custom.value, warnings);
                plan(BaseFlavour::Custom, custom.clone(), custom, libc, "node")
            }
        }
    })
}

/// The C library of a custom image, judged by its name.
fn libc_of(image: &ImageRef, warnings: &mut Vec<Warning>) -> Libc {
    let (path, tag) = (image.path.as_str(), image.tag.as_deref().unwrap_or_default());
    if path.contains("alpine") || tag.contains("alpine") || tag.contains("musl") {
        return Libc::Musl;
    }
    if path != "node" && path != "library/node" {
        warnings.push(
            Warning::new(
                "plan/assumed-libc",
                format!("`{image}` is assumed to have glibc, Node.js, npm and a shell; its name does not say"),
            )
            .with_hint("use an image whose name contains `alpine` if it is built on musl"),
        );
    }
    Libc::Glibc
}
