//! One build on a daemon: request and context stream → [`BuiltImage`], with events on the way.
//!
//! `POST /build` is sent on a connection of its own, beside the session: bollard's `build_image` can neither serve secrets nor send
//! several tags. Ending the connection is what stops the build in the daemon. Never changes anything but images.

use std::pin::pin;
use std::time::Duration;

use bollard::models::BuildInfoAux;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::{Request, Response};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::time::{Instant, interval, sleep};

use super::buildkit::Vertices;
use super::classic::ClassicLog;
use super::inspect::inspect;
use super::query::build_uri;
use super::session::{Session, SessionValues};
use super::steps::Steps;
use super::upload::{ContextBody, Upload};
use crate::builder::{BuildError, BuildEvent, BuildRequest, step_name};
use crate::builder::{Failure, explain, without_colours};
use crate::diagnostic::{error_chain, size_text};
use crate::docker::connection::{BuilderKind, DaemonError, Engine, Exchange, LineError, Lines};
use crate::image::BuiltImage;
use crate::secret::Redactor;

/// How often upload progress and the limits are looked at.
const TICK: Duration = Duration::from_millis(200);
/// A daemon that takes no byte of the context for so long is not coming back.
const UPLOAD_IDLE: Duration = Duration::from_mins(2);
/// One message of the daemon. BuildKit begins another one after a mebibyte of logs (`client/graph.go`, `Marshal`), which are base64 here.
const MAX_MESSAGE: usize = 4 * 1024 * 1024;
/// Lines of a failed step's log that are shown.
const SHOWN_TAIL: usize = 20;
/// Of these, lines above the place of the error.
const BEFORE_ERROR: usize = 2;

/// What runs a build: its options beside the request itself.
pub struct BuildRun<'a> {
    pub engine: &'a Engine,
    pub request: &'a BuildRequest,
    /// Receives every event; a receiver that is gone is no error.
    pub events: mpsc::Sender<BuildEvent>,
}

impl BuildRun<'_> {
    /// Builds until the image is there, the build fails, its time is over, or `cancel` is ready. Dropping the future cancels as well.
    pub async fn build(self, context: ContextBody, cancel: impl Future<Output = ()>) -> Result<BuiltImage, BuildError> {
        let Self { engine, request, events } = self;
        check(engine, request)?;
        let mut steps = Steps::new(Redactor::of_process().clone());
        if request.memory.is_some() && engine.builder == BuilderKind::BuildKit {
            steps.push(BuildEvent::Warning("the memory limit is not applied: BuildKit has none".into()));
        }
        let upload = context.upload();
        let result = {
            let conversation = pin!(converse(engine, request, context, &mut steps, &events));
            let watch = pin!(watch(engine, &upload, &events));
            let deadline = pin!(deadline(request.timeout));
            tokio::select! {
                biased;
                () = cancel => Err(BuildError::Cancelled),
                error = deadline => Err(error),
                error = watch => Err(error),
                result = conversation => result,
            }
        };
        if matches!(result, Err(BuildError::Cancelled | BuildError::TimedOut { .. })) && engine.leaves_running_steps() {
            steps.push(BuildEvent::Warning(format!(
                "{engine} cannot stop a running step: it ends by itself, and its result is dropped"
            )));
        }
        steps.cancel_running();
        if upload.is_done() {
            steps.push(BuildEvent::ContextSent { bytes: upload.sent(), total: Some(upload.sent()) });
        }
        send(&events, &mut steps).await;
        // A context that broke explains every other error, and spoils every success.
        if let Some(error) = upload.failure() {
            return Err(BuildError::Context(error));
        }
        let id = result?;
        inspect(engine, &id, &request.tags).await
    }
}

fn check(engine: &Engine, request: &BuildRequest) -> Result<(), BuildError> {
    if engine.builder == BuilderKind::Classic && !request.secrets.is_empty() {
        return Err(BuildError::NeedsBuildKit { feature: "build secrets", engine: engine.to_string() });
    }
    Ok(())
}

async fn deadline(limit: Option<Duration>) -> BuildError {
    match limit {
        Some(after) => {
            sleep(after).await;
            BuildError::TimedOut { after }
        }
        None => std::future::pending().await,
    }
}

/// Reports the upload and ends when it hangs.
async fn watch(engine: &Engine, upload: &Upload, events: &mpsc::Sender<BuildEvent>) -> BuildError {
    let mut ticks = interval(TICK);
    let (mut last, mut since) = (u64::MAX, Instant::now());
    loop {
        ticks.tick().await;
        let sent = upload.sent();
        if sent != last {
            (last, since) = (sent, Instant::now());
            // A slow reader of events must not stop the build.
            let _ = events.try_send(BuildEvent::ContextSent { bytes: sent, total: upload.total() });
        }
        if !upload.is_done() && since.elapsed() > UPLOAD_IDLE {
            return BuildError::UploadStalled { endpoint: engine.address(), after: UPLOAD_IDLE };
        }
    }
}

async fn send(events: &mpsc::Sender<BuildEvent>, steps: &mut Steps) {
    for event in steps.take_events() {
        let _ = events.send(event).await;
    }
}

/// The whole exchange with the daemon; the answer is the image id.
async fn converse(
    engine: &Engine,
    request: &BuildRequest,
    context: ContextBody,
    steps: &mut Steps,
    events: &mpsc::Sender<BuildEvent>,
) -> Result<String, BuildError> {
    let session = match engine.builder {
        BuilderKind::Classic => None,
        BuilderKind::BuildKit => {
            let values = SessionValues::new(&request.secrets, &request.credentials);
            Some(Session::open(&engine.dialer, values).await?)
        }
    };
    let upload = context.upload();
    let lost = |reason: String| {
        BuildError::Daemon(DaemonError::ConnectionLost {
            endpoint: engine.address(),
            doing: if upload.is_done() { "the build" } else { "the upload of the build context" },
            reason,
        })
    };
    let mut message =
        Request::post(build_uri(request, engine.builder, session.as_ref().map(|session| session.id.as_str())))
            .header("Content-Type", "application/x-tar");
    if engine.builder == BuilderKind::Classic && !request.credentials.is_empty() {
        message = message.header("X-Registry-Config", super::query::registry_config(&request.credentials));
    }
    let message = message.body(context).map_err(|error| lost(error.to_string()))?;
    let Exchange { response, connection } = engine.dialer.exchange(message).await?.map_err(lost)?;
    let status = response.status();
    let id = if status.is_success() {
        let mut reader = Reader {
            steps,
            vertices: Vertices::default(),
            classic: ClassicLog::default(),
            outcome: Outcome::default(),
        };
        let broken = reader.read(response, events).await.err();
        let failure = reader.outcome.error.take();
        let id = reader.outcome.image.take();
        match (failure, id) {
            (Some(text), _) => Err(failed(steps, &text)),
            (None, Some(_)) if !upload.is_done() => {
                Err(lost("the daemon answered before it had read the whole context".into()))
            }
            (None, Some(id)) => Ok(id),
            (None, None) => Err(lost(broken.unwrap_or_else(|| "the daemon ended the build without an image".into()))),
        }
    } else {
        let message = engine.dialer.read_message(response.into_body(), "the build").await?;
        Err(refused(steps, &message))
    };
    drop(connection);
    id
}

fn refused(steps: &Steps, text: &str) -> BuildError {
    let message = steps.redact(text);
    let explanation = explain(&Failure { error: &message, exit_code: None, log: &[] }).map(Box::new);
    BuildError::Refused { message, explanation }
}

/// The daemon's error text, joined with the step that it is about.
fn failed(steps: &Steps, text: &str) -> BuildError {
    let error = steps.redact(text);
    let Some((step, log)) = steps.failed_step() else { return refused(steps, text) };
    let exit_code = exit_code(&error);
    let explanation = explain(&Failure { error: &error, exit_code, log: &log }).map(Box::new);
    if exit_code.is_none() && log.is_empty() {
        return BuildError::Refused { message: error, explanation };
    }
    // The error itself where its place is known, else the last words.
    let last = log.len().saturating_sub(SHOWN_TAIL);
    let begin = explanation.as_ref().and_then(|explanation| explanation.begins_at());
    let begin = begin.map_or(last, |at| at.saturating_sub(BEFORE_ERROR));
    let tail = log[begin..]
        .iter()
        .take(SHOWN_TAIL)
        .map(|line| crate::diagnostic::printable(&without_colours(line).replace('\t', "  ")))
        .collect();
    BuildError::StepFailed { step: step_name(&step), exit_code, tail, explanation }
}

/// BuildKit, the classic builder and Podman write it in their own ways, always at the end.
fn exit_code(error: &str) -> Option<i64> {
    ["exit code: ", "non-zero code: ", "exit status "].iter().find_map(|mark| {
        let rest = &error[error.rfind(mark)? + mark.len()..];
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    })
}

#[derive(Default)]
struct Outcome {
    image: Option<String>,
    error: Option<String>,
}

struct Reader<'a> {
    steps: &'a mut Steps,
    vertices: Vertices,
    classic: ClassicLog,
    outcome: Outcome,
}

/// One message of the build's answer; both builders and Podman use a part of these fields.
#[derive(Deserialize)]
struct Message {
    id: Option<String>,
    stream: Option<String>,
    status: Option<String>,
    error: Option<String>,
    #[serde(rename = "errorDetail")]
    error_detail: Option<ErrorDetail>,
    #[serde(rename = "progressDetail")]
    progress: Option<Progress>,
    aux: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct ErrorDetail {
    message: Option<String>,
}

#[derive(Deserialize)]
struct Progress {
    current: Option<u64>,
    total: Option<u64>,
}

impl Reader<'_> {
    async fn read(&mut self, response: Response<Incoming>, events: &mpsc::Sender<BuildEvent>) -> Result<(), String> {
        let mut body = response.into_body();
        let mut lines = Lines::new(MAX_MESSAGE);
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|error| error_chain(&error))?.into_data() else { continue };
            lines.feed(&data, |line| self.message(line)).map_err(|error| match error {
                LineError::TooLong => {
                    format!("a message of the build is longer than {}", size_text(MAX_MESSAGE as u64))
                }
                LineError::Unreadable(reason) => reason,
            })?;
            send(events, self.steps).await;
        }
        let result = self.message(&lines.rest());
        self.classic.end(self.steps, self.outcome.error.as_deref());
        result
    }

    fn message(&mut self, line: &[u8]) -> Result<(), String> {
        if line.trim_ascii().is_empty() {
            return Ok(());
        }
        let message: Message =
            serde_json::from_slice(line).map_err(|error| format!("the daemon's answer cannot be read: {error}"))?;
        if let Some(text) = message.error_detail.and_then(|detail| detail.message).or(message.error) {
            self.outcome.error.get_or_insert(text);
        }
        match message.aux {
            Some(aux) if message.id.as_deref() == Some("moby.buildkit.trace") => {
                if let Ok(BuildInfoAux::BuildKit(status)) = serde_json::from_value(aux) {
                    self.vertices.update(status, self.steps);
                }
                return Ok(());
            }
            Some(aux) => {
                if let Some(id) = aux.get("ID").and_then(serde_json::Value::as_str).filter(|id| !id.is_empty()) {
                    self.outcome.image = Some(id.to_owned());
                }
            }
            None => {}
        }
        if let Some(text) = message.stream {
            if let Some(id) = self.classic.stream(&text, self.steps) {
                self.outcome.image.get_or_insert(id);
            }
        } else if let (Some(item), Some(progress)) = (message.id, message.progress) {
            self.classic.progress(item, (progress.current, progress.total), self.steps);
        } else if let Some(status) = message.status {
            self.classic.status(&status, self.steps);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_is_found_in_the_words_of_every_builder() {
        for (error, code) in [
            ("executor failed running [/bin/sh -c exit code: 3; exit 37]: exit code: 37", Some(37)),
            ("process \"/bin/sh -c npm ci\" did not complete successfully: exit code: 137", Some(137)),
            ("The command '/bin/sh -c exit 37' returned a non-zero code: 37", Some(37)),
            ("error building at STEP \"RUN exit 37\": while running runtime: exit status 37", Some(37)),
            ("failed to compute cache key: \"/nope\" not found: not found", None),
        ] {
            assert_eq!(exit_code(error), code, "{error}");
        }
    }
}
