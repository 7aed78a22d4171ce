//! Names and labels.

use std::collections::BTreeMap;

use super::{LaunchInputs, PRE_STOP_LABEL, default};
use crate::deploy::error::LaunchError;
use crate::deploy::grammar;
use crate::deploy::helper::LAUNCHER_LABEL;
use crate::deploy::secrets::SECRETS_LABEL;
use crate::docker::{APP_LABEL, ContainerName, HELPER_LABEL, MANAGED_LABEL};
use crate::image_ref::ImageRef;
use crate::origin::{Origin, Sourced};

const OCI: &str = "org.opencontainers.image";
/// Longest name of an app, so that there is room for the commit.
const LONGEST_APP: usize = 100;

/// The image's own name of the app, else the name of its repository.
pub(super) fn app(inputs: LaunchInputs<'_>) -> Sourced<String> {
    if let Some(app) = inputs.image.labels.get(APP_LABEL).map(|label| as_name(label)).filter(|app| !app.is_empty()) {
        return Sourced::new(app, Origin::Derived(format!("the image's label `{APP_LABEL}`")));
    }
    let reference = ImageRef::parse(&inputs.reference.value).ok();
    let last = reference.as_ref().and_then(|reference| reference.path.rsplit('/').next()).map(as_name);
    match last.filter(|name| !name.is_empty() && !inputs.reference.value.starts_with("sha256:")) {
        Some(name) => Sourced::new(name, Origin::Derived("the name of the image".to_owned())),
        None => Sourced::new("app".to_owned(), default("the image has no name")),
    }
}

/// What a container may be called: other characters become `-`.
fn as_name(text: &str) -> String {
    let plain: String = text
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-') { c } else { '-' })
        .take(LONGEST_APP)
        .collect();
    plain.trim_matches(['-', '.', '_']).to_owned()
}

/// `<app>-<commit>`, and without a commit the first digits of the image's id.
pub(super) fn container(
    inputs: LaunchInputs<'_>,
    app: &Sourced<String>,
) -> Result<Sourced<ContainerName>, LaunchError> {
    if let Some(name) = &inputs.wishes.name {
        return Ok(name.clone());
    }
    let label = |name: &str| inputs.image.labels.get(name).map(String::as_str);
    let commit = label("nextdeploy.commit").or_else(|| label(&format!("{OCI}.revision")));
    let hexadecimal = |text: &&str| text.len() >= 8 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let id = inputs.image.id.trim_start_matches("sha256:");
    let of_image = (id.get(..8).unwrap_or(id), "the app and the image's id");
    let (suffix, origin) =
        commit.filter(hexadecimal).map_or(of_image, |commit| (&commit[..8], "the app and its commit"));
    let origin = Origin::Derived(origin.to_owned());
    let name = grammar::name(&format!("{}-{suffix}", app.value));
    let name = name.map_err(|problem| {
        LaunchError::value(crate::config::settings::Giver { origin: origin.clone(), location: None }, problem)
    })?;
    Ok(Sourced::new(name, origin))
}

/// Labels of everything that is made for the app.
pub(super) fn own_labels(app: &str) -> BTreeMap<String, String> {
    [(MANAGED_LABEL, "true"), (APP_LABEL, app)].map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

/// What other programs may want to know of the container without asking it. Those of the image are there anyway.
pub(super) fn labels(inputs: LaunchInputs<'_>, app: &str) -> BTreeMap<String, Sourced<String>> {
    let mut labels: BTreeMap<String, Sourced<String>> = own_labels(app)
        .into_iter()
        .map(|(name, value)| (name, Sourced::new(value, default("whose container it is"))))
        .collect();
    let mut add = |name: &str, value: Option<String>, reason: &str| {
        if let Some(value) = value {
            labels.insert(format!("nextdeploy.{name}"), Sourced::new(value, Origin::Derived(reason.to_owned())));
        }
    };
    let label = |name: &str| inputs.image.labels.get(&format!("{OCI}.{name}")).cloned();
    add("app-version", label("version"), "the image's labels");
    add("built", label("created"), "the image's labels");
    add("image", Some(inputs.reference.value.clone()), "the name that was asked for");
    if let Some(run) = inputs.run {
        let routes = &run.routes;
        let reason = "the routes in the image";
        add("build-id", run.build_id.clone(), "the build in the image");
        add("routes.static", Some(routes.prerendered.len().to_string()), reason);
        add("routes.isr", Some(routes.isr.len().to_string()), reason);
        add("routes.dynamic", Some(routes.dynamic.len().to_string()), reason);
        add("routes.api", Some(routes.api.len().to_string()), reason);
        add("middleware", routes.middleware.clone(), reason);
    }
    labels.extend(inputs.wishes.labels.clone());
    if let Some(first) = inputs.wishes.pre_stop.first() {
        let launcher = if inputs.run.is_some() { inputs.image.entrypoint.as_slice() } else { &[] };
        let inside = |hook: &Sourced<Vec<String>>| launcher.iter().chain(&hook.value).cloned().collect::<Vec<_>>();
        let hooks: Vec<Vec<String>> = inputs.wishes.pre_stop.iter().map(inside).collect();
        let text = serde_json::to_string(&hooks).expect("lists of texts always serialise");
        labels.insert(PRE_STOP_LABEL.to_owned(), Sourced::new(text, first.origin.clone()));
    }
    // What has a meaning to this program is not taken from an image, whose labels its containers inherit.
    for name in [SECRETS_LABEL, HELPER_LABEL, LAUNCHER_LABEL, PRE_STOP_LABEL] {
        if inputs.image.labels.contains_key(name) && !labels.contains_key(name) {
            let origin = default("an image has no say in it");
            labels.insert(name.to_owned(), Sourced::new(String::new(), origin));
        }
    }
    // Nobody may take a container out of our sight, or put it under another app.
    for (name, value) in own_labels(app) {
        labels.insert(name, Sourced::new(value, default("whose container it is")));
    }
    labels
}
