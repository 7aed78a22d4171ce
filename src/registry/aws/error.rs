//! Why AWS did not do what was asked: stable codes, one message, one action; never "service error", never a secret.

use std::error::Error;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::credentials;
use super::denied::Denied;
use crate::diagnostic::{Diagnostic, ExitCode, Location, error_chain, printable};
use crate::host::Environment;
use crate::net::NetworkError;

#[derive(Debug, thiserror::Error)]
pub enum AwsError {
    #[error("there are no AWS credentials: environment, profile, web identity, container and instance have none")]
    NoCredentials,
    #[error("the AWS profile `{}` does not exist", printable(name))]
    NoProfile { name: String },
    #[error("the AWS configuration cannot be used: {}", printable(reason))]
    BadConfiguration { reason: String },
    #[error("no AWS credentials came within the time limit")]
    CredentialsTimedOut,
    #[error("the AWS credentials cannot be loaded: {}", printable(reason))]
    CredentialsFailed { reason: String },
    #[error("the AWS SSO session cannot be used: {}", printable(reason))]
    Sso { reason: String },
    #[error("AWS does not give the role to this job: {}", printable(reason))]
    WebIdentity { reason: String },
    #[error("no AWS region is known")]
    NoRegion,
    #[error("the AWS credentials have expired (`{operation}`)")]
    Expired { operation: &'static str },
    #[error("AWS does not know these credentials (`{operation}`: {})", printable(message))]
    WrongCredentials { operation: &'static str, message: String },
    #[error("the clock of this machine is wrong (`{operation}`: {})", printable(message))]
    ClockSkew { operation: &'static str, message: String },
    #[error("{}", denied_text(operation, denied))]
    AccessDenied { operation: &'static str, denied: Box<Denied> },
    #[error("AWS cannot be reached for `{operation}`: {}", printable(reason))]
    Unreachable { operation: &'static str, reason: String },
    #[error("AWS did not answer `{operation}` in time")]
    TimedOut { operation: &'static str },
    #[error("AWS asks to slow down (`{operation}`)")]
    Throttled { operation: &'static str },
    #[error("AWS refused `{operation}`: {}{}", printable(code), detail(message))]
    Refused { operation: &'static str, code: String, message: String },
    #[error("what answered `{operation}` is not AWS ({})", printable(reason))]
    NotAws { operation: &'static str, reason: String },
    #[error(transparent)]
    Network(#[from] NetworkError),
}

fn detail(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(": {}", printable(message)) }
}

fn denied_text(operation: &str, denied: &Denied) -> String {
    let identity =
        denied.identity.as_deref().map_or("these AWS credentials".to_owned(), |arn| format!("`{}`", printable(arn)));
    let action = denied.action.as_deref().unwrap_or(operation);
    let resource = match denied.resource.as_deref() {
        None => String::new(),
        Some(resource) => format!(" on `{}`", printable(resource)),
    };
    let reason = denied.reason.as_deref().map_or(String::new(), |reason| format!(", {}", printable(reason)));
    format!("{identity} may not do `{}`{resource}{reason}", printable(action))
}

impl AwsError {
    /// What an error of the SDK means; `operation` is the action in the words of IAM: `ecr:GetAuthorizationToken`.
    pub fn of<E>(operation: &'static str, error: SdkError<E, HttpResponse>) -> Self
    where
        E: Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        let refused = match error {
            SdkError::ServiceError(refused) => refused,
            SdkError::ResponseError(response) => return not_aws(operation, response.raw()),
            SdkError::TimeoutError(_) => return credentials::explain(&error).unwrap_or(Self::TimedOut { operation }),
            _ => return credentials::explain(&error).unwrap_or_else(|| unreachable(operation, &error)),
        };
        match refused.err().code() {
            Some(code) => refusal(operation, code, refused.err().message().unwrap_or_default()),
            None => not_aws(operation, refused.raw()),
        }
    }

    /// The same error with what the environment adds to it: the profile that was named, the key that has no secret.
    #[must_use]
    pub fn refined(self, environment: &Environment) -> Self {
        credentials::refine(self, environment)
    }
}

fn not_aws(operation: &'static str, answer: &HttpResponse) -> AwsError {
    let reason = format!("status {} without an error code of AWS", answer.status().as_u16());
    AwsError::NotAws { operation, reason }
}

fn unreachable(operation: &'static str, error: &(dyn Error + 'static)) -> AwsError {
    let chain = error_chain(error);
    if chain.contains("Missing Region") {
        return AwsError::NoRegion;
    }
    let reason = credentials::last_cause(error);
    let reason = if reason.contains("UnknownIssuer") {
        "its certificate is not signed by an authority that is trusted here".to_owned()
    } else if chain.contains("tunnel error") {
        format!("the proxy does not let us through: {reason}")
    } else {
        reason
    };
    AwsError::Unreachable { operation, reason }
}

/// What an error code of AWS means.
pub(super) fn refusal(operation: &'static str, code: &str, message: &str) -> AwsError {
    let message = || message.to_owned();
    match code {
        "AccessDeniedException" | "AccessDenied" | "UnauthorizedOperation" | "NotAuthorized" => {
            AwsError::AccessDenied { operation, denied: Box::new(Denied::parse(&message())) }
        }
        "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" => AwsError::Expired { operation },
        "RequestTimeTooSkewed" | "RequestExpired" => AwsError::ClockSkew { operation, message: message() },
        "InvalidSignatureException" | "SignatureDoesNotMatch" if is_about_time(&message()) => {
            AwsError::ClockSkew { operation, message: message() }
        }
        "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "InvalidAccessKeyId"
        | "AuthFailure"
        | "IncompleteSignature"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException" => AwsError::WrongCredentials { operation, message: message() },
        "Throttling" | "ThrottlingException" | "TooManyRequestsException" | "RequestLimitExceeded" => {
            AwsError::Throttled { operation }
        }
        code => AwsError::Refused { operation, code: code.to_owned(), message: message() },
    }
}

/// "Signature expired: 20260101T000000Z is now earlier than …", "Signature not yet current: …".
fn is_about_time(message: &str) -> bool {
    message.contains("Signature expired") || message.contains("not yet current")
}

impl Diagnostic for AwsError {
    fn code(&self) -> &'static str {
        match self {
            Self::NoCredentials => "aws/no-credentials",
            Self::NoProfile { .. } => "aws/no-profile",
            Self::BadConfiguration { .. } => "aws/configuration",
            Self::CredentialsTimedOut => "aws/credentials-timeout",
            Self::CredentialsFailed { .. } => "aws/credentials-failed",
            Self::Sso { .. } => "aws/sso",
            Self::WebIdentity { .. } => "aws/web-identity",
            Self::NoRegion => "aws/no-region",
            Self::Expired { .. } => "aws/expired-credentials",
            Self::WrongCredentials { .. } => "aws/wrong-credentials",
            Self::ClockSkew { .. } => "aws/clock-skew",
            Self::AccessDenied { .. } => "aws/access-denied",
            Self::Unreachable { .. } => "aws/unreachable",
            Self::TimedOut { .. } => "aws/timeout",
            Self::Throttled { .. } => "aws/throttled",
            Self::Refused { .. } => "aws/refused",
            Self::NotAws { .. } => "aws/not-aws",
            Self::Network(error) => error.code(),
        }
    }

    fn hints(&self) -> Vec<String> {
        vec![match self {
            Self::NoCredentials | Self::CredentialsTimedOut => {
                "set `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, or `AWS_PROFILE`; in GitHub Actions run \
                 `aws-actions/configure-aws-credentials` before this step"
                    .to_owned()
            }
            Self::NoProfile { name } => format!(
                "set `AWS_PROFILE` to one that `aws configure list-profiles` shows, or make `{}` with `aws configure`",
                printable(name)
            ),
            Self::BadConfiguration { .. } | Self::CredentialsFailed { .. } => {
                "try `aws sts get-caller-identity`, and repair what it names".to_owned()
            }
            Self::Sso { .. } => "log in again with `aws sso login`".to_owned(),
            Self::WebIdentity { .. } => {
                "give the job `permissions: id-token: write`, and let the role's trust policy name this repository and branch"
                    .to_owned()
            }
            Self::NoRegion => "set `--aws-region` (`AWS_REGION` works as well)".to_owned(),
            Self::Expired { .. } => "get new ones: `aws sso login`, or run the step that gives the credentials again".to_owned(),
            Self::WrongCredentials { .. } => {
                "check `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`: all of one key, in the right account"
                    .to_owned()
            }
            Self::ClockSkew { .. } => "set the clock of this machine (`timedatectl set-ntp true`)".to_owned(),
            Self::AccessDenied { operation, denied } => format!(
                "allow `{}` on `{}` in the policy of {}",
                printable(denied.action.as_deref().unwrap_or(operation)),
                printable(denied.resource.as_deref().unwrap_or("*")),
                denied.identity.as_deref().map_or_else(|| "the identity".to_owned(), |arn| format!("`{}`", printable(arn)))
            ),
            Self::Unreachable { .. } | Self::TimedOut { .. } | Self::NotAws { .. } => {
                "check `AWS_ENDPOINT_URL`, the region, `HTTPS_PROXY`, `NO_PROXY` and `--ca-bundle`".to_owned()
            }
            Self::Throttled { .. } => "try again in a minute".to_owned(),
            Self::Refused { operation, .. } => format!("look `{operation}` up in the reference of the AWS API"),
            Self::Network(error) => return error.hints(),
        }]
    }

    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Network(error) => error.exit_code(),
            _ => ExitCode::Authentication,
        }
    }

    fn location(&self) -> Option<Location> {
        match self {
            Self::Network(error) => error.location(),
            _ => None,
        }
    }
}
