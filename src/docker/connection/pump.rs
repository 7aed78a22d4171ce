//! The body of an answer, read by the task that has its connection: between two tasks every chunk would cost a wake-up of a thread, and a
//! daemon sends a chunk for each line of a log.

use futures_util::future::BoxFuture;
use http_body_util::BodyExt as _;
use hyper::body::{Bytes, Incoming};
use tokio::sync::{mpsc, oneshot};

/// Chunks that may wait for their reader; the daemon waits when there are more.
const CHUNKS: usize = 256;

pub(crate) type Chunk = Result<Bytes, hyper::Error>;

struct Job {
    body: Incoming,
    chunks: mpsc::Sender<Chunk>,
}

/// Hands a body to the task of its connection.
pub(super) struct PumpHandle(oneshot::Sender<Job>);

/// What that task does besides.
pub(super) struct Pump(oneshot::Receiver<Job>);

pub(super) fn pump() -> (PumpHandle, Pump) {
    let (sender, receiver) = oneshot::channel();
    (PumpHandle(sender), Pump(receiver))
}

impl PumpHandle {
    /// The chunks of `body`; they end early when the connection does.
    pub fn start(self, body: Incoming) -> mpsc::Receiver<Chunk> {
        let (chunks, receiver) = mpsc::channel(CHUNKS);
        // The task has ended: then the chunks have, too.
        let _ = self.0.send(Job { body, chunks });
        receiver
    }
}

impl Pump {
    /// Until the body has ended, or nobody reads it.
    pub fn run(self) -> BoxFuture<'static, ()> {
        Box::pin(self.work())
    }

    async fn work(self) {
        let Ok(Job { mut body, chunks }) = self.0.await else { return };
        while let Some(frame) = body.frame().await {
            let chunk = match frame {
                Ok(frame) => match frame.into_data() {
                    Ok(data) => Ok(data),
                    // Trailers.
                    Err(_) => continue,
                },
                Err(error) => Err(error),
            };
            if chunks.send(chunk).await.is_err() {
                return;
            }
        }
    }
}
