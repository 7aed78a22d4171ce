//! Errors of ECR and IAM: stable codes, one message, concrete actions. A denial names action and resource.

use std::error::Error as StdError;
use std::io;
use std::path::PathBuf;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::diagnostic::{Diagnostic as _, diagnostics, printable, printable_path, shown};
use crate::registry::aws::{AwsDenial, AwsError};

diagnostics! {
    #[exit(Push)]
    pub enum EcrError {
        #[error("invalid ECR repository name `{name}`: {rule}")]
        #[code("ecr/repository-name")]
        #[hint("use a name such as `acme/shop`")]
        #[exit(Usage)]
        Name { name: String, rule: &'static str },

        #[error("`{host}` is not an ECR registry")]
        #[code("ecr/other-registry")]
        #[hint("use `ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME`, `public.ecr.aws/ALIAS/NAME` or only the name")]
        #[exit(Usage)]
        OtherRegistry { host: String },

        #[error("missing registry alias before `{name}` in the public gallery")]
        #[code("ecr/no-alias")]
        #[hint("use `public.ecr.aws/ALIAS/NAME`; `aws ecr-public describe-registries --region us-east-1` lists the alias")]
        #[exit(Usage)]
        NoAlias { name: String },

        #[error("`{}` is not {expected}", shown(value))]
        #[code("ecr/github-subject")]
        #[hint("use {expected}")]
        #[exit(Usage)]
        GitHub { value: String, expected: &'static str },

        #[error("invalid IAM user name `{}`", shown(name))]
        #[code("ecr/user-name")]
        #[hint("set `--user NAME` with 1 to 64 letters, digits and `+=,.@_-`")]
        #[exit(Usage)]
        UserName { name: String },

        #[error("cannot create users for repositories of the public gallery")]
        #[code("ecr/public-user")]
        #[hint("use `ecr policy --github-repository`, or attach the policy of `ecr policy` to a user of your own")]
        #[exit(Usage)]
        PublicUser,

        #[error("AWS does not allow `{}` on `{}`{}", denied.action, denied.resource, denied.by())]
        #[code("ecr/access-denied")]
        #[hints(denied.hints())]
        #[exit(Authentication)]
        AccessDenied { denied: Box<AccessDenied> },

        #[error("AWS refused `{action}` ({error_code}): {}", printable(message))]
        #[code("ecr/refused")]
        #[hint("{}", refusal_hint(error_code))]
        Refused { action: &'static str, error_code: String, message: String },

        #[error("the response to `{action}` has no {what}")]
        #[code("ecr/incomplete-answer")]
        #[hint("check `AWS_ENDPOINT_URL`: the server there is not AWS")]
        Incomplete { action: &'static str, what: &'static str },

        #[transparent]
        Aws(#[from] error: AwsError),

        #[error("the credentials belong to another public registry than `{alias}`: {}", list(registries))]
        #[code("ecr/other-alias")]
        #[hint("use the alias of the account, or the credentials of the alias's account")]
        OtherAlias { alias: String, registries: Vec<String> },

        #[error("`{uri}` was created, but its lifecycle policy was not set")]
        #[code("ecr/lifecycle-not-set")]
        #[hints(followed_by(source, "the next run reports how to set the policy of the existing repository"))]
        #[exit(source.exit_code())]
        LifecycleNotSet { uri: String, source: Box<EcrError> },

        #[error("the IAM user `{user}` was not created by nextdeploy and is not changed")]
        #[code("ecr/foreign-user")]
        #[hint(
            "choose another name with `--user`, or let nextdeploy manage it: `aws iam tag-user --user-name {user} --tags Key=nextdeploy:managed,Value=true`"
        )]
        ForeignUser { user: String },

        #[error("the IAM user `{user}` has two access keys, which is the limit")]
        #[code("ecr/key-limit")]
        #[hint(
            "delete the unused one (`aws iam delete-access-key --user-name {user} --access-key-id {}`), or recreate the user with `--fresh`",
            keys.first().map_or("ID", String::as_str)
        )]
        KeyLimit { user: String, keys: Vec<String> },

        #[error(
            "refusing to write an access key to `{}`, which is inside the repository `{}`",
            printable_path(path),
            printable_path(root)
        )]
        #[code("ecr/key-in-repository")]
        #[hint("set `--output` to a file elsewhere, or omit it and read the key from standard output")]
        #[exit(Usage)]
        KeyInRepository { path: PathBuf, root: PathBuf },

        #[error(
            "refusing to write an access key to `{}`: environment files end up in images and repositories",
            printable_path(path)
        )]
        #[code("ecr/key-in-environment-file")]
        #[hint("set `--output` to another file, or omit it and read the key from standard output")]
        #[exit(Usage)]
        KeyInEnvironmentFile { path: PathBuf },

        #[error("`{}` already exists", printable_path(path))]
        #[code("ecr/key-file-exists")]
        #[hint("set `--output` to a file that does not exist yet")]
        #[exit(Usage)]
        KeyFileExists { path: PathBuf },

        #[error("cannot write `{}`", printable_path(path))]
        #[code("ecr/key-file")]
        #[hint("set `--output` to a file in a writable directory")]
        #[exit(Usage)]
        KeyFile { path: PathBuf, source: io::Error },

        #[error("the IAM user `{user}` is incomplete; left behind: {}", left.join(", "))]
        #[code("ecr/unfinished")]
        #[hints(followed_by(source, "then run the command again with `--fresh`"))]
        #[exit(source.exit_code())]
        Unfinished { user: String, left: Vec<String>, source: Box<EcrError> },
    }
}

/// A call that is denied by policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessDenied {
    pub action: String,
    /// ARN, or `*`.
    pub resource: String,
    /// ARN of the caller, if AWS names it.
    pub who: Option<String>,
    /// An explicit deny overrides every allow.
    pub explicit: bool,
}

/// A call to AWS, for errors.
#[derive(Debug, Clone, Copy)]
pub(super) struct AwsCall<'a> {
    /// As in IAM policies: `ecr:CreateRepository`.
    pub action: &'static str,
    pub resource: &'a str,
}

impl AwsCall<'_> {
    /// The error of this call.
    pub fn failed<E>(self, error: SdkError<E, HttpResponse>) -> EcrError
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        match AwsError::of(self.action, error) {
            AwsError::AccessDenied { denied, .. } => {
                EcrError::AccessDenied { denied: Box::new(AccessDenied::of(self, *denied)) }
            }
            AwsError::Refused { error_code, message, .. } => {
                EcrError::Refused { action: self.action, error_code, message }
            }
            error => EcrError::Aws(error),
        }
    }

    /// The error of an incomplete response.
    pub fn incomplete(self, what: &'static str) -> EcrError {
        EcrError::Incomplete { action: self.action, what }
    }
}

impl AccessDenied {
    /// Takes what AWS does not name from the call.
    fn of(call: AwsCall<'_>, denied: AwsDenial) -> Self {
        Self {
            action: printable(denied.action.as_deref().unwrap_or(call.action)),
            resource: printable(denied.resource.as_deref().unwrap_or(call.resource)),
            who: denied.identity.as_deref().map(printable),
            explicit: denied.reason.is_some_and(|reason| reason.contains("explicit deny")),
        }
    }

    fn by(&self) -> String {
        self.who.as_ref().map(|who| format!(" for `{who}`")).unwrap_or_default()
    }

    fn hints(&self) -> Vec<String> {
        let Self { action, resource, .. } = self;
        let mut hints = Vec::new();
        if self.explicit {
            hints.push(format!("a policy explicitly denies `{action}`: change that policy, or use other credentials"));
        } else {
            hints.push(format!(
                "allow `{action}` on `{resource}`; `nextdeploy ecr policy` prints the policy for a push"
            ));
        }
        let account = |arn: &str| arn.split(':').nth(4).map(str::to_owned).filter(|account| !account.is_empty());
        if let (Some(who), Some(owner)) = (self.who.as_deref().and_then(account), account(resource))
            && who != owner
        {
            hints.push(format!(
                "the resource belongs to account {owner} and the credentials to account {who}: a policy in account {owner} must \
                 allow it (docs/ecr.md, \"Another account\")"
            ));
        }
        hints
    }
}

fn list(registries: &[String]) -> String {
    if registries.is_empty() { "the account has none".to_owned() } else { format!("`{}`", registries.join("`, `")) }
}

impl EcrError {
    pub(super) fn is_access_denied(&self) -> bool {
        matches!(self, Self::AccessDenied { .. })
    }

    /// Whether AWS returned this error code.
    pub(super) fn has_code(&self, expected: &str) -> bool {
        matches!(self, Self::Refused { error_code, .. } if error_code == expected)
    }
}

fn followed_by(error: &EcrError, hint: &str) -> Vec<String> {
    let mut hints = error.hints();
    hints.push(hint.to_owned());
    hints
}

fn refusal_hint(error_code: &str) -> &'static str {
    match error_code {
        "LimitExceededException" | "LimitExceeded" => {
            "delete unused resources, or request a higher quota in the console under \"Service Quotas\""
        }
        "KmsException" => {
            "check that the key exists in the repository's region, and that the credentials may `kms:CreateGrant` and `kms:DescribeKey` on it"
        }
        _ => "fix what AWS reports, and try again",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::ExitCode;

    fn denied(message: &str) -> EcrError {
        let call = AwsCall {
            action: "ecr:CreateRepository",
            resource: "arn:aws:ecr:eu-central-1:111122223333:repository/shop",
        };
        EcrError::AccessDenied { denied: Box::new(AccessDenied::of(call, AwsDenial::parse(message))) }
    }

    #[test]
    fn denials_name_caller_action_and_resource() {
        let error = denied(
            "User: arn:aws:sts::111122223333:assumed-role/ci/run is not authorized to perform: ecr:TagResource on resource: \
             arn:aws:ecr:eu-central-1:111122223333:repository/shop because no identity-based policy allows the ecr:TagResource action",
        );
        assert_eq!(
            error.to_string(),
            "AWS does not allow `ecr:TagResource` on `arn:aws:ecr:eu-central-1:111122223333:repository/shop` for \
             `arn:aws:sts::111122223333:assumed-role/ci/run`"
        );
        assert!(error.hints()[0].starts_with("allow `ecr:TagResource` on `arn:aws:ecr:"));
        assert_eq!((error.hints().len(), error.exit_code()), (1, ExitCode::Authentication));
    }

    #[test]
    fn denials_explain_other_accounts_and_explicit_denies() {
        let error = denied(
            "User: arn:aws:iam::999999999999:user/ci is not authorized to perform: ecr:CreateRepository on resource: \
             arn:aws:ecr:eu-central-1:111122223333:repository/shop with an explicit deny in a service control policy",
        );
        let hints = error.hints().join("\n");
        assert!(hints.contains("explicitly denies `ecr:CreateRepository`"), "{hints}");
        assert!(hints.contains("account 111122223333 and the credentials to account 999999999999"), "{hints}");
    }

    #[test]
    fn denials_without_details_are_completed_from_the_call() {
        let text = denied("").to_string();
        assert_eq!(
            text,
            "AWS does not allow `ecr:CreateRepository` on `arn:aws:ecr:eu-central-1:111122223333:repository/shop`"
        );
    }
}
