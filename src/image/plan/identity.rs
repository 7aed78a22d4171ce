//! The app's name, its commit and source, and what tells this project from others.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::{Inputs, PlanError};
use crate::diagnostic::Warning;
use crate::origin::Sourced;

/// Longest image name that is made from an app name.
const MAX_NAME: usize = 128;

/// The app's name as a repository name; a warning says when it had to be changed.
pub(super) fn plan_name(inputs: Inputs<'_>, warnings: &mut Vec<Warning>) -> Result<Sourced<String>, PlanError> {
    let wanted = inputs.settings.name.as_ref().unwrap_or(&inputs.facts.name);
    let name = normalise(&wanted.value);
    if name.is_empty() {
        return Err(PlanError::NoImageName { name: wanted.value.clone(), origin: wanted.origin.to_string() });
    }
    if name != wanted.value {
        warnings.push(
            Warning::new(
                "plan/image-name-changed",
                format!("the image is called `{name}`: `{}` ({}) is no image name", wanted.value, wanted.origin),
            )
            .with_hint("choose a name of lower case letters, digits and `-` with `--name`"),
        );
    }
    Ok(Sourced::new(name, wanted.origin.clone()))
}

/// `@scope/My App` becomes `scope-my-app`.
fn normalise(name: &str) -> String {
    let mut result = String::new();
    for c in name.chars() {
        let c = c.to_ascii_lowercase();
        let after_word = result.ends_with(|last: char| last.is_ascii_alphanumeric());
        if c.is_ascii_lowercase() || c.is_ascii_digit() || (after_word && matches!(c, '.' | '_')) {
            result.push(c);
        } else if !matches!(c, '.' | '_') && !result.is_empty() && !result.ends_with('-') {
            let kept = result.trim_end_matches(['.', '_']).len();
            result.truncate(kept);
            result.push('-');
        }
        if result.len() == MAX_NAME {
            break;
        }
    }
    result.trim_end_matches(['-', '.', '_']).to_owned()
}

/// The commit that is built: what the CI says, else git.
pub(super) fn commit(inputs: Inputs<'_>) -> Option<&str> {
    inputs.ci.commit.as_deref().or_else(|| inputs.tree.git.as_ref()?.commit.as_deref())
}

/// Where the sources live on the web.
pub(super) fn source_url(inputs: Inputs<'_>) -> Option<String> {
    inputs
        .ci
        .repository_url
        .clone()
        .or_else(|| inputs.tree.git.as_ref()?.remote.as_deref().map(crate::repo::ci::web_url))
}

/// Stands for this project on this daemon: caches that hold keys are never shared between two of them.
pub(super) fn project_id(inputs: Inputs<'_>) -> String {
    let remote = inputs.tree.git.as_ref().and_then(|git| git.remote.clone());
    let place = remote.unwrap_or_else(|| inputs.tree.root.to_string_lossy().into_owned());
    digest(&[&place, inputs.facts.app_dir.as_str()])
}

/// The same on every machine, so that two checkouts of one commit get one build id.
pub(super) fn build_id_salt(inputs: Inputs<'_>) -> String {
    digest(&[&inputs.facts.name.value, inputs.facts.app_dir.as_str()])
}

fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hash.finalize().iter().take(6).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn app_names_become_image_names() {
        let cases = [
            ("web", "web"),
            ("@acme/My Web_App", "acme-my-web_app"),
            ("..weird..", "weird"),
            ("a__b", "a_b"),
            ("Ünïcode shop", "n-code-shop"),
            ("x$(rm -rf /)\n", "x-rm-rf"),
            ("日本", ""),
        ];
        for (name, expected) in cases {
            assert_eq!(normalise(name), expected, "{name:?}");
        }
    }
}
