//! The `ecr` commands with an AWS API server: ECR, STS and IAM as implemented by moto. What moto does not enforce
//! (permissions, the public gallery) is tested through the requests that are sent, in `src/registry/ecr/`.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

const MOTO: &str = "127.0.0.1:5595";
/// The account of every user unknown to moto.
const ACCOUNT: &str = "123456789012";

/// A unique repository name, so that runs do not conflict.
fn repository() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("nd-{}-{}/shop", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

fn ecr(folder: &Path, arguments: &[&str]) -> Run {
    TcpStream::connect(MOTO)
        .unwrap_or_else(|error| panic!("nothing answers at {MOTO} ({error}): scripts/services start aws"));
    let output = Command::new(env!("CARGO_BIN_EXE_nextdeploy"))
        .arg("ecr")
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .env("AWS_ENDPOINT_URL", format!("http://{MOTO}"))
        .env("AWS_REGION", "eu-central-1")
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .output()
        .unwrap();
    Run::of(&output)
}

#[derive(Debug)]
struct Run {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Run {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Self { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    #[track_caller]
    fn json(&self) -> Value {
        assert_eq!(self.code, Some(0), "{self:#?}");
        serde_json::from_str(&self.stdout).unwrap()
    }

    #[track_caller]
    fn fails(&self, exit: i32, code: &str) {
        assert_eq!(self.code, Some(exit), "{self:#?}");
        assert!(self.stderr.contains(&format!("[{code}]")) && self.stderr.contains("hint:"), "{self:#?}");
        assert_eq!(self.stdout, "");
    }
}

#[test]
fn a_repository_is_created_once_and_never_changed() {
    let (folder, name) = (tempfile::tempdir().unwrap(), repository());
    let asked = ["--mutability-exclusion", "latest", "--keep-images", "30", "--resource-tag", "team=web", "--json"];
    let first = ["ensure-repository", &name, "--tag-mutability", "immutable"];
    let made = ecr(folder.path(), &[&first[..], &asked].concat()).json();
    assert_eq!(made["status"], "created");
    assert_eq!(made["arn"], format!("arn:aws:ecr:eu-central-1:{ACCOUNT}:repository/{name}"));
    let again = ecr(folder.path(), &[&first[..], &asked].concat()).json();
    assert_eq!((&again["status"], &again["warnings"]), (&"existed".into(), &Value::Array(vec![])), "as asked for");
    let uri = made["uri"].as_str().unwrap();
    let other = ecr(folder.path(), &["ensure-repository", uri, "--tag-mutability", "mutable", "--keep-images", "20"]);
    assert_eq!((other.code, other.stdout.trim()), (Some(0), uri));
    assert_eq!(other.stderr.matches("[ecr/differs]").count(), 2, "{other:#?}");
    assert!(
        other.stderr.contains("aws ecr put-image-tag-mutability")
            && other.stderr.contains("aws ecr put-lifecycle-policy")
    );
    let unchanged = ecr(folder.path(), &[&first[..], &asked].concat()).json();
    assert_eq!(unchanged["warnings"], Value::Array(vec![]));
}

#[test]
fn concurrent_runs_create_one_repository() {
    let (folder, name) = (tempfile::tempdir().unwrap(), repository());
    let runs: Vec<Value> = std::thread::scope(|scope| {
        let run = || ecr(folder.path(), &["ensure-repository", &name, "--json"]).json();
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(run)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(runs.iter().filter(|run| run["status"] == "created").count(), 1, "{runs:#?}");
}

#[test]
fn a_dry_run_creates_nothing() {
    let (folder, name) = (tempfile::tempdir().unwrap(), repository());
    let uri = format!("{ACCOUNT}.dkr.ecr.eu-central-1.amazonaws.com/{name}");
    let calls = ecr(folder.path(), &["ensure-repository", &uri, "--keep-images", "3", "--dry-run", "--json"]).json();
    let actions: Vec<&str> = calls.as_array().unwrap().iter().map(|call| call["action"].as_str().unwrap()).collect();
    let expected =
        ["ecr:DescribeRepositories", "ecr:CreateRepository", "ecr:PutLifecyclePolicy", "ecr:GetLifecyclePolicy"];
    assert_eq!(actions, expected);
    assert_eq!(ecr(folder.path(), &["ensure-repository", &uri, "--json"]).json()["status"], "created");
}

#[test]
fn policies_name_the_account_of_the_credentials() {
    let folder = tempfile::tempdir().unwrap();
    let policies = ecr(folder.path(), &["policy", "acme/shop", "--github-repository", "acme/shop"]).json();
    let arn = format!("arn:aws:ecr:eu-central-1:{ACCOUNT}:repository/acme/shop");
    assert_eq!(policies["push"]["Statement"][1]["Resource"], arn);
    let provider = format!("arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com");
    assert_eq!(policies["trust"]["Statement"][0]["Principal"]["Federated"], provider);
}

#[test]
fn a_user_gets_keys_until_there_are_two_and_can_be_made_again() {
    let (folder, name) = (tempfile::tempdir().unwrap(), repository());
    let provision = |more: &[&str]| ecr(folder.path(), &[&["provision-user", &name], more].concat());
    let file = folder.path().join("key.json");
    let first = provision(&["--output", file.to_str().unwrap()]);
    assert_eq!(first.json()["status"], "created");
    let key: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let secret = key["secretAccessKey"].as_str().unwrap();
    assert!(!first.stdout.contains(secret) && !first.stderr.contains(secret));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    provision(&["--output", file.to_str().unwrap()]).fails(2, "ecr/key-file-exists");
    let second = provision(&[]);
    assert_eq!(second.json()["status"], "existed");
    assert!(second.stderr.contains(key["accessKeyId"].as_str().unwrap()), "the older key is named: {}", second.stderr);
    provision(&[]).fails(6, "ecr/key-limit");
    let fresh = provision(&["--fresh"]).json();
    assert_eq!((&fresh["status"], &fresh["userName"]), (&"remade".into(), &key["userName"]));
    // Only one key: the two older ones are gone.
    assert_eq!(provision(&[]).stderr.matches("[ecr/older-key]").count(), 1);
}

#[test]
fn keys_are_not_written_into_repositories() {
    let (folder, name) = (tempfile::tempdir().unwrap(), repository());
    fs::write(folder.path().join("package.json"), "{}").unwrap();
    let in_project = ecr(folder.path(), &["provision-user", &name, "--output", "key.json"]);
    in_project.fails(2, "ecr/key-in-repository");
    assert!(!folder.path().join("key.json").exists());
    fs::remove_file(folder.path().join("package.json")).unwrap();
    ecr(folder.path(), &["provision-user", &name, "--output", ".env"]).fails(2, "ecr/key-in-environment-file");
    // Nothing was created before the file was rejected.
    assert_eq!(ecr(folder.path(), &["provision-user", &name]).json()["status"], "created");
}

#[test]
fn invalid_names_are_rejected_before_contacting_aws() {
    let folder = tempfile::tempdir().unwrap();
    for wrong in ["Shop", "shop:1", "a__b", "s"] {
        ecr(folder.path(), &["ensure-repository", wrong]).fails(2, "ecr/repository-name");
    }
    ecr(folder.path(), &["ensure-repository", "ghcr.io/acme/shop"]).fails(2, "ecr/other-registry");
    ecr(folder.path(), &["provision-user", "acme/shop", "--user", "a b"]).fails(2, "ecr/user-name");
}
