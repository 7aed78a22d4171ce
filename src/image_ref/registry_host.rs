//! Registries by host name: the service behind it, and the other names of Docker Hub.

use std::fmt;

use serde::Serialize;

/// Other names of `docker.io`: those that Docker's tools write, and the host of its registry API.
const DOCKER_HUB_ALIASES: &[&str] = &["index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"];
const DOCKER_HUB: &str = "docker.io";

/// Host and port of a registry in lowercase; Docker Hub is always `docker.io`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct RegistryHost(String);

/// The service behind a host, derived from its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistryKind {
    DockerHub,
    Ecr(EcrHost),
    /// `public.ecr.aws`.
    EcrPublic,
    /// `ghcr.io`.
    Ghcr,
    Other,
}

/// The parts of the host name of a private ECR registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EcrHost {
    /// Twelve digits.
    pub account: String,
    pub region: String,
    /// AWS partition of the region, as in ARNs: `aws`, `aws-cn`, `aws-us-gov`, `aws-eusc`.
    pub partition: &'static str,
}

impl RegistryHost {
    pub fn new(host: &str) -> Self {
        let host = host.to_ascii_lowercase();
        if DOCKER_HUB_ALIASES.contains(&host.as_str()) { Self::docker_hub() } else { Self(host) }
    }

    /// The registry of a key in the Docker config: `host`, `https://host`, `https://host/v1/` or `/v2/`. `None` for other URLs.
    pub fn of_config_key(key: &str) -> Option<Self> {
        let rest = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        matches!(path.trim_end_matches('/'), "" | "v1" | "v2").then(|| Self::new(host))
    }

    pub fn docker_hub() -> Self {
        Self(DOCKER_HUB.to_owned())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key of this registry in the Docker config.
    pub fn config_key(&self) -> &str {
        if self.0 == DOCKER_HUB { "https://index.docker.io/v1/" } else { &self.0 }
    }

    /// The host of the registry API.
    pub fn api_host(&self) -> &str {
        if self.0 == DOCKER_HUB { "registry-1.docker.io" } else { &self.0 }
    }

    pub fn kind(&self) -> RegistryKind {
        match self.0.as_str() {
            DOCKER_HUB => RegistryKind::DockerHub,
            "ghcr.io" => RegistryKind::Ghcr,
            "public.ecr.aws" | "ecr-public.aws.com" => RegistryKind::EcrPublic,
            host => EcrHost::parse(host).map_or(RegistryKind::Other, RegistryKind::Ecr),
        }
    }
}

impl fmt::Display for RegistryHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl EcrHost {
    /// `ACCOUNT.dkr.ecr[-fips].REGION.amazonaws.com[.cn]`, `ACCOUNT.dkr.ecr.REGION.amazonaws.eu` (European sovereign cloud),
    /// `ACCOUNT.dkr-ecr[-fips].REGION.on.aws` and `….on.amazonwebservices.com.cn` (dual-stack): Amazon ECR user guide,
    /// "Amazon ECR private registry" and "IPv6".
    fn parse(host: &str) -> Option<Self> {
        let (account, rest) = host.split_once('.')?;
        let is_account = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
        let rest = ["dkr.ecr.", "dkr.ecr-fips.", "dkr-ecr.", "dkr-ecr-fips."]
            .into_iter()
            .find_map(|prefix| rest.strip_prefix(prefix))?;
        let region =
            [".amazonaws.com", ".amazonaws.com.cn", ".amazonaws.eu", ".on.aws", ".on.amazonwebservices.com.cn"]
                .into_iter()
                .find_map(|suffix| rest.strip_suffix(suffix))?;
        let is_region = region.split('-').count() >= 3
            && region.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        (is_account && is_region).then(|| Self {
            account: account.to_owned(),
            region: region.to_owned(),
            partition: aws_partition(region),
        })
    }
}

/// The partition of a region (AWS General Reference, "Amazon Resource Names").
pub fn aws_partition(region: &str) -> &'static str {
    match region {
        region if region.starts_with("cn-") => "aws-cn",
        region if region.starts_with("us-gov-") => "aws-us-gov",
        region if region.starts_with("eusc-") => "aws-eusc",
        _ => "aws",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(host: &str) -> RegistryKind {
        RegistryHost::new(host).kind()
    }

    #[test]
    fn ecr_hosts_are_parsed_into_account_region_and_partition() {
        for (host, region, partition) in [
            ("012345678901.dkr.ecr.eu-central-1.amazonaws.com", "eu-central-1", "aws"),
            ("012345678901.dkr.ecr-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1", "aws-us-gov"),
            ("012345678901.dkr.ecr.cn-north-1.amazonaws.com.cn", "cn-north-1", "aws-cn"),
            ("012345678901.dkr.ecr.eusc-de-east-1.amazonaws.eu", "eusc-de-east-1", "aws-eusc"),
            ("012345678901.dkr-ecr.us-east-1.on.aws", "us-east-1", "aws"),
            ("012345678901.dkr-ecr.cn-north-1.on.amazonwebservices.com.cn", "cn-north-1", "aws-cn"),
        ] {
            let expected = EcrHost { account: "012345678901".to_owned(), region: region.to_owned(), partition };
            assert_eq!(check(host), RegistryKind::Ecr(expected), "{host}");
        }
    }

    #[test]
    fn hosts_that_only_resemble_ecr_are_other_registries() {
        for host in [
            "12345.dkr.ecr.eu-central-1.amazonaws.com",
            "012345678901.dkr.ecr.eu-central-1.amazonaws.com.evil.example",
            "012345678901.dkr.ecr..amazonaws.com",
            "012345678901.dkr.ecr.eu-central-1.amazonaws.com:443",
            "example.com",
        ] {
            assert_eq!(check(host), RegistryKind::Other, "{host}");
        }
        assert_eq!(check("GHCR.io"), RegistryKind::Ghcr);
        assert_eq!(check("registry-1.docker.io"), RegistryKind::DockerHub);
    }
}
