//! Commands in a running container: their output as it comes, both streams apart, and their exit code.
//!
//! A command goes on in its container when nothing waits for it any more; only the end of the container ends it. Never sends input.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;
use tokio::time::sleep;

use super::connection::{AnswerStream, ApiError, LogStream, OutputFrames, OutputPiece};
use super::containers::Containers;
use super::error::ContainerError;
use super::refusal::Operation;

const DOING: &str = "command execution";

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
    answer: AnswerStream,
    frames: OutputFrames,
    chunk: Bytes,
}

#[derive(Debug, Deserialize)]
struct CreatedExec {
    #[serde(rename = "Id")]
    id: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ExecState {
    running: bool,
    exit_code: Option<i64>,
}

impl Containers {
    /// Starts a command. When the program does not exist, Docker says so in the output, with exit code 126 or 127.
    pub async fn exec(&self, container: &str, spec: &ExecSpec) -> Result<Execution, ContainerError> {
        let operation = Operation::container(DOING, container).checked()?;
        let failed = |error: ApiError| operation.failed(error);
        let env: Vec<String> = spec.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut body = json!({ "AttachStdout": true, "AttachStderr": true, "Cmd": spec.argv, "Env": env });
        if let Some(user) = &spec.user {
            body["User"] = json!(user);
        }
        if let Some(folder) = &spec.working_dir {
            body["WorkingDir"] = json!(folder);
        }
        let request = self.post(&operation, &format!("/containers/{container}/exec")).json(&body);
        let CreatedExec { id } = request.read().await.map_err(failed)?;
        if !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(self.lost(&operation, "the answer has no id"));
        }
        let body = json!({ "Detach": false, "Tty": false });
        let answer = self.post(&operation, &format!("/exec/{id}/start")).json(&body).stream().await.map_err(failed)?;
        Ok(Execution {
            containers: self.clone(),
            container: container.to_owned(),
            id,
            answer,
            frames: OutputFrames::new(false),
            chunk: Bytes::new(),
        })
    }
}

impl Execution {
    /// What it prints next; `None` when it has ended.
    pub async fn next(&mut self) -> Result<Option<ExecOutput>, ContainerError> {
        loop {
            match self.frames.next(&mut self.chunk) {
                Ok(Some(OutputPiece { stream, bytes, .. })) => return Ok(Some(ExecOutput { stream, bytes })),
                Ok(None) => {}
                Err(reason) => return Err(self.answer.lost(reason).into()),
            }
            match self.answer.chunk().await? {
                Some(chunk) => self.chunk = chunk,
                None if self.frames.is_cut() => return Err(self.answer.lost("the answer ended early").into()),
                None => return Ok(None),
            }
        }
    }

    /// The exit code, once [`next`](Self::next) returned `None`; 128 + signal when a signal ended it.
    pub async fn exit_code(self) -> Result<i64, ContainerError> {
        /// The output may end before the daemon notices the end of the process.
        const ATTEMPTS: u32 = 40;
        let operation = Operation::container(DOING, &self.container);
        for _ in 0..ATTEMPTS {
            let request = self.containers.get(&operation, &format!("/exec/{}/json", self.id));
            let state: ExecState = request.read().await.map_err(|error| operation.failed(error))?;
            match state.exit_code {
                Some(code) if !state.running => return Ok(code),
                _ => sleep(Duration::from_millis(50)).await,
            }
        }
        Err(self.containers.lost(&operation, "the output ended, but the command did not"))
    }
}
