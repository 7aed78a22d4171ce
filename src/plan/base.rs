//! Node.js release line and base images.

use super::{BaseFlavour, BasePlan, Inputs, Libc, PlanError};
use crate::diagnostic::Warning;
use crate::oci::Reference;
use crate::origin::{Detected, Origin};
use crate::project::NextVersion;

/// The release line of the base image.
pub(super) fn plan_node_major(inputs: Inputs<'_>, warnings: &mut Vec<Warning>) -> Result<Detected<u32>, PlanError> {
    let major = match &inputs.settings.node_version {
        Some(version) => Detected::new(parse_major(version)?, version.origin.clone()),
        None => Detected::new(inputs.facts.node.value.major, inputs.facts.node.origin.clone()),
    };
    let next = &inputs.facts.next.value;
    let floor = node_floor(next);
    if major.value < floor {
        return Err(PlanError::NodeTooOld {
            major: major.value,
            next: next.text.clone(),
            floor,
            origin: major.origin.to_string(),
        });
    }
    if major.value % 2 == 1 && major.value > 12 {
        warnings.push(
            Warning::new(
                "plan/odd-node-version",
                format!("Node.js {} ({}) never gets long-term support", major.value, major.origin),
            )
            .with_hint(format!("use Node.js {}", major.value + 1)),
        );
    }
    Ok(major)
}

fn parse_major(version: &Detected<String>) -> Result<u32, PlanError> {
    let text = version.value.trim().trim_start_matches('v');
    let major = text.split('.').next().unwrap_or_default();
    match major.parse::<u32>() {
        Ok(major) if (10..=99).contains(&major) => Ok(major),
        _ => Err(PlanError::InvalidNodeVersion { version: version.value.clone(), origin: version.origin.to_string() }),
    }
}

/// Lowest release line that `engines` of Next.js admits.
fn node_floor(next: &NextVersion) -> u32 {
    match (next.major, next.minor) {
        (..=12, _) => 12,
        (13, ..=3) => 14,
        (13, _) => 16,
        (14 | 15, _) => 18,
        _ => 20,
    }
}

/// The images to build on and to run on.
pub(super) fn plan_base(
    inputs: Inputs<'_>,
    node_major: u32,
    warnings: &mut Vec<Warning>,
) -> Result<BasePlan, PlanError> {
    let default = Detected::new("slim".to_owned(), Origin::Default("small, and runs every native module".to_owned()));
    let wanted = inputs.settings.base.clone().unwrap_or(default);
    let official = |suffix: &str| Detected::new(format!("node:{node_major}-{suffix}"), wanted.origin.clone());
    let plan = |flavour, build: Detected<String>, runtime, libc, node_path: &str| BasePlan {
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
            let runtime = Detected::new(runtime, wanted.origin.clone());
            plan(BaseFlavour::Distroless, official("slim"), runtime, Libc::Glibc, "/nodejs/bin/node")
        }
        _ => {
            let slim = official("slim");
            return plan_custom(wanted, slim, warnings);
        }
    })
}

fn plan_custom(
    wanted: Detected<String>,
    slim: Detected<String>,
    warnings: &mut Vec<Warning>,
) -> Result<BasePlan, PlanError> {
    let reference = Reference::parse(&wanted.value).map_err(|invalid| PlanError::InvalidBase {
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
