//! Which variables went where, and which secrets were used: names only.

use std::collections::BTreeSet;

use super::page::table;
use crate::config::settings::EnvFilePolicy;
use crate::image::plan::{ImagePlan, SecretUse};
use crate::origin::Origin;
use crate::project::ProjectFacts;
use crate::report::markdown::code;

/// Next.js writes the values of these into the pages.
const PUBLIC: &str = "NEXT_PUBLIC_";
const SHOWN: usize = 60;
/// What this program sets by itself tells nothing about the project.
const OWN: [&str; 5] = ["CI", "NEXT_TELEMETRY_DISABLED", "NODE_OPTIONS", "NX_DAEMON", "TURBO_ENV_MODE"];
const OWN_PREFIXES: [&str; 2] = ["NEXT_PRIVATE_", "TURBO_TELEMETRY_"];

pub(super) fn render(plan: &ImagePlan, facts: Option<&ProjectFacts>) -> String {
    let build: BTreeSet<&str> =
        plan.build.environment.keys().map(String::as_str).filter(|name| !is_own(name)).collect();
    let given = plan.runtime.environment.iter().filter(|(_, value)| !matches!(value.origin, Origin::Default(_)));
    let image: BTreeSet<&str> = given.map(|(name, _)| name.as_str()).collect();
    let files: BTreeSet<&str> =
        facts.filter(|_| plan.env_files != EnvFilePolicy::Strip).map(in_files).unwrap_or_default();
    let inlined: BTreeSet<&str> =
        build.iter().chain(&image).chain(&files).copied().filter(|name| name.starts_with(PUBLIC)).collect();
    let rows: Vec<Vec<String>> = [
        ("Inlined into the pages", list(&inlined)),
        ("In the image", list(&image)),
        (
            "For the build only",
            list(&build.difference(&image).copied().filter(|name| !inlined.contains(name)).collect()),
        ),
        ("Secrets of the build", secrets(plan)),
    ]
    .into_iter()
    .filter(|(_, names)| !names.is_empty())
    .map(|(what, names)| vec![format!("**{what}**"), names])
    .collect();
    if rows.is_empty() {
        return String::new();
    }
    format!("### Environment\n\n{}", table(&["Where", "Names"], &["---", "---"], &rows))
}

fn is_own(name: &str) -> bool {
    OWN.contains(&name) || OWN_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Variables of the files that the build sees.
fn in_files(facts: &ProjectFacts) -> BTreeSet<&str> {
    let tracked = facts.env_files.iter().filter(|file| file.tracked);
    tracked.flat_map(|file| file.variables.iter().map(|(name, _)| name.as_str())).collect()
}

fn list(names: &BTreeSet<&str>) -> String {
    let mut shown: Vec<String> =
        names.iter().take(SHOWN).map(|name| code(&crate::builder::shorten(name, 200))).collect();
    if names.len() > SHOWN {
        shown.push(format!("and {} more", names.len() - SHOWN));
    }
    shown.join(" ")
}

fn secrets(plan: &ImagePlan) -> String {
    let shown: Vec<String> = plan
        .secrets
        .iter()
        .take(SHOWN)
        .map(|secret| {
            let use_as = match secret.use_as {
                SecretUse::Variable => "variable",
                SecretUse::File => "file",
                SecretUse::Npmrc => "npm configuration",
                SecretUse::CaBundle => "certificate authorities",
                SecretUse::ReproducibleKey => "key for repeatable builds",
            };
            format!("{} ({use_as})", code(&secret.id))
        })
        .collect();
    shown.join(" ")
}
