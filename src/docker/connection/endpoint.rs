//! The address of the daemon: environment and Docker configuration → [`Endpoint`], in the order of the docker command line.
//!
//! `DOCKER_HOST`, then the Docker context (`DOCKER_CONTEXT`, `currentContext`), then rootless sockets, then the standard
//! socket, then Podman's. Reads small configuration files and looks for sockets; never connects.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::error::DaemonError;
use super::ssh::SshTarget;
use crate::diagnostic::printable;
use crate::host::{Environment, FILE_LIMIT, read_text_file};
use crate::origin::Origin;
use crate::secret::hide_password;

/// A daemon's address, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    pub address: Address,
    pub origin: Origin,
    /// PEM file with additional trusted authorities.
    pub ca_bundle: Option<PathBuf>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    Unix(PathBuf),
    Tcp { host: String, port: u16 },
    Tls { host: String, port: u16, files: TlsFiles },
    Ssh(SshTarget),
}

/// Files of a TLS connection; missing ones are `None`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TlsFiles {
    pub ca: Option<PathBuf>,
    /// Client certificate and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.address {
            Address::Unix(path) => write!(f, "unix://{}", crate::diagnostic::printable_path(path)),
            Address::Tcp { host, port } => write!(f, "tcp://{}:{port}", printable(host)),
            Address::Tls { host, port, .. } => write!(f, "tcp://{}:{port} (TLS)", printable(host)),
            Address::Ssh(target) => write!(f, "{target}"),
        }
    }
}

/// Finds the daemon that the docker command line would use.
pub fn find_endpoint(environment: &Environment, ca_bundle: Option<&Path>) -> Result<Endpoint, DaemonError> {
    let config_dir = docker_config_dir(environment);
    let (address, origin) = if let Some(host) = set(environment, "DOCKER_HOST") {
        let origin = Origin::Variable("DOCKER_HOST".into());
        (parse_host(host, &origin, environment_tls(environment, config_dir.as_deref())?)?, origin)
    } else if let Some((name, origin)) = context_name(environment, config_dir.as_deref())? {
        let directory =
            config_dir.ok_or_else(|| bad_context(&name, &origin, "there is no home directory to read it from"))?;
        (read_context(&directory, &name, &origin)?, origin)
    } else {
        standard_socket(environment)?
    };
    Ok(Endpoint { address, origin, ca_bundle: ca_bundle.map(Path::to_path_buf) })
}

fn set<'a>(environment: &'a Environment, name: &str) -> Option<&'a str> {
    environment.get(name).filter(|value| !value.is_empty())
}

/// Folder of the Docker configuration: `DOCKER_CONFIG`, else `~/.docker`.
pub fn docker_config_dir(environment: &Environment) -> Option<PathBuf> {
    set(environment, "DOCKER_CONFIG")
        .map(PathBuf::from)
        .or_else(|| set(environment, "HOME").map(|home| Path::new(home).join(".docker")))
}

/// Any value of `DOCKER_TLS_VERIFY` turns TLS on, as with the docker command line.
fn environment_tls(environment: &Environment, config_dir: Option<&Path>) -> Result<Option<TlsFiles>, DaemonError> {
    if set(environment, "DOCKER_TLS_VERIFY").is_none() {
        return Ok(None);
    }
    let Some(named) = set(environment, "DOCKER_CERT_PATH") else {
        return Ok(Some(config_dir.map(tls_files).unwrap_or_default()));
    };
    let directory = Path::new(named);
    if !directory.is_dir() {
        return Err(DaemonError::BadAddress {
            value: named.to_owned(),
            origin: Origin::Variable("DOCKER_CERT_PATH".into()),
            reason: "it is not a directory".into(),
        });
    }
    Ok(Some(tls_files(directory)))
}

fn tls_files(directory: &Path) -> TlsFiles {
    let present = |name: &str| Some(directory.join(name)).filter(|path| path.exists());
    TlsFiles { ca: present("ca.pem"), identity: present("cert.pem").zip(present("key.pem")) }
}

fn parse_host(value: &str, origin: &Origin, tls: Option<TlsFiles>) -> Result<Address, DaemonError> {
    let bad = |reason: &str| DaemonError::BadAddress {
        value: value.to_owned(),
        origin: origin.clone(),
        reason: reason.into(),
    };
    hide_password(value);
    let (scheme, rest) =
        value.split_once("://").ok_or_else(|| bad("it has no scheme; `unix:///path` and `tcp://host:port` do"))?;
    match scheme {
        "unix" if rest.is_empty() => Err(bad("the path of the socket is missing")),
        "unix" => Ok(Address::Unix(PathBuf::from(rest))),
        "tcp" | "http" | "https" => {
            let tls = tls.or_else(|| (scheme == "https").then(TlsFiles::default));
            let (host, port) =
                parse_authority(rest, if tls.is_some() { 2376 } else { 2375 }).map_err(|why| bad(&why))?;
            Ok(match tls {
                Some(files) => Address::Tls { host, port, files },
                None => Address::Tcp { host, port },
            })
        }
        "ssh" => SshTarget::parse(rest).map(Address::Ssh).map_err(|reason| bad(&reason)),
        _ => Err(bad("only `unix://`, `tcp://` and `ssh://` addresses are supported")),
    }
}

fn parse_authority(text: &str, default_port: u16) -> Result<(String, u16), String> {
    let text = text.trim_end_matches('/');
    if text.contains(['/', '@', '?', '#']) {
        return Err("only a host and a port may follow the scheme".into());
    }
    let (host, port) = match text.rsplit_once(':') {
        // An IPv6 address without a port ends with its bracket.
        Some((host, port)) if !port.ends_with(']') => {
            (host, port.parse().ok().filter(|p| *p != 0).ok_or_else(|| format!("invalid port `{}`", printable(port)))?)
        }
        _ => (text, default_port),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    Ok((if host.is_empty() { "localhost" } else { host }.to_owned(), port))
}

/// `None` is the daemon of this machine (the context `default`).
fn context_name(environment: &Environment, config_dir: Option<&Path>) -> Result<Option<(String, Origin)>, DaemonError> {
    #[derive(Deserialize)]
    struct Config {
        #[serde(rename = "currentContext")]
        current_context: Option<String>,
    }
    let named = |name: &str, origin| (name != "default").then(|| (name.to_owned(), origin));
    if let Some(name) = set(environment, "DOCKER_CONTEXT") {
        return Ok(named(name, Origin::Variable("DOCKER_CONTEXT".into())));
    }
    let Some(file) = config_dir.map(|directory| directory.join("config.json")) else { return Ok(None) };
    let Some(config) = read_json::<Config>(&file)? else { return Ok(None) };
    let origin = Origin::field(&file.to_string_lossy(), "currentContext");
    Ok(config.current_context.filter(|name| !name.is_empty()).and_then(|name| named(&name, origin)))
}

fn read_json<T: serde::de::DeserializeOwned>(file: &Path) -> Result<Option<T>, DaemonError> {
    let text = match read_text_file(file, FILE_LIMIT) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(DaemonError::DockerConfig { file: file.into(), line: None, reason: error.to_string() });
        }
    };
    serde_json::from_str(&text).map(Some).map_err(|error| DaemonError::DockerConfig {
        file: file.into(),
        line: Some((error.line(), error.column())),
        reason: error.to_string(),
    })
}

fn bad_context(name: &str, origin: &Origin, reason: &str) -> DaemonError {
    DaemonError::DockerContext { name: name.to_owned(), origin: origin.clone(), reason: reason.to_owned() }
}

/// Layout of the context store: `contexts/meta/<sha256 of the name>/meta.json`, `contexts/tls/<same>/docker/*.pem`.
fn read_context(config_dir: &Path, name: &str, origin: &Origin) -> Result<Address, DaemonError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Meta {
        #[serde(default)]
        endpoints: std::collections::BTreeMap<String, MetaEndpoint>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct MetaEndpoint {
        #[serde(default)]
        host: String,
        #[serde(default, rename = "SkipTLSVerify")]
        skip_tls_verify: bool,
    }
    let id = format!("{:x}", Sha256::digest(name.as_bytes()));
    let meta: Meta = read_json(&config_dir.join("contexts/meta").join(&id).join("meta.json"))?
        .ok_or_else(|| bad_context(name, origin, "no such context"))?;
    let endpoint =
        meta.endpoints.get("docker").ok_or_else(|| bad_context(name, origin, "it has no Docker endpoint"))?;
    if endpoint.skip_tls_verify {
        return Err(bad_context(name, origin, "it skips verification of the daemon's certificate"));
    }
    let tls_dir = config_dir.join("contexts/tls").join(&id).join("docker");
    parse_host(&endpoint.host, origin, tls_dir.is_dir().then(|| tls_files(&tls_dir)))
}

fn standard_socket(environment: &Environment) -> Result<(Address, Origin), DaemonError> {
    let runtime = set(environment, "XDG_RUNTIME_DIR").map(PathBuf::from);
    let home = set(environment, "HOME").map(PathBuf::from);
    let candidates = [
        (runtime.as_ref().map(|dir| dir.join("docker.sock")), "the rootless Docker socket"),
        (home.map(|dir| dir.join(".docker/run/docker.sock")), "Docker Desktop's socket"),
        (Some("/var/run/docker.sock".into()), "the standard Docker socket"),
        (runtime.map(|dir| dir.join("podman/podman.sock")), "the rootless Podman socket"),
        (Some("/run/podman/podman.sock".into()), "the Podman socket"),
    ];
    let mut tried = Vec::new();
    for (path, what) in candidates {
        let Some(path) = path else { continue };
        if path.exists() {
            return Ok((Address::Unix(path), Origin::Default(what.into())));
        }
        tried.push(path);
    }
    Err(DaemonError::NoDaemon { tried })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(pairs: &[(&str, &str)]) -> Result<String, String> {
        find_endpoint(&Environment::from_pairs(pairs.iter().copied()), None)
            .map(|endpoint| format!("{endpoint} {}", endpoint.origin))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn docker_host_comes_first_with_the_default_ports_of_docker() {
        assert_eq!(address(&[("DOCKER_HOST", "unix:///x.sock")]).unwrap(), "unix:///x.sock from `DOCKER_HOST`");
        assert_eq!(address(&[("DOCKER_HOST", "tcp://10.0.0.1")]).unwrap(), "tcp://10.0.0.1:2375 from `DOCKER_HOST`");
        assert_eq!(address(&[("DOCKER_HOST", "tcp://:4000")]).unwrap(), "tcp://localhost:4000 from `DOCKER_HOST`");
        assert_eq!(address(&[("DOCKER_HOST", "tcp://[::1]:4000")]).unwrap(), "tcp://::1:4000 from `DOCKER_HOST`");
        assert_eq!(address(&[("DOCKER_HOST", "tcp://[::1]")]).unwrap(), "tcp://::1:2375 from `DOCKER_HOST`");
        let tls = [("DOCKER_HOST", "tcp://h"), ("DOCKER_TLS_VERIFY", "1"), ("HOME", "/nowhere")];
        assert_eq!(address(&tls).unwrap(), "tcp://h:2376 (TLS) from `DOCKER_HOST`");
    }

    #[test]
    fn wrong_addresses_name_the_variable_and_the_reason() {
        for (host, reason) in [
            ("10.0.0.1:2375", "has no scheme"),
            ("tcp://h:0", "invalid port `0`"),
            ("tcp://h:70000", "invalid port `70000`"),
            ("tcp://user@h:1/path", "only a host and a port"),
            ("unix://", "path of the socket is missing"),
            ("npipe:////./pipe/docker_engine", "only `unix://`, `tcp://` and `ssh://`"),
            ("ssh://me:secret@h", "passwords are not supported"),
        ] {
            let message = address(&[("DOCKER_HOST", host)]).unwrap_err();
            assert!(message.contains("DOCKER_HOST") && message.contains(reason), "{host}: {message}");
        }
        let no_dir = [("DOCKER_HOST", "tcp://h"), ("DOCKER_TLS_VERIFY", "1"), ("DOCKER_CERT_PATH", "/nowhere/certs")];
        assert!(address(&no_dir).unwrap_err().contains("`DOCKER_CERT_PATH`"));
    }

    #[test]
    fn a_docker_context_gives_host_and_certificates() {
        let home = tempfile::tempdir().unwrap();
        let docker = home.path().join(".docker");
        let id = format!("{:x}", Sha256::digest(b"far"));
        std::fs::create_dir_all(docker.join("contexts/meta").join(&id)).unwrap();
        let tls = docker.join("contexts/tls").join(&id).join("docker");
        std::fs::create_dir_all(&tls).unwrap();
        std::fs::write(tls.join("ca.pem"), "").unwrap();
        let meta = docker.join("contexts/meta").join(&id).join("meta.json");
        std::fs::write(&meta, r#"{"Name":"far","Endpoints":{"docker":{"Host":"tcp://far:2376"}}}"#).unwrap();
        std::fs::write(docker.join("config.json"), r#"{"currentContext":"far"}"#).unwrap();
        let home_path = home.path().to_str().unwrap();

        let endpoint = find_endpoint(&Environment::from_pairs([("HOME", home_path)]), None).unwrap();
        let files = TlsFiles { ca: Some(tls.join("ca.pem")), identity: None };
        assert_eq!(endpoint.address, Address::Tls { host: "far".into(), port: 2376, files });
        assert!(endpoint.origin.to_string().contains("config.json#currentContext"));

        let gone = address(&[("HOME", home_path), ("DOCKER_CONTEXT", "gone")]).unwrap_err();
        assert!(gone.contains("`gone`") && gone.contains("no such context"), "{gone}");
        let own_host = address(&[("HOME", home_path), ("DOCKER_HOST", "tcp://near")]).unwrap();
        assert!(own_host.starts_with("tcp://near"), "DOCKER_HOST wins over the context");

        std::fs::write(&meta, r#"{"Endpoints":{"docker":{"Host":"tcp://far","SkipTLSVerify":true}}}"#).unwrap();
        assert!(address(&[("HOME", home_path)]).unwrap_err().contains("skips verification"));
        std::fs::write(docker.join("config.json"), "{\n  oops").unwrap();
        let malformed = address(&[("HOME", home_path)]).unwrap_err();
        assert!(malformed.contains("config.json") && malformed.contains("line 2"), "{malformed}");
    }

    #[test]
    fn a_rootless_socket_comes_before_the_standard_one() {
        let runtime = tempfile::tempdir().unwrap();
        std::fs::write(runtime.path().join("docker.sock"), "").unwrap();
        let found = address(&[("XDG_RUNTIME_DIR", runtime.path().to_str().unwrap())]).unwrap();
        assert!(found.contains(runtime.path().to_str().unwrap()) && found.contains("rootless Docker"), "{found}");
    }
}
