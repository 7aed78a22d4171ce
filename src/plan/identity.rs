//! What the image is called, and what tells this project from others.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::{Inputs, PlanError};
use crate::diagnostic::Warning;
use crate::oci::{Reference, is_tag};
use crate::origin::{Detected, Origin};

/// Longest image name that is made from an app name.
const MAX_NAME: usize = 128;

/// The app's name as a repository name; a warning says when it had to be changed.
pub(super) fn plan_name(inputs: Inputs<'_>, warnings: &mut Vec<Warning>) -> Result<Detected<String>, PlanError> {
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
    Ok(Detected::new(name, wanted.origin.clone()))
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

/// The tags that were asked for, else `NAME:latest` and `NAME:COMMIT`.
pub(super) fn plan_tags(inputs: Inputs<'_>, name: &str) -> Result<Vec<Detected<String>>, PlanError> {
    let mut tags = Vec::new();
    for wanted in &inputs.settings.tags {
        let tag = complete_tag(&wanted.value, name).map_err(|reason| PlanError::InvalidTag {
            tag: wanted.value.clone(),
            origin: wanted.origin.to_string(),
            reason,
        })?;
        tags.push(Detected::new(tag, wanted.origin.clone()));
    }
    if tags.is_empty() {
        let origin = Origin::Default("no `--tag`".to_owned());
        tags.push(Detected::new(format!("{name}:latest"), origin));
        if let Some(commit) = commit(inputs) {
            let short: String = commit.chars().take(8).collect();
            let dirty = inputs.tree.git.as_ref().is_some_and(|git| git.dirty);
            let tag = if dirty { format!("{short}-dirty") } else { short };
            if is_tag(&tag) {
                tags.push(Detected::new(format!("{name}:{tag}"), Origin::Derived("the commit".to_owned())));
            }
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    tags.retain(|tag| seen.insert(tag.value.clone()));
    Ok(tags)
}

/// A word without `:` and `/` is a tag of the image; everything else is a reference.
fn complete_tag(text: &str, name: &str) -> Result<String, String> {
    if !text.contains([':', '/', '@']) {
        return if is_tag(text) {
            Ok(format!("{name}:{text}"))
        } else {
            Err("a tag holds letters, digits, `_`, `.` and `-`, at most 128".to_owned())
        };
    }
    let reference = Reference::parse(text).map_err(|invalid| invalid.to_string())?;
    if reference.digest.is_some() {
        return Err("an image that is still to be built has no digest".to_owned());
    }
    Ok(if reference.tag.is_none() { format!("{reference}:latest") } else { reference.to_string() })
}

/// The commit that is built: what the CI says, else git.
pub(super) fn commit(inputs: Inputs<'_>) -> Option<&str> {
    inputs.ci.commit.as_deref().or_else(|| inputs.tree.git.as_ref()?.commit.as_deref())
}

/// Where the sources live on the web.
pub(super) fn source_url(inputs: Inputs<'_>) -> Option<String> {
    inputs.ci.repository_url.clone().or_else(|| inputs.tree.git.as_ref()?.remote.as_deref().map(crate::ci::web_url))
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

    #[test]
    fn bare_words_are_tags_and_the_rest_are_references() {
        assert_eq!(complete_tag("v1", "web").as_deref(), Ok("web:v1"));
        assert_eq!(complete_tag("localhost:5000/a", "web").as_deref(), Ok("localhost:5000/a:latest"));
        assert_eq!(complete_tag("ghcr.io/acme/a:1", "web").as_deref(), Ok("ghcr.io/acme/a:1"));
        assert!(complete_tag("Acme/A", "web").is_err());
        assert!(complete_tag("feature/x y", "web").is_err());
        assert!(complete_tag("", "web").is_err());
    }
}
