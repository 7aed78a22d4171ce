//! Options of a supervision, and how its tokens and its state folder are found.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::error::SuperviseError;
use super::policy::RestartLimits;
use super::sink::{FileOptions, HttpTarget, TokenSource};
use crate::host::{Environment, Streams};
use crate::secret::Secret;

/// From where the server may be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposure {
    Loopback,
    /// Any address, without encryption.
    Remote,
}

/// The HTTP server.
#[derive(Debug, Clone)]
pub struct ListenOptions {
    pub address: SocketAddr,
    pub exposure: Exposure,
    /// Required for `/logs`, which is not served without one.
    pub token: Option<Secret>,
}

/// The HTTP log sink.
#[derive(Debug, Clone)]
pub struct UrlOptions {
    pub target: HttpTarget,
    pub client: reqwest::Client,
    /// Size of the buffer on disk in bytes.
    pub buffer: u64,
}

/// Everything that `supervise` needs to know.
#[derive(Debug, Clone)]
pub struct SuperviseOptions {
    /// Names of apps or containers; empty for all of ours.
    pub names: Vec<String>,
    pub limits: RestartLimits,
    /// Between two full comparisons with the daemon, and between samples.
    pub interval: Duration,
    pub listen: Option<ListenOptions>,
    pub stdout: Option<Streams>,
    pub file: Option<FileOptions>,
    pub url: Option<UrlOptions>,
    /// The state folder, created if missing.
    pub state: PathBuf,
    /// The current time.
    pub now: DateTime<Utc>,
}

/// The token named by `env:NAME` or `file:PATH`; `flag` is for messages. Checked to be readable and not empty.
pub fn token_source(flag: &'static str, word: &str, environment: &Environment) -> Result<TokenSource, SuperviseError> {
    let invalid = |reason: String| SuperviseError::Token { flag, reason };
    let source = if let Some(name) = word.strip_prefix("env:") {
        let value = environment.get(name).filter(|value| !value.is_empty());
        let value = value.ok_or_else(|| invalid("the environment variable is not set".to_owned()))?;
        TokenSource::Value(Secret::new(value.trim().to_owned()))
    } else {
        let path = word.strip_prefix("file:").filter(|path| !path.is_empty());
        let path = path.ok_or_else(|| invalid("a secret must not be passed on the command line".to_owned()))?;
        TokenSource::File(PathBuf::from(path))
    };
    let token = source.read().map_err(|error| invalid(error.to_string()))?;
    if token.expose().is_empty() { Err(invalid("it is empty".to_owned())) } else { Ok(source) }
}

/// The default state folder, by the conventions of systemd and the XDG base directory specification.
pub fn default_state_folder(environment: &Environment) -> PathBuf {
    let set = |name: &str| environment.get(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    // systemd separates several folders by colons.
    let systemd = environment.get("STATE_DIRECTORY").and_then(|list| list.split(':').next()).filter(|f| !f.is_empty());
    if let Some(folder) = systemd {
        return PathBuf::from(folder);
    }
    let user = set("XDG_STATE_HOME").or_else(|| Some(set("HOME")?.join(".local/state")));
    user.unwrap_or_else(|| PathBuf::from("/var/lib")).join("nextdeploy/supervise")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_state_folder_follows_the_environment() {
        for (pairs, expected) in [
            (&[("STATE_DIRECTORY", "/var/lib/nd"), ("HOME", "/root")][..], "/var/lib/nd"),
            (&[("XDG_STATE_HOME", "/x"), ("HOME", "/root")], "/x/nextdeploy/supervise"),
            (&[("HOME", "/root")], "/root/.local/state/nextdeploy/supervise"),
            (&[], "/var/lib/nextdeploy/supervise"),
        ] {
            let environment = Environment::from_pairs(pairs.iter().copied());
            assert_eq!(default_state_folder(&environment), PathBuf::from(expected));
        }
    }

    #[test]
    fn tokens_are_read_from_the_environment_or_a_file_only() {
        let environment = Environment::from_pairs([("TOKEN", "0123456789abcdef\n"), ("BLANK", " ")]);
        let source = token_source("--token", "env:TOKEN", &environment).unwrap();
        assert_eq!(source.read().unwrap().expose(), "0123456789abcdef");
        for (word, reason) in [
            ("0123456789abcdef", "a secret must not be passed on the command line"),
            ("env:NOTHING", "the environment variable is not set"),
            ("env:BLANK", "it is empty"),
            ("file:", "a secret must not be passed on the command line"),
        ] {
            let error = token_source("--token", word, &environment).unwrap_err().to_string();
            assert_eq!(error, format!("invalid `--token`: {reason}"));
        }
        let missing = token_source("--token", "file:/nonexistent/token", &environment).unwrap_err();
        assert!(missing.to_string().contains("No such file"));
    }
}
