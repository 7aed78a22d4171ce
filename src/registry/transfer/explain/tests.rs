use super::*;
use crate::secret::Secret;

/// Code and action for a push (or `pull REFERENCE`) that the daemon refused with `message`.
fn check(reference: &str, message: &str) -> (&'static str, String, String) {
    asked_by(reference, message, Login::Basic { username: "me".into(), password: Secret::new("p".into()) }, "`auths`")
}

fn anonymous(reference: &str, message: &str) -> (&'static str, String, String) {
    asked_by(reference, message, Login::Anonymous, "nobody")
}

fn asked_by(reference: &str, message: &str, login: Login, origin: &str) -> (&'static str, String, String) {
    let (reference, access) = match reference.strip_prefix("pull ") {
        Some(reference) => (reference, Access::Pull),
        None => (reference, Access::Push),
    };
    let credentials =
        Credentials { login, origin: origin.into(), tried: vec!["`DOCKER_AUTH_CONFIG` is not set".into()] };
    let refusal = Refusal {
        reference: &ImageRef::parse(reference).unwrap(),
        access,
        credentials: &credentials,
        failure: Failure::of(message),
        message,
    };
    let Explanation { code, meaning, action } = explain(&refusal);
    assert!(!format!("{meaning}{action}").contains('\n'), "{meaning} {action}");
    (code, meaning, action)
}

#[track_caller]
fn has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` in `{text}`");
    }
}

const ECR: &str = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/shop:1";

#[test]
fn ghcr_names_the_settings_page_and_the_permission_line() {
    for message in ["denied: permission_denied: write_package", "denied: package belongs to another repository"] {
        let (code, _, action) = check("ghcr.io/acme/web/shop:1", message);
        assert_eq!(code, "registry/ghcr-write-package");
        has(
            &action,
            &[
                "`permissions: packages: write`",
                "https://github.com/orgs/acme/packages/container/web%2Fshop/settings",
                "`users` instead of `orgs`",
            ],
        );
    }
    let (code, _, action) =
        check("ghcr.io/acme/shop:1", "denied: installation not allowed to Create organization package");
    assert_eq!(code, "registry/ghcr-create-package");
    has(&action, &["packages: write"]);
    let (code, _, action) =
        check("ghcr.io/acme/shop:1", "denied: permission_denied: The token provided does not match expected scopes.");
    assert_eq!(code, "registry/denied");
    has(&action, &["write:packages"]);
    let (code, meaning, action) = anonymous("ghcr.io/acme/shop:1", "unauthorized: authentication required");
    assert_eq!(code, "registry/no-credentials");
    has(&meaning, &["`DOCKER_AUTH_CONFIG` is not set"]);
    has(&action, &["GITHUB_TOKEN", "packages: write"]);
    has(&check("pull ghcr.io/acme/shop:1", "denied: denied").2, &["read:packages"]);
}

#[test]
fn ecr_names_the_repository_the_action_and_the_token() {
    let (code, _, action) = check(
        ECR,
        "name unknown: The repository with name 'shop' does not exist in the registry with id '123456789012'",
    );
    assert_eq!(code, "registry/repository-missing");
    has(
        &action,
        &[
            "--create-repository",
            "nextdeploy ecr ensure-repository 123456789012.dkr.ecr.eu-central-1.amazonaws.com/shop",
        ],
    );
    let (code, _, action) = check(
        ECR,
        "denied: User: arn:aws:iam::123456789012:user/ci is not authorized to perform: ecr:InitiateLayerUpload on resource: arn:aws:ecr:eu-central-1:123456789012:repository/shop because no identity-based policy allows the ecr:InitiateLayerUpload action",
    );
    assert_eq!(code, "registry/ecr-access-denied");
    has(
        &action,
        &["`ecr:InitiateLayerUpload` on `arn:aws:ecr:eu-central-1:123456789012:repository/shop`", "ecr policy"],
    );
    let (code, _, action) = check(ECR, "denied: Your authorization token has expired. Reauthenticate and try again.");
    assert_eq!(code, "registry/expired");
    has(&action, &["12 hours"]);
    has(&anonymous(ECR, "no basic auth credentials").2, &["AWS credentials"]);
}

#[test]
fn docker_hub_wants_a_namespace() {
    const DENIED: &str = "denied: requested access to the resource is denied";
    has(&check("shop:1", DENIED).2, &["docker.io/NAMESPACE/shop"]);
    has(&check("acme/shop:1", DENIED).2, &["`acme`", "Read & Write"]);
    has(&anonymous("acme/shop:1", DENIED).2, &["--username"]);
    let (code, _, action) = anonymous("pull node:22", "toomanyrequests: You have reached your pull rate limit.");
    assert_eq!(code, "registry/rate-limited");
    has(&action, &["log in to Docker Hub"]);
}

#[test]
fn gitlab_is_told_by_its_words_its_host_or_its_credentials() {
    let (code, _, action) =
        check("registry.gitlab.com/acme/shop:1", "denied: requested access to the resource is denied");
    assert_eq!(code, "registry/denied");
    has(&action, &["$CI_REGISTRY_IMAGE", "write_registry"]);
    has(
        &anonymous("registry.gitlab.com/acme/shop:1", "unauthorized: authentication required").2,
        &["CI_REGISTRY_USER"],
    );
    let login = Login::Basic { username: "u".into(), password: Secret::new("p".into()) };
    let (_, _, action) = asked_by("r.example/acme/shop:1", "denied: access forbidden", login, "`CI_REGISTRY_USER`");
    has(&action, &["$CI_REGISTRY_IMAGE"]);
    has(
        &check("r.example/acme/shop:1", "unauthorized: HTTP Basic: Access denied").2,
        &["container registry is enabled"],
    );
}

#[test]
fn what_the_daemon_needs_is_said_with_its_file() {
    for (message, code, part) in [
        (
            "Get \"https://r.example:5000/v2/\": http: server gave HTTP response to HTTPS client",
            "registry/plain-http",
            "\"insecure-registries\": [\"r.example:5000\"]",
        ),
        (
            "Get \"https://r.example:5000/v2/\": x509: certificate signed by unknown authority",
            "registry/untrusted-certificate",
            "/etc/docker/certs.d/r.example:5000/ca.crt",
        ),
        (
            "Get \"https://r.example:5000/v2/\": dial tcp: lookup r.example: no such host",
            "registry/unknown-host",
            "DNS",
        ),
        (
            "Get \"https://r.example:5000/v2/\": proxyconnect tcp: dial tcp 10.0.0.1:3128: connect: connection refused",
            "registry/proxy",
            "HTTPS_PROXY",
        ),
        ("dial tcp 127.0.0.1:5000: connect: connection refused", "registry/unreachable", "host and port"),
        ("write tcp: broken pipe", "registry/connection", "network"),
        ("error parsing HTTP 413 response body: <html>", "registry/too-large", "client_max_body_size"),
        ("write /var/lib/docker/tmp/x: no space left on device", "registry/no-space", "docker system df"),
        ("denied: quota exceeded", "registry/quota", "quota"),
        ("name invalid: x", "registry/invalid-name", "lower case"),
        ("what?", "registry/refused", "journalctl"),
    ] {
        let (found, _, action) = check("r.example:5000/shop:1", message);
        assert_eq!(found, code, "{message}");
        has(&action, &[part]);
    }
}

#[test]
fn the_words_of_a_registry_stay_on_one_line_and_within_bounds() {
    let long = format!("first\r\nsecond\u{1b}[2J{}", "x".repeat(5000));
    let text = shown(&long);
    assert!(text.starts_with("first; second\\u{1b}[2J") && text.chars().count() <= SHOWN + 1, "{text}");
}
