//! Base images of the build stages and of the result.

use super::{BaseFlavour, BasePlan, Inputs, Libc, PlanError};
use crate::diagnostic::Warning;
use crate::image_ref::ImageRef;
use crate::origin::{Origin, Sourced};

/// The images to build on and to run on.
pub(super) fn plan_base(
    inputs: Inputs<'_>,
    node_major: u32,
    warnings: &mut Vec<Warning>,
) -> Result<BasePlan, PlanError> {
    let default = Sourced::new("slim".to_owned(), Origin::Default("small, and runs every native module".to_owned()));
    let wanted = inputs.settings.base.clone().unwrap_or(default);
    let official = |suffix: &str| Sourced::new(format!("node:{node_major}-{suffix}"), wanted.origin.clone());
    let plan = |flavour, build: Sourced<String>, runtime, libc, node_path: &str| BasePlan {
        flavour,
        build,
        runtime,
        libc,
        node_path: node_path.to_owned(),
    };
    Ok(match wanted.value.as_str() {
        "slim" => plan(BaseFlavour::Slim, official("slim"), official("slim"), Libc::Glibc, "node"),
        "alpine" => plan(BaseFlavour::Alpine, official("alpine"), official("alpine"), Libc::Musl, "node"),
        "distroless" => {
            let runtime = format!("gcr.io/distroless/nodejs{node_major}-debian13");
            let runtime = Sourced::new(runtime, wanted.origin.clone());
            plan(BaseFlavour::Distroless, official("slim"), runtime, Libc::Glibc, "/nodejs/bin/node")
        }
        _ => {
            let slim = official("slim");
            return plan_custom(wanted, slim, warnings);
        }
    })
}

fn plan_custom(
    wanted: Sourced<String>,
    slim: Sourced<String>,
    warnings: &mut Vec<Warning>,
) -> Result<BasePlan, PlanError> {
    let reference = ImageRef::parse(&wanted.value).map_err(|invalid| PlanError::InvalidBase {
        image: wanted.value.clone(),
        origin: wanted.origin.to_string(),
        reason: invalid.to_string(),
    })?;
    let name = reference.to_string();
    let (path, tag) = (&reference.path, reference.tag.as_deref().unwrap_or_default());
    if path.contains("distroless") {
        return Ok(BasePlan {
            flavour: BaseFlavour::Distroless,
            build: slim,
            runtime: wanted,
            libc: Libc::Glibc,
            node_path: "/nodejs/bin/node".to_owned(),
        });
    }
    let musl = path.contains("alpine") || tag.contains("alpine") || tag.contains("musl");
    let known = musl || path == "node" || path == "library/node";
    if !known {
        warnings.push(
            Warning::new(
                "plan/assumed-libc",
                format!("`{name}` is taken for an image with glibc, Node.js, npm and a shell; its name does not tell"),
            )
            .with_hint("use an image whose name contains `alpine` when it is built on musl"),
        );
    }
    Ok(BasePlan {
        flavour: BaseFlavour::Custom,
        build: wanted.clone(),
        runtime: wanted,
        libc: if musl { Libc::Musl } else { Libc::Glibc },
        node_path: "node".to_owned(),
    })
}
