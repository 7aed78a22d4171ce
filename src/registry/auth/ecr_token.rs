//! Tokens of Amazon ECR, private and public: a password for the user `AWS` that is valid for twelve hours.
//!
//! Requested only for ECR hosts. The identity comes from the AWS SDK's credential chain, the region from the host.

use aws_config::SdkConfig;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Login;
use crate::registry::aws::{AwsError, caller_identity};

const PRIVATE_TOKEN: &str = "ecr:GetAuthorizationToken";
const PUBLIC_TOKEN: &str = "ecr-public:GetAuthorizationToken";

/// A token for all private registries in the region of `config` that the identity may use, including those of other accounts.
pub(super) async fn private(config: &SdkConfig) -> Result<Login, AwsError> {
    let response = aws_sdk_ecr::Client::new(config).get_authorization_token().send().await;
    match response {
        Ok(output) => {
            let token = output.authorization_data().first().and_then(|data| data.authorization_token());
            decode(PRIVATE_TOKEN, token)
        }
        Err(error) => Err(with_identity(AwsError::of(PRIVATE_TOKEN, error), config).await),
    }
}

/// A token for `public.ecr.aws`; also needs `sts:GetServiceBearerToken`.
pub(super) async fn public(config: &SdkConfig) -> Result<Login, AwsError> {
    let response = aws_sdk_ecrpublic::Client::new(config).get_authorization_token().send().await;
    match response {
        Ok(output) => {
            let token = output.authorization_data().and_then(|data| data.authorization_token());
            decode(PUBLIC_TOKEN, token)
        }
        Err(error) => Err(with_identity(AwsError::of(PUBLIC_TOKEN, error), config).await),
    }
}

/// Base64 of `AWS:password`.
fn decode(operation: &'static str, token: Option<&str>) -> Result<Login, AwsError> {
    let text = token.and_then(|token| STANDARD.decode(token).ok()).and_then(|bytes| String::from_utf8(bytes).ok());
    let parts = text.as_deref().and_then(|text| text.split_once(':'));
    let (user, password) = parts.ok_or_else(|| AwsError::NotAws {
        operation,
        reason: "the token is not of the form `user:password`".to_owned(),
    })?;
    Ok(Login::new(user, password))
}

/// Adds the identity, which not every denial names.
async fn with_identity(error: AwsError, config: &SdkConfig) -> AwsError {
    match error {
        AwsError::AccessDenied { operation, mut denied } => {
            if denied.identity.is_none() {
                denied.identity = caller_identity(config).await;
            }
            AwsError::AccessDenied { operation, denied }
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::aws::tests::{config, serve};
    use crate::secret::Secret;

    async fn answered(body: &serde_json::Value) -> (Result<Login, AwsError>, Result<Login, AwsError>) {
        let config = config(&serve(200, &body.to_string()).await).await;
        (private(&config).await, public(&config).await)
    }

    fn token(text: &str) -> serde_json::Value {
        serde_json::json!({ "authorizationToken": STANDARD.encode(text) })
    }

    #[tokio::test]
    async fn the_token_is_a_user_name_and_a_password() {
        let login = Login::Basic { username: "AWS".to_owned(), password: Secret::new("pass:word".to_owned()) };
        let (private, _) = answered(&serde_json::json!({ "authorizationData": [token("AWS:pass:word")] })).await;
        assert_eq!(private.unwrap(), login);
        let (_, public) = answered(&serde_json::json!({ "authorizationData": token("AWS:pass:word") })).await;
        assert_eq!(public.unwrap(), login);
    }

    #[tokio::test]
    async fn unusable_tokens_are_not_shown() {
        for data in [
            serde_json::json!([]),
            serde_json::json!([token("canary")]),
            serde_json::json!([{ "authorizationToken": "canary!" }]),
        ] {
            let (private, _) = answered(&serde_json::json!({ "authorizationData": data })).await;
            let error = private.unwrap_err();
            assert!(matches!(error, AwsError::NotAws { .. }) && !error.to_string().contains("canary"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_denial_without_details_names_the_action() {
        let body = r#"{"__type":"AccessDeniedException","message":"no"}"#;
        let error = private(&config(&serve(400, body).await).await).await.unwrap_err();
        assert_eq!(error.to_string(), "the AWS credentials are not allowed to perform `ecr:GetAuthorizationToken`");
    }
}
