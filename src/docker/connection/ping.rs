//! The first question to a daemon, which tells whether it is one.

use http_body_util::Empty;
use hyper::Request;
use hyper::body::Bytes;
use tokio::time::timeout;

use super::answer::AnswerLimits;
use super::engine::{CONNECT_TIMEOUT, Dialer, Exchange};
use super::error::DaemonError;
use crate::diagnostic::printable;

/// What the first answer tells.
pub(super) struct Ping {
    /// Version of the API.
    pub api: String,
    /// Product and version, as the daemon or what stands before it says them.
    pub server: Option<String>,
}

impl Dialer {
    pub(super) async fn ping(&self) -> Result<Ping, DaemonError> {
        let limit = self.connect_timeout();
        let request = Request::get("/_ping").body(Empty::<Bytes>::new()).expect("a constant request is valid");
        let exchange = timeout(limit, self.exchange(request)).await.map_err(|_| self.no_answer(limit))??;
        let Exchange { response, connection } = exchange.map_err(|reason| self.first_exchange_error(&reason))?;
        let status = response.status();
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (api, server) = (header("api-version"), header("server"));
        let limits = AnswerLimits { time: CONNECT_TIMEOUT, bytes: 64 * 1024 };
        let body = match self.read(response.into_body(), "the first question", limits).await {
            Ok(body) => body,
            // The head says enough.
            Err(DaemonError::ConnectionLost { .. }) => Bytes::new(),
            Err(error) => return Err(error),
        };
        drop(connection);
        let text = String::from_utf8_lossy(&body);
        if text.contains("HTTP request to an HTTPS server") {
            return Err(DaemonError::NeedsTls { endpoint: self.name(), origin: self.endpoint.origin.clone() });
        }
        match api {
            Some(api) if status.is_success() => Ok(Ping { api, server }),
            _ if status.is_success() => Err(self.not_docker("its answer names no API version")),
            Some(_) => Err(DaemonError::Answer {
                endpoint: self.name(),
                doing: "the first question",
                message: first_line(&text),
            }),
            None => Err(self.not_docker(&format!("it answers with status {status}"))),
        }
    }

    /// A daemon refuses a client's certificate only after the handshake (RFC 8446, section 4.4.2.4).
    fn first_exchange_error(&self, reason: &str) -> DaemonError {
        if reason.contains("CertificateRequired") {
            self.tls_error("it wants a client certificate")
        } else if reason.contains("fatal alert") {
            self.tls_error(reason)
        } else {
            self.not_docker(reason)
        }
    }
}

fn first_line(text: &str) -> String {
    printable(text.lines().next().unwrap_or_default()).chars().take(300).collect()
}
