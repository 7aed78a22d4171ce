//! Names and labels.

use std::collections::BTreeMap;

use super::{LaunchInputs, default};
use crate::config::settings::ValueSource;
use crate::deploy::error::LaunchError;
use crate::deploy::parse;
use crate::docker::{APP_LABEL, ContainerName, HELPER_LABEL, ImageFacts, MANAGED_LABEL};
use crate::image_ref::ImageRef;
use crate::origin::{Origin, Sourced};

/// Label with the process that launched a container.
pub(in crate::deploy) const LAUNCHER_LABEL: &str = "nextdeploy.launcher";
/// Label with the folder of the daemon's machine that holds the secrets of a container.
pub(in crate::deploy) const SECRETS_LABEL: &str = "nextdeploy.secrets";
/// Label with the commands to run before a stop, as JSON: a list of lists of words.
pub(in crate::deploy) const PRE_STOP_LABEL: &str = "nextdeploy.hook.pre-stop";

const OCI: &str = "org.opencontainers.image";
/// Longest name of an app, so that there is room for the commit.
const LONGEST_APP: usize = 100;

/// The name of the app: the image's label, else the name of its repository.
pub fn app_name(reference: &Sourced<String>, image: &ImageFacts) -> Sourced<String> {
    if let Some(app) = image.labels.get(APP_LABEL).map(|label| as_name(label)).filter(|app| !app.is_empty()) {
        return Sourced::new(app, Origin::Derived(format!("the image's label `{APP_LABEL}`")));
    }
    let parsed = ImageRef::parse(&reference.value).ok();
    let last = parsed.as_ref().and_then(|reference| reference.path.rsplit('/').next()).map(as_name);
    match last.filter(|name| !name.is_empty() && !reference.value.starts_with("sha256:")) {
        Some(name) => Sourced::new(name, Origin::Derived("the name of the image".to_owned())),
        None => Sourced::new("app".to_owned(), default("the image has no name")),
    }
}

/// A valid container name: other characters become `-`.
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
    if let Some(name) = &inputs.config.name {
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
    let name = parse::name(&format!("{}-{suffix}", app.value))
        .map_err(|invalid| LaunchError::value(ValueSource { origin: origin.clone(), location: None }, invalid))?;
    Ok(Sourced::new(name, origin))
}

/// Labels of everything that is created for the app.
pub(super) fn own_labels(app: &str) -> BTreeMap<String, String> {
    [(MANAGED_LABEL, "true"), (APP_LABEL, app)].map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

/// Facts about the container for other programs. It has the labels of its image anyway.
pub(super) fn labels(inputs: LaunchInputs<'_>, app: &str) -> BTreeMap<String, Sourced<String>> {
    let mut labels: BTreeMap<String, Sourced<String>> = own_labels(app)
        .into_iter()
        .map(|(name, value)| (name, Sourced::new(value, default("identifies the app"))))
        .collect();
    let mut add = |name: &str, value: Option<String>, reason: &str| {
        if let Some(value) = value {
            labels.insert(format!("nextdeploy.{name}"), Sourced::new(value, Origin::Derived(reason.to_owned())));
        }
    };
    let label = |name: &str| inputs.image.labels.get(&format!("{OCI}.{name}")).cloned();
    add("app-version", label("version"), "the image's labels");
    add("built", label("created"), "the image's labels");
    add("image", Some(inputs.reference.value.clone()), "the name of the image");
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
    labels.extend(inputs.config.labels.clone());
    if let Some(first) = inputs.config.hooks.pre_stop.first() {
        let launcher = if inputs.run.is_some() { inputs.image.entrypoint.as_slice() } else { &[] };
        let inside = |hook: &Sourced<Vec<String>>| launcher.iter().chain(&hook.value).cloned().collect::<Vec<_>>();
        let hooks: Vec<Vec<String>> = inputs.config.hooks.pre_stop.iter().map(inside).collect();
        let text = serde_json::to_string(&hooks).expect("lists of texts always serialise");
        labels.insert(PRE_STOP_LABEL.to_owned(), Sourced::new(text, first.origin.clone()));
    }
    // Containers inherit the labels of their image, which must not set those that this program acts on.
    for name in [SECRETS_LABEL, HELPER_LABEL, LAUNCHER_LABEL, PRE_STOP_LABEL] {
        if inputs.image.labels.contains_key(name) && !labels.contains_key(name) {
            let origin = default("not taken from the image");
            labels.insert(name.to_owned(), Sourced::new(String::new(), origin));
        }
    }
    // No configuration may hide a container from this program, or assign it to another app.
    for (name, value) in own_labels(app) {
        labels.insert(name, Sourced::new(value, default("identifies the app")));
    }
    labels
}
