//! Why the SDK's chain of credentials ended without any: its errors, whose types are mostly private, read by their texts.

use std::error::Error;

use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_sdk_sts::operation::assume_role_with_web_identity::AssumeRoleWithWebIdentityError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::error::{AwsError, refusal};
use crate::host::Environment;

/// What an error and its causes say about credentials; `None` when they are not what was missing.
pub(super) fn explain(error: &(dyn Error + 'static)) -> Option<AwsError> {
    let chain = causes(error);
    let role_refused = chain.iter().find_map(|cause| refused_role(*cause));
    if role_refused.is_some() {
        return role_refused;
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
    // The service of an instance is the last one to be asked, and answers so where it is closed.
    if has("IMDS") {
        return Some(AwsError::NoCredentials);
    }
    if has("/sso/cache/") {
        return Some(AwsError::Sso { reason: "nobody is logged in".to_owned() });
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

/// What the environment adds to an error that does not say enough.
pub(super) fn refine(error: AwsError, environment: &Environment) -> AwsError {
    let set = |name: &str| environment.get(name).filter(|value| !value.is_empty());
    match error {
        AwsError::NoCredentials if set("AWS_ACCESS_KEY_ID").is_some() != set("AWS_SECRET_ACCESS_KEY").is_some() => {
            AwsError::BadConfiguration {
                reason: "one of `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY` is set and the other is not".to_owned(),
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

fn refused_role(cause: &(dyn Error + 'static)) -> Option<AwsError> {
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

/// The innermost message, which is the one that says something.
pub(super) fn last_cause(error: &(dyn Error + 'static)) -> String {
    causes(error).last().map(ToString::to_string).unwrap_or_default()
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let (before, _) = text.split_once(end)?;
    Some(before.rsplit_once(start)?.1)
}
