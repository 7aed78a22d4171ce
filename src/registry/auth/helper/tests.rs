//! Helpers that the tests write: good ones and bad ones.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Instant;

use super::*;
use crate::diagnostic::{Diagnostic, ExitCode};
use crate::registry::auth::docker_config::DockerConfig;

/// A folder with `docker-credential-x` of this shell code and a Docker config that names it as `credsStore`.
fn folder(code: Option<&str>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config.json"), r#"{"credsStore":"x"}"#).unwrap();
    if let Some(code) = code {
        let file = folder.path().join("docker-credential-x");
        std::fs::write(&file, format!("#!/bin/sh\n{code}\n")).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    folder
}

async fn asked(folder: &Path, limits: ChildLimits) -> Result<Option<Login>, AuthError> {
    let path = format!("{}:/usr/bin:/bin", folder.display());
    let environment = Environment::from_pairs([("PATH", path.as_str())]);
    let config = DockerConfig::of_folder(folder).unwrap().unwrap();
    let host = RegistryHost::new("r.example");
    let helper = config.helpers(&host).unwrap().remove(0);
    ask_within(limits, &helper, &config.name, &host, &environment).await
}

async fn check(code: &str) -> Result<Option<Login>, AuthError> {
    asked(folder(Some(code)).path(), LIMITS).await
}

#[tokio::test]
async fn a_helper_is_asked_for_the_host_on_its_standard_input() {
    let answer = r#"test "$1" = get || exit 9; host=$(cat); printf '{"ServerURL":"%s","Username":"me","Secret":"for %s"}' "$host" "$host""#;
    assert_eq!(check(answer).await.unwrap(), Some(Login::new("me", "for r.example")));
    let token = check(r#"echo '{"Username":"<token>","Secret":"refresh"}'"#).await.unwrap();
    assert_eq!(token, Some(Login::IdentityToken(crate::secret::Secret::new("refresh".to_owned()))));
}

#[tokio::test]
async fn a_helper_that_has_none_is_no_error() {
    for code in [
        "echo 'credentials not found in native keychain'; exit 1",
        r#"echo '{"ServerURL":"r.example","Username":"","Secret":""}'"#,
    ] {
        assert_eq!(check(code).await.unwrap(), None, "{code}");
    }
}

#[tokio::test]
async fn a_helper_that_fails_is_named_with_the_config_that_names_it() {
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
        let folder = folder(Some(code));
        let error = asked(folder.path(), LIMITS).await.unwrap_err();
        let text = error.to_string();
        assert_eq!((error.code(), error.exit_code()), (expected, ExitCode::Authentication), "{text}");
        assert!(text.contains("`docker-credential-x`") && text.contains("credsStore"), "{text}");
        assert!(text.contains(folder.path().join("config.json").to_str().unwrap()), "{text}");
        assert!(text.contains("`r.example`") && text.contains(words), "{text}");
        assert!(!format!("{error:?} {text} {:?}", error.hints()).contains("canary"), "{error:?}");
    }
}

#[tokio::test]
async fn a_helper_that_is_not_there_or_not_executable_says_so() {
    let missing = folder(None);
    std::fs::write(missing.path().join("docker-credential-x"), "no program").unwrap();
    let error = asked(missing.path(), LIMITS).await.unwrap_err();
    assert_eq!(error.code(), "auth/helper-not-installed");
    assert!(error.hints()[0].contains("remove `credsStore`"), "{:?}", error.hints());
    let broken = folder(Some(""));
    std::fs::write(broken.path().join("docker-credential-x"), "#!/nowhere/sh\n").unwrap();
    assert_eq!(asked(broken.path(), LIMITS).await.unwrap_err().code(), "auth/helper-failed");
}

#[tokio::test]
async fn a_helper_that_hangs_is_ended_with_what_it_started() {
    let folder = folder(Some("echo $$ > \"$(dirname \"$0\")/pid\"; sleep 600 & sleep 600"));
    let limits = ChildLimits { time: Duration::from_millis(700), ..LIMITS };
    let started = Instant::now();
    let error = asked(folder.path(), limits).await.unwrap_err();
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
    panic!("processes of the helper are still there");
}
