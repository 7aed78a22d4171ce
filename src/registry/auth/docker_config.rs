//! The Docker config: `DOCKER_AUTH_CONFIG` and `config.json` → stored logins, and those of credential helpers. Never written.
//!
//! Formats: docker/cli, `cli/config/configfile/file.go` and the documentation of `docker login`; docker/docker-credential-helpers for
//! `docker-credential-NAME get`. The output of a helper that succeeds is never shown.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;

use super::Login;
use super::error::{AuthError, HelperCall, HelperError};
use crate::diagnostic::{Location, printable_path, shown};
use crate::host::{
    ChildCall, ChildError, ChildLimits, CommandOutput, Environment, FILE_LIMIT, find_program, read_text_file, run_child,
};
use crate::image_ref::RegistryHost;
use crate::secret::Secret;

/// Variable with a whole Docker config, read by GitLab's runner and the docker command line (28 and later).
pub(super) const VARIABLE: &str = "DOCKER_AUTH_CONFIG";
/// Some tools leave out the padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A helper that waits for input would never end.
pub(super) const HELPER_LIMITS: ChildLimits = ChildLimits { time: Duration::from_secs(10), output: 64 * 1024 };

/// One Docker config, and where it was read from.
pub(super) struct DockerConfig {
    /// For messages, with backticks.
    pub(super) name: String,
    content: DockerConfigFile,
}

// No Debug: both hold secrets.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DockerConfigFile {
    auths: Option<BTreeMap<String, Option<AuthEntry>>>,
    cred_helpers: Option<BTreeMap<String, String>>,
    creds_store: Option<String>,
}

#[derive(Deserialize)]
struct AuthEntry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
    registrytoken: Option<String>,
}

/// A credential helper, and the field that names it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct CredentialHelper {
    /// The part after `docker-credential-`.
    name: String,
    pub(super) field: String,
}

impl CredentialHelper {
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

    /// Runs the helper; `None` if it has no credential for `host`. `config` is the Docker config that names the helper.
    pub(super) async fn get(
        &self,
        config: &str,
        host: &RegistryHost,
        environment: &Environment,
    ) -> Result<Option<Login>, AuthError> {
        self.get_within(HELPER_LIMITS, config, host, environment).await
    }

    pub(super) async fn get_within(
        &self,
        limits: ChildLimits,
        config: &str,
        host: &RegistryHost,
        environment: &Environment,
    ) -> Result<Option<Login>, AuthError> {
        let program = self.program();
        let login = match find_program(&program, environment) {
            None => Err(HelperError::NotInstalled),
            Some(path) => {
                let input = host.config_key().as_bytes();
                let call =
                    ChildCall { program: &path, arguments: &["get"], directory: None, input, environment, limits };
                read_response(run_child(&call).await)
            }
        };
        login.map_err(|error| {
            let helper =
                HelperCall { program, field: self.field.clone(), config: config.to_owned(), host: host.clone() };
            AuthError::Helper { helper: Box::new(helper), error }
        })
    }
}

impl DockerConfig {
    /// The config in [`VARIABLE`]; `None` if it is not set.
    pub(super) fn from_variable(environment: &Environment) -> Result<Option<Self>, AuthError> {
        let Some(text) = environment.get(VARIABLE).filter(|text| !text.trim().is_empty()) else { return Ok(None) };
        Self::parse(text, format!("`{VARIABLE}`"), None).map(Some)
    }

    /// `config.json` in `folder`; `None` if there is no such file.
    pub(super) fn from_folder(folder: &Path) -> Result<Option<Self>, AuthError> {
        let file = folder.join("config.json");
        let name = format!("`{}`", printable_path(&file));
        match read_text_file(&file, FILE_LIMIT) {
            // Docker treats an empty file as an empty configuration.
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

    /// The helpers for this registry: its own in `credHelpers`, then `credsStore`.
    pub(super) fn helpers(&self, host: &RegistryHost) -> Result<Vec<CredentialHelper>, AuthError> {
        let own = self.content.cred_helpers.as_ref().and_then(|helpers| entries_of(helpers, host).next());
        let own = own.map(|(key, name)| (name, format!("credHelpers.{key}")));
        let store = self.content.creds_store.as_ref().map(|name| (name, "credsStore".to_owned()));
        let named = own.into_iter().chain(store).filter(|(name, _)| !name.is_empty());
        named.map(|(name, field)| CredentialHelper::new(name, field, &self.name)).collect()
    }

    /// The login in `auths` for this registry. An entry without a credential marks one that a helper stores.
    pub(super) fn stored(&self, host: &RegistryHost) -> Result<Option<Login>, AuthError> {
        let Some(auths) = &self.content.auths else { return Ok(None) };
        for (key, entry) in entries_of(auths, host) {
            let login =
                entry.as_ref().map_or(Ok(None), AuthEntry::login).map_err(|reason| AuthError::DockerConfig {
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

/// The parser's messages about types quote values, which may be secret; those about syntax do not.
fn reason(error: &serde_json::Error) -> String {
    if error.is_data() {
        format!("not a Docker config at line {} column {}", error.line(), error.column())
    } else {
        error.to_string()
    }
}

/// The entries of a registry, exact keys first: tools write `host`, `https://host`, `https://host/v1/` or `/v2/`.
fn entries_of<'a, T>(map: &'a BTreeMap<String, T>, host: &'a RegistryHost) -> impl Iterator<Item = (&'a str, &'a T)> {
    let exact = [host.config_key(), host.as_str()];
    let mut keys: Vec<&str> = exact.into_iter().filter(|key| map.contains_key(*key)).collect();
    keys.dedup();
    keys.extend(
        map.keys()
            .map(String::as_str)
            .filter(|key| !exact.contains(key) && RegistryHost::of_config_key(key).as_ref() == Some(host)),
    );
    keys.into_iter().filter_map(|key| Some((key, map.get(key)?)))
}

impl AuthEntry {
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
            // Old versions of Docker pad with NUL.
            return Ok(Some(Login::new(user, password.trim_end_matches('\0'))));
        }
        match (present(&self.username), present(&self.password)) {
            (Some(user), Some(password)) => Ok(Some(Login::new(&user, &password))),
            _ => Ok(None),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HelperResponse {
    #[serde(default)]
    username: String,
    #[serde(default)]
    secret: String,
}

fn read_response(output: Result<CommandOutput, ChildError>) -> Result<Option<Login>, HelperError> {
    let output = output.map_err(|error| match error {
        ChildError::Start(error) => HelperError::Start(error.to_string()),
        ChildError::TimedOut(after) => HelperError::TimedOut(after),
        ChildError::TooMuchOutput(_) => HelperError::Response("too long"),
        ChildError::Io(error) => HelperError::Failed(error.to_string()),
    })?;
    if !output.success {
        return read_failure(&output);
    }
    let text = String::from_utf8(output.stdout).map_err(|_| HelperError::Response("not UTF-8 text"))?;
    let response: HelperResponse =
        serde_json::from_str(&text).map_err(|_| HelperError::Response("not JSON with `Username` and `Secret`"))?;
    match (response.username.as_str(), response.secret.as_str()) {
        ("", "") => Ok(None),
        (_, "") => Err(HelperError::Response("no `Secret`")),
        (username, secret) => Ok(Some(Login::new(username, secret))),
    }
}

/// Helpers write errors to standard output; one of them means that there is no credential.
fn read_failure(output: &CommandOutput) -> Result<Option<Login>, HelperError> {
    let stdout = String::from_utf8_lossy(&output.stdout);
    if stdout.to_ascii_lowercase().contains("credentials not found") {
        return Ok(None);
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    // Lines that look like JSON may contain the secret.
    let line = [stdout.as_ref(), stderr.as_ref()]
        .into_iter()
        .filter_map(|text| text.lines().map(str::trim).find(|line| !line.is_empty()))
        .find(|line| !line.contains(['{', '"']));
    Err(HelperError::Failed(line.map_or_else(|| "no reason given".to_owned(), shown)))
}
