//! Registries by their host name: which service stands behind it, and under which names the others know it.

use std::fmt;

use serde::Serialize;

use crate::image_ref::ImageRef;

/// Host and port of a registry as image references write it, in lower case; Docker Hub is `docker.io`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct RegistryHost(String);

/// The service behind a host, as far as its name tells.
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

/// What the host name of a private registry in ECR says.
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
        match host.as_str() {
            "index.docker.io" | "registry-1.docker.io" | "registry.hub.docker.com" => Self("docker.io".to_owned()),
            _ => Self(host),
        }
    }

    /// The registry of an image.
    pub fn of(reference: &ImageRef) -> Self {
        Self::new(reference.domain.as_deref().unwrap_or("docker.io"))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key of this registry in the Docker config.
    pub fn config_key(&self) -> &str {
        if self.0 == "docker.io" { "https://index.docker.io/v1/" } else { &self.0 }
    }

    /// The host that answers the registry API.
    pub fn api_host(&self) -> &str {
        if self.0 == "docker.io" { "registry-1.docker.io" } else { &self.0 }
    }

    pub fn kind(&self) -> RegistryKind {
        match self.0.as_str() {
            "docker.io" => RegistryKind::DockerHub,
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
            partition: partition(region),
        })
    }
}

/// The partition of a region (AWS General Reference, "Amazon Resource Names").
pub fn partition(region: &str) -> &'static str {
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
    fn every_form_of_an_ecr_host_names_account_region_and_partition() {
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
    fn what_only_looks_like_ecr_is_another_registry() {
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
