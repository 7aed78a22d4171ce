//! One build on a daemon: request and context stream → [`BuiltImage`], with events on the way.
//!
//! Closing the connection of `POST /build` is what stops the build in the daemon. Never changes anything but images.

use std::pin::pin;
use std::time::Duration;

use bollard::models::BuildInfoAux;
use hyper::Method;
use hyper::header::HeaderName;
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::time::{Instant, interval, sleep};

use super::progress::{BuildSteps, ClassicLog, Vertices};
use super::request::{ContextBody, ContextUpload, build_uri, registry_config};
use super::session::{BuildSession, SessionValues};
use crate::builder::{BuildError, BuildEvent, BuildRequest, StepFailure, explain, step_name, without_colours};
use crate::diagnostic::printable;
use crate::docker::connection::{ApiError, DaemonError, DaemonRefusal, Engine, JsonStream, NO_LIMIT};
use crate::image::BuiltImage;
use crate::image::dockerfile::BuilderBackend;
use crate::secret::Redactor;

/// Interval of upload progress and checks.
const TICK: Duration = Duration::from_millis(200);
/// After this time without a byte of the context the upload has failed.
const UPLOAD_IDLE: Duration = Duration::from_mins(2);
/// Bytes of one message. BuildKit starts a new one after a mebibyte of logs (`client/graph.go`, `Marshal`), which are base64 here.
const MAX_MESSAGE: usize = 4 * 1024 * 1024;
/// Header with credentials by host.
const REGISTRY_CONFIG: HeaderName = HeaderName::from_static("x-registry-config");
/// Lines of a failed step's log that are shown.
const SHOWN_TAIL: usize = 20;
/// Lines of these above the location of the error.
const BEFORE_ERROR: usize = 2;

/// A build on a daemon.
pub struct BuildRun<'a> {
    pub engine: &'a Engine,
    pub request: &'a BuildRequest,
    /// Receives every event; may be closed.
    pub events: mpsc::Sender<BuildEvent>,
}

impl BuildRun<'_> {
    /// Builds until the image is done, the build fails or times out, or `cancel` is ready. Dropping the future cancels, too.
    pub async fn build(self, context: ContextBody, cancel: impl Future<Output = ()>) -> Result<BuiltImage, BuildError> {
        let Self { engine, request, events } = self;
        check(engine, request)?;
        let mut steps = BuildSteps::new(Redactor::of_process().clone());
        if request.memory.is_some() && engine.builder == BuilderBackend::BuildKit {
            steps.push(BuildEvent::Warning("the memory limit is ignored: BuildKit has none".into()));
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
                "{engine} cannot stop a running step; it runs to its end, and its result is discarded"
            )));
        }
        steps.cancel_running();
        if upload.is_done() {
            steps.push(BuildEvent::ContextSent { bytes: upload.sent(), total: Some(upload.sent()) });
        }
        send(&events, &mut steps).await;
        // A broken context explains every other error, and makes every success worthless.
        if let Some(error) = upload.failure() {
            return Err(BuildError::Context(error));
        }
        let id = result?;
        Ok(engine.inspect_built(&id, &request.tags).await?)
    }
}

fn check(engine: &Engine, request: &BuildRequest) -> Result<(), BuildError> {
    if engine.builder == BuilderBackend::Classic && !request.secrets.is_empty() {
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

/// Reports the progress of the upload; returns when it hangs.
async fn watch(engine: &Engine, upload: &ContextUpload, events: &mpsc::Sender<BuildEvent>) -> BuildError {
    let mut ticks = interval(TICK);
    let (mut last, mut since) = (u64::MAX, Instant::now());
    loop {
        ticks.tick().await;
        let sent = upload.sent();
        if sent != last {
            (last, since) = (sent, Instant::now());
            // A slow receiver must not delay the build.
            let _ = events.try_send(BuildEvent::ContextSent { bytes: sent, total: upload.total() });
        }
        if !upload.is_done() && since.elapsed() > UPLOAD_IDLE {
            return BuildError::UploadStalled { endpoint: engine.address(), after: UPLOAD_IDLE };
        }
    }
}

async fn send(events: &mpsc::Sender<BuildEvent>, steps: &mut BuildSteps) {
    for event in steps.take_events() {
        let _ = events.send(event).await;
    }
}

/// The whole exchange with the daemon; returns the image id.
async fn converse(
    engine: &Engine,
    request: &BuildRequest,
    context: ContextBody,
    steps: &mut BuildSteps,
    events: &mpsc::Sender<BuildEvent>,
) -> Result<String, BuildError> {
    let session = match engine.builder {
        BuilderBackend::Classic => None,
        BuilderBackend::BuildKit => {
            let values = SessionValues::new(&request.secrets, &request.credentials);
            Some(BuildSession::open(engine, values).await?)
        }
    };
    let upload = context.upload();
    let lost = |error: DaemonError| {
        BuildError::Daemon(match error {
            DaemonError::ConnectionLost { reason, .. } => engine.lost(phase(&upload), reason),
            error => error,
        })
    };
    let uri = build_uri(request, engine.builder, session.as_ref().map(|session| session.id.as_str()));
    let mut post = engine.request("build", Method::POST, uri).timeout(NO_LIMIT).body("application/x-tar", context);
    if engine.builder == BuilderBackend::Classic && !request.credentials.is_empty() {
        post = post.header(REGISTRY_CONFIG, &registry_config(&request.credentials));
    }
    let messages = match post.stream().await {
        Ok(answer) => answer.json(MAX_MESSAGE),
        Err(ApiError::Refused(DaemonRefusal { message, .. })) => return Err(refused(steps, &message)),
        Err(ApiError::Daemon(error)) => return Err(lost(error)),
    };
    let mut reader = MessageReader {
        steps,
        vertices: Vertices::default(),
        classic: ClassicLog::default(),
        image: None,
        error: None,
    };
    let end = reader.read(messages, events).await;
    let MessageReader { image, error, .. } = reader;
    match (error, image) {
        (Some(text), _) => Err(failed(steps, &text)),
        (None, Some(_)) if !upload.is_done() => {
            Err(engine.lost(phase(&upload), "the daemon answered before it had read the whole context").into())
        }
        (None, Some(id)) => Ok(id),
        (None, None) => Err(match end {
            Ok(()) => engine.lost(phase(&upload), "the daemon ended the build without an image").into(),
            Err(error) => lost(error),
        }),
    }
}

/// What a broken connection interrupts.
fn phase(upload: &ContextUpload) -> &'static str {
    if upload.is_done() { "the build" } else { "the upload of the build context" }
}

fn refused(steps: &BuildSteps, text: &str) -> BuildError {
    let message = steps.redact(text);
    let explanation = explain(&StepFailure { error: &message, exit_code: None, log: &[] }).map(Box::new);
    BuildError::Refused { message, explanation }
}

/// The daemon's error, with the step that it is about.
fn failed(steps: &BuildSteps, text: &str) -> BuildError {
    let error = steps.redact(text);
    let Some((step, log)) = steps.failed_step() else { return refused(steps, text) };
    let exit_code = exit_code(&error);
    let explanation = explain(&StepFailure { error: &error, exit_code, log: &log }).map(Box::new);
    if exit_code.is_none() && log.is_empty() {
        return BuildError::Refused { message: error, explanation };
    }
    // The error itself where its place is known, else the last lines.
    let last = log.len().saturating_sub(SHOWN_TAIL);
    let begin = explanation.as_ref().and_then(|explanation| explanation.begins_at());
    let begin = begin.map_or(last, |at| at.saturating_sub(BEFORE_ERROR));
    let tail = log[begin..]
        .iter()
        .take(SHOWN_TAIL)
        .map(|line| printable(&without_colours(line).replace('\t', "  ")))
        .collect();
    BuildError::StepFailed { step: step_name(&step), exit_code, tail, explanation }
}

/// BuildKit, the classic builder and Podman have different formats, with the code at the end.
fn exit_code(error: &str) -> Option<i64> {
    ["exit code: ", "non-zero code: ", "exit status "].iter().find_map(|mark| {
        let rest = &error[error.rfind(mark)? + mark.len()..];
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    })
}

struct MessageReader<'a> {
    steps: &'a mut BuildSteps,
    vertices: Vertices,
    classic: ClassicLog,
    image: Option<String>,
    error: Option<String>,
}

/// One message of a build. Each builder uses some of the fields.
#[derive(Deserialize)]
struct BuildMessage {
    id: Option<String>,
    stream: Option<String>,
    status: Option<String>,
    error: Option<String>,
    #[serde(rename = "errorDetail")]
    error_detail: Option<BuildErrorDetail>,
    #[serde(rename = "progressDetail")]
    progress: Option<BasePullProgress>,
    aux: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct BuildErrorDetail {
    message: Option<String>,
}

#[derive(Deserialize)]
struct BasePullProgress {
    current: Option<u64>,
    total: Option<u64>,
}

impl MessageReader<'_> {
    async fn read(
        &mut self,
        mut messages: JsonStream<BuildMessage>,
        events: &mpsc::Sender<BuildEvent>,
    ) -> Result<(), DaemonError> {
        let end = loop {
            match messages.next().await {
                Ok(Some(message)) => self.message(message),
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
            send(events, self.steps).await;
        };
        self.classic.finish(self.steps, self.error.as_deref());
        end
    }

    fn message(&mut self, message: BuildMessage) {
        if let Some(text) = message.error_detail.and_then(|detail| detail.message).or(message.error) {
            self.error.get_or_insert(text);
        }
        match message.aux {
            Some(aux) if message.id.as_deref() == Some("moby.buildkit.trace") => {
                if let Ok(BuildInfoAux::BuildKit(status)) = serde_json::from_value(aux) {
                    self.vertices.update(status, self.steps);
                }
                return;
            }
            Some(aux) => {
                if let Some(id) = aux.get("ID").and_then(serde_json::Value::as_str).filter(|id| !id.is_empty()) {
                    self.image = Some(id.to_owned());
                }
            }
            None => {}
        }
        if let Some(text) = message.stream {
            if let Some(id) = self.classic.stream(&text, self.steps) {
                self.image.get_or_insert(id);
            }
        } else if let (Some(item), Some(progress)) = (message.id, message.progress) {
            self.classic.progress(item, (progress.current, progress.total), self.steps);
        } else if let Some(status) = message.status {
            self.classic.status(&status, self.steps);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_is_found_in_the_errors_of_every_builder() {
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
