//! The daemon's side of a transfer: requests whose response is a stream of messages, and the images that it has.
//!
//! Dropping a request closes the connection, which stops the daemon.

use std::time::Duration;

use hyper::Method;
use hyper::header::HeaderName;
use serde::Deserialize;
use tokio::time::timeout;

use super::{LayerOutcome, LayerState, TransferError};
use crate::docker::LocalImage;
use crate::docker::connection::{ApiError, DaemonError, DaemonRefusal, Engine, NO_LIMIT, Uri};
use crate::image_ref::ImageRef;
use crate::secret::Secret;

/// Messages have some hundred bytes, and quoted responses of registries some thousand.
const MAX_MESSAGE: usize = 1024 * 1024;
const REGISTRY_AUTH: HeaderName = HeaderName::from_static("x-registry-auth");

/// Why a request failed.
#[derive(Debug)]
pub(super) enum RequestError {
    Daemon(DaemonError),
    /// The daemon's message, from the stream or the response itself.
    Refused(String),
    /// No message for too long.
    Idle,
}

impl From<DaemonError> for RequestError {
    fn from(error: DaemonError) -> Self {
        Self::Daemon(error)
    }
}

/// A push or pull of one reference.
pub(super) struct TransferRequest<'a> {
    pub(super) engine: &'a Engine,
    /// For errors: "the push".
    pub(super) doing: &'static str,
    /// Path and query.
    pub(super) uri: Uri,
    /// Value of `X-Registry-Auth`.
    pub(super) registry_auth: Secret,
    pub(super) idle: Duration,
}

impl TransferRequest<'_> {
    /// Sends the request and passes every message to `receive`. An error message fails the request, even in a response with status
    /// 200.
    pub(super) async fn run(self, mut receive: impl AsyncFnMut(TransferMessage)) -> Result<(), RequestError> {
        let request = self.engine.request(self.doing, Method::POST, self.uri).timeout(NO_LIMIT);
        let request = request.header(REGISTRY_AUTH, self.registry_auth.expose());
        let mut messages = match timeout(self.idle, request.stream()).await.map_err(|_| RequestError::Idle)? {
            Ok(answer) => answer.json::<JsonMessage>(MAX_MESSAGE),
            Err(ApiError::Refused(refusal)) => return Err(RequestError::Refused(refusal.message)),
            Err(ApiError::Daemon(error)) => return Err(error.into()),
        };
        let mut refusal = None;
        loop {
            // Only complete messages count: a body may drip byte by byte.
            let message = match timeout(self.idle, messages.next()).await.map_err(|_| RequestError::Idle)? {
                Ok(Some(message)) => message,
                Ok(None) => break,
                // The error message explains the end of the connection.
                Err(_) if refusal.is_some() => break,
                Err(error) => return Err(error.into()),
            };
            match TransferMessage::from(message) {
                TransferMessage::Error(text) => drop(refusal.get_or_insert(text)),
                message => receive(message).await,
            }
        }
        refusal.map_or(Ok(()), |text| Err(RequestError::Refused(text)))
    }
}

/// One message of the daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TransferMessage {
    Layer {
        layer: String,
        state: LayerState,
    },
    /// The digest of the manifest, and its size if the daemon reports it.
    Digest {
        digest: String,
        size: Option<u64>,
    },
    /// A pull changed nothing.
    UpToDate,
    Error(String),
    Other,
}

/// One message as JSON. bollard's own type drops `id` and `aux`.
#[derive(Debug, Default, Deserialize)]
struct JsonMessage {
    id: Option<String>,
    status: Option<String>,
    /// Podman's equivalent of `status`.
    stream: Option<String>,
    error: Option<String>,
    #[serde(rename = "errorDetail")]
    error_detail: Option<ErrorDetail>,
    #[serde(rename = "progressDetail")]
    progress: Option<ByteProgress>,
    aux: Option<Aux>,
}

#[derive(Debug, Deserialize)]
struct ErrorDetail {
    message: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct ByteProgress {
    current: Option<i64>,
    total: Option<i64>,
}

#[derive(Debug, Deserialize)]
struct Aux {
    #[serde(rename = "Tag")]
    tag: Option<String>,
    #[serde(rename = "Digest")]
    digest: Option<String>,
    #[serde(rename = "Size")]
    size: Option<u64>,
}

impl From<JsonMessage> for TransferMessage {
    fn from(message: JsonMessage) -> Self {
        if let Some(text) = message.error_detail.and_then(|detail| detail.message).or(message.error) {
            return Self::Error(text);
        }
        if let Some(Aux { tag: Some(_), digest: Some(digest), size }) = message.aux {
            return Self::Digest { digest, size };
        }
        let text = message.status.or(message.stream).unwrap_or_default();
        if let Some(state) = layer_state(&text, &message.progress.unwrap_or_default()) {
            return message.id.map_or(Self::Other, |layer| Self::Layer { layer, state });
        }
        if text.starts_with("Status: Image is up to date") {
            return Self::UpToDate;
        }
        digest_of(&text).map_or(Self::Other, |(digest, size)| Self::Digest { digest, size })
    }
}

fn layer_state(status: &str, progress: &ByteProgress) -> Option<LayerState> {
    let bytes = |number: Option<i64>| number.and_then(|number| u64::try_from(number).ok());
    let current = bytes(progress.current).unwrap_or(0);
    let total = bytes(progress.total).filter(|total| *total > 0);
    Some(match status {
        "Preparing" | "Waiting" | "Pulling fs layer" => LayerState::Waiting,
        "Pushing" | "Downloading" => LayerState::Moving { current, total },
        "Extracting" => LayerState::Extracting { current, total },
        "Pushed" | "Pull complete" => LayerState::Done(LayerOutcome::Moved),
        "Layer already exists" | "Already exists" => LayerState::Done(LayerOutcome::Exists),
        status if status.starts_with("Mounted from ") => LayerState::Done(LayerOutcome::Mounted),
        status if status.starts_with("Retrying in ") => LayerState::Retrying,
        _ => return None,
    })
}

/// `1.2: digest: sha256:… size: 737` (push), `Digest: sha256:…` (pull).
fn digest_of(status: &str) -> Option<(String, Option<u64>)> {
    let rest = status.strip_prefix("Digest: ").or_else(|| Some(status.split_once(": digest: ")?.1))?;
    let mut words = rest.split_whitespace();
    let digest = words.next().filter(|digest| digest.starts_with("sha256:") && digest.len() == 71)?;
    let size = words.skip_while(|word| *word != "size:").nth(1).and_then(|size| size.parse().ok());
    Some((digest.to_owned(), size))
}

/// The image that `reference` names.
pub(super) async fn find_local(engine: &Engine, reference: &ImageRef) -> Result<LocalImage, TransferError> {
    let found = engine.find_local(reference).await?;
    found.ok_or_else(|| TransferError::NoLocalImage { reference: reference.to_string() })
}

/// Names the image `source` as `reference`.
pub(super) async fn tag_local(engine: &Engine, source: &str, reference: &ImageRef) -> Result<(), TransferError> {
    engine.tag_image(source, reference).await.map_err(|error| match error {
        ApiError::Daemon(error) => error.into(),
        ApiError::Refused(DaemonRefusal { status: 404, .. }) => {
            TransferError::NoLocalImage { reference: source.to_owned() }
        }
        ApiError::Refused(DaemonRefusal { message, .. }) => {
            TransferError::CannotTag { source_image: source.to_owned(), reference: reference.to_string(), message }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:9b281a105651b69ee1ca44a539f46b2538e3b6acef906fc834cba415700163fc";

    fn check(line: &str) -> TransferMessage {
        serde_json::from_str::<JsonMessage>(line).unwrap().into()
    }

    fn layer(layer: &str, state: LayerState) -> TransferMessage {
        TransferMessage::Layer { layer: layer.into(), state }
    }

    #[test]
    fn layer_progress_is_parsed() {
        let moving = LayerState::Moving { current: 33280, total: Some(3_000_000) };
        for (line, state) in [
            (r#"{"status":"Preparing","progressDetail":{},"id":"9f"}"#, LayerState::Waiting),
            (
                r#"{"status":"Pushing","progressDetail":{"current":33280,"total":3000000},"progress":"[>  ]","id":"9f"}"#,
                moving,
            ),
            (
                r#"{"status":"Downloading","progressDetail":{"current":-1,"total":-1},"id":"9f"}"#,
                LayerState::Moving { current: 0, total: None },
            ),
            (r#"{"status":"Retrying in 4 seconds","progressDetail":{},"id":"9f"}"#, LayerState::Retrying),
            (r#"{"status":"Pushed","progressDetail":{},"id":"9f"}"#, LayerState::Done(LayerOutcome::Moved)),
            (
                r#"{"status":"Layer already exists","progressDetail":{},"id":"9f"}"#,
                LayerState::Done(LayerOutcome::Exists),
            ),
            (
                r#"{"status":"Mounted from library/node","progressDetail":{},"id":"9f"}"#,
                LayerState::Done(LayerOutcome::Mounted),
            ),
        ] {
            assert_eq!(check(line), layer("9f", state), "{line}");
        }
    }

    #[test]
    fn digests_of_pushes_and_pulls_are_parsed() {
        let pushed = TransferMessage::Digest { digest: DIGEST.into(), size: Some(737) };
        assert_eq!(check(&format!(r#"{{"status":"1: digest: {DIGEST} size: 737"}}"#)), pushed);
        let aux = format!(r#"{{"progressDetail":{{}},"aux":{{"Tag":"1","Digest":"{DIGEST}","Size":737}}}}"#);
        assert_eq!(check(&aux), pushed);
        let pulled = TransferMessage::Digest { digest: DIGEST.into(), size: None };
        assert_eq!(check(&format!(r#"{{"status":"Digest: {DIGEST}"}}"#)), pulled);
        assert_eq!(check(r#"{"status":"1: digest: sha256:12 size: 7"}"#), TransferMessage::Other);
    }

    #[test]
    fn errors_take_precedence() {
        let line = r#"{"status":"Pushed","id":"9f","errorDetail":{"message":"denied: no"},"error":"denied: no"}"#;
        assert_eq!(check(line), TransferMessage::Error("denied: no".into()));
        assert_eq!(check(r#"{"error":"boom"}"#), TransferMessage::Error("boom".into()));
        assert_eq!(check(r#"{"status":"The push refers to repository [a/b]"}"#), TransferMessage::Other);
        assert!(serde_json::from_str::<JsonMessage>("<html>").is_err());
    }
}
