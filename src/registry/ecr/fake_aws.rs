//! Scripted AWS: receives the SDK's requests as they go over the wire, and returns canned responses.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use aws_config::{Region, SdkConfig};
use aws_sdk_ecr::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::retry::RetryConfig;
use serde_json::Value;

use super::EcrService;

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsRequest {
    /// `CreateRepository`.
    pub operation: String,
    pub body: String,
}

impl AwsRequest {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// Expected operation, status and body of the response.
type ScriptedResponse = (&'static str, u16, String);

/// Responses in order; an unexpected request fails the test.
#[derive(Debug, Clone, Default)]
pub struct FakeAws {
    responses: Arc<Mutex<VecDeque<ScriptedResponse>>>,
    requests: Arc<Mutex<Vec<AwsRequest>>>,
}

impl FakeAws {
    /// Expects `operation` next, and returns this response.
    pub fn answers(self, operation: &'static str, status: u16, body: impl Into<String>) -> Self {
        self.responses.lock().unwrap().push_back((operation, status, body.into()));
        self
    }

    /// An error in ECR's format.
    pub fn refuses(self, operation: &'static str, code: &str, message: &str) -> Self {
        let body = serde_json::json!({ "__type": format!("com.amazonaws.ecr#{code}"), "message": message });
        self.answers(operation, 400, body.to_string())
    }

    /// An error in IAM's format.
    pub fn refuses_in_xml(self, operation: &'static str, code: &str, message: &str) -> Self {
        let body = format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
        );
        self.answers(operation, 400, body)
    }

    /// A service whose clients use this script.
    pub fn service(&self) -> EcrService {
        let connector = SharedHttpConnector::new(self.clone());
        let credentials = Credentials::new("AKIDEXAMPLE", "not-a-secret", None, None, "test");
        let config = SdkConfig::builder()
            .behavior_version(aws_config::BehaviorVersion::latest())
            .region(Region::from_static("eu-central-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .retry_config(RetryConfig::disabled())
            .http_client(http_client_fn(move |_, _| connector.clone()))
            .build();
        EcrService::of(config)
    }

    /// All requests; every response must have been used.
    pub fn requests(&self) -> Vec<AwsRequest> {
        assert!(self.responses.lock().unwrap().is_empty(), "unused: {:?}", self.responses);
        self.requests.lock().unwrap().clone()
    }

    pub fn operations(&self) -> Vec<String> {
        self.requests().into_iter().map(|request| request.operation).collect()
    }
}

impl HttpConnector for FakeAws {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let body = String::from_utf8(request.body().bytes().unwrap().to_vec()).unwrap();
        // JSON protocols name the operation in a header, the query protocol in the body.
        let target = request.headers().get("x-amz-target").and_then(|target| target.rsplit('.').next());
        let in_body = || body.split('&').find_map(|field| field.strip_prefix("Action="));
        let operation = target.or_else(in_body).expect("every request names its operation").to_owned();
        let (expected, status, response) =
            self.responses.lock().unwrap().pop_front().unwrap_or_else(|| panic!("unexpected {operation}: {body}"));
        assert_eq!(operation, expected, "{body}");
        self.requests.lock().unwrap().push(AwsRequest { operation, body });
        let status = status.try_into().unwrap();
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status, SdkBody::from(response))))
    }
}
