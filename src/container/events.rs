//! What happens to containers, as it happens: the daemon's event stream → [`ContainerEvent`]s.
//!
//! Never skips an event that it does not know: it keeps the daemon's word.

use std::collections::{BTreeMap, VecDeque};

use bytes::BytesMut;
use chrono::{DateTime, Utc};
use futures_util::stream::{BoxStream, StreamExt, try_unfold};
use http_body_util::BodyExt;
use hyper::Method;
use serde::Deserialize;

use super::MANAGED_LABEL;
use super::api::Streamed;
use super::client::Containers;
use super::error::ContainerError;
use super::facts::{ContainerEvent, EventKind};
use super::failure::Subject;
use super::health::HealthStatus;
use super::lookup::Owner;
use crate::daemon::Query;

const DOING: &str = "the stream of events";
/// An event is a few hundred bytes and the labels of the container.
const LONGEST_EVENT: usize = 4 * 1024 * 1024;

/// Which events are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventQuery<'a> {
    pub owner: Owner,
    /// Name or id of one container.
    pub container: Option<&'a str>,
    /// Also those since then that the daemon remembers.
    pub since: Option<DateTime<Utc>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Message {
    action: Option<String>,
    actor: Option<Actor>,
    #[serde(rename = "timeNano")]
    time_nano: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
struct Actor {
    #[serde(rename = "ID")]
    id: Option<String>,
    #[serde(rename = "Attributes")]
    attributes: Option<BTreeMap<String, String>>,
}

struct Reading {
    containers: Containers,
    streamed: Streamed,
    rest: BytesMut,
    ready: VecDeque<ContainerEvent>,
}

impl Containers {
    /// Events until the daemon ends or the stream is dropped.
    pub async fn events(
        &self,
        query: &EventQuery<'_>,
    ) -> Result<BoxStream<'static, Result<ContainerEvent, ContainerError>>, ContainerError> {
        let subject = Subject::container(DOING, query.container.unwrap_or("all")).checked()?;
        let mut filters = BTreeMap::from([("type", vec!["container".to_owned()])]);
        if query.owner == Owner::Ours {
            filters.insert("label", vec![format!("{MANAGED_LABEL}=true")]);
        }
        if let Some(container) = query.container {
            filters.insert("container", vec![container.to_owned()]);
        }
        let mut path = Query::new("/events");
        path.json("filters", &filters, false);
        if let Some(since) = query.since {
            path.add("since", &format!("{}.{:09}", since.timestamp(), since.timestamp_subsec_nanos()));
        }
        let streamed = self.stream(&subject, Method::GET, &path.into_uri(), None).await?;
        let reading = Reading { containers: self.clone(), streamed, rest: BytesMut::new(), ready: VecDeque::new() };
        Ok(try_unfold(reading, next_event).boxed())
    }
}

async fn next_event(mut reading: Reading) -> Result<Option<(ContainerEvent, Reading)>, ContainerError> {
    let subject = Subject::container(DOING, "all");
    loop {
        if let Some(event) = reading.ready.pop_front() {
            return Ok(Some((event, reading)));
        }
        let Some(frame) = reading.streamed.body.frame().await else { return Ok(None) };
        let frame = frame.map_err(|error| reading.containers.lost(&subject, &error.to_string()))?;
        let Ok(data) = frame.into_data() else { continue };
        reading.rest.extend_from_slice(&data);
        let events = split(&mut reading.rest).map_err(|reason| reading.containers.lost(&subject, &reason))?;
        reading.ready.extend(events);
    }
}

/// Takes the whole messages out of `rest`. Podman writes them one after the other, Docker one per line.
fn split(rest: &mut BytesMut) -> Result<Vec<ContainerEvent>, String> {
    let mut events = Vec::new();
    let mut messages = serde_json::Deserializer::from_slice(rest).into_iter::<Message>();
    let mut read = 0;
    loop {
        match messages.next() {
            Some(Ok(message)) => {
                read = messages.byte_offset();
                events.push(message.into_event());
            }
            Some(Err(error)) if !error.is_eof() => return Err(format!("no event: {error}")),
            _ => break,
        }
    }
    let _ = rest.split_to(read);
    if rest.len() > LONGEST_EVENT { Err("an event without end".into()) } else { Ok(events) }
}

impl Message {
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
            "oom" => EventKind::OutOfMemory,
            "rename" => EventKind::Renamed,
            "destroy" | "remove" => EventKind::Removed,
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
