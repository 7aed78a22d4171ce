//! The order of the sources, credential helpers, and the header for the daemon; each with temporary files and an environment of its own.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::docker_config::{DockerConfig, HELPER_LIMITS};
use super::*;
use crate::config::settings::{PublishSettings, SecretValue};
use crate::diagnostic::{Diagnostic, ExitCode};
use crate::host::{ChildLimits, Environment};
use crate::net::Network;
use crate::origin::{Origin, Sourced};

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

    fn keychain(&self) -> Result<Keychain, AuthError> {
        let typed = |host: &RegistryHost| Sourced::new(host.clone(), Origin::Flag("--tag".to_owned()));
        self.keychain_for(&self.pushed.iter().map(typed).collect::<Vec<_>>())
    }

    fn keychain_for(&self, registries: &[Sourced<RegistryHost>]) -> Result<Keychain, AuthError> {
        let pairs = self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let environment = Environment::from_pairs(pairs);
        let network = Arc::new(Network::new(&environment, None));
        Keychain::new(&self.settings, registries, &environment, network)
    }

    async fn resolve(&self, host: &str) -> Result<Credential, AuthError> {
        self.keychain()?.resolve(&RegistryHost::new(host), Access::Push).await
    }
}

/// `user:password`, `identity:token` or `registry:token`.
fn plain(credential: &Credential) -> String {
    match &credential.login {
        Login::Anonymous => "anonymous".to_owned(),
        Login::Basic { username, password } => format!("{username}:{}", password.expose()),
        Login::IdentityToken(token) => format!("identity:{}", token.expose()),
        Login::RegistryToken(token) => format!("registry:{}", token.expose()),
    }
}

fn auth(text: &str) -> String {
    base64::engine::general_purpose::STANDARD.encode(text)
}

#[tokio::test]
async fn config_keys_match_in_every_spelling() {
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
        let found = run.resolve(host).await.unwrap();
        assert_eq!(plain(&found), "me:p:w", "{key}");
        assert!(found.origin.contains("config.json"), "{}", found.origin);
        assert_eq!(plain(&run.resolve("example.com").await.unwrap()), "anonymous");
    }
}

#[tokio::test]
async fn every_kind_of_entry_is_read() {
    let token = auth("<token>:refresh");
    for (entry, expected) in [
        (r#"{"username":"me","password":"pw"}"#.to_owned(), "me:pw"),
        (format!(r#"{{"auth":"{token}"}}"#), "identity:refresh"),
        (format!(r#"{{"auth":"{}","identitytoken":"refresh"}}"#, auth("me:")), "identity:refresh"),
        (r#"{"registrytoken":"bearer"}"#.to_owned(), "registry:bearer"),
        ("{}".to_owned(), "anonymous"),
        ("null".to_owned(), "anonymous"),
    ] {
        let run = Run::new().config(&format!(r#"{{"auths":{{"r.example":{entry}}}}}"#));
        assert_eq!(plain(&run.resolve("r.example").await.unwrap()), expected, "{entry}");
    }
}

#[tokio::test]
async fn inputs_are_for_the_named_or_the_only_registry() {
    let given = || Run::new().login(Some("me"), Some("pw\n"));
    let mut named = given();
    named.settings.registry = Some(flag("--registry", "ghcr.io".to_owned()));
    assert_eq!(plain(&named.resolve("ghcr.io").await.unwrap()), "me:pw");
    let other = named.resolve("example.com").await.unwrap();
    assert_eq!(plain(&other), "anonymous");
    assert!(other.tried[0].contains("are for `ghcr.io`"), "{:?}", other.tried);

    let mut only = given();
    only.pushed = vec![RegistryHost::new("r.example"); 2];
    let found = only.resolve("r.example").await.unwrap();
    assert_eq!((plain(&found).as_str(), found.origin.as_str()), ("me:pw", "`--username` and `--password`"));

    let mut several = given();
    several.pushed = vec![RegistryHost::new("a.example"), RegistryHost::new("b.example")];
    let error = several.keychain().unwrap_err();
    assert_eq!((error.code(), error.exit_code()), ("auth/several-registries", ExitCode::Authentication));
    assert!(error.to_string().contains("`a.example`, `b.example`"), "{error}");
}

#[tokio::test]
async fn a_registry_named_only_by_a_file_does_not_get_the_inputs() {
    let named = |host: &str, origin: Origin| Sourced::new(RegistryHost::new(host), origin);
    let of_file = || named("other.example", Origin::field("nextdeploy.yml", "docker.image"));
    let run = Run::new().login(Some("me"), Some("canary"));
    let error = run.keychain_for(&[of_file()]).unwrap_err();
    assert_eq!((error.code(), error.exit_code()), ("auth/registry-of-file", ExitCode::Authentication));
    assert!(error.to_string().contains("`nextdeploy.yml#docker.image`"), "{error}");
    assert!(error.hints()[0].contains("`--registry other.example`"), "{:?}", error.hints());

    let typed = named("r.example", Origin::Variable("NEXTDEPLOY_IMAGES".to_owned()));
    let both = run.keychain_for(&[of_file(), typed]).unwrap();
    for (host, login) in [("r.example", "me:canary"), ("other.example", "anonymous")] {
        assert_eq!(plain(&both.resolve(&RegistryHost::new(host), Access::Push).await.unwrap()), login);
    }
    assert!(Run::new().keychain_for(&[of_file()]).is_ok(), "without inputs there is nothing to send");
}

#[tokio::test]
async fn the_token_of_a_github_server_is_not_sent_to_another() {
    for (server, host, login) in [
        ("https://github.com", "ghcr.io", "job:t"),
        ("https://ghe.example/", "containers.ghe.example", "job:t"),
        ("https://ghe.example", "ghcr.io", "anonymous"),
        ("https://ghe.example", "containers.other.example", "anonymous"),
        ("https://github.com", "containers.ghe.example", "anonymous"),
        ("https://gitea.example", "ghcr.io", "anonymous"),
    ] {
        let job = Run::new().set("GITHUB_TOKEN", "t").set("GITHUB_ACTOR", "job").set("GITHUB_SERVER_URL", server);
        assert_eq!(plain(&job.resolve(host).await.unwrap()), login, "{server}, {host}");
    }
}

fn auths(host: &str, user: &str) -> String {
    format!(r#"{{"auths":{{"{host}":{{"auth":"{}"}}}}}}"#, auth(&format!("{user}:pw")))
}

#[tokio::test]
async fn sources_are_searched_in_order() {
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
        (Run::new(), "anonymous", "anonymous"),
    ] {
        let found = run.resolve(HOST).await.unwrap();
        assert_eq!(plain(&found), login);
        assert!(found.origin.contains(origin), "{}", found.origin);
        // The name of the folder is drawn at random.
        let origin = found.origin.replace(&*run.folder.path().to_string_lossy(), "");
        assert!(!origin.contains("pw"), "{origin}");
    }
    let anonymous = Run::new().resolve(HOST).await.unwrap();
    assert_eq!(
        anonymous.tried,
        [
            "`--username` and `--password` are not set",
            "`DOCKER_AUTH_CONFIG` is not set",
            "there is no Docker config",
            "`--github-token` and `GITHUB_TOKEN` are not set",
        ]
    );
}

#[tokio::test]
async fn helpers_of_the_registry_precede_the_store_and_the_entries() {
    let write = |run: &Run, name: &str, answer: &str| {
        let file = run.folder.path().join(format!("docker-credential-{name}"));
        std::fs::write(&file, format!("#!/bin/sh\necho run >> \"$0.log\"\n{answer}\n")).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        file.with_extension("log")
    };
    let known = |user: &str| format!(r#"echo '{{"Username":"{user}","Secret":"pw"}}'"#);
    let none = "echo credentials not found in native keychain; exit 1".to_owned();
    let entry = format!(r#""auths":{{"r.example":{{"auth":"{}"}}}}"#, auth("entry:pw"));
    let config = format!(r#"{{"credHelpers":{{"r.example":"own"}},"credsStore":"store",{entry}}}"#);
    for (own, store, login, origin) in [
        (known("own"), known("store"), "own:pw", "credHelpers.r.example"),
        (none.clone(), known("store"), "store:pw", "credsStore in"),
        (none.clone(), none.clone(), "entry:pw", "config.json"),
    ] {
        let run = Run::new().config(&config);
        let (log, _) = (write(&run, "own", &own), write(&run, "store", &store));
        let keychain = run.keychain().unwrap();
        let host = RegistryHost::new("r.example");
        let found = keychain.resolve(&host, Access::Push).await.unwrap();
        assert_eq!(plain(&found), login);
        assert!(found.origin.contains(origin), "{}", found.origin);

        let again = keychain.resolve(&host, Access::Push).await.unwrap();
        assert_eq!(again, found);
        assert_eq!(std::fs::read_to_string(&log).unwrap().lines().count(), 1, "the credential is cached");
        // The same credential again is not a renewal.
        assert_eq!(keychain.renew(&host, Access::Push, &found).await.unwrap(), Renewal::Unavailable);
        if login == "own:pw" {
            write(&run, "own", &known("newer"));
            let renewal = keychain.renew(&host, Access::Push, &found).await.unwrap();
            let Renewal::Renewed(newer) = renewal else { panic!("{renewal:?}") };
            assert_eq!(plain(&newer), "newer:pw");
            assert_eq!(keychain.resolve(&host, Access::Push).await.unwrap(), newer);
            let again = keychain.renew(&host, Access::Push, &found).await.unwrap();
            assert_eq!(again, Renewal::AlreadyRenewed);
        }
    }
}

#[tokio::test]
async fn incomplete_inputs_name_the_missing_part() {
    for (username, password, code) in
        [(Some("me"), None, "auth/no-password"), (None, Some("canary"), "auth/no-username")]
    {
        let mut run = Run::new().login(username, password);
        run.pushed = vec![RegistryHost::new("r.example")];
        let error = run.resolve("r.example").await.unwrap_err();
        assert_eq!((error.code(), error.exit_code()), (code, ExitCode::Authentication));
        assert!(error.to_string().contains("`r.example`") && !error.to_string().contains("canary"), "{error}");
        assert_eq!(plain(&run.resolve("other.example").await.unwrap()), "anonymous");
    }
    for (host, login) in [
        ("ghcr.io", "octocat:canary"),
        ("012345678901.dkr.ecr.eu-central-1.amazonaws.com", "AWS:canary"),
        ("public.ecr.aws", "AWS:canary"),
    ] {
        let mut run = Run::new().login(None, Some("canary")).set("GITHUB_ACTOR", "octocat");
        run.pushed = vec![RegistryHost::new(host)];
        assert_eq!(plain(&run.resolve(host).await.unwrap()), login);
    }
    let mut named = Run::new().login(Some("Octo"), None).set("GITHUB_TOKEN", "t");
    named.pushed = vec![RegistryHost::new("ghcr.io")];
    assert_eq!(plain(&named.resolve("ghcr.io").await.unwrap()), "Octo:t");
}

#[tokio::test]
async fn secret_files_lose_their_line_break_and_unusable_ones_are_named() {
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
        let error = run().resolve("r.example").await.unwrap_err();
        assert_eq!(error.code(), "auth/secret-file");
        let text = error.to_string();
        assert!(text.contains(file.to_str().unwrap()) && text.contains("--password") && text.contains(words), "{text}");
    }
    std::fs::write(&file, " p w \r\n").unwrap();
    assert_eq!(plain(&run().resolve("r.example").await.unwrap()), "me: p w ");
}

#[tokio::test]
async fn a_broken_config_is_located_without_showing_its_values() {
    for (json, place, words) in [
        ("{\n  \"auths\": oops\n}", Some((2, 12)), "expected"),
        ("{\"auths\":\"canary\"}", Some((1, 17)), "not a Docker config"),
        ("{\"auths\":{\"r.example\":{\"auth\":\"canary!\"}}}", None, "`r.example` has an `auth` that is not Base64"),
        ("{\"auths\":{\"r.example\":{\"auth\":\"Y2FuYXJ5\"}}}", None, "without `user:password`"),
        ("{\"credsStore\":\"../canary\"}", None, "not the name of a credential helper"),
    ] {
        let run = Run::new().config(json);
        let error = run.resolve("r.example").await.unwrap_err();
        assert_eq!((error.code(), error.exit_code()), ("auth/docker-config", ExitCode::Authentication));
        let location = error.location().and_then(|at| at.line.zip(at.column));
        assert_eq!(location, place, "{json}: {error}");
        let text = format!("{error} {error:?} {:?}", error.hints());
        assert!(text.contains("config.json") && text.contains(words), "{text}");
        assert!(!text.contains("canary") && !text.contains("Y2FuYXJ5"), "{text}");
    }
    let error = Run::new().set("DOCKER_AUTH_CONFIG", "{oops").resolve("r.example").await.unwrap_err();
    assert!(error.to_string().contains("`DOCKER_AUTH_CONFIG`") && error.to_string().contains("line 1"), "{error}");
    assert_eq!(plain(&Run::new().config("").resolve("r.example").await.unwrap()), "anonymous");
}

#[tokio::test]
async fn gitlab_credentials_are_for_the_own_registry_only() {
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
    assert_eq!(plain(&job(&all).resolve(HOST).await.unwrap()), "gitlab-ci-token:a");
    assert_eq!(plain(&job(&all[2..]).resolve(HOST).await.unwrap()), "deploy:b");
    let found = job(&token).resolve(HOST).await.unwrap();
    assert_eq!((plain(&found).as_str(), found.origin.as_str()), ("gitlab-ci-token:c", "`CI_JOB_TOKEN`"));
    let none = job(&[]).resolve(HOST).await.unwrap();
    assert!(none.tried.last().unwrap().contains("nor `CI_JOB_TOKEN` is set"), "{:?}", none.tried);
    let other = job(&all).resolve("registry.gitlab.example").await.unwrap();
    assert_eq!(plain(&other), "anonymous");
    assert!(other.tried.last().unwrap().contains("`CI_REGISTRY`"), "{:?}", other.tried);
}

#[tokio::test]
async fn secrets_are_never_shown() {
    let mut run = Run::new()
        .login(Some("me"), Some("canary-1"))
        .config(&auths("r.example", "canary-2"))
        .set("GITHUB_TOKEN", "canary-3")
        .set("HTTPS_PROXY", "http://me:canary-4@proxy.example:1");
    run.settings.github_token = Some(flag("--github-token", secret("canary-5")));
    run.pushed = vec![RegistryHost::new("r.example")];
    let keychain = run.keychain().unwrap();
    for host in ["r.example", "ghcr.io", "example.com"] {
        let found = keychain.resolve(&RegistryHost::new(host), Access::Push).await.unwrap();
        let header = registry_auth_header(&found.login, &RegistryHost::new(host));
        let text = format!("{keychain:?} {found:?} {header:?} {header}");
        assert!(!text.contains("canary"), "{text}");
    }
}

fn decoded(login: &Login) -> serde_json::Value {
    let header = registry_auth_header(login, &RegistryHost::new("ghcr.io"));
    let bytes = URL_SAFE.decode(header.expose()).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

#[test]
fn the_header_encodes_any_password() {
    for password in ["a?b", ">>>", "~~~~", "ü", "a?>~ü", "\u{ff}\u{fe}?", "", "\"\\\n"] {
        let login = Login::new("me", password);
        assert_eq!(decoded(&login)["password"], password);
        assert_eq!(decoded(&login)["username"], "me");
    }
    let header = registry_auth_header(&Login::new("me", "?>~ü?>~ü?>~ü"), &RegistryHost::new("ghcr.io"));
    assert!(!header.expose().contains(['+', '/']) && header.expose().contains(['-', '_']), "{}", header.expose());
}

#[test]
fn tokens_have_their_own_fields() {
    let identity = decoded(&Login::IdentityToken(Secret::new("t".to_owned())));
    assert_eq!(identity, serde_json::json!({ "identitytoken": "t", "serveraddress": "ghcr.io" }));
    let registry = decoded(&Login::RegistryToken(Secret::new("t".to_owned())));
    assert_eq!(registry, serde_json::json!({ "registrytoken": "t", "serveraddress": "ghcr.io" }));
    assert_eq!(decoded(&Login::Anonymous), serde_json::json!({}));
}

/// A folder with `docker-credential-x` of this shell code and a Docker config that names it as `credsStore`.
fn helper_folder(code: Option<&str>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config.json"), r#"{"credsStore":"x"}"#).unwrap();
    if let Some(code) = code {
        let file = folder.path().join("docker-credential-x");
        std::fs::write(&file, format!("#!/bin/sh\n{code}\n")).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    folder
}

async fn run_helper(folder: &Path, limits: ChildLimits) -> Result<Option<Login>, AuthError> {
    let path = format!("{}:/usr/bin:/bin", folder.display());
    let environment = Environment::from_pairs([("PATH", path.as_str())]);
    let config = DockerConfig::from_folder(folder).unwrap().unwrap();
    let host = RegistryHost::new("r.example");
    let helper = config.helpers(&host).unwrap().remove(0);
    helper.get_within(limits, &config.name, &host, &environment).await
}

async fn check_helper(code: &str) -> Result<Option<Login>, AuthError> {
    run_helper(helper_folder(Some(code)).path(), HELPER_LIMITS).await
}

#[tokio::test]
async fn a_helper_reads_the_host_from_standard_input() {
    let answer = r#"test "$1" = get || exit 9; host=$(cat); printf '{"ServerURL":"%s","Username":"me","Secret":"for %s"}' "$host" "$host""#;
    assert_eq!(check_helper(answer).await.unwrap(), Some(Login::new("me", "for r.example")));
    let token = check_helper(r#"echo '{"Username":"<token>","Secret":"refresh"}'"#).await.unwrap();
    assert_eq!(token, Some(Login::IdentityToken(Secret::new("refresh".to_owned()))));
}

#[tokio::test]
async fn a_helper_without_a_credential_is_not_an_error() {
    for code in [
        "echo 'credentials not found in native keychain'; exit 1",
        r#"echo '{"ServerURL":"r.example","Username":"","Secret":""}'"#,
    ] {
        assert_eq!(check_helper(code).await.unwrap(), None, "{code}");
    }
}

#[tokio::test]
async fn a_failing_helper_is_named_with_its_config() {
    for (code, expected, words) in [
        ("echo 'the keychain is locked' >&2; exit 1", "auth/helper-failed", "the keychain is locked"),
        ("echo 'exit status 3'; exit 3", "auth/helper-failed", "exit status 3"),
        ("exit 1", "auth/helper-failed", "no reason"),
        (r#"echo '{"Username":"me","Secret":"canary"}'; exit 1"#, "auth/helper-failed", "no reason"),
        ("echo canary junk", "auth/helper-answer", "not JSON"),
        (r#"echo '{"Username":"me"}'"#, "auth/helper-answer", "no `Secret`"),
        ("printf '\\377'", "auth/helper-answer", "UTF-8"),
        ("head -c 200000 /dev/zero", "auth/helper-answer", "too long"),
    ] {
        let folder = helper_folder(Some(code));
        let error = run_helper(folder.path(), HELPER_LIMITS).await.unwrap_err();
        let text = error.to_string();
        assert_eq!((error.code(), error.exit_code()), (expected, ExitCode::Authentication), "{text}");
        assert!(text.contains("`docker-credential-x`") && text.contains("credsStore"), "{text}");
        assert!(text.contains(folder.path().join("config.json").to_str().unwrap()), "{text}");
        assert!(text.contains("`r.example`") && text.contains(words), "{text}");
        assert!(!format!("{error:?} {text} {:?}", error.hints()).contains("canary"), "{error:?}");
    }
}

#[tokio::test]
async fn a_helper_must_be_installed_and_executable() {
    let missing = helper_folder(None);
    std::fs::write(missing.path().join("docker-credential-x"), "no program").unwrap();
    let error = run_helper(missing.path(), HELPER_LIMITS).await.unwrap_err();
    assert_eq!(error.code(), "auth/helper-not-installed");
    assert!(error.hints()[0].contains("remove `credsStore`"), "{:?}", error.hints());
    let broken = helper_folder(Some(""));
    std::fs::write(broken.path().join("docker-credential-x"), "#!/nowhere/sh\n").unwrap();
    assert_eq!(run_helper(broken.path(), HELPER_LIMITS).await.unwrap_err().code(), "auth/helper-failed");
}

#[tokio::test]
async fn a_hanging_helper_is_killed_with_its_children() {
    let folder = helper_folder(Some("echo $$ > \"$(dirname \"$0\")/pid\"; sleep 600 & sleep 600"));
    let limits = ChildLimits { time: Duration::from_millis(700), ..HELPER_LIMITS };
    let started = Instant::now();
    let error = run_helper(folder.path(), limits).await.unwrap_err();
    assert_eq!(error.code(), "auth/helper-timeout");
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    let group = std::fs::read_to_string(folder.path().join("pid")).unwrap();
    let in_group = |stat: &str| {
        // `pid (name) state ppid pgrp`: proc(5).
        let fields: Vec<_> = stat.rsplit_once(')').map_or(vec![], |(_, rest)| rest.split_whitespace().collect());
        fields.get(2) == Some(&group.trim()) && fields.first() != Some(&"Z")
    };
    let processes = || std::fs::read_dir("/proc").unwrap().flatten();
    for _ in 0..50 {
        if !processes()
            .any(|process| std::fs::read_to_string(process.path().join("stat")).is_ok_and(|stat| in_group(&stat)))
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("processes of the helper are still running");
}
