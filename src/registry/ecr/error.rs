//! Why something in ECR or IAM cannot be done: stable codes, one message, concrete actions. A refusal names action and resource.

use std::error::Error as StdError;
use std::io;
use std::path::PathBuf;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::diagnostic::{Diagnostic, ExitCode, Location, printable, printable_path, shown};
use crate::registry::aws::{AwsError, Denied};

#[derive(Debug, thiserror::Error)]
pub enum EcrError {
    #[error("`{name}` is not a name that a repository in ECR can have: {rule}")]
    Name { name: String, rule: &'static str },
    #[error("`{host}` is not a registry of ECR")]
    OtherRegistry { host: String },
    #[error("`{name}` in the public gallery lacks the alias of the registry")]
    NoAlias { name: String },
    #[error("`{}` is not {wanted}", shown(value))]
    GitHub { value: String, wanted: &'static str },
    #[error("`{}` is not a name that an IAM user can have", shown(name))]
    UserName { name: String },
    #[error("users for repositories of the public gallery are not made")]
    PublicUser,
    #[error("AWS does not allow `{}` on `{}`{}", .0.action, .0.resource, .0.by())]
    AccessDenied(Box<AccessDenied>),
    #[error("AWS refused `{action}` ({code}): {}", printable(message))]
    Refused { action: &'static str, code: String, message: String },
    #[error("the answer to `{action}` has no {what}")]
    Incomplete { action: &'static str, what: &'static str },
    #[error(transparent)]
    Aws(#[from] AwsError),
    #[error("the credentials are for another public registry than `{alias}`: {}", found(registries))]
    OtherAlias { alias: String, registries: Vec<String> },
    #[error("`{uri}` was created, but its lifecycle policy was not set")]
    LifecycleNotSet {
        uri: String,
        #[source]
        source: Box<EcrError>,
    },
    #[error("the IAM user `{user}` was not made by this program, and is left as it is")]
    ForeignUser { user: String },
    #[error("the IAM user `{user}` has two access keys, and AWS allows no more")]
    KeyLimit { user: String, keys: Vec<String> },
    #[error(
        "an access key is not written to `{}`, which is inside the repository `{}`",
        printable_path(path),
        printable_path(root)
    )]
    KeyInRepository { path: PathBuf, root: PathBuf },
    #[error(
        "an access key is not written to `{}`: environment files end in images and repositories",
        printable_path(path)
    )]
    KeyInEnvironmentFile { path: PathBuf },
    #[error("`{}` is there already", printable_path(path))]
    KeyFileExists { path: PathBuf },
    #[error("cannot write `{}`", printable_path(path))]
    KeyFile {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the IAM user `{user}` was not made completely, and this is left: {}", left.join(", "))]
    Unfinished {
        user: String,
        left: Vec<String>,
        #[source]
        source: Box<EcrError>,
    },
}

/// A call that the policies of an account do not allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessDenied {
    pub action: String,
    /// ARN, or `*`.
    pub resource: String,
    /// ARN of who asked, where AWS tells it.
    pub who: Option<String>,
    /// An explicit deny stands above every allow.
    pub explicit: bool,
}

/// What is being asked of AWS.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call<'a> {
    /// As policies name it: `ecr:CreateRepository`.
    pub action: &'static str,
    pub resource: &'a str,
}

impl Call<'_> {
    /// The error of this call.
    pub fn failed<E>(self, error: SdkError<E, HttpResponse>) -> EcrError
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        match AwsError::of(self.action, error) {
            AwsError::AccessDenied { denied, .. } => EcrError::AccessDenied(Box::new(AccessDenied::of(self, *denied))),
            AwsError::Refused { code, message, .. } => EcrError::Refused { action: self.action, code, message },
            error => EcrError::Aws(error),
        }
    }

    /// The error of an answer that lacks what it has to hold.
    pub fn incomplete(self, what: &'static str) -> EcrError {
        EcrError::Incomplete { action: self.action, what }
    }
}

impl AccessDenied {
    /// What AWS did not say is taken from the call.
    fn of(call: Call<'_>, denied: Denied) -> Self {
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
            hints.push(format!("a policy denies `{action}` explicitly: change that policy, or use other credentials"));
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
                "the resource belongs to account {owner} and the credentials to account {who}: account {owner} has to \
                 allow it in a policy of its own (docs/ecr.md, \"Another account\")"
            ));
        }
        hints
    }
}

fn found(registries: &[String]) -> String {
    if registries.is_empty() { "the account has none".to_owned() } else { format!("`{}`", registries.join("`, `")) }
}

impl EcrError {
    pub(super) fn is_access_denied(&self) -> bool {
        matches!(self, Self::AccessDenied(_))
    }

    /// True for the code of AWS that the service answered.
    pub(super) fn has_code(&self, wanted: &str) -> bool {
        matches!(self, Self::Refused { code, .. } if code == wanted)
    }
}

impl Diagnostic for EcrError {
    fn code(&self) -> &'static str {
        match self {
            Self::Name { .. } => "ecr/repository-name",
            Self::OtherRegistry { .. } => "ecr/other-registry",
            Self::NoAlias { .. } => "ecr/no-alias",
            Self::GitHub { .. } => "ecr/github-subject",
            Self::UserName { .. } => "ecr/user-name",
            Self::PublicUser => "ecr/public-user",
            Self::AccessDenied(_) => "ecr/access-denied",
            Self::Aws(error) => error.code(),
            Self::Refused { .. } => "ecr/refused",
            Self::Incomplete { .. } => "ecr/incomplete-answer",
            Self::OtherAlias { .. } => "ecr/other-alias",
            Self::LifecycleNotSet { .. } => "ecr/lifecycle-not-set",
            Self::ForeignUser { .. } => "ecr/foreign-user",
            Self::KeyLimit { .. } => "ecr/key-limit",
            Self::KeyInRepository { .. } => "ecr/key-in-repository",
            Self::KeyInEnvironmentFile { .. } => "ecr/key-in-environment-file",
            Self::KeyFileExists { .. } => "ecr/key-file-exists",
            Self::KeyFile { .. } => "ecr/key-file",
            Self::Unfinished { .. } => "ecr/unfinished",
        }
    }

    fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::Name { .. } => "give a name such as `acme/shop`".to_owned(),
            Self::OtherRegistry { .. } => {
                "give `ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME`, `public.ecr.aws/ALIAS/NAME` or only the name".to_owned()
            }
            Self::NoAlias { .. } => {
                "give `public.ecr.aws/ALIAS/NAME`; `aws ecr-public describe-registries --region us-east-1` lists the alias".to_owned()
            }
            Self::GitHub { wanted, .. } => format!("give {wanted}"),
            Self::UserName { .. } => {
                "give `--user NAME` with 1 to 64 letters, digits and `+=,.@_-`".to_owned()
            }
            Self::PublicUser => {
                "use `ecr policy --github-repository`, or attach the policy of `ecr policy` to a user of your own".to_owned()
            }
            Self::AccessDenied(denied) => return denied.hints(),
            Self::Aws(error) => return error.hints(),
            Self::Refused { code, .. } => refusal_hint(code),
            Self::Incomplete { .. } => "check `AWS_ENDPOINT_URL`: what answers there is not AWS".to_owned(),
            Self::OtherAlias { .. } => "use the alias of the account, or the credentials of the alias's account".to_owned(),
            Self::LifecycleNotSet { source, .. } => {
                let mut hints = source.hints();
                hints.push("the next run says how to set the policy of the repository that is there now".to_owned());
                return hints;
            }
            Self::ForeignUser { user } => format!(
                "choose another name with `--user`, or hand it over: `aws iam tag-user --user-name {user} --tags Key=nextdeploy:managed,Value=true`"
            ),
            Self::KeyLimit { user, keys } => {
                let key = keys.first().map_or("ID", String::as_str);
                format!(
                    "delete the one that nothing uses (`aws iam delete-access-key --user-name {user} --access-key-id {key}`), or remake the user with `--fresh`"
                )
            }
            Self::KeyInRepository { .. } | Self::KeyInEnvironmentFile { .. } => {
                "give `--output` a file outside of it, or leave it out and take the key from standard output".to_owned()
            }
            Self::KeyFileExists { .. } => "give `--output` a file that does not exist yet".to_owned(),
            Self::KeyFile { .. } => "give `--output` a file in a folder that you may write to".to_owned(),
            Self::Unfinished { source, .. } => {
                let mut hints = source.hints();
                hints.push("afterwards run the command again with `--fresh`".to_owned());
                return hints;
            }
        };
        vec![hint]
    }

    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Name { .. }
            | Self::OtherRegistry { .. }
            | Self::NoAlias { .. }
            | Self::GitHub { .. }
            | Self::UserName { .. }
            | Self::PublicUser
            | Self::KeyInRepository { .. }
            | Self::KeyInEnvironmentFile { .. }
            | Self::KeyFileExists { .. }
            | Self::KeyFile { .. } => ExitCode::Usage,
            Self::AccessDenied(_) => ExitCode::Authentication,
            Self::Aws(error) => error.exit_code(),
            Self::LifecycleNotSet { source, .. } | Self::Unfinished { source, .. } => source.exit_code(),
            _ => ExitCode::Push,
        }
    }

    fn location(&self) -> Option<Location> {
        if let Self::Aws(error) = self { error.location() } else { None }
    }
}

fn refusal_hint(code: &str) -> String {
    match code {
        "LimitExceededException" | "LimitExceeded" => {
            "delete what is not needed, or ask AWS for a higher quota in the console under \"Service Quotas\"".to_owned()
        }
        "KmsException" => {
            "check that the key exists in the repository's region, and that the credentials may `kms:CreateGrant` and `kms:DescribeKey` on it".to_owned()
        }
        _ => "correct what AWS names, and try again".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denied(message: &str) -> EcrError {
        let call =
            Call { action: "ecr:CreateRepository", resource: "arn:aws:ecr:eu-central-1:111122223333:repository/shop" };
        EcrError::AccessDenied(Box::new(AccessDenied::of(call, Denied::parse(message))))
    }

    #[test]
    fn a_refusal_names_who_what_and_where() {
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
    fn another_account_and_an_explicit_deny_are_told() {
        let error = denied(
            "User: arn:aws:iam::999999999999:user/ci is not authorized to perform: ecr:CreateRepository on resource: \
             arn:aws:ecr:eu-central-1:111122223333:repository/shop with an explicit deny in a service control policy",
        );
        let hints = error.hints().join("\n");
        assert!(hints.contains("denies `ecr:CreateRepository` explicitly"), "{hints}");
        assert!(hints.contains("account 111122223333 and the credentials to account 999999999999"), "{hints}");
    }

    #[test]
    fn a_refusal_without_words_is_told_from_the_call() {
        let text = denied("").to_string();
        assert_eq!(
            text,
            "AWS does not allow `ecr:CreateRepository` on `arn:aws:ecr:eu-central-1:111122223333:repository/shop`"
        );
    }
}
