//! Labels of the image: the OCI annotations that say what it is, and our own.

use std::collections::BTreeMap;

use super::{BasePlan, Inputs, MAX_LINE_VALUE, PlanError, identity};
use crate::origin::Sourced;

const OCI: &str = "org.opencontainers.image";

/// The labels; those of the user win.
pub(super) fn plan_labels(
    inputs: Inputs<'_>,
    base: &BasePlan,
    node_major: u32,
    version: Option<String>,
) -> Result<BTreeMap<String, String>, PlanError> {
    let facts = inputs.facts;
    let git = inputs.tree.git.as_ref();
    let mut labels = BTreeMap::new();
    let mut set = |name: String, value: Option<String>| {
        // Anything from outside that is not one printable line tells nothing, and is left out.
        let usable =
            |value: &String| !value.is_empty() && value.len() <= MAX_LINE_VALUE && !value.chars().any(char::is_control);
        if let Some(value) = value.filter(usable) {
            labels.insert(name, value);
        }
    };
    let name = inputs.settings.name.as_ref().unwrap_or(&facts.name);
    set(format!("{OCI}.title"), Some(name.value.clone()));
    let told = |fact: &Option<Sourced<String>>| fact.as_ref().map(|fact| fact.value.trim().to_owned());
    set(format!("{OCI}.description"), told(&facts.description).or_else(|| inputs.ci.description.clone()));
    set(
        format!("{OCI}.licenses"),
        told(&facts.license).filter(|license| is_spdx(license)).or_else(|| inputs.ci.license.clone()),
    );
    let tagged = || inputs.ci.tag.clone().or_else(|| git?.tag.clone());
    set(format!("{OCI}.version"), version.or_else(tagged).or_else(|| told(&facts.version)));
    set(format!("{OCI}.revision"), identity::commit(inputs).map(str::to_owned));
    set(format!("{OCI}.url"), identity::source_url(inputs));
    set(format!("{OCI}.source"), identity::source_url(inputs));
    set(format!("{OCI}.created"), git.and_then(|git| git.commit_time).and_then(timestamp));
    set(format!("{OCI}.base.name"), Some(base.runtime.value.fully_qualified()));
    set(format!("{OCI}.base.digest"), base.runtime.value.digest.clone());
    set("nextdeploy.app".to_owned(), Some(name.value.clone()));
    set("nextdeploy.next-version".to_owned(), Some(facts.next.value.text.clone()));
    set("nextdeploy.node-version".to_owned(), Some(node_major.to_string()));
    set("nextdeploy.package-manager".to_owned(), Some(facts.package_manager.value.to_string()));
    set("nextdeploy.commit".to_owned(), identity::commit(inputs).map(str::to_owned));
    set("nextdeploy.dirty".to_owned(), git.is_some_and(|git| git.dirty).then(|| "true".to_owned()));
    set("nextdeploy.version".to_owned(), Some(env!("CARGO_PKG_VERSION").to_owned()));
    for (label, value) in &inputs.settings.labels {
        check(label, &value.value).map_err(|reason| PlanError::InvalidLabel {
            label: label.clone(),
            origin: value.origin.to_string(),
            reason,
        })?;
        labels.insert(label.clone(), value.value.clone());
    }
    Ok(labels)
}

/// npm's `UNLICENSED` and `SEE LICENSE IN …` are no SPDX expressions.
fn is_spdx(license: &str) -> bool {
    license != "UNLICENSED" && !license.starts_with("SEE LICENSE")
}

fn check(label: &str, value: &str) -> Result<(), String> {
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
