//! The border to Docker's types: specs → requests, answers → facts. Pure.
//!
//! Never guesses what an answer lacks: an answer without what every daemon says is an error with its reason.

mod facts;
mod podman;
mod request;

pub(super) use facts::{container_facts, container_summary, grace, image_facts, network_differs, volume_differs};
pub(super) use podman::{podman_check, podman_inspection, podman_list};
pub(super) use request::{
    create_body, create_network_body, create_volume_body, endpoint, health, nano, nanoseconds, signed, whole_seconds,
};

/// The name of the network when a start failed because there are several of it (Docker Engine).
pub(super) fn ambiguous_network(error: &bollard::errors::Error) -> Option<String> {
    let bollard::errors::Error::DockerResponseServerError { message, .. } = error else { return None };
    let rest = message.split_once("network ")?.1;
    let (name, rest) = rest.split_once(' ')?;
    rest.starts_with("is ambiguous").then(|| name.to_owned())
}

#[cfg(test)]
mod tests;
