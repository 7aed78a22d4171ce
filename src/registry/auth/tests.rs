//! The order of the sources, each with temporary files and an environment of its own.

use std::sync::Arc;

use super::*;
use crate::config::settings::{PublishSettings, SecretValue};
use crate::diagnostic::{Diagnostic, ExitCode};
use crate::host::Environment;
use crate::net::Network;
use crate::origin::{Origin, Sourced};
use crate::registry::RegistryHost;

/// One run: settings, variables and a folder with a Docker config and credential helpers.
struct Run {
    settings: PublishSettings,
    variables: Vec<(String, String)>,
    pushed: Vec<RegistryHost>,
    folder: tempfile::TempDir,
}

fn flag<T>(name: &str, value: T) -> Sourced<T> {
    Sourced::new(value, Origin::Flag(name.to_owned()))
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
        let typed = |host: &RegistryHost| Sourced::new(host.clone(), Origin::Flag("--tag".to_owned()));
        self.authenticator_for(&self.pushed.iter().map(typed).collect::<Vec<_>>())
    }

    fn authenticator_for(&self, registries: &[Sourced<RegistryHost>]) -> Result<Authenticator, AuthError> {
        let pairs = self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let environment = Environment::from_pairs(pairs);
        let network = Arc::new(Network::new(&environment, None));
        Authenticator::new(&self.settings, registries, &environment, network)
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

#[tokio::test]
async fn a_registry_that_only_a_file_names_gets_no_inputs() {
    let named = |host: &str, origin: Origin| Sourced::new(RegistryHost::new(host), origin);
    let of_file = || named("other.example", Origin::field("nextdeploy.yml", "docker.image"));
    let run = Run::new().login(Some("me"), Some("canary"));
    let error = run.authenticator_for(&[of_file()]).unwrap_err();
    assert_eq!((error.code(), error.exit_code()), ("auth/registry-of-file", ExitCode::Authentication));
    assert!(error.to_string().contains("`nextdeploy.yml#docker.image`"), "{error}");
    assert!(error.hints()[0].contains("`--registry other.example`"), "{:?}", error.hints());

    let typed = named("r.example", Origin::Variable("NEXTDEPLOY_IMAGES".to_owned()));
    let both = run.authenticator_for(&[of_file(), typed]).unwrap();
    for (host, login) in [("r.example", "me:canary"), ("other.example", "nobody")] {
        assert_eq!(plain(&both.credentials(&RegistryHost::new(host), Access::Push).await.unwrap()), login);
    }
    assert!(Run::new().authenticator_for(&[of_file()]).is_ok(), "without inputs there is nothing to send");
}

#[tokio::test]
async fn the_token_of_one_github_server_is_not_sent_to_another() {
    for (server, host, login) in [
        ("https://github.com", "ghcr.io", "job:t"),
        ("https://ghe.example/", "containers.ghe.example", "job:t"),
        ("https://ghe.example", "ghcr.io", "nobody"),
        ("https://ghe.example", "containers.other.example", "nobody"),
        ("https://github.com", "containers.ghe.example", "nobody"),
        ("https://gitea.example", "ghcr.io", "nobody"),
    ] {
        let job = Run::new().set("GITHUB_TOKEN", "t").set("GITHUB_ACTOR", "job").set("GITHUB_SERVER_URL", server);
        assert_eq!(plain(&job.ask(host).await.unwrap()), login, "{server}, {host}");
    }
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
        // The name of the folder is drawn at random.
        let told = found.origin.replace(&*run.folder.path().to_string_lossy(), "");
        assert!(!told.contains("pw"), "{told}");
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

#[tokio::test]
async fn a_helper_of_the_registry_comes_before_the_store_and_the_entries() {
    let write = |run: &Run, name: &str, answer: &str| {
        use std::os::unix::fs::PermissionsExt as _;
        let file = run.folder.path().join(format!("docker-credential-{name}"));
        std::fs::write(&file, format!("#!/bin/sh\necho asked >> \"$0.log\"\n{answer}\n")).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        file.with_extension("log")
    };
    let known = |user: &str| format!(r#"echo '{{"Username":"{user}","Secret":"pw"}}'"#);
    let none = "echo credentials not found in native keychain; exit 1".to_owned();
    let entry = format!(r#""auths":{{"r.example":{{"auth":"{}"}}}}"#, auth("entry:pw"));
    let config = format!(r#"{{"credHelpers":{{"r.example":"own"}},"credsStore":"store",{entry}}}"#);
    for (own, store, login, origin) in [
        (known("own"), known("store"), "own:pw", "credHelpers.r.example"),
        (none.clone(), known("store"), "store:pw", "credsStore of"),
        (none.clone(), none.clone(), "entry:pw", "config.json"),
    ] {
        let run = Run::new().config(&config);
        let (log, _) = (write(&run, "own", &own), write(&run, "store", &store));
        let authenticator = run.authenticator().unwrap();
        let host = RegistryHost::new("r.example");
        let found = authenticator.credentials(&host, Access::Push).await.unwrap();
        assert_eq!(plain(&found), login);
        assert!(found.origin.contains(origin), "{}", found.origin);

        let again = authenticator.credentials(&host, Access::Push).await.unwrap();
        assert_eq!(again, found);
        assert_eq!(std::fs::read_to_string(&log).unwrap().lines().count(), 1, "the answer is remembered");
        // The same answer again is nothing new.
        assert_eq!(authenticator.renew(&host, Access::Push).await.unwrap(), None);
        if login == "own:pw" {
            write(&run, "own", &known("newer"));
            let newer = authenticator.renew(&host, Access::Push).await.unwrap().unwrap();
            assert_eq!(plain(&newer), "newer:pw");
            assert_eq!(authenticator.credentials(&host, Access::Push).await.unwrap(), newer);
        }
    }
}

#[tokio::test]
async fn incomplete_inputs_say_what_is_missing() {
    for (username, password, code) in
        [(Some("me"), None, "auth/no-password"), (None, Some("canary"), "auth/no-username")]
    {
        let mut run = Run::new().login(username, password);
        run.pushed = vec![RegistryHost::new("r.example")];
        let error = run.ask("r.example").await.unwrap_err();
        assert_eq!((error.code(), error.exit_code()), (code, ExitCode::Authentication));
        assert!(error.to_string().contains("`r.example`") && !error.to_string().contains("canary"), "{error}");
        assert_eq!(plain(&run.ask("other.example").await.unwrap()), "nobody");
    }
    for (host, login) in [
        ("ghcr.io", "octocat:canary"),
        ("012345678901.dkr.ecr.eu-central-1.amazonaws.com", "AWS:canary"),
        ("public.ecr.aws", "AWS:canary"),
    ] {
        let mut run = Run::new().login(None, Some("canary")).set("GITHUB_ACTOR", "octocat");
        run.pushed = vec![RegistryHost::new(host)];
        assert_eq!(plain(&run.ask(host).await.unwrap()), login);
    }
    let mut named = Run::new().login(Some("Octo"), None).set("GITHUB_TOKEN", "t");
    named.pushed = vec![RegistryHost::new("ghcr.io")];
    assert_eq!(plain(&named.ask("ghcr.io").await.unwrap()), "Octo:t");
}

#[tokio::test]
async fn secrets_in_files_lose_their_line_break_and_unusable_files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    let run = || {
        let mut run = Run::new().login(Some("me"), None);
        run.settings.password = Some(flag("--password", SecretValue::File(file.clone())));
        run.pushed = vec![RegistryHost::new("r.example")];
        run
    };
    for (content, words) in [(None, "No such file"), (Some(&b"\n"[..]), "empty"), (Some(b"\xff"), "UTF-8")] {
        if let Some(bytes) = content {
            std::fs::write(&file, bytes).unwrap();
        }
        let error = run().ask("r.example").await.unwrap_err();
        assert_eq!(error.code(), "auth/secret-file");
        let text = error.to_string();
        assert!(text.contains(file.to_str().unwrap()) && text.contains("--password") && text.contains(words), "{text}");
    }
    std::fs::write(&file, " p w \r\n").unwrap();
    assert_eq!(plain(&run().ask("r.example").await.unwrap()), "me: p w ");
}

#[tokio::test]
async fn a_broken_config_is_told_with_its_place_and_without_its_values() {
    for (json, place, words) in [
        ("{\n  \"auths\": oops\n}", Some((2, 12)), "expected"),
        ("{\"auths\":\"canary\"}", Some((1, 17)), "shape"),
        ("{\"auths\":{\"r.example\":{\"auth\":\"canary!\"}}}", None, "`r.example` has an `auth` that is not Base64"),
        ("{\"auths\":{\"r.example\":{\"auth\":\"Y2FuYXJ5\"}}}", None, "without `user:password`"),
        ("{\"credsStore\":\"../canary\"}", None, "not the name of a credential helper"),
    ] {
        let run = Run::new().config(json);
        let error = run.ask("r.example").await.unwrap_err();
        assert_eq!((error.code(), error.exit_code()), ("auth/docker-config", ExitCode::Authentication));
        let location = error.location().and_then(|at| at.line.zip(at.column));
        assert_eq!(location, place, "{json}: {error}");
        let text = format!("{error} {error:?} {:?}", error.hints());
        assert!(text.contains("config.json") && text.contains(words), "{text}");
        assert!(!text.contains("canary") && !text.contains("Y2FuYXJ5"), "{text}");
    }
    let error = Run::new().set("DOCKER_AUTH_CONFIG", "{oops").ask("r.example").await.unwrap_err();
    assert!(error.to_string().contains("`DOCKER_AUTH_CONFIG`") && error.to_string().contains("line 1"), "{error}");
    assert_eq!(plain(&Run::new().config("").ask("r.example").await.unwrap()), "nobody");
}

#[tokio::test]
async fn gitlab_jobs_have_credentials_for_their_own_registry_only() {
    const HOST: &str = "registry.gitlab.example:5050";
    let job = |pairs: &[(&str, &str)]| {
        pairs.iter().fold(Run::new().set("CI_REGISTRY", "Registry.gitlab.example:5050"), |run, (name, value)| {
            run.set(name, value)
        })
    };
    let registry = [("CI_REGISTRY_USER", "gitlab-ci-token"), ("CI_REGISTRY_PASSWORD", "a")];
    let deploy = [("CI_DEPLOY_USER", "deploy"), ("CI_DEPLOY_PASSWORD", "b")];
    let token = [("CI_JOB_TOKEN", "c")];
    let all: Vec<_> = [&registry[..], &deploy, &token].concat();
    assert_eq!(plain(&job(&all).ask(HOST).await.unwrap()), "gitlab-ci-token:a");
    assert_eq!(plain(&job(&all[2..]).ask(HOST).await.unwrap()), "deploy:b");
    let found = job(&token).ask(HOST).await.unwrap();
    assert_eq!((plain(&found).as_str(), found.origin.as_str()), ("gitlab-ci-token:c", "`CI_JOB_TOKEN`"));
    let none = job(&[]).ask(HOST).await.unwrap();
    assert!(none.tried.last().unwrap().contains("nor `CI_JOB_TOKEN` is set"), "{:?}", none.tried);
    let other = job(&all).ask("registry.gitlab.example").await.unwrap();
    assert_eq!(plain(&other), "nobody");
    assert!(other.tried.last().unwrap().contains("`CI_REGISTRY`"), "{:?}", other.tried);
}

#[tokio::test]
async fn nothing_shows_a_secret() {
    let mut run = Run::new()
        .login(Some("me"), Some("canary-1"))
        .config(&auths("r.example", "canary-2"))
        .set("GITHUB_TOKEN", "canary-3")
        .set("HTTPS_PROXY", "http://me:canary-4@proxy.example:1");
    run.settings.github_token = Some(flag("--github-token", secret("canary-5")));
    run.pushed = vec![RegistryHost::new("r.example")];
    let authenticator = run.authenticator().unwrap();
    for host in ["r.example", "ghcr.io", "example.com"] {
        let found = authenticator.credentials(&RegistryHost::new(host), Access::Push).await.unwrap();
        let header = registry_auth_header(&found.login, &RegistryHost::new(host));
        let text = format!("{authenticator:?} {found:?} {header:?} {header} {:?}", authenticator.network());
        assert!(!text.contains("canary"), "{text}");
    }
}
