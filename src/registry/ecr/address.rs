//! Addresses of ECR repositories: name, account, region, URI and ARN.
//!
//! In: text. Out: [`RepositoryAddress`], or an error that says which rule is broken. Never queries AWS.

use std::fmt;

use super::error::EcrError;
use crate::diagnostic::shown;
use crate::image_ref::{EcrHost, ImageRef, RegistryHost, RegistryKind, aws_partition};

/// A repository as the user names it: a full address, or only a name in the account of the credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RepositoryTarget {
    Full(RepositoryAddress),
    OfCaller(RepositoryName),
}

/// The address of a repository.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum RepositoryAddress {
    Private(PrivateRepository),
    Public(PublicRepository),
}

/// A repository in the private registry of an account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PrivateRepository {
    /// Twelve digits.
    pub account: String,
    pub region: String,
    /// As image references write it.
    pub host: String,
    pub name: RepositoryName,
}

/// A repository of the public gallery.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PublicRepository {
    /// The alias of the account's public registry.
    pub alias: String,
    pub name: RepositoryName,
}

/// A name by ECR's grammar: 2 to 256 characters, words of `a-z0-9` joined by single `.`, `_`, `-` or `/` (API reference,
/// `CreateRepository`, parameter `repositoryName`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RepositoryName(String);

impl RepositoryTarget {
    /// `ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME`, `public.ecr.aws/ALIAS/NAME`, or `NAME`.
    pub fn parse(text: &str) -> Result<Self, EcrError> {
        let text = text.strip_prefix("https://").unwrap_or(text).trim_end_matches('/');
        let host = text.split('/').next().unwrap_or_default();
        let has_host = text.contains('/') && (host.contains(['.', ':']) || host == "localhost");
        if !has_host {
            return Ok(Self::OfCaller(RepositoryName::parse(text)?));
        }
        let name = &text[host.len() + 1..];
        RepositoryAddress::on(&RegistryHost::new(host), name)?
            .map(Self::Full)
            .ok_or_else(|| EcrError::OtherRegistry { host: shown(host) })
    }
}

impl RepositoryAddress {
    /// The repository of an image; `None` if its registry is not ECR.
    pub fn of(reference: &ImageRef) -> Result<Option<Self>, EcrError> {
        Self::on(&reference.registry(), &reference.path)
    }

    fn on(host: &RegistryHost, name: &str) -> Result<Option<Self>, EcrError> {
        match host.kind() {
            RegistryKind::Ecr(EcrHost { account, region, .. }) => {
                let (host, name) = (host.as_str().to_owned(), RepositoryName::parse(name)?);
                Ok(Some(Self::Private(PrivateRepository { account, region, host, name })))
            }
            RegistryKind::EcrPublic => {
                let (alias, name) = name.split_once('/').ok_or_else(|| EcrError::NoAlias { name: shown(name) })?;
                let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
                if alias.is_empty() || !alias.bytes().all(plain) {
                    return Err(EcrError::NoAlias { name: shown(alias) });
                }
                Ok(Some(Self::Public(PublicRepository { alias: alias.to_owned(), name: RepositoryName::parse(name)? })))
            }
            _ => Ok(None),
        }
    }

    pub fn name(&self) -> &RepositoryName {
        match self {
            Self::Private(repository) => &repository.name,
            Self::Public(repository) => &repository.name,
        }
    }

    /// As image references write it, without a tag.
    pub fn uri(&self) -> String {
        match self {
            Self::Private(repository) => repository.uri(),
            Self::Public(repository) => repository.uri(),
        }
    }

    /// The region of the API that manages the repository.
    pub fn region(&self) -> &str {
        match self {
            Self::Private(repository) => &repository.region,
            Self::Public(_) => PublicRepository::REGION,
        }
    }
}

impl PrivateRepository {
    /// The repository in the account's registry in that region.
    pub fn new(account: &str, region: &str, name: RepositoryName) -> Self {
        let suffix = match aws_partition(region) {
            "aws-cn" => "amazonaws.com.cn",
            "aws-eusc" => "amazonaws.eu",
            _ => "amazonaws.com",
        };
        let host = format!("{account}.dkr.ecr.{region}.{suffix}");
        Self { account: account.to_owned(), region: region.to_owned(), host, name }
    }

    pub fn arn(&self) -> String {
        format!("arn:{}:ecr:{}:{}:repository/{}", self.partition(), self.region, self.account, self.name)
    }

    pub fn uri(&self) -> String {
        format!("{}/{}", self.host, self.name)
    }

    pub fn partition(&self) -> &'static str {
        aws_partition(&self.region)
    }
}

impl PublicRepository {
    /// The only region with an API for public registries (Amazon ECR Public user guide, "Registry authentication").
    pub const REGION: &str = "us-east-1";

    /// ARNs of public repositories have no region, but the account, which is not part of the address.
    pub fn arn(&self, account: &str) -> String {
        format!("arn:aws:ecr-public::{account}:repository/{}", self.name)
    }

    pub fn uri(&self) -> String {
        format!("public.ecr.aws/{}/{}", self.alias, self.name)
    }
}

impl RepositoryName {
    pub fn parse(text: &str) -> Result<Self, EcrError> {
        let invalid = |rule| Err(EcrError::Name { name: shown(text), rule });
        if text.contains(['@', ':']) {
            return invalid("a repository has neither tag nor digest");
        }
        if text.bytes().any(|b| b.is_ascii_uppercase()) {
            return invalid("uppercase letters are not allowed");
        }
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-/".contains(&b);
        if !text.bytes().all(allowed) {
            return invalid("only `a-z`, `0-9`, `.`, `_`, `-` and `/` are allowed");
        }
        if !(2..=256).contains(&text.len()) {
            return invalid("use 2 to 256 characters");
        }
        let separator = |b: u8| b"._-/".contains(&b);
        let bytes = text.as_bytes();
        if bytes.windows(2).any(|pair| separator(pair[0]) && separator(pair[1])) {
            return invalid("`.`, `_`, `-` and `/` must not follow each other");
        }
        if bytes.first().copied().is_some_and(separator) || bytes.last().copied().is_some_and(separator) {
            return invalid("start and end with a letter or a digit");
        }
        Ok(Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RepositoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Diagnostic;

    fn check(text: &str) -> RepositoryTarget {
        RepositoryTarget::parse(text).unwrap()
    }

    #[test]
    fn full_addresses_have_account_region_and_arn() {
        for (text, arn) in [
            (
                "012345678901.dkr.ecr.eu-central-1.amazonaws.com/acme/shop",
                "arn:aws:ecr:eu-central-1:012345678901:repository/acme/shop",
            ),
            (
                "https://012345678901.dkr.ecr.cn-north-1.amazonaws.com.cn/shop/",
                "arn:aws-cn:ecr:cn-north-1:012345678901:repository/shop",
            ),
            (
                "012345678901.dkr-ecr.us-gov-west-1.on.aws/shop",
                "arn:aws-us-gov:ecr:us-gov-west-1:012345678901:repository/shop",
            ),
        ] {
            let RepositoryTarget::Full(RepositoryAddress::Private(repository)) = check(text) else { panic!("{text}") };
            assert_eq!(repository.arn(), arn);
            assert_eq!(repository.uri(), text.trim_start_matches("https://").trim_end_matches('/'));
        }
    }

    #[test]
    fn bare_names_and_public_repositories_are_parsed() {
        let RepositoryTarget::OfCaller(name) = check("acme/shop") else { panic!() };
        let repository = PrivateRepository::new("012345678901", "eusc-de-east-1", name);
        assert_eq!(repository.uri(), "012345678901.dkr.ecr.eusc-de-east-1.amazonaws.eu/acme/shop");
        let RepositoryTarget::Full(RepositoryAddress::Public(public)) = check("public.ecr.aws/acme/web/shop") else {
            panic!()
        };
        assert_eq!((public.alias.as_str(), public.name.as_str()), ("acme", "web/shop"));
        assert_eq!(public.arn("012345678901"), "arn:aws:ecr-public::012345678901:repository/web/shop");
    }

    #[test]
    fn invalid_names_report_the_rule() {
        for (text, rule) in [
            ("Shop", "uppercase"),
            ("s", "2 to 256"),
            ("", "2 to 256"),
            (&"a".repeat(257), "2 to 256"),
            ("-shop", "start and end"),
            ("shop-", "start and end"),
            ("a__b", "follow each other"),
            ("a//b", "follow each other"),
            ("my shop", "only `a-z`"),
            ("shöp", "only `a-z`"),
            ("shop:1", "neither tag nor digest"),
            ("012345678901.dkr.ecr.eu-central-1.amazonaws.com/shop:1", "neither tag nor digest"),
            ("ghcr.io/acme/shop", "`ghcr.io` is not an ECR registry"),
            ("public.ecr.aws/shop", "alias"),
        ] {
            let error = RepositoryTarget::parse(text).unwrap_err();
            assert!(error.to_string().contains(rule), "{text}: {error}");
            assert_eq!(error.exit_code() as u8, 2, "{text}");
            assert!(!error.hints().is_empty());
        }
    }

    #[test]
    fn images_of_other_registries_have_no_address() {
        let of = |text: &str| RepositoryAddress::of(&ImageRef::parse(text).unwrap()).unwrap();
        assert_eq!(of("ghcr.io/acme/shop:1"), None);
        assert_eq!(of("shop:1"), None);
        let uri = of("012345678901.dkr.ecr.eu-central-1.amazonaws.com/shop:1").unwrap().uri();
        assert_eq!(uri, "012345678901.dkr.ecr.eu-central-1.amazonaws.com/shop");
    }
}
