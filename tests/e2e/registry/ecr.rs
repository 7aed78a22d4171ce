//! The whole path to ECR: token, repository, push, pull, container; AWS is moto, and the registry has an ECR host name.

use std::process::Command;

use serde_json::{Value, json};

use super::canary::{assert_no_secret_in_files, forms, watched};
use super::harness::{ECR_REGION, MOTO, Registry, aws, ca_file, run};
use crate::docker::{Container, Engine, Image};
use crate::fixture::{Case, Repository};

/// Calls moto like the AWS command line does.
fn ask_ecr(action: &str, input: &Value) -> Value {
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--noproxy", "*", MOTO, "--data", &input.to_string()])
        .args(["--header", "Content-Type: application/x-amz-json-1.1"])
        .args(["--header", &format!("X-Amz-Target: AmazonEC2ContainerRegistry_V20150921.{action}")])
        .args(["--header", &format!("Authorization: AWS4-HMAC-SHA256 Credential=nd/20260101/{ECR_REGION}/ecr/aws4_request, SignedHeaders=host, Signature=0")])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn an_application_is_pushed_to_ecr_and_runs_from_there() {
    let engine = Engine::with_base(22);
    let application = Repository::compose(&Case::named("npm-next16-app"));
    let repository = Registry::Ecr.repository("shop");
    let image = Image { engine: engine.clone(), tag: repository.tag("1") };
    let ca = ca_file();
    let mut environment = aws();
    environment.push(("SSL_CERT_FILE", &ca));
    let mut secrets = forms(&Registry::Ecr.pusher().unwrap());
    secrets.push(aws()[2].1.to_owned());
    let arguments = ["build", "--push", "--create-repository", "--tag", &image.tag, "--metadata-file", "metadata.json"];
    let built = watched(application.path(), &arguments, &environment, &secrets);
    assert_eq!(built.code, Some(0), "{}", built.stderr);
    let digest = repository.digest("1");
    assert!(built.stdout.contains(&digest), "{}\n{}", built.stdout, built.stderr);
    assert_eq!(repository.config("1")["config"]["Labels"]["org.opencontainers.image.revision"], application.head());

    assert_no_secret_in_files(application.path(), &[], &secrets);
    // Compiled JavaScript may contain text that looks like the start of a token.
    let secrets: Vec<_> = secrets.iter().map(String::as_str).filter(|secret| secret.len() > 3).collect();
    assert_eq!(image.containing(&secrets), Vec::<&str>::new());

    let described = ask_ecr("DescribeRepositories", &json!({ "repositoryNames": [repository.path] }));
    let described = &described["repositories"][0];
    assert_eq!(described["repositoryName"], repository.path.as_str(), "{described}");
    assert_eq!(described["imageScanningConfiguration"]["scanOnPush"], true, "{described}");

    engine.docker(&["image", "rm", "--force", &image.tag]);
    let pulled = run(&["pull", &image.tag], &environment);
    assert_eq!(pulled.code, Some(0), "{}", pulled.stderr);
    assert!(pulled.stdout.contains(&digest), "{}", pulled.stdout);
    let container = Container::start(&image, "nd-e2e-from-ecr", 3000, &[]);
    container.wait_until_healthy();
    assert!(container.get("/").text().contains("<html"));
    ask_ecr("DeleteRepository", &json!({ "repositoryName": repository.path, "force": true }));
}

#[test]
fn a_repository_is_created_once_and_left_unchanged() {
    let repository = Registry::Ecr.repository("ensured");
    let target = format!("{}/{}", repository.host, repository.path);
    for attempt in ["made", "there already"] {
        let ensured = run(&["ecr", "ensure-repository", &target], &aws());
        assert_eq!(ensured.code, Some(0), "{attempt}: {}", ensured.stderr);
        assert_eq!(ensured.stdout.trim(), target, "{attempt}");
    }
    ask_ecr("DeleteRepository", &json!({ "repositoryName": repository.path }));
}
