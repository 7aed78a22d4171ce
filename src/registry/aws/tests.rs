//! A server with canned AWS responses, and the errors made from them.

use std::time::{Duration, Instant};

use aws_config::provider_config::ProviderConfig;
use aws_sdk_ecr::config::Credentials;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::diagnostic::{Diagnostic, ExitCode};

const TOKEN: &str = "ecr:GetAuthorizationToken";

/// Sends the same status and body to every request, until the runtime of the test ends.
pub(in crate::registry) async fn serve(status: u16, body: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = format!(
        "HTTP/1.1 {status} X\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut request = vec![0; 64 * 1024];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    format!("http://{address}")
}

pub(in crate::registry) async fn config(endpoint: &str) -> SdkConfig {
    let network = Network::new(&Environment::default(), None);
    let key = Credentials::new("AKIDEXAMPLE", "canary-secret-key", Some("canary-session".to_owned()), None, "test");
    let loader = loader(&network, Region::new("eu-central-1")).unwrap();
    loader.endpoint_url(endpoint).credentials_provider(key).load().await
}

async fn refused(endpoint: &str) -> AwsError {
    let config = config(endpoint).await;
    let answer = aws_sdk_ecr::Client::new(&config).get_authorization_token().send().await;
    AwsError::of(TOKEN, answer.unwrap_err())
}

#[tokio::test]
async fn error_codes_map_to_codes_and_one_hint() {
    let denied = "User: arn:aws:iam::012345678901:user/ci is not authorized to perform: ecr:GetAuthorizationToken on resource: * \
                  because no identity-based policy allows the ecr:GetAuthorizationToken action";
    for (code, message, expected, words) in [
        (
            "AccessDeniedException",
            denied,
            "aws/access-denied",
            "user/ci` is not allowed to perform `ecr:GetAuthorizationToken` on `*`",
        ),
        (
            "ExpiredTokenException",
            "The security token included in the request is expired",
            "aws/expired-credentials",
            "expired",
        ),
        (
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
            "aws/wrong-credentials",
            "rejected the credentials",
        ),
        (
            "InvalidSignatureException",
            "Signature expired: 20260101T000000Z is now earlier than 20260101T001500Z",
            "aws/clock-skew",
            "clock",
        ),
        (
            "InvalidSignatureException",
            "The request signature we calculated does not match",
            "aws/wrong-credentials",
            "does not match",
        ),
        ("SomethingNew", "for\nyou", "aws/refused", "SomethingNew: for\\nyou"),
    ] {
        let body = serde_json::json!({ "__type": code, "message": message }).to_string();
        let error = refused(&serve(400, &body).await).await;
        assert_eq!((error.code(), error.exit_code()), (expected, ExitCode::Authentication), "{error}");
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(error.hints().len(), 1);
        assert!(!format!("{error} {error:?} {:?}", error.hints()).contains("canary"), "{error:?}");
    }
}

#[tokio::test]
async fn other_servers_are_recognized() {
    let html = refused(&serve(404, "<html>not here</html>").await).await;
    assert_eq!(html.code(), "aws/not-aws", "{html:?}");
    assert!(html.to_string().contains("404"), "{html}");
    let unreachable = refused("http://127.0.0.1:1").await;
    assert_eq!(unreachable.code(), "aws/unreachable");
    assert!(unreachable.to_string().contains("Connection refused"), "{unreachable}");
}

#[tokio::test]
async fn an_unresponsive_metadata_service_means_no_credentials_soon() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mute = format!("http://{}", listener.local_addr().unwrap());
    let network = Network::new(&Environment::default(), None);
    let clients = ProviderConfig::without_region().with_http_client(http_client(&network).unwrap());
    let instance = aws_config::imds::Client::builder().configure(&clients).endpoint(mute).unwrap().build();
    let provider = aws_config::imds::credentials::ImdsCredentialsProvider::builder().imds_client(instance).build();
    let loader = loader(&network, Region::new("eu-central-1")).unwrap().credentials_provider(provider);
    let config = loader.load().await;

    let started = Instant::now();
    let answer = aws_sdk_ecr::Client::new(&config).get_authorization_token().send().await;
    let error = AwsError::of(TOKEN, answer.unwrap_err());
    assert_eq!(error.code(), "aws/no-credentials", "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

#[test]
fn missing_credentials_are_explained_from_the_environment() {
    let with = |pairs: &[(&str, &str)]| {
        AwsError::NoCredentials.refined(&Environment::from_pairs(pairs.iter().copied())).to_string()
    };
    assert!(with(&[("AWS_PROFILE", "gone")]).contains("profile `gone` does not exist"));
    assert!(with(&[("AWS_ACCESS_KEY_ID", "AKID")]).contains("only one of"));
    assert!(with(&[]).contains("no AWS credentials found"));
}

#[test]
fn errors_of_the_credential_chain_are_classified() {
    for (text, code) in [
        (
            "no credentials found in chain. Attempted:\n  Profile: the credential provider was not enabled: profile `nope` was not defined: x",
            "aws/no-profile",
        ),
        ("no credentials found in chain. Attempted:\n  WebIdentityToken: not enabled", "aws/no-credentials"),
        ("request forbidden: IMDS is disabled or the caller has insufficient permissions.", "aws/no-credentials"),
        ("failed to read `/home/me/.aws/sso/cache/39.json`", "aws/sso"),
        ("the SSO token has expired and cannot be refreshed", "aws/sso"),
        ("the credentials provider was not properly configured", "aws/configuration"),
        ("an error occurred while loading credentials", "aws/credentials-failed"),
    ] {
        let error = error::credentials_error(&std::io::Error::other(text)).unwrap();
        assert_eq!(error.code(), code, "{text}: {error}");
    }
    assert!(error::credentials_error(&std::io::Error::other("connection refused")).is_none());
}

#[test]
fn every_form_of_a_denial_is_parsed() {
    let user = "arn:aws:iam::012345678901:user/ci";
    let repository = "arn:aws:ecr:eu-central-1:012345678901:repository/shop";
    for (message, resource, reason) in [
        (
            format!(
                "User: {user} is not authorized to perform: ecr:PutImage on resource: {repository} because no identity-based policy allows the ecr:PutImage action"
            ),
            Some(repository),
            Some("because no identity-based policy allows the ecr:PutImage action"),
        ),
        (
            format!(
                "User: {user} is not authorized to perform: ecr:PutImage on resource: {repository} with an explicit deny in a service control policy"
            ),
            Some(repository),
            Some("with an explicit deny in a service control policy"),
        ),
        (format!("User: {user} is not authorized to perform: ecr:PutImage on resource: *."), Some("*"), None),
        (format!("User: {user} is not authorized to perform: ecr:PutImage"), None, None),
    ] {
        let denied = AwsDenial::parse(&message);
        assert_eq!(denied.action.as_deref(), Some("ecr:PutImage"), "{message}");
        assert_eq!(denied.identity.as_deref(), Some(user), "{message}");
        assert_eq!((denied.resource.as_deref(), denied.reason.as_deref()), (resource, reason), "{message}");
    }
    let role = AwsDenial::parse("Not authorized to perform sts:AssumeRoleWithWebIdentity");
    assert_eq!(role.action.as_deref(), Some("sts:AssumeRoleWithWebIdentity"));
    assert_eq!(AwsDenial::parse("no"), AwsDenial::default());
}

#[tokio::test]
async fn the_default_region_comes_from_the_environment() {
    let region = |pairs: &[(&str, &str)]| {
        let environment = Environment::from_pairs(pairs.iter().copied());
        async move { region_of(&environment).await.unwrap().to_string() }
    };
    assert_eq!(region(&[("AWS_REGION", "eu-west-1"), ("AWS_DEFAULT_REGION", "us-east-1")]).await, "eu-west-1");
    assert_eq!(region(&[("AWS_DEFAULT_REGION", "us-east-1")]).await, "us-east-1");
}

#[tokio::test]
async fn the_proxy_gets_its_password_and_no_proxy_is_respected() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = format!("http://me:p%40ss@{}", listener.local_addr().unwrap());
    let (heard, mut requests) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 4096];
            let read = stream.read(&mut request).await.unwrap_or(0);
            let _ = heard.send(String::from_utf8_lossy(&request[..read]).into_owned());
            let _ = stream.write_all(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
        }
    });
    let send = async |no_proxy: &str| {
        let environment = Environment::from_pairs([("HTTPS_PROXY", proxy.as_str()), ("NO_PROXY", no_proxy)]);
        let network = Network::new(&environment, None);
        let key = Credentials::new("AKIDEXAMPLE", "canary-secret-key", None, None, "test");
        let loader = loader(&network, Region::new("eu-central-1")).unwrap().credentials_provider(key);
        let config = loader.endpoint_url("https://ecr.aws.invalid").load().await;
        let answer = aws_sdk_ecr::Client::new(&config).get_authorization_token().send().await;
        let of_aws = AwsError::of(TOKEN, answer.unwrap_err());
        let of_http = network.client().unwrap().get("https://registry.aws.invalid/v2/").send().await.unwrap_err();
        (of_aws, format!("{of_http:?}"))
    };

    let (error, of_http) = send("").await;
    assert_eq!(error.code(), "aws/unreachable", "{error:?}");
    assert!(error.to_string().contains("proxy"), "{error}");
    for text in [format!("{error} {error:?}"), of_http] {
        assert!(!text.contains("p%40ss") && !text.contains("p@ss"), "{text}");
    }
    let mut hosts = std::collections::BTreeSet::new();
    while let Ok(request) = requests.try_recv() {
        // `me:p@ss`
        assert!(request.to_ascii_lowercase().contains("proxy-authorization: basic bwu6cebzcw=="), "{request}");
        hosts.insert(request.lines().next().unwrap_or_default().to_owned());
    }
    let expected = ["CONNECT ecr.aws.invalid:443 HTTP/1.1", "CONNECT registry.aws.invalid:443 HTTP/1.1"];
    assert_eq!(hosts.iter().map(String::as_str).collect::<Vec<_>>(), expected);

    send(".aws.invalid").await;
    assert!(requests.try_recv().is_err(), "hosts of NO_PROXY are reached directly");
}
