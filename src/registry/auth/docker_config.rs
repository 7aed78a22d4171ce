//! The Docker config: `DOCKER_AUTH_CONFIG` and `config.json` → logins and names of credential helpers. Never written.
//!
//! Formats: docker/cli, `cli/config/configfile/file.go` and the documentation of `docker login`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;

use super::{AuthError, Login};
use crate::diagnostic::{Location, printable_path};
use crate::host::{Environment, FILE_LIMIT, read_text_file};
use crate::registry::RegistryHost;
use crate::secret::Secret;

/// Variable with a Docker config of its own, as GitLab's runner and the docker command line (28 and later) read it.
pub(super) const VARIABLE: &str = "DOCKER_AUTH_CONFIG";
/// Tools differ in whether they pad.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// One Docker config with the place that it was read from.
pub(super) struct DockerConfig {
    /// As messages name it, with backticks.
    pub(super) name: String,
    content: Content,
}

// Neither of these has Debug: they hold secrets.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Content {
    auths: Option<BTreeMap<String, Option<Entry>>>,
    cred_helpers: Option<BTreeMap<String, String>>,
    creds_store: Option<String>,
}

#[derive(Deserialize)]
struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
    registrytoken: Option<String>,
}

/// A credential helper and the field that names it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct HelperName {
    /// What follows `docker-credential-`.
    name: String,
    pub(super) field: String,
}

impl HelperName {
    fn new(name: &str, field: String, config: &str) -> Result<Self, AuthError> {
        if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.+".contains(&byte)) {
            return Ok(Self { name: name.to_owned(), field });
        }
        Err(AuthError::DockerConfig {
            source_name: config.to_owned(),
            location: None,
            reason: format!("`{field}` is not the name of a credential helper"),
        })
    }

    pub(super) fn program(&self) -> String {
        format!("docker-credential-{}", self.name)
    }
}

impl DockerConfig {
    /// The one in the environment; `None` when the variable is not set.
    pub(super) fn of_variable(environment: &Environment) -> Result<Option<Self>, AuthError> {
        let Some(text) = environment.get(VARIABLE).filter(|text| !text.trim().is_empty()) else { return Ok(None) };
        Self::parse(text, format!("`{VARIABLE}`"), None).map(Some)
    }

    /// `config.json` in `folder`; `None` when there is no such file.
    pub(super) fn of_folder(folder: &Path) -> Result<Option<Self>, AuthError> {
        let file = folder.join("config.json");
        let name = format!("`{}`", printable_path(&file));
        match read_text_file(&file, FILE_LIMIT) {
            // Docker takes an empty file for an empty configuration.
            Ok(text) if text.trim().is_empty() => Ok(None),
            Ok(text) => Self::parse(&text, name, Some(file)).map(Some),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(AuthError::DockerConfig {
                source_name: name,
                location: Some(Location::file(file)),
                reason: error.to_string(),
            }),
        }
    }

    fn parse(text: &str, name: String, file: Option<PathBuf>) -> Result<Self, AuthError> {
        match serde_json::from_str(text.trim_start_matches('\u{feff}')) {
            Ok(content) => Ok(Self { name, content }),
            Err(error) => Err(AuthError::DockerConfig {
                source_name: name,
                location: file.map(|file| Location::column(file, error.line(), error.column())),
                reason: reason(&error),
            }),
        }
    }

    /// The helpers to ask for this registry: its own of `credHelpers`, then the `credsStore` of all.
    pub(super) fn helpers(&self, host: &RegistryHost) -> Result<Vec<HelperName>, AuthError> {
        let own = self.content.cred_helpers.as_ref().and_then(|helpers| entries_of(helpers, host).next());
        let own = own.map(|(key, name)| (name, format!("credHelpers.{key}")));
        let store = self.content.creds_store.as_ref().map(|name| (name, "credsStore".to_owned()));
        let named = own.into_iter().chain(store).filter(|(name, _)| !name.is_empty());
        named.map(|(name, field)| HelperName::new(name, field, &self.name)).collect()
    }

    /// What `auths` holds for this registry. An entry without any credential is one that a helper keeps.
    pub(super) fn stored(&self, host: &RegistryHost) -> Result<Option<Login>, AuthError> {
        let Some(auths) = &self.content.auths else { return Ok(None) };
        for (key, entry) in entries_of(auths, host) {
            let login = entry.as_ref().map_or(Ok(None), Entry::login).map_err(|reason| AuthError::DockerConfig {
                source_name: self.name.clone(),
                location: None,
                reason: format!("the entry `{key}` {reason}"),
            })?;
            if login.is_some() {
                return Ok(login);
            }
        }
        Ok(None)
    }
}

/// Messages of the parser about the shape quote values; those about the syntax do not.
fn reason(error: &serde_json::Error) -> String {
    if error.is_data() {
        format!("it has not the shape of a Docker config at line {} column {}", error.line(), error.column())
    } else {
        error.to_string()
    }
}

/// The entries of a registry, the most exact key first: tools write `host`, `https://host`, `https://host/v1/`, `/v2/`.
fn entries_of<'a, T>(map: &'a BTreeMap<String, T>, host: &'a RegistryHost) -> impl Iterator<Item = (&'a str, &'a T)> {
    let exact = [host.config_key(), host.as_str()];
    let mut keys: Vec<&str> = exact.into_iter().filter(|key| map.contains_key(*key)).collect();
    keys.dedup();
    keys.extend(
        map.keys().map(String::as_str).filter(|key| !exact.contains(key) && host_of(key) == Some(host.clone())),
    );
    keys.into_iter().filter_map(|key| Some((key, map.get(key)?)))
}

fn host_of(key: &str) -> Option<RegistryHost> {
    let rest = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    matches!(path.trim_end_matches('/'), "" | "v1" | "v2").then(|| RegistryHost::new(host))
}

impl Entry {
    fn login(&self) -> Result<Option<Login>, &'static str> {
        let present = |value: &Option<String>| value.clone().filter(|value| !value.is_empty());
        if let Some(token) = present(&self.registrytoken) {
            return Ok(Some(Login::RegistryToken(Secret::new(token))));
        }
        if let Some(token) = present(&self.identitytoken) {
            return Ok(Some(Login::IdentityToken(Secret::new(token))));
        }
        if let Some(auth) = present(&self.auth) {
            let decoded = BASE64.decode(auth.trim()).map_err(|_| "has an `auth` that is not Base64")?;
            let text = String::from_utf8(decoded).map_err(|_| "has an `auth` that is not UTF-8 text")?;
            let (user, password) = text.split_once(':').ok_or("has an `auth` without `user:password`")?;
            // Old versions of Docker padded with NUL.
            return Ok(Some(Login::new(user, password.trim_end_matches('\0'))));
        }
        match (present(&self.username), present(&self.password)) {
            (Some(user), Some(password)) => Ok(Some(Login::new(&user, &password))),
            _ => Ok(None),
        }
    }
}
