//! What a daemon says it is: from the headers of its first answer, so that nothing more is asked (`/version` starts programs on the
//! daemon's machine), else from its version.

use bollard::Docker;
use bollard::models::SystemVersion;

pub(super) const DOCKER: &str = "Docker Engine";
pub(super) const PODMAN: &str = "Podman";

/// Product and version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    pub name: &'static str,
    pub version: String,
}

impl Identity {
    /// `Docker/20.10.24 (linux)` or `Libpod/4.3.1 (linux)`; `None` for what a proxy in front may say.
    pub fn of_header(server: &str) -> Option<Self> {
        let (product, version) = server.split_whitespace().next()?.split_once('/')?;
        let name = match product {
            "Docker" => DOCKER,
            "Libpod" => PODMAN,
            _ => return None,
        };
        (!version.is_empty()).then(|| Self { name, version: version.to_owned() })
    }

    pub fn of_version(version: SystemVersion) -> Self {
        let podman = version.components.iter().flatten().any(|part| part.name.starts_with("Podman"));
        Self {
            name: if podman { PODMAN } else { DOCKER },
            version: version.version.unwrap_or_else(|| "of unknown version".into()),
        }
    }
}

/// `linux/amd64`.
pub(super) async fn platform(docker: &Docker) -> Result<String, bollard::errors::Error> {
    let version = docker.version().await?;
    let (os, architecture) = (version.os.as_deref(), version.arch.as_deref());
    Ok(format!("{}/{}", os.unwrap_or("linux"), architecture.unwrap_or("amd64")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_names_the_product() {
        let seen = |server| Identity::of_header(server).map(|identity| (identity.name, identity.version));
        assert_eq!(seen("Docker/20.10.24+dfsg1 (linux)"), Some((DOCKER, "20.10.24+dfsg1".to_owned())));
        assert_eq!(seen("Libpod/4.3.1 (linux)"), Some((PODMAN, "4.3.1".to_owned())));
        for other in ["", "nginx/1.22.1", "Docker", "Docker/ (linux)", "nginx"] {
            assert_eq!(seen(other), None, "{other}");
        }
    }
}
