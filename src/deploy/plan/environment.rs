//! The environment of the app.

use std::collections::BTreeMap;

use super::{AppUser, LaunchInputs, default, limits};
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
            Sourced::new("production".to_owned(), default("what was built is a production build")),
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
    env.extend(inputs.wishes.env.clone());
    if let Some(bytes) = memory.value.filter(|_| inputs.run.is_some()) {
        tell_heap(inputs, bytes, &mut env, warnings);
    }
    warn_of_secrets(&env, warnings);
    env
}

/// Node.js does not look at the limit of its container before version 20, and later takes half of it only.
fn tell_heap(
    inputs: LaunchInputs<'_>,
    bytes: u64,
    env: &mut BTreeMap<String, Sourced<String>>,
    warnings: &mut Vec<Warning>,
) {
    let heap = limits::heap(bytes);
    let set = env.get("NODE_OPTIONS").map(|options| options.value.clone());
    let set = set.or_else(|| inputs.image.env.get("NODE_OPTIONS").cloned()).unwrap_or_default();
    if let Some(given) = heap_given(&set) {
        if given * 1024 * 1024 >= bytes {
            let message = format!(
                "NODE_OPTIONS lets the heap grow to {given} MiB, and the container may use {} MiB",
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

fn warn_of_secrets(env: &BTreeMap<String, Sourced<String>>, warnings: &mut Vec<Warning>) {
    let names: Vec<String> = env
        .iter()
        .filter(|(name, value)| secret_look(name, &value.value).is_some())
        .map(|(name, _)| format!("`{name}`"))
        .collect();
    if let Some(first) = names.first() {
        let message = format!("whoever may ask the daemon can read what looks like a secret: {}", names.join(", "));
        let hint = format!("give {first} by `--secret` instead");
        warnings.push(Warning::new("launch/secret-in-environment", message).with_hint(hint));
    }
}

/// The user of the app's processes; an image that says nothing runs as root.
pub(super) fn user(inputs: LaunchInputs<'_>) -> AppUser {
    let user = inputs.wishes.user.as_ref().map(|user| user.value.as_str()).or(inputs.image.user.as_deref());
    let user = user.and_then(|user| user.split(':').next()).filter(|user| !user.is_empty()).unwrap_or("0");
    user.parse().map_or_else(|_| AppUser::Named(user.to_owned()), AppUser::Number)
}
