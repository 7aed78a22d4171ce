//! Commands inside the container: after its start and before its stop.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::timeout;

use super::error::LaunchError;
use super::event::{LaunchEvent, Listener};
use super::plan::PRE_STOP_LABEL;
use crate::docker::{Containers, ExecSpec};

/// A command that takes longer hangs.
const LIMIT: Duration = Duration::from_mins(10);
/// A stop does not wait longer.
const STOP_LIMIT: Duration = Duration::from_mins(1);

pub(super) async fn run_hook(
    containers: &Containers,
    container: &str,
    kind: &'static str,
    argv: &[String],
    listener: Listener<'_>,
) -> Result<(), LaunchError> {
    listener(&LaunchEvent::Hook { kind, argv });
    let run = async {
        let spec = ExecSpec { argv: argv.to_vec(), ..ExecSpec::default() };
        let mut execution = containers.exec(container, &spec).await?;
        while let Some(output) = execution.next().await? {
            listener(&LaunchEvent::HookOutput { stream: output.stream, bytes: &output.bytes });
        }
        execution.exit_code().await
    };
    let failed = |reason| LaunchError::Hook { kind, command: argv.join(" "), reason };
    match timeout(if kind == "preStop" { STOP_LIMIT } else { LIMIT }, run).await {
        Ok(Ok(0)) => Ok(()),
        Ok(Ok(code)) => Err(failed(format!("it ended with exit code {code}"))),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(failed("it did not end in time".to_owned())),
    }
}

/// The commands that were asked for before a stop, from the labels of a container. What fails is told, and keeps nothing running.
pub async fn run_pre_stop(
    containers: &Containers,
    container: &str,
    labels: &BTreeMap<String, String>,
    listener: Listener<'_>,
) {
    let hooks = labels.get(PRE_STOP_LABEL).and_then(|label| serde_json::from_str::<Vec<Vec<String>>>(label).ok());
    for argv in hooks.unwrap_or_default().iter().filter(|argv| !argv.is_empty()) {
        if let Err(error) = run_hook(containers, container, "preStop", argv, listener).await {
            listener(&LaunchEvent::HookFailed { kind: "preStop", reason: &error.to_string() });
        }
    }
}
