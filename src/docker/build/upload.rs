//! The build context on its way: a stream of tar chunks as a request body that counts and remembers its failure.
//!
//! Never holds more than one chunk.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures_util::Stream;
use hyper::body::{Body, Bytes, Frame};

use crate::builder::{ContextStreamError, archive_size, stream};
use crate::image::dockerfile::BuildContext;

/// The context as the body of a request; chunks are the bytes of a tar archive, errors name the file.
pub struct ContextBody {
    stream: Pin<Box<dyn Stream<Item = Result<Bytes, ContextStreamError>> + Send>>,
    upload: Upload,
}

/// What has become of the upload; clones look at the same one.
#[derive(Debug, Clone)]
pub(super) struct Upload(Arc<State>);

#[derive(Debug)]
struct State {
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
        let state = State { total, sent: AtomicU64::new(0), done: AtomicBool::new(false), failure: Mutex::new(None) };
        Self { stream: Box::pin(stream), upload: Upload(Arc::new(state)) }
    }

    pub(super) fn upload(&self) -> Upload {
        self.upload.clone()
    }
}

impl Upload {
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
