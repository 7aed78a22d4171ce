//! Commands in a running container: their output while it comes, both streams apart, and their exit code.
//!
//! A command that nobody waits for any more goes on in the container; only its container's end ends it. Never sends input.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::Method;
use serde::Deserialize;
use serde_json::json;
use tokio::time::sleep;

use super::api::Streamed;
use super::client::Containers;
use super::error::ContainerError;
use super::failure::Subject;
use super::frames::{Frames, Piece};
use super::logs::LogStream;

const DOING: &str = "the command";

/// A command for a container.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExecSpec {
    pub argv: Vec<String>,
    /// `None` is the container's own.
    pub user: Option<String>,
    pub working_dir: Option<String>,
    /// Besides the container's own.
    pub env: BTreeMap<String, String>,
}

/// Bytes that a command printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecOutput {
    pub stream: LogStream,
    pub bytes: Bytes,
}

/// A command that was started.
pub struct Execution {
    containers: Containers,
    container: String,
    id: String,
    streamed: Streamed,
    frames: Frames,
    chunk: Bytes,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ExecState {
    running: bool,
    exit_code: Option<i64>,
}

impl Containers {
    /// Starts a command. That there is no such program is told by Docker in the output, with exit code 126 or 127.
    pub async fn exec(&self, container: &str, spec: &ExecSpec) -> Result<Execution, ContainerError> {
        let subject = Subject::container(DOING, container).checked()?;
        let env: Vec<String> = spec.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut body = json!({ "AttachStdout": true, "AttachStderr": true, "Cmd": spec.argv, "Env": env });
        if let Some(user) = &spec.user {
            body["User"] = json!(user);
        }
        if let Some(folder) = &spec.working_dir {
            body["WorkingDir"] = json!(folder);
        }
        let created =
            self.stream(&subject, Method::POST, &format!("/containers/{container}/exec"), Some(&body)).await?;
        let created: Created = self.json(&subject, created).await?;
        let valid = created.id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !valid {
            return Err(self.lost(&subject, "the answer has no id"));
        }
        let body = json!({ "Detach": false, "Tty": false });
        let path = format!("/exec/{}/start", created.id);
        let streamed = self.stream(&subject, Method::POST, &path, Some(&body)).await?;
        Ok(Execution {
            containers: self.clone(),
            container: container.to_owned(),
            id: created.id,
            streamed,
            frames: Frames::new(false),
            chunk: Bytes::new(),
        })
    }
}

#[derive(Debug, Deserialize)]
struct Created {
    #[serde(rename = "Id")]
    id: String,
}

impl Execution {
    /// What it prints next; `None` when it ended.
    pub async fn next(&mut self) -> Result<Option<ExecOutput>, ContainerError> {
        loop {
            let lost = |reason: &str| self.containers.lost(&Subject::container(DOING, &self.container), reason);
            match self.frames.next(&mut self.chunk) {
                Ok(Some(Piece { stream, bytes, .. })) => return Ok(Some(ExecOutput { stream, bytes })),
                Ok(None) => {}
                Err(reason) => return Err(lost(&reason)),
            }
            match self.streamed.body.frame().await {
                None if self.frames.is_cut() => return Err(lost("the answer ended early")),
                None => return Ok(None),
                Some(Err(error)) => return Err(lost(&error.to_string())),
                Some(Ok(frame)) => self.chunk = frame.into_data().unwrap_or_default(),
            }
        }
    }

    /// The exit code, once [`next`](Self::next) said `None`; 128 + signal when a signal ended it.
    pub async fn exit_code(self) -> Result<i64, ContainerError> {
        /// The output may end a moment before the daemon knows of the end.
        const LOOKS: u32 = 40;
        let subject = Subject::container(DOING, &self.container);
        for _ in 0..LOOKS {
            let path = format!("/exec/{}/json", self.id);
            let answer = self.containers.stream(&subject, Method::GET, &path, None).await?;
            let state: ExecState = self.containers.json(&subject, answer).await?;
            match state.exit_code {
                Some(code) if !state.running => return Ok(code),
                _ => sleep(Duration::from_millis(50)).await,
            }
        }
        Err(self.containers.lost(&subject, "the output ended, and the command did not"))
    }
}
