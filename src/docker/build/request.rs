//! What is sent for a build: a [`BuildRequest`] as the query and headers of `POST /build`, and the build context as its body.
//!
//! Secrets are never part of it. Never holds more than one chunk of the context.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use bytes::Bytes;
use futures_util::Stream;
use hyper::body::{Body, Frame};

use crate::builder::{BuildRequest, ContextStreamError, RegistryCredentials, archive_size, stream};
use crate::config::settings::{CacheUse, PullPolicy};
use crate::docker::connection::Uri;
use crate::image::dockerfile::{BuildContext, BuilderBackend};
use crate::image_ref::RegistryHost;

/// Path and query of the build.
pub(super) fn build_uri(request: &BuildRequest, backend: BuilderBackend, session: Option<&str>) -> Uri {
    let mut uri = Uri::new("/build");
    uri.add("dockerfile", &request.dockerfile);
    for tag in &request.tags {
        uri.add("t", &tag.to_string());
    }
    for (name, map) in [("buildargs", &request.build_args), ("labels", &request.labels)] {
        if !map.is_empty() {
            uri.add_json(name, map);
        }
    }
    if !request.cache_from.is_empty() {
        uri.add_json("cachefrom", &request.cache_from);
    }
    for (name, value) in
        [("platform", &request.platform), ("target", &request.target), ("networkmode", &request.network)]
    {
        if let Some(value) = value {
            uri.add(name, value);
        }
    }
    if request.cache == CacheUse::Ignore {
        uri.add("nocache", "1");
    }
    if request.pull == PullPolicy::Always {
        uri.add("pull", "1");
    }
    // Intermediate containers of the classic builder are removed even when a step fails.
    uri.add("rm", "1");
    uri.add("forcerm", "1");
    match backend {
        BuilderBackend::BuildKit => uri.add("version", "2"),
        BuilderBackend::Classic => {
            uri.add("version", "1");
            if let Some(memory) = request.memory {
                uri.add("memory", &memory.to_string());
                // The same value for memory and swap together leaves no swap.
                uri.add("memswap", &memory.to_string());
            }
        }
    }
    if let Some(session) = session {
        uri.add("session", session);
    }
    uri
}

/// `X-Registry-Config`: credentials by host, in the URL-safe alphabet that the daemon expects.
pub(super) fn registry_config(credentials: &BTreeMap<String, RegistryCredentials>) -> String {
    let config: serde_json::Map<_, _> = credentials
        .iter()
        .map(|(host, credentials)| {
            // The daemon has its own name for Docker Hub (Engine API, "Authentication").
            let host = RegistryHost::new(host);
            let login =
                serde_json::json!({ "username": credentials.username, "password": credentials.password.expose() });
            (host.config_key().to_owned(), login)
        })
        .collect();
    URL_SAFE.encode(serde_json::Value::Object(config).to_string())
}

/// The context as the body of a request; chunks are the bytes of a tar archive, errors name the file.
pub struct ContextBody {
    stream: Pin<Box<dyn Stream<Item = Result<Bytes, ContextStreamError>> + Send>>,
    upload: ContextUpload,
}

/// The state of the upload, shared by all clones.
#[derive(Debug, Clone)]
pub(super) struct ContextUpload(Arc<UploadState>);

#[derive(Debug)]
struct UploadState {
    total: Option<u64>,
    sent: AtomicU64,
    done: AtomicBool,
    failure: Mutex<Option<ContextStreamError>>,
}

impl ContextBody {
    /// The context as it is on disk when it is sent.
    pub fn of(context: BuildContext) -> Self {
        let total = archive_size(&context);
        Self::new(stream(context).0, Some(total))
    }

    /// `total`: bytes that the stream will yield, where that is known.
    pub fn new(
        stream: impl Stream<Item = Result<Bytes, ContextStreamError>> + Send + 'static,
        total: Option<u64>,
    ) -> Self {
        let state =
            UploadState { total, sent: AtomicU64::new(0), done: AtomicBool::new(false), failure: Mutex::new(None) };
        Self { stream: Box::pin(stream), upload: ContextUpload(Arc::new(state)) }
    }

    pub(super) fn upload(&self) -> ContextUpload {
        self.upload.clone()
    }
}

impl ContextUpload {
    pub(super) fn sent(&self) -> u64 {
        self.0.sent.load(Ordering::Relaxed)
    }

    pub(super) fn total(&self) -> Option<u64> {
        self.0.total
    }

    pub(super) fn is_done(&self) -> bool {
        self.0.done.load(Ordering::Relaxed)
    }

    pub(super) fn failure(&self) -> Option<ContextStreamError> {
        self.0.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Body for ContextBody {
    type Data = Bytes;
    type Error = ContextStreamError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ContextStreamError>>> {
        let next = std::task::ready!(self.stream.as_mut().poll_next(cx));
        let state = &self.upload.0;
        Poll::Ready(match next {
            Some(Ok(chunk)) => {
                state.sent.fetch_add(chunk.len() as u64, Ordering::Relaxed);
                Some(Ok(Frame::data(chunk)))
            }
            Some(Err(error)) => {
                *state.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.clone());
                Some(Err(error))
            }
            None => {
                state.done.store(true, Ordering::Relaxed);
                None
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    #[test]
    fn passwords_are_encoded_in_the_url_safe_alphabet() {
        let login = RegistryCredentials { username: "u".into(), password: Secret::new("??>>~~ü".into()) };
        let header = registry_config(&BTreeMap::from([("docker.io".to_owned(), login)]));
        assert!(!header.contains(['+', '/']), "{header}");
        let decoded: serde_json::Value = serde_json::from_slice(&URL_SAFE.decode(header).unwrap()).unwrap();
        assert_eq!(decoded["https://index.docker.io/v1/"]["password"], "??>>~~ü");
    }
}
