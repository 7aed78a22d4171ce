//! Errors of AWS calls: stable codes, one message, one action; never "service error", never a secret.
//!
//! Why the SDK's credential chain failed is read from the texts of its errors, whose types are mostly private.

use std::error::Error;

use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_sdk_sts::operation::assume_role_with_web_identity::AssumeRoleWithWebIdentityError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::diagnostic::{Diagnostic, ExitCode, Location, error_chain, printable};
use crate::host::Environment;
use crate::net::NetworkError;

#[derive(Debug, thiserror::Error)]
pub enum AwsError {
    #[error("no AWS credentials found in environment, profile, web identity, container and instance")]
    NoCredentials,
    #[error("the AWS profile `{}` does not exist", printable(name))]
    NoProfile { name: String },
    #[error("invalid AWS configuration: {}", printable(reason))]
    BadConfiguration { reason: String },
    #[error("timed out while loading AWS credentials")]
    CredentialsTimedOut,
    #[error("cannot load AWS credentials: {}", printable(reason))]
    CredentialsFailed { reason: String },
    #[error("the AWS SSO session is not valid: {}", printable(reason))]
    Sso { reason: String },
    #[error("AWS does not let this job assume the role: {}", printable(reason))]
    WebIdentity { reason: String },
    #[error("no AWS region is set")]
    NoRegion,
    #[error("the AWS credentials have expired (`{operation}`)")]
    Expired { operation: &'static str },
    #[error("AWS rejected the credentials (`{operation}`: {})", printable(message))]
    WrongCredentials { operation: &'static str, message: String },
    #[error("the clock of this machine is wrong (`{operation}`: {})", printable(message))]
    ClockSkew { operation: &'static str, message: String },
    #[error("{}", denied_text(operation, denied))]
    AccessDenied { operation: &'static str, denied: Box<AwsDenial> },
    #[error("cannot reach AWS for `{operation}`: {}", printable(reason))]
    Unreachable { operation: &'static str, reason: String },
    #[error("AWS did not respond to `{operation}` in time")]
    TimedOut { operation: &'static str },
    #[error("AWS throttled the request (`{operation}`)")]
    Throttled { operation: &'static str },
    #[error("AWS refused `{operation}`: {}{}", printable(code), detail(message))]
    Refused { operation: &'static str, code: String, message: String },
    #[error("the response to `{operation}` is not from AWS ({})", printable(reason))]
    NotAws { operation: &'static str, reason: String },
    #[error(transparent)]
    Network(#[from] NetworkError),
}

fn detail(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(": {}", printable(message)) }
}

fn denied_text(operation: &str, denied: &AwsDenial) -> String {
    let identity = denied
        .identity
        .as_deref()
        .map_or("the AWS credentials are".to_owned(), |arn| format!("`{}` is", printable(arn)));
    let action = denied.action.as_deref().unwrap_or(operation);
    let resource = match denied.resource.as_deref() {
        None => String::new(),
        Some(resource) => format!(" on `{}`", printable(resource)),
    };
    let reason = denied.reason.as_deref().map_or(String::new(), |reason| format!(", {}", printable(reason)));
    format!("{identity} not allowed to perform `{}`{resource}{reason}", printable(action))
}

impl AwsError {
    /// The meaning of an error of the SDK; `operation` is the action as in IAM policies: `ecr:GetAuthorizationToken`.
    pub fn of<E>(operation: &'static str, error: SdkError<E, HttpResponse>) -> Self
    where
        E: Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        let refused = match error {
            SdkError::ServiceError(refused) => refused,
            SdkError::ResponseError(response) => return not_aws(operation, response.raw()),
            SdkError::TimeoutError(_) => return credentials_error(&error).unwrap_or(Self::TimedOut { operation }),
            _ => return credentials_error(&error).unwrap_or_else(|| unreachable(operation, &error)),
        };
        match refused.err().code() {
            Some(code) => refusal(operation, code, refused.err().message().unwrap_or_default()),
            None => not_aws(operation, refused.raw()),
        }
    }

    /// The same error with details from the environment: a profile that does not exist, a key without a secret.
    #[must_use]
    pub fn refined(self, environment: &Environment) -> Self {
        refine(self, environment)
    }
}

fn not_aws(operation: &'static str, response: &HttpResponse) -> AwsError {
    let reason = format!("status {} without an error code of AWS", response.status().as_u16());
    AwsError::NotAws { operation, reason }
}

fn unreachable(operation: &'static str, error: &(dyn Error + 'static)) -> AwsError {
    let chain = error_chain(error);
    if chain.contains("Missing Region") {
        return AwsError::NoRegion;
    }
    let reason = last_cause(error);
    let reason = if reason.contains("UnknownIssuer") {
        "its certificate is not signed by a trusted authority".to_owned()
    } else if chain.contains("tunnel error") {
        format!("the proxy refused the connection: {reason}")
    } else {
        reason
    };
    AwsError::Unreachable { operation, reason }
}

/// The meaning of an error code of AWS.
fn refusal(operation: &'static str, code: &str, message: &str) -> AwsError {
    let message = || message.to_owned();
    match code {
        "AccessDeniedException" | "AccessDenied" | "UnauthorizedOperation" | "NotAuthorized" => {
            AwsError::AccessDenied { operation, denied: Box::new(AwsDenial::parse(&message())) }
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

/// The parts of "User: ARN is not authorized to perform: ACTION on resource: ARN because REASON" (IAM user guide, "Access denied
/// error messages").
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AwsDenial {
    /// `ecr:PutImage`.
    pub action: Option<String>,
    /// ARN of the target; `*` for actions without one.
    pub resource: Option<String>,
    /// ARN of the caller.
    pub identity: Option<String>,
    /// `because no identity-based policy allows the ecr:PutImage action`.
    pub reason: Option<String>,
}

impl AwsDenial {
    pub fn parse(message: &str) -> Self {
        let after = |label: &str| {
            let (_, rest) = message.split_once(label)?;
            let word = rest.split_whitespace().next()?.trim_end_matches([',', '.']);
            (!word.is_empty()).then(|| word.to_owned())
        };
        let at = [" because ", " with an explicit deny"].into_iter().find_map(|start| message.find(start));
        Self {
            action: after("to perform: ").or_else(|| after("to perform ")).filter(|action| action.contains(':')),
            resource: after("on resource: "),
            identity: after("User: "),
            reason: at.map(|at| message[at..].trim().trim_end_matches('.').to_owned()),
        }
    }
}

/// The meaning of an error and its causes, if it is about loading credentials.
pub(super) fn credentials_error(error: &(dyn Error + 'static)) -> Option<AwsError> {
    let chain = causes(error);
    if let Some(error) = chain.iter().find_map(|cause| role_error(*cause)) {
        return Some(error);
    }
    let texts: Vec<String> = chain.iter().map(ToString::to_string).collect();
    let has = |text: &str| texts.iter().any(|cause| cause.contains(text));
    let last = || texts.last().cloned().unwrap_or_default();
    if has("no credentials found in chain") {
        let missing = texts.iter().find_map(|text| between(text, "profile `", "` was not defined"));
        return Some(match missing {
            Some(name) => AwsError::NoProfile { name: name.to_owned() },
            None => AwsError::NoCredentials,
        });
    }
    // Instance metadata is the last in the chain; this is its error where it is disabled.
    if has("IMDS") {
        return Some(AwsError::NoCredentials);
    }
    if has("/sso/cache/") {
        return Some(AwsError::Sso { reason: "not logged in".to_owned() });
    }
    if has("SSO") || has("Session token not found or invalid") {
        return Some(AwsError::Sso { reason: last() });
    }
    if has("the credentials provider was not properly configured") {
        let reason = last();
        return Some(AwsError::BadConfiguration {
            reason: reason.strip_prefix("ProfileFile provider could not be built: ").unwrap_or(&reason).to_owned(),
        });
    }
    if has("credentials provider timed out") || has("identity resolver timed out") {
        return Some(AwsError::CredentialsTimedOut);
    }
    (has("an error occurred while loading credentials") || has("unexpected credentials error"))
        .then(|| AwsError::CredentialsFailed { reason: last() })
}

/// Adds details from the environment.
fn refine(error: AwsError, environment: &Environment) -> AwsError {
    let set = |name: &str| environment.get(name).filter(|value| !value.is_empty());
    match error {
        AwsError::NoCredentials if set("AWS_ACCESS_KEY_ID").is_some() != set("AWS_SECRET_ACCESS_KEY").is_some() => {
            AwsError::BadConfiguration {
                reason: "only one of `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY` is set".to_owned(),
            }
        }
        AwsError::NoCredentials => match set("AWS_PROFILE") {
            Some(name) => AwsError::NoProfile { name: name.to_owned() },
            None => AwsError::NoCredentials,
        },
        AwsError::CredentialsFailed { reason } => match set("AWS_WEB_IDENTITY_TOKEN_FILE") {
            Some(file) if reason.contains("os error") => {
                AwsError::WebIdentity { reason: format!("`{file}` (`AWS_WEB_IDENTITY_TOKEN_FILE`): {reason}") }
            }
            _ => AwsError::CredentialsFailed { reason },
        },
        other => other,
    }
}

fn role_error(cause: &(dyn Error + 'static)) -> Option<AwsError> {
    if let Some(error) = cause.downcast_ref::<AssumeRoleWithWebIdentityError>() {
        let (code, message) = (error.code().unwrap_or("no code"), error.message().unwrap_or("no reason given"));
        return Some(AwsError::WebIdentity { reason: format!("{code}: {message}") });
    }
    let error = cause.downcast_ref::<AssumeRoleError>()?;
    Some(refusal("sts:AssumeRole", error.code().unwrap_or("no code"), error.message().unwrap_or_default()))
}

/// An error and its causes, outermost first.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> Vec<&'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |cause: &&'a (dyn Error + 'static)| (*cause).source()).collect()
}

/// The innermost message, which is the specific one.
fn last_cause(error: &(dyn Error + 'static)) -> String {
    causes(error).last().map(ToString::to_string).unwrap_or_default()
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let (before, _) = text.split_once(end)?;
    Some(before.rsplit_once(start)?.1)
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
                "set `AWS_PROFILE` to a profile that `aws configure list-profiles` lists, or create `{}` with `aws configure`",
                printable(name)
            ),
            Self::BadConfiguration { .. } | Self::CredentialsFailed { .. } => {
                "run `aws sts get-caller-identity`, and fix what it reports".to_owned()
            }
            Self::Sso { .. } => "log in again with `aws sso login`".to_owned(),
            Self::WebIdentity { .. } => {
                "add `permissions: id-token: write` to the job, and allow this repository and branch in the role's trust policy"
                    .to_owned()
            }
            Self::NoRegion => "set `--aws-region` (or `AWS_REGION`)".to_owned(),
            Self::Expired { .. } => "renew them with `aws sso login`, or rerun the step that sets the credentials".to_owned(),
            Self::WrongCredentials { .. } => {
                "check that `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN` belong to the same key, in the right account"
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
            Self::Refused { operation, .. } => format!("look up `{operation}` in the AWS API reference"),
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
