//! The environment of the app.

use std::collections::BTreeMap;

use super::{AppUser, HEAP_PERCENT, LaunchInputs, MIB, default};
use crate::diagnostic::Warning;
use crate::image::plan::secret_look;
use crate::origin::{Origin, Sourced};

const HEAP_FLAG: &str = "--max-old-space-size";

pub(super) fn environment(
    inputs: LaunchInputs<'_>,
    port: Option<&Sourced<u16>>,
    memory: &Sourced<Option<u64>>,
    warnings: &mut Vec<Warning>,
) -> BTreeMap<String, Sourced<String>> {
    let mut env: BTreeMap<String, Sourced<String>> = BTreeMap::new();
    if inputs.run.is_some() {
        env.insert(
            "NODE_ENV".to_owned(),
            Sourced::new("production".to_owned(), default("the image holds a production build")),
        );
        if let Some(port) = port {
            env.insert("PORT".to_owned(), Sourced::new(port.value.to_string(), port.origin.clone()));
        }
    }
    for file in inputs.env_files {
        for (name, value) in &file.variables {
            env.insert(name.clone(), Sourced::new(value.clone(), file.origin.clone()));
        }
    }
    env.extend(inputs.config.env.clone());
    if let Some(bytes) = memory.value.filter(|_| inputs.run.is_some()) {
        set_heap_limit(inputs, bytes, &mut env, warnings);
    }
    warn_about_secrets(&env, warnings);
    warn_about_public(inputs, &env, warnings);
    env
}

/// Node.js ignores the limit of its container before version 20, and uses only half of it from then on.
fn set_heap_limit(
    inputs: LaunchInputs<'_>,
    bytes: u64,
    env: &mut BTreeMap<String, Sourced<String>>,
    warnings: &mut Vec<Warning>,
) {
    let heap = heap_limit(bytes);
    let set = env.get("NODE_OPTIONS").map(|options| options.value.clone());
    let set = set.or_else(|| inputs.image.env.get("NODE_OPTIONS").cloned()).unwrap_or_default();
    if let Some(given) = heap_given(&set) {
        if given * 1024 * 1024 >= bytes {
            let message = format!(
                "NODE_OPTIONS lets the heap grow to {given} MiB, but the limit of the container is {} MiB",
                bytes >> 20
            );
            warnings.push(
                Warning::new("launch/heap-above-limit", message)
                    .with_hint(format!("raise `--memory`, or lower {HEAP_FLAG} to {heap}")),
            );
        }
        return;
    }
    let options = format!("{set} {HEAP_FLAG}={heap}").trim().to_owned();
    let origin = Origin::Derived(format!("three quarters of the memory limit of {} MiB", bytes >> 20));
    env.insert("NODE_OPTIONS".to_owned(), Sourced::new(options, origin));
}

/// The heap in MiB that `options` set.
fn heap_given(options: &str) -> Option<u64> {
    let words: Vec<&str> = options.split_whitespace().collect();
    words.iter().enumerate().rev().find_map(|(at, word)| {
        let plain = word.replace('_', "-");
        let rest = plain.strip_prefix(HEAP_FLAG)?;
        match rest.strip_prefix('=') {
            Some(number) => number.parse().ok(),
            None if rest.is_empty() => words.get(at + 1)?.parse().ok(),
            None => None,
        }
    })
}

fn warn_about_secrets(env: &BTreeMap<String, Sourced<String>>, warnings: &mut Vec<Warning>) {
    let names: Vec<String> = env
        .iter()
        .filter(|(name, value)| secret_look(name, &value.value).is_some())
        .map(|(name, _)| format!("`{name}`"))
        .collect();
    if let Some(first) = names.first() {
        let message =
            format!("variables that look like secrets are readable by every user of the daemon: {}", names.join(", "));
        let hint = format!("pass {first} with `--secret` instead");
        warnings.push(Warning::new("launch/secret-in-environment", message).with_hint(hint));
    }
}

/// Next.js has written the values of its build into the code.
fn warn_about_public(inputs: LaunchInputs<'_>, env: &BTreeMap<String, Sourced<String>>, warnings: &mut Vec<Warning>) {
    let is_new = |(name, value): &(&String, &Sourced<String>)| {
        name.starts_with("NEXT_PUBLIC_") && inputs.image.env.get(*name) != Some(&value.value)
    };
    let names: Vec<String> = env.iter().filter(is_new).map(|(name, _)| format!("`{name}`")).collect();
    if let Some(first) = names.first() {
        let message = format!("{} may have no effect: the build has written its value into the code", names.join(", "));
        let hint = format!("build with `--env {}=VALUE`", first.trim_matches('`'));
        warnings.push(Warning::new("launch/public-variable", message).with_hint(hint));
    }
}

/// The user of the app's processes; an image without one runs as root.
pub(super) fn user(inputs: LaunchInputs<'_>) -> AppUser {
    let user = inputs.config.user.as_ref().map(|user| user.value.as_str()).or(inputs.image.user.as_deref());
    let user = user.and_then(|user| user.split(':').next()).filter(|user| !user.is_empty()).unwrap_or("0");
    user.parse().map_or_else(|_| AppUser::Named(user.to_owned()), AppUser::Number)
}

/// MiB for the heap of JavaScript below a limit of `bytes`.
fn heap_limit(bytes: u64) -> u64 {
    (bytes * HEAP_PERCENT / 100 / MIB).max(1)
}
