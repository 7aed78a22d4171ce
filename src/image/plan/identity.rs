//! What identifies the image and its project: name, commit, source, ids and labels (the OCI annotations, and our own).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::error::PlanError;
use super::image::{BasePlan, Inputs, MAX_LINE_VALUE};
use crate::diagnostic::Warning;
use crate::origin::Sourced;
use crate::project::LockfileUse;
use crate::repo::ci::web_url;

/// Longest image name that is derived from an app name.
const MAX_NAME: usize = 128;

/// The app's name as a repository name, with a warning if it had to be changed.
pub(super) fn plan_name(inputs: Inputs<'_>, warnings: &mut Vec<Warning>) -> Result<Sourced<String>, PlanError> {
    let app_name = inputs.settings.name.as_ref().unwrap_or(&inputs.facts.name);
    let name = normalise(&app_name.value);
    if name.is_empty() {
        return Err(PlanError::NoImageName { name: app_name.value.clone(), origin: app_name.origin.to_string() });
    }
    if name != app_name.value && !is_conventional(&app_name.value, &name) {
        warnings.push(
            Warning::new(
                "plan/image-name-changed",
                format!(
                    "the image is named `{name}`: `{}` ({}) is not a valid image name",
                    app_name.value, app_name.origin
                ),
            )
            .with_hint("set a name of lower case letters, digits and `-` with `--name`"),
        );
    }
    Ok(Sourced::new(name, app_name.origin.clone()))
}

/// Whether `name` is `package` in the form that everyone would choose: `@acme/web` as `acme-web`.
fn is_conventional(package: &str, name: &str) -> bool {
    let scoped = package.strip_prefix('@').and_then(|scoped| scoped.split_once('/'));
    scoped.is_some_and(|(scope, rest)| format!("{scope}-{rest}") == name)
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

/// The commit that is built: the one that is checked out, which workflows choose for many events. For the trial merge of a pull request
/// its head; what the CI says where git says nothing.
pub(super) fn commit(inputs: Inputs<'_>) -> Option<&str> {
    let of_ci = inputs.ci.commit.as_deref();
    let checked_out = inputs.tree.git.as_ref().and_then(|git| git.commit.as_deref());
    if checked_out.is_none() || checked_out == inputs.ci.trial_merge.as_deref() { of_ci } else { checked_out }
}

/// Web address of the sources, without credentials; `None` for a remote that no browser can open.
pub(super) fn source_url(inputs: Inputs<'_>) -> Option<String> {
    let of_ci = inputs.ci.repository_url.as_deref().and_then(web_url);
    of_ci.or_else(|| inputs.tree.git.as_ref()?.remote.as_deref().and_then(web_url))
}

/// Identifies this project on this daemon: caches that contain keys are never shared between projects.
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

const OCI: &str = "org.opencontainers.image";

/// The labels; `own` are those of the user, which win.
pub(super) fn plan_labels(
    inputs: Inputs<'_>,
    base: &BasePlan,
    version: Option<String>,
    own: BTreeMap<String, Sourced<String>>,
) -> Result<BTreeMap<String, String>, PlanError> {
    let facts = inputs.facts;
    let git = inputs.tree.git.as_ref();
    let mut labels = BTreeMap::new();
    let mut set = |name: String, value: Option<String>| {
        // Values from outside that are not one printable line are left out.
        let usable =
            |value: &String| !value.is_empty() && value.len() <= MAX_LINE_VALUE && !value.chars().any(char::is_control);
        if let Some(value) = value.filter(usable) {
            labels.insert(name, value);
        }
    };
    let name = inputs.settings.name.as_ref().unwrap_or(&facts.name);
    set(format!("{OCI}.title"), Some(name.value.clone()));
    let trimmed = |fact: &Option<Sourced<String>>| fact.as_ref().map(|fact| fact.value.trim().to_owned());
    set(format!("{OCI}.description"), trimmed(&facts.description).or_else(|| inputs.ci.description.clone()));
    set(
        format!("{OCI}.licenses"),
        trimmed(&facts.license).filter(|license| is_spdx(license)).or_else(|| inputs.ci.license.clone()),
    );
    let tagged = || inputs.ci.tag.clone().or_else(|| git?.tag.clone());
    set(format!("{OCI}.version"), version.or_else(tagged).or_else(|| trimmed(&facts.version)));
    set(format!("{OCI}.revision"), commit(inputs).map(str::to_owned));
    set(format!("{OCI}.url"), source_url(inputs));
    set(format!("{OCI}.source"), source_url(inputs));
    set(format!("{OCI}.created"), git.and_then(|git| git.commit_time).and_then(timestamp));
    set(format!("{OCI}.base.name"), Some(base.runtime.value.fully_qualified()));
    set(format!("{OCI}.base.digest"), base.runtime.value.digest.clone());
    set("nextdeploy.app".to_owned(), Some(name.value.clone()));
    set("nextdeploy.next-version".to_owned(), Some(facts.next.value.text.clone()));
    set("nextdeploy.node-version".to_owned(), Some(facts.node.value.version()));
    set("nextdeploy.package-manager".to_owned(), Some(facts.package_manager.value.to_string()));
    let unlocked = facts.lockfile.install == LockfileUse::Unlocked;
    set("nextdeploy.unlocked".to_owned(), unlocked.then(|| "true".to_owned()));
    set("nextdeploy.commit".to_owned(), commit(inputs).map(str::to_owned));
    set("nextdeploy.dirty".to_owned(), git.is_some_and(|git| git.dirty).then(|| "true".to_owned()));
    set("nextdeploy.version".to_owned(), Some(env!("CARGO_PKG_VERSION").to_owned()));
    for (label, value) in own {
        check_label(&label, &value.value).map_err(|reason| PlanError::InvalidLabel {
            label: label.clone(),
            origin: value.origin.to_string(),
            reason,
        })?;
        labels.insert(label, value.value);
    }
    Ok(labels)
}

/// npm's `UNLICENSED` and `SEE LICENSE IN …` are not SPDX expressions.
fn is_spdx(license: &str) -> bool {
    license != "UNLICENSED" && !license.starts_with("SEE LICENSE")
}

fn check_label(label: &str, value: &str) -> Result<(), String> {
    if label.is_empty() || !label.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\' | b'=' | b'$')) {
        return Err("the name must be printable ASCII, without spaces, quotes, `=`, `$` and `\\`".to_owned());
    }
    if value.chars().any(|c| c.is_control() && c != '\t') {
        return Err("the value contains a line break or another control character".to_owned());
    }
    if value.len() > MAX_LINE_VALUE {
        return Err(format!("the value is longer than {MAX_LINE_VALUE} bytes"));
    }
    Ok(())
}

/// RFC 3339 in UTC.
fn timestamp(seconds: i64) -> Option<String> {
    let time = chrono::DateTime::from_timestamp(seconds, 0)?;
    Some(time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
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
