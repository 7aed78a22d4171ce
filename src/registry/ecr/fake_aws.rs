//! AWS as a script: takes the requests of the SDK as they go over the wire, and answers what the test wants.

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

/// One request: what was asked, and its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// `CreateRepository`.
    pub operation: String,
    pub body: String,
}

impl Asked {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// Operation that has to be asked next, status and body of the answer.
type Answer = (&'static str, u16, String);

/// Answers in their order; a request beyond the last one fails the test.
#[derive(Debug, Clone, Default)]
pub struct FakeAws {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl FakeAws {
    /// The next request has to be `operation`, and gets this answer.
    pub fn answers(self, operation: &'static str, status: u16, body: impl Into<String>) -> Self {
        self.answers.lock().unwrap().push_back((operation, status, body.into()));
        self
    }

    /// A refusal as ECR writes it.
    pub fn refuses(self, operation: &'static str, code: &str, message: &str) -> Self {
        let body = serde_json::json!({ "__type": format!("com.amazonaws.ecr#{code}"), "message": message });
        self.answers(operation, 400, body.to_string())
    }

    /// A refusal as IAM writes it.
    pub fn refuses_in_xml(self, operation: &'static str, code: &str, message: &str) -> Self {
        let body = format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
        );
        self.answers(operation, 400, body)
    }

    /// A service whose clients talk to this.
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

    /// Everything that was asked; all answers have to be used up.
    pub fn asked(&self) -> Vec<Asked> {
        assert!(self.answers.lock().unwrap().is_empty(), "not asked: {:?}", self.answers);
        self.asked.lock().unwrap().clone()
    }

    pub fn operations(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.operation).collect()
    }
}

impl HttpConnector for FakeAws {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let body = String::from_utf8(request.body().bytes().unwrap().to_vec()).unwrap();
        // JSON protocols name the operation in a header, the query protocol in the body.
        let target = request.headers().get("x-amz-target").and_then(|target| target.rsplit('.').next());
        let in_body = || body.split('&').find_map(|field| field.strip_prefix("Action="));
        let operation = target.or_else(in_body).expect("every request names its operation").to_owned();
        let (expected, status, answer) =
            self.answers.lock().unwrap().pop_front().unwrap_or_else(|| panic!("nobody expects {operation}: {body}"));
        assert_eq!(operation, expected, "{body}");
        self.asked.lock().unwrap().push(Asked { operation, body });
        let status = status.try_into().unwrap();
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status, SdkBody::from(answer))))
    }
}
