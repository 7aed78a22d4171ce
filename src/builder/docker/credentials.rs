//! Credentials for base images, as the docker command line finds them: helpers and `auths` of the Docker config.

use std::collections::BTreeMap;

use docker_credential::DockerCredential;

use crate::builder::RegistryCredentials;
use crate::secret::Secret;

/// Key of Docker Hub in the Docker config.
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";
/// Host that BuildKit asks credentials for when an image is on Docker Hub.
const DOCKER_HUB_HOST: &str = "registry-1.docker.io";

/// Stored credentials for the registries of these image references, by host. A registry without any is left out: the
/// daemon then asks anonymously, and says so when that is refused.
pub fn stored_credentials(references: &[&str]) -> BTreeMap<String, RegistryCredentials> {
    references.iter().filter_map(|reference| stored(registry_host(reference))).collect()
}

fn stored(host: &str) -> Option<(String, RegistryCredentials)> {
    let key = if host == DOCKER_HUB_HOST { DOCKER_HUB_KEY } else { host };
    match docker_credential::get_credential(key).ok()? {
        DockerCredential::UsernamePassword(username, password) => {
            Some((host.to_owned(), RegistryCredentials { username, password: Secret::new(password) }))
        }
        DockerCredential::IdentityToken(_) => None,
    }
}

/// The part before the first `/` is a host when it has a `.` or a `:`, or is `localhost` (distribution's reference grammar).
fn registry_host(reference: &str) -> &str {
    match reference.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => host,
        _ => DOCKER_HUB_HOST,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_told_from_a_name_on_docker_hub() {
        for (reference, host) in [
            ("node:22-slim", DOCKER_HUB_HOST),
            ("library/node", DOCKER_HUB_HOST),
            ("ghcr.io/a/b:1", "ghcr.io"),
            ("localhost/a", "localhost"),
            ("127.0.0.1:5000/a@sha256:0", "127.0.0.1:5000"),
        ] {
            assert_eq!(registry_host(reference), host, "{reference}");
        }
    }
}
