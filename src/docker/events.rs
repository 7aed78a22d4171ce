//! What happens to containers, as it happens: the daemon's event stream → [`ContainerEvent`]s.
//!
//! Never skips an event that it does not know: it keeps the daemon's name for it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use futures_util::stream::{BoxStream, StreamExt, TryStreamExt, try_unfold};
use serde::Deserialize;

use super::connection::DaemonError;
use super::containers::{Containers, MESSAGE_LIMIT};
use super::error::ContainerError;
use super::facts::{ContainerEvent, EventKind, HealthStatus};
use super::logs::unix_time;
use super::lookup::Owner;
use super::refusal::Operation;
use super::spec::MANAGED_LABEL;

/// Selects events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventQuery<'a> {
    pub owner: Owner,
    /// Name or id of one container.
    pub container: Option<&'a str>,
    /// With the past events since then that the daemon remembers.
    pub since: Option<DateTime<Utc>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct EventMessage {
    action: Option<String>,
    actor: Option<EventActor>,
    #[serde(rename = "timeNano")]
    time_nano: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
struct EventActor {
    #[serde(rename = "ID")]
    id: Option<String>,
    #[serde(rename = "Attributes")]
    attributes: Option<BTreeMap<String, String>>,
}

impl Containers {
    /// Events until the daemon ends or the stream is dropped.
    pub async fn events(
        &self,
        query: &EventQuery<'_>,
    ) -> Result<BoxStream<'static, Result<ContainerEvent, ContainerError>>, ContainerError> {
        let operation = Operation::container("event stream", query.container.unwrap_or("all")).checked()?;
        let mut filters = BTreeMap::from([("type", vec!["container".to_owned()])]);
        if query.owner == Owner::Ours {
            filters.insert("label", vec![format!("{MANAGED_LABEL}=true")]);
        }
        if let Some(container) = query.container {
            filters.insert("container", vec![container.to_owned()]);
        }
        let mut request = self.get(&operation, "/events").json_query("filters", &filters);
        if let Some(since) = query.since {
            request = request.query("since", &unix_time(since));
        }
        let answer = request.stream().await.map_err(|error| operation.failed(error))?;
        let events = try_unfold(answer.json::<EventMessage>(MESSAGE_LIMIT), |mut messages| async {
            let message = messages.next().await?;
            Ok::<_, DaemonError>(message.map(|message| (message.into_event(), messages)))
        });
        Ok(events.map_err(ContainerError::from).boxed())
    }
}

impl EventMessage {
    fn into_event(self) -> ContainerEvent {
        const NO_LABELS: [&str; 7] =
            ["image", "name", "exitCode", "containerExitCode", "signal", "execID", "health_status"];
        let actor = self.actor.unwrap_or_default();
        let mut attributes = actor.attributes.unwrap_or_default();
        let exit_code = ["exitCode", "containerExitCode"].iter().find_map(|key| attributes.get(*key)?.parse().ok());
        let action = self.action.unwrap_or_default();
        let kind = match action.as_str() {
            "create" => EventKind::Created,
            "start" => EventKind::Started,
            "die" | "died" => EventKind::Died(exit_code),
            "stop" => EventKind::Stopped,
            "kill" => EventKind::Signalled(attributes.get("signal").and_then(|number| number.parse().ok())),
            "oom" => EventKind::OutOfMemory,
            "rename" => EventKind::Renamed,
            "destroy" | "remove" => EventKind::Removed,
            // Podman has the status in an attribute, or not at all.
            "health_status" => match attributes.get("health_status").and_then(|word| health_status(word)) {
                Some(health) => EventKind::Health(health),
                None => EventKind::Other(action),
            },
            other => match other.strip_prefix("health_status: ").and_then(health_status) {
                Some(health) => EventKind::Health(health),
                None => EventKind::Other(action),
            },
        };
        let name = attributes.get("name").cloned().unwrap_or_default();
        attributes.retain(|key, _| !NO_LABELS.contains(&key.as_str()));
        ContainerEvent {
            kind,
            id: actor.id.unwrap_or_default(),
            name,
            labels: attributes,
            time: self.time_nano.map(DateTime::from_timestamp_nanos),
        }
    }
}

fn health_status(word: &str) -> Option<HealthStatus> {
    match word {
        "healthy" => Some(HealthStatus::Healthy),
        "unhealthy" => Some(HealthStatus::Unhealthy),
        "starting" => Some(HealthStatus::Starting),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(action: &str, attributes: &str) -> ContainerEvent {
        let text = format!(
            r#"{{"status":"x","id":"ab","from":"node:22-slim","Type":"container","Action":"{action}","Actor":{{"ID":"ab12","Attributes":{{"image":"node:22-slim","name":"shop-1",{attributes}"nextdeploy.app":"shop"}}}},"scope":"local","time":1795316419,"timeNano":1795316419368822653}}"#
        );
        serde_json::from_str::<EventMessage>(&text).unwrap().into_event()
    }

    #[test]
    fn events_of_docker_and_podman() {
        for (action, attributes, kind) in [
            ("create", "", EventKind::Created),
            ("start", "", EventKind::Started),
            ("die", r#""exitCode":"137","#, EventKind::Died(Some(137))),
            ("die", "", EventKind::Died(None)),
            ("died", r#""containerExitCode":"1","#, EventKind::Died(Some(1))),
            ("kill", r#""signal":"15","#, EventKind::Signalled(Some(15))),
            ("kill", "", EventKind::Signalled(None)),
            ("oom", "", EventKind::OutOfMemory),
            ("health_status: unhealthy", "", EventKind::Health(HealthStatus::Unhealthy)),
            ("health_status", r#""health_status":"healthy","#, EventKind::Health(HealthStatus::Healthy)),
            ("health_status", "", EventKind::Other("health_status".into())),
            ("destroy", "", EventKind::Removed),
            ("remove", "", EventKind::Removed),
            ("exec_die", r#""execID":"cd","exitCode":"0","#, EventKind::Other("exec_die".into())),
            ("health_status: odd", "", EventKind::Other("health_status: odd".into())),
        ] {
            let event = event(action, attributes);
            assert_eq!(event.kind, kind, "{action}");
            assert_eq!((event.id.as_str(), event.name.as_str()), ("ab12", "shop-1"));
            assert_eq!(event.labels, BTreeMap::from([("nextdeploy.app".to_owned(), "shop".to_owned())]));
            assert_eq!(event.time.and_then(|time| time.timestamp_nanos_opt()), Some(1_795_316_419_368_822_653));
        }
    }
}
