//! The repository: what detection and plan say, and what they do not mind.

use super::{Area, Finding};
use crate::image::plan::ImagePlan;
use crate::project::ProjectFacts;
use crate::rel_path::RelPath;
use crate::repo::SourceTree;
use crate::repo::ci::CiSystem;

/// How the repository came to this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checkout {
    Whole,
    /// The history was cut.
    Shallow,
    /// No git work tree.
    None,
}

/// The repository as a build would see it.
pub fn check_repository(
    tree: &SourceTree,
    facts: &ProjectFacts,
    plan: &ImagePlan,
    checkout: Checkout,
    ci: CiSystem,
) -> Vec<Finding> {
    let next = &facts.next.value.text;
    let manager = &facts.package_manager.value;
    let mut findings = vec![
        Finding::ok(
            Area::Repository,
            "doctor/app",
            format!("{}: Next.js {next}, {}", facts.name.value, plan_node(plan)),
        ),
        Finding::ok(Area::Repository, "doctor/lockfile", format!("{manager} with `{}`", facts.lockfile.path)),
    ];
    // A warning of the tree already says why git cannot be used.
    if tree.git.is_some() || tree.warnings.is_empty() {
        findings.extend(check_checkout(checkout, ci));
    }
    let ignore = RelPath::new(".dockerignore").expect("a constant path is inside");
    if !tree.has_file(&ignore) {
        findings.push(Finding::warning(
            Area::Repository,
            "doctor/no-dockerignore",
            "there is no `.dockerignore`: everything but `.git`, `node_modules` and build output is sent to the daemon",
            "name what the app does not need, such as tests and documents, in `.dockerignore`",
        ));
    }
    let mut warnings: Vec<_> = facts.warnings.iter().chain(&plan.warnings).collect();
    warnings.dedup();
    for (at, warning) in warnings.iter().enumerate() {
        if !warnings[..at].contains(warning) {
            findings.push(Finding::of_warning(Area::Repository, warning));
        }
    }
    findings
}

fn plan_node(plan: &ImagePlan) -> String {
    format!("Node.js {} ({})", plan.node_major.value, plan.node_major.origin)
}

fn check_checkout(checkout: Checkout, ci: CiSystem) -> Option<Finding> {
    match (checkout, ci) {
        (Checkout::Whole, _) => None,
        (Checkout::Shallow, _) => Some(Finding::ok(
            Area::Repository,
            "doctor/shallow-checkout",
            "the checkout holds a part of the history, which is all that a build needs",
        )),
        (Checkout::None, CiSystem::GitHub) => Some(no_checkout("add the step `actions/checkout` before this one")),
        (Checkout::None, CiSystem::None) => Some(no_checkout("run it in a clone of the repository")),
        (Checkout::None, _) => Some(no_checkout("let the job check out the repository with git")),
    }
}

fn no_checkout(action: &str) -> Finding {
    Finding::warning(
        Area::Repository,
        "doctor/no-checkout",
        "there is no git checkout here: neither commit nor tracked `.env` files are known",
        action,
    )
}
