//! Which variables are visible to the build, to the image, or only to the container.

use std::collections::BTreeMap;

use super::env_files;
use super::error::PlanError;
use super::image::{CA_SECRET, Inputs, KEY_SECRET, PlannedSecret, SSH_SECRET, SecretUse};
use super::secret_looking::secret_look;
use super::sources::SentSources;
use super::variable_name::{FIXED, is_of_process, is_variable_name};
use crate::config::settings::{EnvScope, EnvSetting, EnvValue, SecretSource, SecretValue};
use crate::diagnostic::Warning;
use crate::origin::{Origin, Sourced};

/// Variables by where they are visible.
pub(super) struct PlannedEnvironment {
    pub(super) image: BTreeMap<String, Sourced<String>>,
    pub(super) build: BTreeMap<String, String>,
    /// By id.
    pub(super) secrets: BTreeMap<String, PlannedSecret>,
}

/// Build arguments that are predefined in every Dockerfile.
pub const PREDEFINED_BUILD_ARGS: [&str; 12] = [
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "FTP_PROXY",
    "ftp_proxy",
    "NO_PROXY",
    "no_proxy",
    "ALL_PROXY",
    "all_proxy",
    "BUILDKIT_INLINE_CACHE",
    "SOURCE_DATE_EPOCH",
];

pub(super) fn plan_environment(
    inputs: Inputs<'_>,
    sent: &SentSources<'_>,
    warnings: &mut Vec<Warning>,
) -> Result<PlannedEnvironment, PlanError> {
    let mut environment = PlannedEnvironment {
        image: env_files::image_values(inputs, sent, warnings),
        build: BTreeMap::new(),
        secrets: BTreeMap::new(),
    };
    environment.take_start_script(inputs, warnings);
    for (name, value) in &inputs.settings.build_env_values {
        let is_of_app = !FIXED.contains(&name.as_str()) && !is_of_process(name);
        if is_of_app && is_variable_name(name) && !env_files::sets(inputs, sent, name) {
            check_variable(name, &value.value, &value.origin)?;
            environment.take_for_build(name, &value.value);
        }
    }
    for (name, argument) in &inputs.settings.build_args {
        if !PREDEFINED_BUILD_ARGS.contains(&name.as_str()) {
            check_variable(name, &argument.value, &argument.origin)?;
            environment.take_for_build(name, &argument.value);
        }
    }
    for (name, setting) in &inputs.settings.env {
        environment.take_setting(name, setting, warnings)?;
    }
    for secret in &inputs.settings.secrets {
        environment.take_secret(secret)?;
    }
    if let Some(path) = &inputs.settings.ca_bundle {
        environment.add_secret(CA_SECRET, SecretUse::CaBundle, SecretValue::File(path.value.clone()));
    }
    if let Some(key) = &inputs.settings.reproducible_key {
        environment.add_secret(KEY_SECRET, SecretUse::ReproducibleKey, key.value.clone());
    }
    Ok(environment)
}

impl PlannedEnvironment {
    fn take_setting(
        &mut self,
        name: &str,
        setting: &Sourced<EnvSetting>,
        warnings: &mut Vec<Warning>,
    ) -> Result<(), PlanError> {
        let (scope, origin) = (setting.value.scope, &setting.origin);
        let value = match &setting.value.value {
            EnvValue::Plain(value) => value,
            EnvValue::Secret(secret) => {
                check_variable(name, secret.expose(), origin)?;
                if scope == EnvScope::Image {
                    return Err(PlanError::SecretInImage { name: name.to_owned(), origin: origin.to_string() });
                }
                if scope != EnvScope::Container {
                    self.add_secret(name, SecretUse::Variable, SecretValue::Value(secret.clone()));
                }
                return Ok(());
            }
        };
        check_variable(name, value, origin)?;
        if FIXED.contains(&name) {
            warn_fixed(name, value, origin, warnings);
            return Ok(());
        }
        if matches!(scope, EnvScope::Auto | EnvScope::Build) {
            self.take_for_build(name, value);
        }
        let looks_secret = secret_look(name, value).is_some();
        match scope {
            EnvScope::Auto if looks_secret => {
                self.image.remove(name);
                warnings.push(left_out(name, origin));
            }
            EnvScope::Auto | EnvScope::Image => {
                if looks_secret {
                    warnings.push(
                        Warning::new(
                            "plan/secret-looking-in-image",
                            format!(
                                "`{name}` ({origin}) looks like a secret, and everyone who pulls the image can read it"
                            ),
                        )
                        .with_hint(format!("remove the `image` scope, and start the container with `--env {name}`")),
                    );
                }
                self.image.insert(name.to_owned(), Sourced::new(value.clone(), origin.clone()));
            }
            EnvScope::Build | EnvScope::Container => {
                self.image.remove(name);
            }
        }
        let without_build = matches!(scope, EnvScope::Image | EnvScope::Container);
        if without_build && name.starts_with("NEXT_PUBLIC_") && !self.build.contains_key(name) {
            warnings.push(public_at_run_time(name, origin));
        }
        Ok(())
    }

    /// Secret-looking values are passed to the build as secrets, so that they appear in no Dockerfile and no image history.
    fn take_for_build(&mut self, name: &str, value: &str) {
        if secret_look(name, value).is_some() {
            self.build.remove(name);
            self.add_secret(
                name,
                SecretUse::Variable,
                SecretValue::Value(crate::secret::Secret::new(value.to_owned())),
            );
        } else {
            self.secrets.remove(name);
            self.build.insert(name.to_owned(), value.to_owned());
        }
    }

    fn take_secret(&mut self, secret: &Sourced<SecretSource>) -> Result<(), PlanError> {
        let id = &secret.value.id;
        let valid = !id.is_empty()
            && id.len() <= 128
            && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))
            && !id.starts_with('.')
            && ![CA_SECRET, KEY_SECRET].contains(&id.as_str());
        if !valid {
            return Err(PlanError::InvalidSecretId { id: id.clone(), origin: secret.origin.to_string() });
        }
        let use_as = match id.as_str() {
            "npmrc" | ".npmrc" => SecretUse::Npmrc,
            SSH_SECRET => SecretUse::SshKey,
            id if is_variable_name(id) => SecretUse::Variable,
            _ => SecretUse::File,
        };
        self.build.remove(id);
        self.image.remove(id);
        self.add_secret(id, use_as, secret.value.value.clone());
        Ok(())
    }

    fn add_secret(&mut self, id: &str, use_as: SecretUse, value: SecretValue) {
        self.secrets.insert(id.to_owned(), PlannedSecret { id: id.to_owned(), use_as, value });
    }
}

impl PlannedEnvironment {
    /// Literals of the start script, which a container can override.
    fn take_start_script(&mut self, inputs: Inputs<'_>, warnings: &mut Vec<Warning>) {
        let is_manager = |word: &String| matches!(word.as_str(), "npm" | "yarn" | "pnpm" | "bun");
        let replaced =
            inputs.settings.start_command.as_ref().is_some_and(|command| !command.value.iter().any(is_manager));
        let mut secret_looking: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for (name, value) in inputs.facts.start_environment.iter().filter(|_| !replaced) {
            if FIXED.contains(&name.as_str()) || value.value.contains('\0') {
                continue;
            }
            if secret_look(name, &value.value).is_none() {
                self.image.insert(name.clone(), value.clone());
            } else if !inputs.settings.env.contains_key(name) {
                secret_looking
                    .entry(match &value.origin {
                        Origin::File(file) => file.clone(),
                        other => other.to_string(),
                    })
                    .or_default()
                    .push(name);
            }
        }
        warnings.extend(secret_looking.iter().map(|(file, names)| env_files::secrets_in_file(file, names)));
    }
}

fn check_variable(name: &str, value: &str, origin: &Origin) -> Result<(), PlanError> {
    if !is_variable_name(name) {
        return Err(PlanError::InvalidVariableName { name: name.to_owned(), origin: origin.to_string() });
    }
    if value.contains('\0') {
        return Err(PlanError::NulInValue { name: name.to_owned(), origin: origin.to_string() });
    }
    Ok(())
}

fn left_out(name: &str, origin: &Origin) -> Warning {
    Warning::new(
        "plan/secret-looking-variable",
        format!("`{name}` ({origin}) looks like a secret: the build sees it, the image does not contain it"),
    )
    .with_hint(format!("mark it as secret, and start the container with `--env {name}`"))
}

fn public_at_run_time(name: &str, origin: &Origin) -> Warning {
    let message = format!(
        "`{name}` ({origin}) is not set during the build, when Next.js writes it into the code of the browser: it has no effect there"
    );
    Warning::new("plan/public-variable-at-run-time", message).with_hint(format!("pass it with `--env {name}=VALUE`"))
}

fn warn_fixed(name: &str, value: &str, origin: &Origin, warnings: &mut Vec<Warning>) {
    // The port is planned separately; the launcher sets the host.
    if name == "PORT" || (name == "NODE_ENV" && value == "production") || (name == "HOSTNAME" && value == "0.0.0.0") {
        return;
    }
    let (reason, hint) = if name == "NODE_ENV" {
        ("images always run Next.js in `production`", "use another variable, such as `APP_ENV`")
    } else {
        (
            "the launcher listens on all addresses",
            "set `NEXTDEPLOY_HOST` when the container starts, to listen on one address",
        )
    };
    warnings.push(
        Warning::new("plan/variable-ignored", format!("`{name}` ({origin}) is ignored: {reason}")).with_hint(hint),
    );
}
