//! `nextdeploy.yml`: the fields of all its definitions, in snake, camel and any other case.

use std::path::Path;

use super::config_file::FileValue;
use super::document::{Node, Value};
use super::error::MetadataError;
use super::reader::{Reader, found};
use crate::config::setting::Setting;
use crate::rel_path::RelPath;

/// Known fields of each object, by its path; an object that is not listed may hold anything.
pub(super) const FIELDS: &[(&str, &[&str])] = &[
    (
        "",
        &[
            "version",
            "app",
            "repository",
            "docker",
            "deployment",
            "servers",
            "environment",
            "secrets",
            "database",
            "monitoring",
            "logging",
            "backup",
            "ssl",
            "ssl_config",
            "webhooks",
            "webhook",
            "cloud_provider",
            "target_type",
            "serverless",
        ],
    ),
    (
        "app",
        &[
            "name",
            "port",
            "environment",
            "domain",
            "secrets",
            "cdn_enabled",
            "resources",
            "deletion_protection",
            "path",
            "package_manager",
            "node_version",
            "build_command",
            "start_command",
            "health_path",
        ],
    ),
    ("repository", &["url", "branch", "auto_deploy", "webhook_secret"]),
    (
        "docker",
        &[
            "image",
            "registry",
            "registry_region",
            "build",
            "push",
            "username",
            "password",
            "always_pull",
            "strategy",
            "auto_push",
            "platform",
            "no_cache",
            "build_context",
            "target",
            "local_image",
            "base",
            "tags",
            "labels",
            "network",
            "memory",
            "cache_from",
            "env_files",
            "packages",
            "build_packages",
        ],
    ),
    ("docker.build", &["context", "dockerfile", "no_cache", "args"]),
    ("deployment", &["server", "container"]),
    ("deployment.server", &["host", "user", "ssh_key", "use_sudo"]),
    ("deployment.container", &["name", "restart", "ports", "health_check", "env_file", "volumes"]),
    ("deployment.container.health_check", &["test", "path", "interval", "timeout", "retries"]),
    (
        "servers[]",
        &[
            "name",
            "host",
            "port",
            "username",
            "password",
            "key_path",
            "ssh_key",
            "key_passphrase",
            "web_server",
            "use_sudo",
            "container",
        ],
    ),
    ("environment[]", &["name", "value", "secret", "scope"]),
];

const CREDENTIALS: &[&str] = &[
    "repository.webhook_secret",
    "docker.password",
    "servers[].password",
    "servers[].key_passphrase",
    "secrets.doppler.token",
    "secrets.vault.token",
    "database.password",
    "webhooks[].secret",
    "cloud_provider.access_key",
    "cloud_provider.secret_key",
];

impl Reader<'_> {
    /// Reads all fields that the image depends on; the others are known, and left to those who deploy.
    pub(super) fn nextdeploy_yml(&mut self) -> Result<(), MetadataError> {
        self.text(Setting::Name, &["app.name"])?;
        self.folder(&["app.path", "docker.build.context", "docker.build_context"])?;
        self.text(Setting::PackageManager, &["app.package_manager"])?;
        self.number(Setting::NodeVersion, &["app.node_version"])?;
        self.text(Setting::BuildCommand, &["app.build_command"])?;
        self.command(Setting::StartCommand, &["app.start_command"])?;
        self.number(Setting::Port, &["app.port"])?;
        self.text(Setting::HealthPath, &["app.health_path", "deployment.container.health_check.path"])?;
        self.pairs(Setting::Env, &["environment"])?;
        self.text(Setting::EnvFiles, &["docker.env_files"])?;
        self.text(Setting::Base, &["docker.base"])?;
        self.image_name()?;
        self.pairs(Setting::Label, &["docker.labels"])?;
        self.text(Setting::Platform, &["docker.platform"])?;
        self.pairs(Setting::BuildArg, &["docker.build.args"])?;
        self.dockerfile()?;
        // A stage of the predecessor's Dockerfile means nothing where another one is built.
        if self.file.entries_of(Setting::Dockerfile).next().is_some() {
            self.text(Setting::Target, &["docker.target"])?;
        }
        self.switch(Setting::NoCache, &["docker.no_cache", "docker.build.no_cache"])?;
        self.switch(Setting::Pull, &["docker.always_pull"])?;
        self.text(Setting::Network, &["docker.network"])?;
        self.list(Setting::CacheFrom, &["docker.cache_from"])?;
        self.number(Setting::Memory, &["docker.memory"])?;
        self.list(Setting::Package, &["docker.packages"])?;
        self.list(Setting::BuildPackage, &["docker.build_packages"])?;
        self.credentials(CREDENTIALS);
        self.unknown_fields();
        Ok(())
    }

    /// `docker.tags`, else `docker.image`, which is a name and gets the tag `latest` where it has none.
    fn image_name(&mut self) -> Result<(), MetadataError> {
        self.list(Setting::Tag, &["docker.tags"])?;
        if self.file.entries_of(Setting::Tag).next().is_some() {
            return Ok(());
        }
        self.text(Setting::Tag, &["docker.image"])?;
        for entry in self.file.entries.iter_mut().filter(|entry| entry.setting == Setting::Tag) {
            if let FileValue::Text(image) = &mut entry.value {
                let last = image.rsplit('/').next().unwrap_or_default();
                if !last.contains([':', '@']) {
                    image.push_str(":latest");
                }
            }
        }
        Ok(())
    }

    /// A Dockerfile that is named counts only where it is: the predecessor's sample names one that most repositories lack.
    fn dockerfile(&mut self) -> Result<(), MetadataError> {
        let Some((field, node)) = self.root.at("docker.build.dockerfile") else { return Ok(()) };
        let there = match &node.value {
            Value::Text(path) if matches!(path.as_str(), "own" | "generated" | "") => true,
            Value::Text(path) => RelPath::new(path).is_ok_and(|path| self.tree.has_file(&path)),
            _ => true,
        };
        if there {
            return self.text(Setting::Dockerfile, &["docker.build.dockerfile"]);
        }
        let hint = "remove the field to build without a Dockerfile";
        let message = format!("`{field}` names a file that does not exist; the Dockerfile is generated");
        self.warn("metadata/no-dockerfile", node, message, hint);
        Ok(())
    }

    fn unknown_fields(&mut self) {
        let root: &Node = self.root;
        for (path, known) in FIELDS {
            let nodes = if path.is_empty() { vec![(String::new(), root)] } else { found(root, path) };
            for (field, node) in nodes {
                let prefix = if field.is_empty() { String::new() } else { format!("{field}.") };
                self.unknown_keys(&prefix, node, known);
            }
        }
    }
}

/// True for a name that is `nextdeploy.yml` or stands in for it.
pub(super) fn is_yaml(name: &str) -> bool {
    let extension = Path::new(name).extension();
    extension.is_some_and(|extension| extension.eq_ignore_ascii_case("yml") || extension.eq_ignore_ascii_case("yaml"))
}
