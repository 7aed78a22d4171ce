//! What a daemon says about containers and images.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::spec::{APP_LABEL, MANAGED_LABEL, Protocol, RestartPolicy};
use crate::diagnostic::is_acted_on;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ContainerStatus {
    Created,
    Running,
    Paused,
    Restarting,
    Removing,
    Exited,
    Dead,
}

/// The life of a container.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerState {
    pub status: ContainerStatus,
    /// Of the last end; 128 + signal when a signal ended it.
    pub exit_code: Option<i64>,
    /// The kernel ended it for the memory it used.
    pub out_of_memory: bool,
    /// Why the daemon could not start it.
    pub error: Option<String>,
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
    /// By the daemon's restart policy.
    pub restarts: u64,
    /// `None` without a health check.
    pub health: Option<ContainerHealth>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    Starting,
    Healthy,
    Unhealthy,
}

/// Status with its history, oldest probe first; the daemon keeps the last five.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerHealth {
    pub status: HealthStatus,
    /// Failures in a row.
    pub failing_streak: u64,
    pub probes: Vec<Probe>,
}

/// One run of the health check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Probe {
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
    /// 0 is healthy, 1 unhealthy, −1 timed out.
    pub exit_code: i64,
    /// What it printed, at most 4 KiB.
    pub output: String,
}

/// One container in full.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerFacts {
    pub id: String,
    /// Without the slash in front.
    pub name: String,
    /// As it was requested.
    pub image: String,
    /// `sha256:…`.
    pub image_id: String,
    pub created_at: Option<DateTime<Utc>>,
    pub state: ContainerState,
    pub labels: BTreeMap<String, String>,
    pub ports: Vec<PublishedPort>,
    pub networks: Vec<NetworkAttachment>,
    /// Names of the named volumes.
    pub volumes: Vec<String>,
    /// It has a terminal, so its output is one raw stream.
    pub tty: bool,
    /// Bytes; `None` without limit.
    pub memory_limit: Option<u64>,
    /// Between the stop signal and the kill; `None` is the daemon's default of 10 s.
    pub stop_grace: Option<Duration>,
    pub restart: RestartPolicy,
    /// Between two health checks; `None` without a health check.
    pub check_interval: Option<Duration>,
}

/// One container in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerSummary {
    pub id: String,
    pub name: String,
    pub image: String,
    pub image_id: String,
    pub created_at: Option<DateTime<Utc>>,
    pub status: ContainerStatus,
    /// As the daemon writes it: `Up 3 minutes (healthy)`.
    pub description: String,
    /// `None` without a health check, or when it does not run.
    pub health: Option<HealthStatus>,
    pub labels: BTreeMap<String, String>,
    pub ports: Vec<PublishedPort>,
}

impl ContainerSummary {
    pub fn is_ours(&self) -> bool {
        self.labels.get(MANAGED_LABEL).is_some_and(|value| value == "true")
    }

    pub fn app(&self) -> Option<&str> {
        self.labels.get(APP_LABEL).map(String::as_str)
    }
}

impl ContainerFacts {
    pub fn is_ours(&self) -> bool {
        self.labels.get(MANAGED_LABEL).is_some_and(|value| value == "true")
    }

    pub fn app(&self) -> Option<&str> {
        self.labels.get(APP_LABEL).map(String::as_str)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PublishedPort {
    pub address: IpAddr,
    pub host_port: u16,
    pub container_port: u16,
    pub protocol: Protocol,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkAttachment {
    pub network: String,
    /// Of a running container.
    pub address: Option<IpAddr>,
    pub aliases: Vec<String>,
}

/// What an image says about its containers. It may come from anyone: see [`checked`](Self::checked).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFacts {
    /// `sha256:…`.
    pub id: String,
    pub tags: Vec<String>,
    /// `repository@sha256:…`.
    pub digests: Vec<String>,
    pub labels: BTreeMap<String, String>,
    pub env: BTreeMap<String, String>,
    /// TCP ports that it exposes.
    pub ports: Vec<u16>,
    pub entrypoint: Vec<String>,
    pub command: Vec<String>,
    pub user: Option<String>,
    pub working_dir: Option<String>,
    pub has_health_check: bool,
    /// `linux/amd64`.
    pub platform: String,
}

/// A value of an image that is outside of its grammar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidField {
    /// Its name in the image's configuration.
    pub field: String,
    pub value: String,
    /// What is allowed.
    pub expected: &'static str,
}

impl ImageFacts {
    /// Labels whose values become part of a container, a manifest or a report.
    const TAKEN_OVER: [&str; 2] = ["org.opencontainers.image.version", "org.opencontainers.image.created"];
    const LONGEST_LABEL: usize = 1024;
    /// The kernel's limit for one argument (`MAX_ARG_STRLEN`).
    const LONGEST_WORD: usize = 128 * 1024;
    const MOST_WORDS: usize = 1024;

    /// Checks every value that is used.
    ///
    /// # Errors
    /// The first invalid value.
    pub fn checked(self) -> Result<Self, InvalidField> {
        let invalid = |field: &str, value: &str, expected| {
            Err(InvalidField { field: field.to_owned(), value: value.to_owned(), expected })
        };
        if let Some(user) = self.user.as_deref().filter(|user| !is_user(user)) {
            return invalid("User", user, "a name or number, with one of a group behind `:`");
        }
        if let Some(folder) = self.working_dir.as_deref().filter(|folder| !is_path(folder)) {
            return invalid("WorkingDir", folder, "an absolute path without `..`");
        }
        for (field, words) in [("Entrypoint", &self.entrypoint), ("Cmd", &self.command)] {
            let fits = |word: &String| word.len() < Self::LONGEST_WORD && !word.contains('\0');
            if words.len() > Self::MOST_WORDS || !words.iter().all(fits) {
                return invalid(field, &words.join(" "), "at most 1024 words of at most 128 KiB");
            }
        }
        for name in Self::TAKEN_OVER {
            let fits = |value: &&String| value.len() <= Self::LONGEST_LABEL && !value.chars().any(is_acted_on);
            if let Some(value) = self.labels.get(name).filter(|value| !fits(value)) {
                return invalid(&format!("Labels.{name}"), value, "one line of at most 1024 bytes");
            }
        }
        if let Some(options) = self.env.get("NODE_OPTIONS").filter(|value| value.chars().any(is_acted_on)) {
            return invalid("Env.NODE_OPTIONS", options, "one line");
        }
        if self.ports.contains(&0) {
            return invalid("ExposedPorts", "0", "ports from 1 to 65535");
        }
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"._-/".contains(&b);
        if self.platform.len() > 100 || !self.platform.bytes().all(is_plain) {
            return invalid("Os and Architecture", &self.platform, "letters, digits, `.`, `_` and `-`");
        }
        Ok(self)
    }
}

/// `USER[:GROUP]`.
fn is_user(text: &str) -> bool {
    let name = |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic() && !b"/\"'`\\".contains(&b));
    let (user, group) = text.split_once(':').unwrap_or((text, "0"));
    text.len() <= 256 && name(user) && name(group) && !group.contains(':')
}

/// Whether `text` is an absolute path without `.`, `..` and characters that a terminal acts on; `/` is one.
pub(crate) fn is_path(text: &str) -> bool {
    text.starts_with('/')
        && text.len() < 4096
        && !text.chars().any(is_acted_on)
        && text.split('/').all(|part| !matches!(part, "." | ".."))
}

/// The role of a daemon in a Swarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SwarmRole {
    Manager,
    /// Cannot manage services.
    Worker,
    /// In no Swarm.
    None,
}

/// Something that happened to a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerEvent {
    pub kind: EventKind,
    pub id: String,
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub time: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventKind {
    Created,
    Started,
    /// With the exit code.
    Died(Option<i64>),
    Stopped,
    /// A signal was sent, by its number.
    Signalled(Option<i64>),
    OutOfMemory,
    /// The new health.
    Health(HealthStatus),
    Renamed,
    Removed,
    /// Anything else, as the daemon names it.
    Other(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> ImageFacts {
        ImageFacts {
            id: "sha256:9".into(),
            tags: Vec::new(),
            digests: Vec::new(),
            labels: BTreeMap::new(),
            env: BTreeMap::new(),
            ports: vec![3000],
            entrypoint: vec!["node".into()],
            command: Vec::new(),
            user: Some("1001:0".into()),
            working_dir: Some("/app".into()),
            has_health_check: false,
            platform: "linux/arm64/v8".into(),
        }
    }

    fn field(change: impl FnOnce(&mut ImageFacts)) -> Option<String> {
        let mut image = image();
        change(&mut image);
        image.checked().err().map(|invalid| invalid.field)
    }

    #[test]
    fn invalid_values_of_images_are_refused() {
        for user in ["", "root", "1000", "node:node", "0:0", "some-user_1.x$"] {
            assert_eq!(field(|image| image.user = Some(user.into()).filter(|user: &String| !user.is_empty())), None);
        }
        for user in ["a b", "a\nb", ":0", "a:", "a:b:c", "../x", "\u{202e}", &"x".repeat(300)] {
            assert_eq!(field(|image| image.user = Some(user.into())).as_deref(), Some("User"), "{user:?}");
        }
        for folder in ["app", "/a/../b", "/a\u{1b}[2J"] {
            assert_eq!(field(|image| image.working_dir = Some(folder.into())).as_deref(), Some("WorkingDir"));
        }
        assert_eq!(field(|image| image.entrypoint = vec![String::new(); 2000]).as_deref(), Some("Entrypoint"));
        assert_eq!(field(|image| image.command = vec!["a\0b".into()]).as_deref(), Some("Cmd"));
        assert_eq!(field(|image| image.ports = vec![0]).as_deref(), Some("ExposedPorts"));
        assert_eq!(field(|image| image.platform = "linux/$(id)".into()).as_deref(), Some("Os and Architecture"));
        let label = |name: &str, value: &str| {
            let pair = (name.to_owned(), value.to_owned());
            field(|image| image.labels.extend([pair]))
        };
        let version = "org.opencontainers.image.version";
        assert_eq!(label(version, "1.2.3"), None);
        assert_eq!(label(version, "1\n2"), Some(format!("Labels.{version}")));
        assert_eq!(label(version, &"1".repeat(2000)), Some(format!("Labels.{version}")));
        assert_eq!(label("org.opencontainers.image.description", "two\nlines"), None, "it is not used");
        let options = ("NODE_OPTIONS".to_owned(), "--a\n--b".to_owned());
        assert_eq!(field(|image| image.env.extend([options])).as_deref(), Some("Env.NODE_OPTIONS"));
    }
}
