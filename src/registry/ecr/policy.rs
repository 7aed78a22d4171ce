//! IAM policies as JSON documents: the permissions for a push to one repository, and the trust of GitHub workflows.
//!
//! Pure. No permission exceeds one repository, except for calls that AWS does not restrict to resources.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::address::RepositoryAddress;
use super::error::EcrError;
use crate::image_ref::aws_partition;

const GITHUB_OIDC: &str = "token.actions.githubusercontent.com";

/// The permissions of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permissions<'a> {
    Push,
    /// Also for creating and comparing the repository, with the key that encrypts it.
    PushAndCreate {
        kms_key: Option<&'a str>,
    },
}

/// The workflows of a GitHub repository that may push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitHubWorkflows {
    repository: String,
    allowed: AllowedSubjects,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum AllowedSubjects {
    Any,
    /// The parts of the subject after the repository: `ref:refs/heads/main`, `environment:production`.
    Only(BTreeSet<String>),
}

impl GitHubWorkflows {
    /// Every workflow of `OWNER/NAME`, including those of pull requests.
    pub fn any(repository: &str) -> Result<Self, EcrError> {
        Ok(Self { repository: github_repository(repository)?, allowed: AllowedSubjects::Any })
    }

    /// Workflows on these branches and tags, and jobs in these environments. `*` and `?` are wildcards.
    pub fn of(
        repository: &str,
        branches: &[String],
        tags: &[String],
        environments: &[String],
    ) -> Result<Self, EcrError> {
        let mut only = BTreeSet::new();
        for branch in branches {
            only.insert(format!("ref:refs/heads/{}", subject(branch, "the name of a branch")?));
        }
        for tag in tags {
            only.insert(format!("ref:refs/tags/{}", subject(tag, "the name of a git tag")?));
        }
        for environment in environments {
            // GitHub escapes colons in names, because they separate the parts of a subject.
            let name = subject(environment, "the name of an environment")?.replace(':', "%3A");
            only.insert(format!("environment:{name}"));
        }
        Ok(Self { repository: github_repository(repository)?, allowed: AllowedSubjects::Only(only) })
    }
}

fn github_repository(text: &str) -> Result<String, EcrError> {
    let invalid = || EcrError::GitHub { value: text.to_owned(), expected: "a GitHub repository such as `acme/shop`" };
    let (owner, name) = text.split_once('/').ok_or_else(invalid)?;
    let fits = |part: &str, others: &[u8]| {
        !part.is_empty() && part.len() <= 100 && part.bytes().all(|b| b.is_ascii_alphanumeric() || others.contains(&b))
    };
    // GitHub's grammar; names of managed users contain `_`.
    if fits(owner, b"-_") && fits(name, b"-_.") && !matches!(name, "." | "..") {
        Ok(text.to_owned())
    } else {
        Err(invalid())
    }
}

/// `${` would start a policy variable.
fn subject(text: &str, expected: &'static str) -> Result<String, EcrError> {
    let fits = !text.is_empty()
        && text.len() <= 255
        && !text.contains("${")
        && !text.chars().any(|c| c.is_control() || c.is_whitespace() && c != ' ');
    if fits { Ok(text.to_owned()) } else { Err(EcrError::GitHub { value: text.to_owned(), expected }) }
}

/// The permissions for a push to the repository, which `account` owns.
pub fn push_policy(address: &RepositoryAddress, account: &str, permissions: Permissions<'_>) -> Value {
    match address {
        RepositoryAddress::Private(repository) => private_policy(&repository.arn(), permissions),
        RepositoryAddress::Public(repository) => public_policy(&repository.arn(account), permissions),
    }
}

fn private_policy(arn: &str, permissions: Permissions<'_>) -> Value {
    let mut statements = vec![
        allow("LogIn", &["ecr:GetAuthorizationToken"], "*"),
        allow(
            "Push",
            &[
                "ecr:BatchCheckLayerAvailability",
                "ecr:BatchGetImage",
                "ecr:CompleteLayerUpload",
                "ecr:GetDownloadUrlForLayer",
                "ecr:InitiateLayerUpload",
                "ecr:PutImage",
                "ecr:UploadLayerPart",
            ],
            arn,
        ),
    ];
    if let Permissions::PushAndCreate { kms_key } = permissions {
        let actions = [
            "ecr:CreateRepository",
            "ecr:DescribeRepositories",
            "ecr:GetLifecyclePolicy",
            "ecr:ListTagsForResource",
            "ecr:PutLifecyclePolicy",
            "ecr:TagResource",
        ];
        statements.push(allow("CreateRepository", &actions, arn));
        if let Some(key) = kms_key {
            statements.push(allow("EncryptRepository", &["kms:CreateGrant", "kms:DescribeKey"], key));
        }
    }
    document(&statements)
}

fn public_policy(arn: &str, permissions: Permissions<'_>) -> Value {
    let mut bearer = allow("BearerToken", &["sts:GetServiceBearerToken"], "*");
    bearer["Condition"] = json!({ "StringEquals": { "sts:AWSServiceName": "ecr-public.amazonaws.com" } });
    let mut statements = vec![
        allow("LogIn", &["ecr-public:GetAuthorizationToken"], "*"),
        bearer,
        allow(
            "Push",
            &[
                "ecr-public:BatchCheckLayerAvailability",
                "ecr-public:CompleteLayerUpload",
                "ecr-public:InitiateLayerUpload",
                "ecr-public:PutImage",
                "ecr-public:UploadLayerPart",
            ],
            arn,
        ),
    ];
    if let Permissions::PushAndCreate { .. } = permissions {
        let actions = [
            "ecr-public:CreateRepository",
            "ecr-public:DescribeRepositories",
            "ecr-public:ListTagsForResource",
            "ecr-public:TagResource",
        ];
        statements.push(allow("FindRegistry", &["ecr-public:DescribeRegistries"], "*"));
        statements.push(allow("CreateRepository", &actions, arn));
    }
    document(&statements)
}

fn allow(id: &str, actions: &[&str], resource: &str) -> Value {
    let action = match actions {
        [one] => json!(one),
        several => json!(several),
    };
    json!({ "Sid": id, "Effect": "Allow", "Action": action, "Resource": resource })
}

fn document(statements: &[Value]) -> Value {
    json!({ "Version": "2012-10-17", "Statement": statements })
}

/// Allows the workflows to assume the role. The account needs GitHub's identity provider
/// (documentation of GitHub Actions, "Configuring `OpenID` Connect in Amazon Web Services").
pub fn trust_policy(account: &str, region: &str, workflows: &GitHubWorkflows) -> Value {
    let partition = aws_partition(region);
    let repository = &workflows.repository;
    let subjects: Vec<String> = match &workflows.allowed {
        AllowedSubjects::Any => vec![format!("repo:{repository}:*")],
        AllowedSubjects::Only(parts) => parts.iter().map(|part| format!("repo:{repository}:{part}")).collect(),
    };
    let audience = (format!("{GITHUB_OIDC}:aud"), json!("sts.amazonaws.com"));
    let is_pattern = subjects.iter().any(|subject| subject.contains(['*', '?']));
    let subject = match subjects.as_slice() {
        [one] => json!(one),
        several => json!(several),
    };
    let subject = (format!("{GITHUB_OIDC}:sub"), subject);
    let condition = if is_pattern {
        json!({ "StringEquals": object([audience]), "StringLike": object([subject]) })
    } else {
        json!({ "StringEquals": object([audience, subject]) })
    };
    document(&[json!({
        "Effect": "Allow",
        "Principal": { "Federated": format!("arn:{partition}:iam::{account}:oidc-provider/{GITHUB_OIDC}") },
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": condition,
    })])
}

fn object<const N: usize>(entries: [(String, Value); N]) -> Value {
    Value::Object(entries.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::super::address::{RepositoryAddress, RepositoryTarget};
    use super::*;
    use crate::diagnostic::Diagnostic;

    fn address(text: &str) -> RepositoryAddress {
        match RepositoryTarget::parse(text).unwrap() {
            RepositoryTarget::Full(address) => address,
            RepositoryTarget::OfCaller(name) => panic!("{name} has no host"),
        }
    }

    fn text(policy: &Value) -> String {
        serde_json::to_string_pretty(policy).unwrap()
    }

    #[test]
    fn push_policy_for_one_repository() {
        let repository = address("012345678901.dkr.ecr.eu-central-1.amazonaws.com/acme/shop");
        insta::assert_snapshot!(text(&push_policy(&repository, "012345678901", Permissions::Push)));
    }

    #[test]
    fn create_policy_in_china_with_a_kms_key() {
        let repository = address("012345678901.dkr.ecr.cn-north-1.amazonaws.com.cn/shop");
        let kms_key = Some("arn:aws-cn:kms:cn-north-1:012345678901:key/abc");
        let policy = push_policy(&repository, "012345678901", Permissions::PushAndCreate { kms_key });
        insta::assert_snapshot!(text(&policy));
    }

    #[test]
    fn policy_for_the_public_gallery() {
        let policy = push_policy(
            &address("public.ecr.aws/acme/shop"),
            "012345678901",
            Permissions::PushAndCreate { kms_key: None },
        );
        insta::assert_snapshot!(text(&policy));
    }

    #[test]
    fn a_single_branch_is_compared_literally() {
        let workflows = GitHubWorkflows::of("Acme/shop", &["main".into()], &[], &[]).unwrap();
        insta::assert_snapshot!(text(&trust_policy("012345678901", "eu-central-1", &workflows)));
    }

    #[test]
    fn patterns_and_environments_are_listed() {
        let workflows =
            GitHubWorkflows::of("acme/shop", &["main".into()], &["v*".into()], &["prod:eu".into()]).unwrap();
        insta::assert_snapshot!(text(&trust_policy("012345678901", "us-gov-west-1", &workflows)));
    }

    #[test]
    fn every_workflow_on_request_only() {
        let policy = trust_policy("012345678901", "eu-central-1", &GitHubWorkflows::any("acme/shop").unwrap());
        let condition = &policy["Statement"][0]["Condition"];
        assert_eq!(condition["StringLike"]["token.actions.githubusercontent.com:sub"], "repo:acme/shop:*");
        assert_eq!(condition["StringEquals"]["token.actions.githubusercontent.com:aud"], "sts.amazonaws.com");
    }

    #[test]
    fn subjects_cannot_widen_the_policy() {
        for wrong in
            ["acme", "acme/*", "*/shop", "acme/shop:ref", "acme/shop/x", "/shop", "acme/", "a cme/shop", "acme/.."]
        {
            let error = GitHubWorkflows::any(wrong).unwrap_err();
            assert_eq!((error.code(), error.exit_code() as u8), ("ecr/github-subject", 2), "{wrong}");
        }
        for wrong in ["", "${aws:username}", "a\nb"] {
            assert!(GitHubWorkflows::of("acme/shop", &[wrong.into()], &[], &[]).is_err(), "{wrong:?}");
        }
    }
}
