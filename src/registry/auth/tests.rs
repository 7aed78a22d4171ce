//! The order of the sources, each with temporary files and an environment of its own.

use std::sync::Arc;

use super::*;
use crate::diagnostic::{Diagnostic, ExitCode};
use crate::host::Environment;
use crate::network::Network;
use crate::origin::{Detected, Origin};
use crate::registry::RegistryHost;
use crate::settings::{PublishSettings, SecretValue};

/// One run: settings, variables and a folder with a Docker config and credential helpers.
struct Run {
    settings: PublishSettings,
    variables: Vec<(String, String)>,
    pushed: Vec<RegistryHost>,
    folder: tempfile::TempDir,
}

fn flag<T>(name: &str, value: T) -> Detected<T> {
    Detected::new(value, Origin::Flag(name.to_owned()))
}

fn secret(text: &str) -> SecretValue {
    SecretValue::Value(Secret::new(text.to_owned()))
}

impl Run {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_str().unwrap().to_owned();
        let variables = vec![
            ("PATH".to_owned(), format!("{path}:/usr/bin:/bin")),
            ("DOCKER_CONFIG".to_owned(), path),
            ("AWS_EC2_METADATA_DISABLED".to_owned(), "true".to_owned()),
        ];
        Self { settings: PublishSettings::default(), variables, pushed: Vec::new(), folder }
    }

    fn set(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    fn login(mut self, username: Option<&str>, password: Option<&str>) -> Self {
        self.settings.username = username.map(|name| flag("--username", name.to_owned()));
        self.settings.password = password.map(|text| flag("--password", secret(text)));
        self
    }

    fn config(self, json: &str) -> Self {
        std::fs::write(self.folder.path().join("config.json"), json).unwrap();
        self
    }

    fn authenticator(&self) -> Result<Authenticator, AuthError> {
        let pairs = self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let environment = Environment::from_pairs(pairs);
        let network = Arc::new(Network::new(&environment, None));
        Authenticator::new(&self.settings, &self.pushed, &environment, network)
    }

    async fn ask(&self, host: &str) -> Result<Credentials, AuthError> {
        self.authenticator()?.credentials(&RegistryHost::new(host), Access::Push).await
    }
}

/// `user:password`, `identity:token` or `registry:token`.
fn plain(credentials: &Credentials) -> String {
    match &credentials.login {
        Login::Anonymous => "nobody".to_owned(),
        Login::Basic { username, password } => format!("{username}:{}", password.expose()),
        Login::IdentityToken(token) => format!("identity:{}", token.expose()),
        Login::RegistryToken(token) => format!("registry:{}", token.expose()),
    }
}

fn auth(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

#[tokio::test]
async fn the_config_is_found_under_every_way_to_write_its_key() {
    for (key, host) in [
        ("ghcr.io", "ghcr.io"),
        ("https://ghcr.io", "ghcr.io"),
        ("https://ghcr.io/v1/", "ghcr.io"),
        ("https://ghcr.io/v2/", "ghcr.io"),
        ("http://localhost:5000/", "localhost:5000"),
        ("https://index.docker.io/v1/", "docker.io"),
        ("docker.io", "docker.io"),
        ("registry-1.docker.io", "docker.io"),
    ] {
        let run = Run::new().config(&format!(r#"{{"auths":{{"{key}":{{"auth":"{}"}}}}}}"#, auth("me:p:w")));
        let found = run.ask(host).await.unwrap();
        assert_eq!(plain(&found), "me:p:w", "{key}");
        assert!(found.origin.contains("config.json"), "{}", found.origin);
        assert_eq!(plain(&run.ask("example.com").await.unwrap()), "nobody");
    }
}

#[tokio::test]
async fn all_kinds_of_entries_are_understood() {
    let token = auth("<token>:refresh");
    for (entry, expected) in [
        (r#"{"username":"me","password":"pw"}"#.to_owned(), "me:pw"),
        (format!(r#"{{"auth":"{token}"}}"#), "identity:refresh"),
        (format!(r#"{{"auth":"{}","identitytoken":"refresh"}}"#, auth("me:")), "identity:refresh"),
        (r#"{"registrytoken":"bearer"}"#.to_owned(), "registry:bearer"),
        ("{}".to_owned(), "nobody"),
        ("null".to_owned(), "nobody"),
    ] {
        let run = Run::new().config(&format!(r#"{{"auths":{{"r.example":{entry}}}}}"#));
        assert_eq!(plain(&run.ask("r.example").await.unwrap()), expected, "{entry}");
    }
}

#[tokio::test]
async fn inputs_are_for_the_named_registry_or_the_only_one() {
    let given = || Run::new().login(Some("me"), Some("pw\n"));
    let mut named = given();
    named.settings.registry = Some(flag("--registry", "ghcr.io".to_owned()));
    assert_eq!(plain(&named.ask("ghcr.io").await.unwrap()), "me:pw");
    let other = named.ask("example.com").await.unwrap();
    assert_eq!(plain(&other), "nobody");
    assert!(other.tried[0].contains("are for `ghcr.io`"), "{:?}", other.tried);

    let mut only = given();
    only.pushed = vec![RegistryHost::new("r.example"); 2];
    let found = only.ask("r.example").await.unwrap();
    assert_eq!((plain(&found).as_str(), found.origin.as_str()), ("me:pw", "`--username` and `--password`"));

    let mut several = given();
    several.pushed = vec![RegistryHost::new("a.example"), RegistryHost::new("b.example")];
    let error = several.authenticator().unwrap_err();
    assert_eq!((error.code(), error.exit_code()), ("auth/several-registries", ExitCode::Authentication));
    assert!(error.to_string().contains("`a.example`, `b.example`"), "{error}");
}

fn auths(host: &str, user: &str) -> String {
    format!(r#"{{"auths":{{"{host}":{{"auth":"{}"}}}}}}"#, auth(&format!("{user}:pw")))
}

#[tokio::test]
async fn each_source_hides_those_behind_it() {
    const HOST: &str = "ghcr.io";
    let job = |run: Run| run.set("GITHUB_TOKEN", "pw").set("GITHUB_ACTOR", "job");
    let stored = |run: Run| job(run).config(&auths(HOST, "stored"));
    let variable = |run: Run| stored(run).set("DOCKER_AUTH_CONFIG", &auths(HOST, "variable"));
    let explicit = |run: Run| {
        let mut run = variable(run).login(Some("explicit"), Some("pw"));
        run.pushed = vec![RegistryHost::new(HOST)];
        run
    };
    for (run, login, origin) in [
        (explicit(Run::new()), "explicit:pw", "`--username` and `--password`"),
        (variable(Run::new()), "variable:pw", "`DOCKER_AUTH_CONFIG`"),
        (stored(Run::new()), "stored:pw", "config.json`"),
        (job(Run::new()), "job:pw", "`GITHUB_TOKEN`, user `job`"),
        (Run::new(), "nobody", "nobody"),
    ] {
        let found = run.ask(HOST).await.unwrap();
        assert_eq!(plain(&found), login);
        assert!(found.origin.contains(origin), "{}", found.origin);
        assert!(!found.origin.contains("pw"), "{}", found.origin);
    }
    let nobody = Run::new().ask(HOST).await.unwrap();
    assert_eq!(
        nobody.tried,
        [
            "`--username` and `--password` are not given",
            "`DOCKER_AUTH_CONFIG` is not set",
            "there is no Docker config",
            "`--github-token` is not given and `GITHUB_TOKEN` is not set",
        ]
    );
}
