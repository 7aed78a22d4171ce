//! Credentials in the environment: hidden before anything is printed, whether this run uses them or not.

use crate::config::settings::parse::looks_like_variable;
use crate::host::Environment;
use crate::secret::{hide, hide_password};

/// How names of variables with credentials end, as CI systems, clouds and this program name them; `-` in inputs of actions.
const CREDENTIALS: [&str; 10] = [
    "TOKEN",
    "PASSWORD",
    "PASSWD",
    "SECRET",
    "SECRET_KEY",
    "ACCESS_KEY",
    "API_KEY",
    "PRIVATE_KEY",
    "REPRODUCIBLE_KEY",
    "DOCKER_AUTH_CONFIG",
];
/// Lists with one secret on each line.
const LISTS: [&str; 2] = ["NEXTDEPLOY_SECRETS", "INPUT_SECRETS"];

/// Hides the values of variables that hold credentials by their name, and the passwords of URLs.
pub fn hide_environment(environment: &Environment) {
    for (name, value) in environment.iter() {
        hide_password(value);
        if LISTS.contains(&name) {
            value.lines().map(str::trim).for_each(|line| hide_listed(line, environment));
        } else if CREDENTIALS.iter().any(|end| name.ends_with(end)) && !names_a_place(value) {
            hide(value.as_bytes());
        }
    }
}

/// Settings take the place of a secret as well.
fn names_a_place(value: &str) -> bool {
    ["env:", "file:", "/", "./"].iter().any(|start| value.starts_with(start))
}

/// `NAME=VALUE`, `id=…` or `NAME`; anything else is a part of a value of several lines, which is refused later.
fn hide_listed(line: &str, environment: &Environment) {
    match line.split_once('=') {
        Some(("id" | "src" | "source" | "env" | "type", _)) => {}
        Some((_, value)) if !value.trim_matches('=').is_empty() => hide(value.as_bytes()),
        None if environment.get(line).is_some() || looks_like_variable(line) => {}
        Some(_) | None => hide(line.as_bytes()),
    }
}
