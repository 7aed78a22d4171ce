//! Which install scripts the package manager of the plan runs: versions differ in what they run by default.

use super::image::Inputs;
use crate::diagnostic::Warning;
use crate::project::{PackageManagerKind as Kind, bundled_npm};

/// The names of the project's own scripts that an install runs, in order. Yarn 2 and later run `prepare` only when they pack.
pub(super) fn own(inputs: Inputs<'_>) -> &'static [&'static str] {
    const ORDER: &[&str] = &["preinstall", "install", "postinstall", "prepare"];
    match inputs.facts.package_manager.value.kind {
        _ if inputs.facts.install.scripts.none => &[],
        Kind::YarnBerry => &ORDER[..3],
        _ => ORDER,
    }
}

/// Whether the install runs the scripts of a dependency.
pub(super) fn run_for(inputs: Inputs<'_>, package: &str) -> bool {
    let policy = &inputs.facts.install.scripts;
    match inputs.facts.package_manager.value.kind {
        _ if policy.none => false,
        Kind::Npm => version(inputs).0 < 12 || policy.allowed.iter().any(|name| name == package),
        Kind::YarnClassic => true,
        // Off by default since 4.14.
        Kind::YarnBerry => policy.of_dependencies.unwrap_or(version(inputs) < (4, 14)),
        Kind::Pnpm | Kind::Bun => false,
    }
}

/// npm 12 leaves out the scripts of dependencies that `allowScripts` does not name.
pub(super) fn unreviewed(inputs: Inputs<'_>) -> Option<Warning> {
    let policy = &inputs.facts.install.scripts;
    if inputs.facts.package_manager.value.kind != Kind::Npm || policy.none || version(inputs).0 < 12 {
        return None;
    }
    let reviewed = |name: &&String| policy.allowed.contains(name) || policy.denied.contains(name);
    let unreviewed = policy.existing.iter().filter(|name| !reviewed(name));
    let names: Vec<String> = unreviewed.map(|name| format!("`{name}`")).collect();
    if names.is_empty() {
        return None;
    }
    let message = format!("npm 12 does not run the install scripts of {}", names.join(", "));
    let hint =
        "run `npm approve-scripts NAME`, or `npm deny-scripts NAME` where they are not needed, and commit package.json";
    Some(Warning::new("plan/scripts-not-run", message).with_hint(hint))
}

/// Major and minor version of the package manager, also of the npm that comes with Node.js.
fn version(inputs: Inputs<'_>) -> (u64, u64) {
    let Some(version) = &inputs.facts.package_manager.value.version else {
        return (bundled_npm(inputs.facts.node.value.major).unwrap_or_default(), 0);
    };
    let mut parts = version.value.split('.').map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}
