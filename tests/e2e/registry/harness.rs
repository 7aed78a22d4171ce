//! The registries started by `scripts/services`, their users, and their content as seen by `skopeo`.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use base64::Engine as _;
use serde_json::{Value, json};

use crate::docker::{Engine, services_folder};
use crate::program::{Run, nextdeploy_with};

const USERS: &str = include_str!("../../../scripts/services.d/registry-users.json");

pub const MOTO: &str = "http://127.0.0.1:5595";
/// The same services with TLS.
pub const MOTO_TLS: &str = "https://aws.nextdeploy.test:5596";
pub const ECR_REGION: &str = "eu-central-1";

/// One registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registry {
    Open,
    /// User name and password.
    Htpasswd,
    /// Bearer tokens of a token server.
    Token,
    /// Bearer tokens, TLS.
    Ghcr,
    /// The password from ECR's authorization token, TLS.
    Ecr,
}

/// A user of a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub name: String,
    pub password: String,
}

impl User {
    /// A user of `registry-users.json`.
    pub fn named(name: &str) -> Self {
        let users: Value = serde_json::from_str(USERS).unwrap();
        let password = match &users["htpasswd"][name] {
            Value::String(password) => password.clone(),
            _ => users["token"][name]["password"].as_str().unwrap_or_else(|| panic!("no user {name}")).to_owned(),
        };
        Self { name: name.to_owned(), password }
    }
}

impl Registry {
    pub fn host(self) -> &'static str {
        match self {
            Self::Open => "127.0.0.1:5590",
            Self::Htpasswd => "127.0.0.1:5591",
            Self::Token => "127.0.0.1:5592",
            Self::Ghcr => "ghcr.io",
            Self::Ecr => "123456789012.dkr.ecr.eu-central-1.amazonaws.com",
        }
    }

    /// A user who may push; anonymous at the open registry.
    pub fn pusher(self) -> Option<User> {
        match self {
            Self::Open => None,
            Self::Htpasswd => Some(User::named("nd-user")),
            Self::Token | Self::Ghcr => Some(User::named("nd-writer")),
            Self::Ecr => Some(User { name: "AWS".to_owned(), password: "123456789012-auth-token".to_owned() }),
        }
    }

    /// A unique repository.
    pub fn repository(self, name: &str) -> Repository {
        let name = unique(name);
        let path = if self == Self::Ghcr { format!("nd-acme/{name}") } else { name };
        Repository { host: self.host().to_owned(), path, registry: self }
    }
}

impl User {
    /// As settings for the only registry of a run.
    pub fn settings(&self) -> [(&str, &str); 2] {
        [("NEXTDEPLOY_USERNAME", &self.name), ("NEXTDEPLOY_PASSWORD", &self.password)]
    }

    /// A Docker config with this user's entry for `host`.
    pub fn docker_config(&self, host: &str) -> String {
        let auth = base64::engine::general_purpose::STANDARD.encode(format!("{}:{}", self.name, self.password));
        json!({ "auths": { (host): { "auth": auth } } }).to_string()
    }
}

/// AWS for the program: moto, with arbitrary keys. The region is in the host names.
pub fn aws() -> Vec<(&'static str, &'static str)> {
    vec![
        ("AWS_ENDPOINT_URL", MOTO),
        ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY"),
    ]
}

/// Runs the program in any folder, with nothing from the developer's environment but `environment`.
pub fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let run = nextdeploy_with(&Engine::default(), folder.path(), arguments, environment);
    assert!(folder.path().read_dir().unwrap().next().is_none(), "{arguments:?} wrote into the current folder");
    run
}

/// The run succeeded and printed exactly these references, each with the digest in the registry, in this order.
pub fn assert_pushed(run: &Run, references: &[(&Repository, &str)]) {
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let expected: Vec<_> = references
        .iter()
        .map(|(repository, tag)| format!("{}@{}", repository.tag(tag), repository.digest(tag)))
        .collect();
    assert_eq!(run.stdout.lines().collect::<Vec<_>>(), expected, "{}", run.stderr);
}

/// The run failed with this exit code, and printed the error code, one action, and these words.
pub fn assert_refused(run: &Run, exit_code: i32, code: &str, words: &[&str]) {
    assert_eq!(run.code, Some(exit_code), "{}", run.stderr);
    assert_eq!(run.stdout, "", "{}", run.stderr);
    assert!(run.stderr.contains(code), "no `{code}` in\n{}", run.stderr);
    assert_eq!(run.stderr.matches("hint:").count(), 1, "not one hint in\n{}", run.stderr);
    for word in words {
        assert!(run.stderr.contains(word), "no `{word}` in\n{}", run.stderr);
    }
}

/// `nd-e2e-NAME-…`, different for each call.
pub fn unique(name: &str) -> String {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let moment = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis();
    format!("nd-e2e-{name}-{moment}-{}", CALLS.fetch_add(1, Ordering::Relaxed))
}

/// The certificate authority of the registries with TLS.
pub fn ca_file() -> String {
    format!("{}/registry-ca.crt", services_folder())
}

/// A repository, under the host that the program uses for the registry.
#[derive(Debug, Clone)]
pub struct Repository {
    pub host: String,
    pub path: String,
    /// The host that `skopeo` uses: never through a proxy of the test.
    registry: Registry,
}

impl Repository {
    /// The same repository under another host, such as a proxy in front of the registry.
    pub fn behind(&self, host: &str) -> Self {
        Self { host: host.to_owned(), ..self.clone() }
    }

    pub fn tag(&self, tag: &str) -> String {
        format!("{}/{}:{tag}", self.host, self.path)
    }

    pub fn tags(&self) -> Vec<String> {
        match self.skopeo(&["list-tags"], "") {
            Ok(text) => serde_json::from_str::<Value>(&text).unwrap()["Tags"]
                .as_array()
                .map(|tags| tags.iter().map(|tag| tag.as_str().unwrap().to_owned()).collect())
                .unwrap_or_default(),
            Err(error) if error.contains("404 (Not Found)") => Vec::new(),
            Err(error) => panic!("{error}"),
        }
    }

    pub fn digest(&self, tag: &str) -> String {
        self.inspect(&["inspect", "--no-tags", "--format", "{{.Digest}}"], tag).trim().to_owned()
    }

    pub fn manifest(&self, tag: &str) -> Value {
        serde_json::from_str(&self.inspect(&["inspect", "--raw"], tag)).unwrap()
    }

    /// The image configuration: `config.Labels`, `history`, `rootfs` and more.
    pub fn config(&self, tag: &str) -> Value {
        serde_json::from_str(&self.inspect(&["inspect", "--config"], tag)).unwrap()
    }

    /// Every tag refers to a manifest whose configuration and layers all exist and match their digests.
    pub fn assert_whole(&self) {
        for tag in self.tags() {
            let copy = tempfile::tempdir().unwrap();
            let target = format!("dir:{}", copy.path().display());
            if let Err(error) = self.skopeo(&["copy", "--quiet"], &format!(":{tag} {target}")) {
                panic!("the registry has the tag {tag} of an incomplete image: {error}");
            }
        }
    }

    fn inspect(&self, arguments: &[&str], tag: &str) -> String {
        self.skopeo(arguments, &format!(":{tag}")).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Runs `skopeo ARGUMENTS LOGIN docker://REPOSITORY` with `rest` appended.
    fn skopeo(&self, arguments: &[&str], rest: &str) -> Result<String, String> {
        let (verb, options) = arguments.split_first().unwrap();
        let copies = *verb == "copy";
        let mut command = Command::new("skopeo");
        command.arg(verb).args(options);
        let source = |name: &str| if copies { format!("--src-{name}") } else { format!("--{name}") };
        match self.registry.pusher() {
            Some(user) => command.arg(source("creds")).arg(format!("{}:{}", user.name, user.password)),
            None => command.arg(source("no-creds")),
        };
        if !matches!(self.registry, Registry::Ghcr | Registry::Ecr) {
            command.arg(format!("{}=false", source("tls-verify")));
        }
        let address = format!("docker://{}/{}{rest}", self.registry.host(), self.path);
        let output =
            command.args(address.split(' ')).output().expect("skopeo runs (scripts/services start registries)");
        if output.status.success() {
            Ok(String::from_utf8(output.stdout).unwrap())
        } else {
            Err(format!("skopeo {verb} {address}: {}", String::from_utf8_lossy(&output.stderr)))
        }
    }
}
