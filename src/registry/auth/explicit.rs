//! `--username` and `--password`: which registry they are for, and what is missing of them.

use std::collections::BTreeSet;

use super::{AuthError, Login};
use crate::config::settings::{PublishSettings, SecretValue};
use crate::host::{FILE_LIMIT, read_named};
use crate::origin::{Origin, Sourced};
use crate::registry::RegistryHost;
use crate::secret::Secret;

/// The explicit inputs, with secrets that stood in files already read.
pub(super) struct Explicit {
    /// `None`: no registry is meant, so nobody gets them.
    host: Option<RegistryHost>,
    username: Option<Sourced<String>>,
    password: Option<Sourced<Secret>>,
}

/// What the explicit inputs say about one registry.
pub(super) enum Given {
    Nothing,
    /// Only a user name; the password may come from the job.
    Username(String),
    Login {
        login: Login,
        origin: String,
    },
}

impl Explicit {
    /// `registries` are those of this run. Without `--registry` the only one that the user or the CI system named is meant: what a
    /// file of the repository names would let whoever wrote it choose who gets the password.
    pub(super) fn new(settings: &PublishSettings, registries: &[Sourced<RegistryHost>]) -> Result<Self, AuthError> {
        let username = settings.username.clone();
        let password = settings.password.as_ref().map(read_secret).transpose()?;
        let is_trusted = |origin: &Origin| matches!(origin, Origin::Flag(_) | Origin::Variable(_));
        let trusted = registries.iter().filter(|registry| is_trusted(&registry.origin));
        let hosts: Vec<RegistryHost> =
            trusted.map(|registry| registry.value.clone()).collect::<BTreeSet<_>>().into_iter().collect();
        let is_given = username.is_some() || password.is_some();
        let host = match (&settings.registry, hosts.as_slice(), registries) {
            (Some(registry), ..) => Some(RegistryHost::new(&registry.value)),
            (None, [host], _) => Some(host.clone()),
            (None, [], [registry, ..]) if is_given => {
                return Err(AuthError::RegistryOfFile { registry: registry.clone() });
            }
            (None, [_, _, ..], _) if is_given => return Err(AuthError::SeveralRegistries { hosts }),
            (None, ..) => None,
        };
        Ok(Self { host, username, password })
    }

    /// `default_user` is the name to go with a password alone, where the registry has one.
    pub(super) fn given(
        &self,
        host: &RegistryHost,
        default_user: Option<&str>,
        fallback: Fallback,
    ) -> Result<Given, AuthError> {
        if self.host.as_ref() != Some(host) {
            return Ok(Given::Nothing);
        }
        match (&self.username, &self.password) {
            (None, None) => Ok(Given::Nothing),
            (Some(username), Some(password)) => Ok(Given::Login {
                login: Login::new(&username.value, password.value.expose()),
                origin: format!("{} and {}", name(&username.origin), name(&password.origin)),
            }),
            (Some(username), None) if fallback == Fallback::Possible => Ok(Given::Username(username.value.clone())),
            (Some(username), None) => {
                Err(AuthError::NoPassword { host: host.clone(), username: username.origin.clone() })
            }
            (None, Some(password)) => match default_user {
                Some(user) => Ok(Given::Login {
                    login: Login::new(user, password.value.expose()),
                    origin: format!("{}, user `{user}`", name(&password.origin)),
                }),
                None => Err(AuthError::NoUsername { host: host.clone(), password: password.origin.clone() }),
            },
        }
    }

    /// What to say where nothing was given for `host`.
    pub(super) fn absence(&self, host: &RegistryHost) -> String {
        match &self.host {
            Some(other) if other != host && (self.username.is_some() || self.password.is_some()) => {
                format!("`--username` and `--password` are for `{other}`")
            }
            _ => "`--username` and `--password` are not given".to_owned(),
        }
    }
}

/// Can something else than `--password` complete a user name?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fallback {
    Possible,
    None,
}

/// An origin as the name that somebody typed.
pub(super) fn name(origin: &Origin) -> String {
    match origin {
        Origin::Flag(name) | Origin::Variable(name) | Origin::File(name) => format!("`{name}`"),
        other => other.to_string(),
    }
}

/// The secret itself: a final line break is an editor's, not part of it.
pub(super) fn read_secret(given: &Sourced<SecretValue>) -> Result<Sourced<Secret>, AuthError> {
    let text = match &given.value {
        SecretValue::Value(secret) => secret.expose().clone(),
        SecretValue::File(file) => {
            let unusable =
                |reason: String| AuthError::SecretFile { file: file.clone(), origin: given.origin.clone(), reason };
            let bytes = read_named(file, FILE_LIMIT).map_err(|error| unusable(error.to_string()))?;
            let text = String::from_utf8(bytes).map_err(|_| unusable("it is not UTF-8 text".to_owned()))?;
            if text.trim().is_empty() {
                return Err(unusable("it is empty".to_owned()));
            }
            text
        }
    };
    Ok(Sourced::new(Secret::new(text.trim_end_matches(['\r', '\n']).to_owned()), given.origin.clone()))
}
