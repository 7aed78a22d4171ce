//! Podman's answers in Docker's words, and requests that it would take otherwise than Docker (seen with 4.3).

use bollard::models::{ContainerCreateBody, ContainerInspectResponse, ContainerSummary};
use serde_json::{Value, json};

/// Podman takes the words of a health check apart at blanks; those of a shell it leaves whole.
pub fn podman_check(body: &mut ContainerCreateBody) {
    let Some(test) = body.healthcheck.as_mut().and_then(|check| check.test.as_mut()) else { return };
    let has_blanks = |word: &String| word.is_empty() || word.contains(char::is_whitespace);
    if test.first().is_some_and(|kind| kind == "CMD") && test.iter().any(has_blanks) {
        let quoted = test[1..].iter().map(|word| format!(" '{}'", word.replace('\'', r"'\''")));
        *test = vec!["CMD-SHELL".to_owned(), format!("exec{}", quoted.collect::<String>())];
    }
}

pub fn podman_inspection(mut answer: Value) -> Result<ContainerInspectResponse, serde_json::Error> {
    translate(answer.pointer_mut("/State/Status"));
    serde_json::from_value(answer)
}

/// What makes no sense is left out: it may be of a container that is being made.
pub fn podman_list(answer: Vec<Value>) -> Vec<ContainerSummary> {
    let entry = |mut entry: Value| {
        translate(entry.get_mut("State"));
        serde_json::from_value(entry).ok()
    };
    answer.into_iter().filter_map(entry).collect()
}

/// It ended, and its remains are not cleaned up; it is made or prepared, and was never started.
fn translate(state: Option<&mut Value>) {
    let Some(state) = state else { return };
    match state.as_str() {
        Some("stopped") => *state = json!("exited"),
        Some("configured" | "initialized") => *state = json!("created"),
        _ => {}
    }
}
