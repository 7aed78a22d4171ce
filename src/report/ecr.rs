//! Results of the `ecr` verbs as text and JSON.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::{Value, json};

use crate::diagnostic::printable;
use crate::registry::ecr::{PlannedCall, ProvisionedUser, RepositoryOutcome, RepositoryStatus, UserStatus};

/// The repository as a small table; ends with a newline.
pub fn render_repository(outcome: &RepositoryOutcome) -> String {
    let status = match outcome.status {
        RepositoryStatus::Created => "created",
        RepositoryStatus::Existed => "already exists, unchanged",
    };
    format!("repository  {}\narn         {}\nstatus      {status}\n", outcome.uri, outcome.arn)
}

/// The AWS calls of a dry run; ends with a newline.
pub fn render_planned_calls(calls: &[PlannedCall]) -> String {
    let mut text = String::new();
    for call in calls {
        let condition = call.only_when.map(|when| format!(", when {when}")).unwrap_or_default();
        let _ = writeln!(text, "{} on {}{condition}", call.action, printable(&call.resource));
        let _ = writeln!(text, "  {}", printable(&call.request.to_string()));
    }
    text
}

/// What `ecr policy` prints if both policies are requested.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Policies {
    /// The permissions policy.
    pub push: Value,
    /// The trust policy.
    pub trust: Value,
}

/// The user with its key, shown once: the only place where the secret is written.
pub fn key_document(user: &ProvisionedUser, repository: &str, region: &str) -> Value {
    let mut document = user_document(user, repository, region);
    document["secretAccessKey"] = json!(user.secret_access_key.expose());
    document
}

/// The user without the secret.
pub fn user_document(user: &ProvisionedUser, repository: &str, region: &str) -> Value {
    json!({
        "userName": user.name,
        "userArn": user.arn,
        "status": match user.status {
            UserStatus::Created => "created",
            UserStatus::Existed => "existed",
            UserStatus::Remade => "remade",
        },
        "policyName": user.policy,
        "repository": repository,
        "region": region,
        "accessKeyId": user.access_key_id,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    #[test]
    fn only_the_key_document_contains_the_secret() {
        let user = ProvisionedUser {
            name: "nextdeploy-shop".into(),
            arn: "arn:aws:iam::012345678901:user/nextdeploy-shop".into(),
            status: UserStatus::Created,
            policy: "nextdeploy-ecr-push-1".into(),
            access_key_id: "AKIA1".into(),
            secret_access_key: Secret::new("canary".into()),
            warnings: Vec::new(),
        };
        let (repository, region) = ("012345678901.dkr.ecr.eu-central-1.amazonaws.com/shop", "eu-central-1");
        assert_eq!(key_document(&user, repository, region)["secretAccessKey"], "canary");
        assert!(!user_document(&user, repository, region).to_string().contains("canary"));
        assert!(!format!("{user:?}").contains("canary"));
    }

    #[test]
    fn a_dry_run_lists_calls_and_conditions() {
        let call = |only_when| PlannedCall {
            action: "ecr:CreateRepository",
            resource: "arn:aws:ecr:eu-central-1:012345678901:repository/shop".into(),
            request: json!({ "repositoryName": "shop" }),
            only_when,
        };
        let text = render_planned_calls(&[call(None), call(Some("the repository is missing"))]);
        let first = "ecr:CreateRepository on arn:aws:ecr:eu-central-1:012345678901:repository/shop";
        let request = "  {\"repositoryName\":\"shop\"}";
        assert_eq!(text, format!("{first}\n{request}\n{first}, when the repository is missing\n{request}\n"));
    }
}
