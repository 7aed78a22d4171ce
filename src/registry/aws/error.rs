//! Errors of AWS calls: stable codes, one message, one action; never "service error", never a secret.
//!
//! Why the SDK's credential chain failed is read from the texts of its errors, whose types are mostly private.

use std::error::Error;

use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_sdk_sts::operation::assume_role_with_web_identity::AssumeRoleWithWebIdentityError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::diagnostic::{diagnostics, error_chain, printable};
use crate::host::Environment;
use crate::net::NetworkError;

diagnostics! {
    #[exit(Authentication)]
    pub enum AwsError {
        #[error("no AWS credentials found in environment, profile, web identity, container and instance")]
        #[code("aws/no-credentials")]
        #[hint("{SET_CREDENTIALS}")]
        NoCredentials,

        #[error("the AWS profile `{}` does not exist", printable(name))]
        #[code("aws/no-profile")]
        #[hint(
            "set `AWS_PROFILE` to a profile that `aws configure list-profiles` lists, or create `{}` with `aws configure`",
            printable(name)
        )]
        NoProfile { name: String },

        #[error("invalid AWS configuration: {}", printable(reason))]
        #[code("aws/configuration")]
        #[hint("run `aws sts get-caller-identity`, and fix what it reports")]
        BadConfiguration { reason: String },

        #[error("timed out while loading AWS credentials")]
        #[code("aws/credentials-timeout")]
        #[hint("{SET_CREDENTIALS}")]
        CredentialsTimedOut,

        #[error("cannot load AWS credentials: {}", printable(reason))]
        #[code("aws/credentials-failed")]
        #[hint("run `aws sts get-caller-identity`, and fix what it reports")]
        CredentialsFailed { reason: String },

        #[error("the AWS SSO session is not valid: {}", printable(reason))]
        #[code("aws/sso")]
        #[hint("log in again with `aws sso login`")]
        Sso { reason: String },

        #[error("AWS does not let this job assume the role: {}", printable(reason))]
        #[code("aws/web-identity")]
        #[hint("add `permissions: id-token: write` to the job, and allow this repository and branch in the role's trust policy")]
        WebIdentity { reason: String },

        #[error("no AWS region is set")]
        #[code("aws/no-region")]
        #[hint("set `--aws-region` (or `AWS_REGION`)")]
        NoRegion,

        #[error("the AWS credentials have expired (`{operation}`)")]
        #[code("aws/expired-credentials")]
        #[hint("renew them with `aws sso login`, or rerun the step that sets the credentials")]
        Expired { operation: &'static str },

        #[error("AWS rejected the credentials (`{operation}`: {})", printable(message))]
        #[code("aws/wrong-credentials")]
        #[hint(
            "check that `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN` belong to the same key, in the right account"
        )]
        WrongCredentials { operation: &'static str, message: String },

        #[error("the clock of this machine is wrong (`{operation}`: {})", printable(message))]
        #[code("aws/clock-skew")]
        #[hint("set the clock of this machine (`timedatectl set-ntp true`)")]
        ClockSkew { operation: &'static str, message: String },

        #[error("{}", denied.text(operation))]
        #[code("aws/access-denied")]
        #[hints(vec![denied.hint(operation)])]
        AccessDenied { operation: &'static str, denied: Box<AwsDenial> },

        #[error("cannot reach AWS for `{operation}`: {}", printable(reason))]
        #[code("aws/unreachable")]
        #[hint("{CHECK_ENDPOINT}")]
        Unreachable { operation: &'static str, reason: String },

        #[error("AWS did not respond to `{operation}` in time")]
        #[code("aws/timeout")]
        #[hint("{CHECK_ENDPOINT}")]
        TimedOut { operation: &'static str },

        #[error("AWS throttled the request (`{operation}`)")]
        #[code("aws/throttled")]
        #[hint("try again in a minute")]
        Throttled { operation: &'static str },

        #[error("AWS refused `{operation}`: {}{}", printable(error_code), detail(message))]
        #[code("aws/refused")]
        #[hint("look up `{operation}` in the AWS API reference")]
        Refused { operation: &'static str, error_code: String, message: String },

        #[error("the response to `{operation}` is not from AWS ({})", printable(reason))]
        #[code("aws/not-aws")]
        #[hint("{CHECK_ENDPOINT}")]
        NotAws { operation: &'static str, reason: String },

        #[transparent]
        Network(#[from] error: NetworkError),
    }
}

const SET_CREDENTIALS: &str = "set `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, or `AWS_PROFILE`; in GitHub Actions run \
     `aws-actions/configure-aws-credentials` before this step";
const CHECK_ENDPOINT: &str = "check `AWS_ENDPOINT_URL`, the region, `HTTPS_PROXY`, `NO_PROXY` and `--ca-bundle`";

fn detail(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(": {}", printable(message)) }
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
        error_code => AwsError::Refused { operation, error_code: error_code.to_owned(), message: message() },
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
    fn text(&self, operation: &str) -> String {
        let identity = match &self.identity {
            None => "the AWS credentials are".to_owned(),
            Some(arn) => format!("`{}` is", printable(arn)),
        };
        let action = printable(self.action.as_deref().unwrap_or(operation));
        let resource = self.resource.as_ref().map_or_else(String::new, |arn| format!(" on `{}`", printable(arn)));
        let reason = self.reason.as_ref().map_or_else(String::new, |reason| format!(", {}", printable(reason)));
        format!("{identity} not allowed to perform `{action}`{resource}{reason}")
    }

    fn hint(&self, operation: &str) -> String {
        let action = printable(self.action.as_deref().unwrap_or(operation));
        let resource = printable(self.resource.as_deref().unwrap_or("*"));
        let identity =
            self.identity.as_ref().map_or_else(|| "the identity".to_owned(), |arn| format!("`{}`", printable(arn)));
        format!("allow `{action}` on `{resource}` in the policy of {identity}")
    }

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
