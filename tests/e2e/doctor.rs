//! `nextdeploy doctor` on this machine, with its daemon and registries.

use serde_json::Value;

use crate::docker::Engine;
use crate::fixture::{Case, Repository};
use crate::program::{Run, nextdeploy_with};
use crate::registry::harness::{Registry, User};

fn doctor(engine: &Engine, arguments: &[&str], environment: &[(&str, &str)]) -> (Run, Vec<Value>) {
    let repository = Repository::compose(&Case::named("npm-next16-app"));
    let before = repository.fingerprint();
    let arguments = [&["doctor", "--json"], arguments].concat();
    let run = nextdeploy_with(engine, repository.path(), &arguments, environment);
    assert_eq!(repository.fingerprint(), before, "it only looks");
    let document: Value = serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {}", run.stderr));
    assert_eq!(document["exitCode"], run.code.unwrap());
    (run, document["findings"].as_array().unwrap().clone())
}

#[track_caller]
fn find<'a>(findings: &'a [Value], code: &str) -> &'a Value {
    findings.iter().find(|finding| finding["code"] == code).unwrap_or_else(|| panic!("no {code} in {findings:#?}"))
}

fn problems(findings: &[Value]) -> Vec<&Value> {
    findings.iter().filter(|finding| finding["level"] == "problem").collect()
}

#[test]
fn doctor_passes_on_a_working_machine() {
    let (run, findings) = doctor(&Engine::default(), &[], &[]);
    assert_eq!((run.code, problems(&findings).len()), (Some(0), 0), "{findings:#?}");
    for part in ["Docker Engine", "BuildKit", "linux/"] {
        assert!(
            findings.iter().any(|finding| finding["message"].as_str().unwrap().contains(part)),
            "{part}: {findings:#?}"
        );
    }
}

#[test]
fn doctor_reports_a_missing_daemon() {
    let engine = Engine { host: Some("unix:///nonexistent/docker.sock".to_owned()) };
    let (run, findings) = doctor(&engine, &[], &[]);
    assert_eq!(run.code, Some(4));
    let [problem] = problems(&findings)[..] else { panic!("{findings:#?}") };
    assert_eq!(problem["code"], "daemon/unreachable");
    assert!(problem["message"].as_str().unwrap().contains("/nonexistent/docker.sock"), "{problem}");
    assert!(!problem["action"].as_str().unwrap().is_empty(), "{problem}");
}

#[test]
fn doctor_checks_the_password_with_the_registry() {
    for registry in [Registry::Htpasswd, Registry::Token] {
        let tag = format!("{}/nd-doctor/shop:1", registry.host());
        let arguments = ["--push", "--registry", registry.host(), "--tag", &tag];
        let user = registry.pusher().unwrap();
        let (run, findings) = doctor(&Engine::default(), &arguments, &user.settings());
        assert_eq!(run.code, Some(0), "{registry:?}: {findings:#?}");
        let taken = find(&findings, "doctor/credentials")["message"].as_str().unwrap();
        assert!(taken.contains(registry.host()) && taken.contains(", accepted"), "{taken}");

        let wrong = User { password: "wrong-canary-9d1c".to_owned(), ..user };
        let (run, findings) = doctor(&Engine::default(), &arguments, &wrong.settings());
        assert_eq!(run.code, Some(5), "{registry:?}: {findings:#?}");
        let [problem] = problems(&findings)[..] else { panic!("{findings:#?}") };
        assert_eq!(problem["code"], "doctor/login-refused");
        assert!(problem["message"].as_str().unwrap().contains(registry.host()), "{problem}");
        assert!(!format!("{}{}", run.stdout, run.stderr).contains("canary"), "{}", run.stdout);
    }
}
