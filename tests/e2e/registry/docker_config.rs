//! Docker configs and credential helpers for tests.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::json;
use tempfile::TempDir;

use super::harness::User;

/// A Docker config in a separate folder.
pub fn docker_config(text: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("config.json"), text).unwrap();
    folder
}

pub fn path_of(folder: &TempDir) -> &str {
    folder.path().to_str().unwrap()
}

/// A credential helper, and a Docker config that names it for one registry.
pub struct Helper {
    config: TempDir,
    path: String,
}

impl Helper {
    /// A helper that runs `script`.
    pub fn doing(host: &str, script: &str) -> Self {
        let config = docker_config(&json!({ "credHelpers": { (host): "nd-test" } }).to_string());
        let program = config.path().join("docker-credential-nd-test");
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let path = format!("{}:{}", config.path().display(), std::env::var("PATH").unwrap());
        Self { config, path }
    }

    /// A helper that returns this user for this registry only, and counts its calls.
    pub fn answering(host: &str, user: &User) -> Self {
        Self::answering_anew(host, user, user)
    }

    /// The same, with another user from the second call on.
    pub fn answering_anew(host: &str, first: &User, then: &User) -> Self {
        let answer = |user: &User| {
            let answer = json!({ "ServerURL": host, "Username": user.name, "Secret": user.password });
            format!("cat <<'END'\n{answer}\nEND")
        };
        let (first, then) = (answer(first), answer(then));
        let script = format!(
            "read -r host\n[ \"$1 $host\" = 'get {host}' ] || exit 1\ncd \"${{0%/*}}\"\n\
             if [ -e asked ]; then\n{then}\nelse\n{first}\nfi\necho asked >>asked"
        );
        Self::doing(host, &script)
    }

    pub fn asked(&self) -> usize {
        fs::read_to_string(self.folder().join("asked")).unwrap_or_default().lines().count()
    }

    pub fn environment(&self) -> [(&str, &str); 2] {
        [("DOCKER_CONFIG", path_of(&self.config)), ("PATH", &self.path)]
    }

    pub fn folder(&self) -> &Path {
        self.config.path()
    }
}
