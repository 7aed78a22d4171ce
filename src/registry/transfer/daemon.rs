//! The daemon's side of a transfer: requests whose response is a stream of messages, and the images that it has.
//!
//! Dropping a request closes the connection, which stops the daemon.

use std::time::Duration;

use bollard::errors::Error;
use bollard::query_parameters::TagImageOptionsBuilder;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::body::Bytes;
use serde::Deserialize;
use tokio::time::{Instant, timeout, timeout_at};

use super::{LayerOutcome, LayerState, TransferError};
use crate::diagnostic::error_chain;
use crate::docker::connection::{DaemonError, Engine, Exchange, LineError, Lines};
use crate::image_ref::ImageRef;
use crate::secret::Secret;

/// Messages have some hundred bytes, and quoted responses of registries some thousand.
const MAX_MESSAGE: usize = 1024 * 1024;

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
    pub(super) uri: String,
    /// Value of `X-Registry-Auth`.
    pub(super) registry_auth: Secret,
    pub(super) idle: Duration,
}

impl TransferRequest<'_> {
    /// Sends the request and passes every message to `receive`. An error message fails the request, even in a response with status
    /// 200.
    pub(super) async fn run(self, mut receive: impl AsyncFnMut(TransferMessage)) -> Result<(), RequestError> {
        let lost = |reason: String| {
            RequestError::Daemon(DaemonError::ConnectionLost {
                endpoint: self.engine.address(),
                doing: self.doing,
                reason,
            })
        };
        let request = Request::post(&self.uri)
            .header("X-Registry-Auth", self.registry_auth.expose())
            .header("Content-Length", "0")
            .body(Empty::<Bytes>::new())
            .map_err(|error| lost(error.to_string()))?;
        let exchange =
            timeout(self.idle, self.engine.dialer.exchange(request)).await.map_err(|_| RequestError::Idle)??;
        let Exchange { response, connection: _connection } = exchange.map_err(lost)?;
        let succeeded = response.status().is_success();
        let mut body = response.into_body();
        if !succeeded {
            return Err(RequestError::Refused(self.engine.dialer.read_message(body, self.doing).await?));
        }
        let mut lines = Lines::new(MAX_MESSAGE);
        let mut refusal = None;
        let mut messages = Vec::new();
        // Only complete messages count: a body may drip byte by byte.
        let mut last_message = Instant::now();
        while let Some(frame) =
            timeout_at(last_message + self.idle, body.frame()).await.map_err(|_| RequestError::Idle)?
        {
            let frame = match frame {
                Ok(frame) => frame,
                // The error message explains the end of the connection.
                Err(_) if refusal.is_some() => break,
                Err(error) => return Err(lost(error_chain(&error))),
            };
            let Ok(data) = frame.into_data() else { continue };
            let fed = lines.feed(&data, |line| parse(line).map(|found| messages.extend(found)));
            if !messages.is_empty() {
                last_message = Instant::now();
            }
            for message in messages.drain(..) {
                dispatch(message, &mut refusal, &mut receive).await;
            }
            fed.map_err(|error| match error {
                LineError::TooLong => RequestError::Daemon(self.engine.dialer.too_long(self.doing, MAX_MESSAGE)),
                LineError::Unreadable(reason) => lost(reason),
            })?;
        }
        if let Some(message) = parse(&lines.rest()).map_err(lost)? {
            dispatch(message, &mut refusal, &mut receive).await;
        }
        refusal.map_or(Ok(()), |text| Err(RequestError::Refused(text)))
    }
}

/// Keeps the first error, and passes on everything else.
async fn dispatch(
    message: TransferMessage,
    refusal: &mut Option<String>,
    receive: &mut impl AsyncFnMut(TransferMessage),
) {
    match message {
        TransferMessage::Error(text) => drop(refusal.get_or_insert(text)),
        message => receive(message).await,
    }
}

/// `None` for an empty line.
fn parse(line: &[u8]) -> Result<Option<TransferMessage>, String> {
    if line.trim_ascii().is_empty() {
        return Ok(None);
    }
    TransferMessage::parse(line).map(Some).map_err(|error| format!("cannot read the daemon's response: {error}"))
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

impl TransferMessage {
    fn parse(line: &[u8]) -> Result<Self, serde_json::Error> {
        let message: JsonMessage = serde_json::from_slice(line)?;
        if let Some(text) = message.error_detail.and_then(|detail| detail.message).or(message.error) {
            return Ok(Self::Error(text));
        }
        if let Some(Aux { tag: Some(_), digest: Some(digest), size }) = message.aux {
            return Ok(Self::Digest { digest, size });
        }
        let text = message.status.or(message.stream).unwrap_or_default();
        if let Some(state) = layer_state(&text, &message.progress.unwrap_or_default()) {
            return Ok(message.id.map_or(Self::Other, |layer| Self::Layer { layer, state }));
        }
        if text.starts_with("Status: Image is up to date") {
            return Ok(Self::UpToDate);
        }
        Ok(digest_of(&text).map_or(Self::Other, |(digest, size)| Self::Digest { digest, size }))
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

/// An image in the daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LocalImage {
    /// `sha256:…`
    pub(super) id: String,
    /// `linux/arm64`
    pub(super) platform: String,
    /// `REPOSITORY@sha256:…`, one per repository that it was pushed to or pulled from.
    repo_digests: Vec<String>,
}

impl LocalImage {
    /// The image that `reference` names.
    pub(super) async fn find(engine: &Engine, reference: &ImageRef) -> Result<Self, TransferError> {
        let name = reference.to_string();
        let image = match engine.api_client().inspect_image(&name).await {
            Ok(image) => image,
            Err(error) if is_missing(&error) => return Err(TransferError::NoLocalImage { reference: name }),
            Err(error) => return Err(engine.dialer.daemon_error("the inspection of the image", &error).into()),
        };
        let id = image.id.unwrap_or_default();
        let variant = image.variant.filter(|variant| !variant.is_empty()).map(|variant| format!("/{variant}"));
        Ok(Self {
            id: if id.starts_with("sha256:") { id } else { format!("sha256:{id}") },
            platform: format!(
                "{}/{}{}",
                image.os.as_deref().unwrap_or("linux"),
                image.architecture.as_deref().unwrap_or_default(),
                variant.unwrap_or_default()
            ),
            repo_digests: image.repo_digests.unwrap_or_default(),
        })
    }

    /// Names the image `source` as `reference`.
    pub(super) async fn tag(engine: &Engine, source: &str, reference: &ImageRef) -> Result<(), TransferError> {
        let options =
            TagImageOptionsBuilder::default().repo(&reference.repository()).tag(reference.tag_or_latest()).build();
        match engine.api_client().tag_image(source, Some(options)).await {
            Ok(()) => Ok(()),
            Err(error) if is_missing(&error) => Err(TransferError::NoLocalImage { reference: source.to_owned() }),
            Err(Error::DockerResponseServerError { message, .. }) => Err(TransferError::CannotTag {
                source_image: source.to_owned(),
                reference: reference.to_string(),
                message,
            }),
            Err(error) => Err(engine.dialer.daemon_error("the tagging of the image", &error).into()),
        }
    }

    /// Digests of the image in the repository of `reference`.
    pub(super) fn digests(&self, reference: &ImageRef) -> impl Iterator<Item = &str> {
        let repository = reference.fully_qualified_repository();
        self.repo_digests.iter().filter_map(move |known| {
            let (name, digest) = known.split_once('@')?;
            // Some daemons list `<none>@<none>`.
            let known = ImageRef::parse(name).ok()?;
            (known.fully_qualified_repository() == repository).then_some(digest)
        })
    }

    /// The digest in the repository of `reference`, if there is exactly one.
    pub(super) fn only_digest(&self, reference: &ImageRef) -> Option<String> {
        let mut digests = self.digests(reference);
        let digest = digests.next()?;
        digests.next().is_none().then(|| digest.to_owned())
    }
}

fn is_missing(error: &Error) -> bool {
    matches!(error, Error::DockerResponseServerError { status_code: 404, .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:9b281a105651b69ee1ca44a539f46b2538e3b6acef906fc834cba415700163fc";

    fn check(line: &str) -> TransferMessage {
        TransferMessage::parse(line.as_bytes()).unwrap()
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
        assert!(TransferMessage::parse(b"<html>").is_err());
    }

    #[test]
    fn digests_match_the_repository_in_any_spelling() {
        let image = LocalImage {
            id: "sha256:1".into(),
            platform: "linux/amd64".into(),
            repo_digests: vec!["node@sha256:a".into(), "ghcr.io/acme/node@sha256:b".into(), "bad name@x".into()],
        };
        let digests =
            |text: &str| image.digests(&ImageRef::parse(text).unwrap()).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(digests("docker.io/library/node:22"), ["sha256:a"]);
        assert_eq!(digests("ghcr.io/acme/node"), ["sha256:b"]);
        assert_eq!(digests("ghcr.io/acme/other"), Vec::<String>::new());
    }
}
