use super::*;
use crate::image_ref::ImageRef;
use crate::registry::{Access, Credential, Login};
use crate::secret::Secret;

#[track_caller]
fn check(text: &str, expected: Refusal) {
    assert_eq!(Refusal::classify(text), expected, "{text}");
}

const RATE: Refusal = Refusal::RateLimited { retry_after: None };

#[test]
fn messages_of_docker_engine_20_with_distribution() {
    for (text, refusal) in [
        ("no basic auth credentials", Refusal::Unauthorized),
        ("unauthorized: authentication required", Refusal::Unauthorized),
        ("denied: wrong credentials", Refusal::Denied),
        (
            "errors:\ndenied: requested access to the resource is denied\nunauthorized: authentication required\n",
            Refusal::Denied,
        ),
        ("denied: permission_denied: write_package", Refusal::Denied),
        (
            "error parsing HTTP 403 response body: invalid character '<' looking for beginning of value: \"<html><body>Forbidden by proxy</body></html>\"",
            Refusal::Denied,
        ),
        (
            "name unknown: The repository with name 'x' does not exist in the registry with id '123456789012'",
            Refusal::RepositoryMissing,
        ),
        (
            "error parsing HTTP 404 response body: invalid character 'p' after top-level value: \"404 page not found\"",
            Refusal::RepositoryMissing,
        ),
        ("toomanyrequests: slow down", RATE),
        (
            "error parsing HTTP 429 response body: invalid character 's' looking for beginning of value: \"slow down\"",
            RATE,
        ),
        (
            "error parsing HTTP 402 response body: invalid character 'p' looking for beginning of value: \"pay\"",
            Refusal::Quota,
        ),
        (
            "error parsing HTTP 413 response body: invalid character '<' looking for beginning of value: \"<html>413 Request Entity Too Large</html>\"",
            Refusal::TooLarge,
        ),
        ("received unexpected HTTP status: 500 Internal Server Error", Refusal::Server { status: 500 }),
        ("received unexpected HTTP status: 503 Service Unavailable", Refusal::Server { status: 503 }),
        (
            "tag invalid: The image tag '1' already exists in the 'x' repository and cannot be overwritten because the repository is immutable.",
            Refusal::ImmutableTag,
        ),
        ("unknown: tag is immutable", Refusal::ImmutableTag),
        ("manifest invalid", Refusal::Unsupported),
        ("manifest blob unknown", Refusal::BlobUnknown),
        ("blob upload unknown: blob upload unknown to registry", Refusal::BlobUnknown),
        ("unsupported: media type", Refusal::Unsupported),
        ("name invalid: invalid repository name", Refusal::InvalidName),
        ("Put \"http://127.0.0.1:5603/v2/x/manifests/1\": EOF", Refusal::Connection),
        ("EOF", Refusal::Connection),
        (
            "Get \"http://127.0.0.1:5699/v2/\": dial tcp 127.0.0.1:5699: connect: connection refused",
            Refusal::NotListening,
        ),
        (
            "Get \"https://nope.invalid/v2/\": dial tcp: lookup nope.invalid on 10.0.0.53:53: no such host",
            Refusal::UnknownHost,
        ),
        (
            "Get \"https://r.example/v2/\": net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)",
            Refusal::Connection,
        ),
        (
            "Get \"https://r.example/v2/\": dial tcp: lookup r.example on 10.0.0.53:53: server misbehaving",
            Refusal::Connection,
        ),
        ("write tcp 10.0.0.1:3->10.0.0.2:443: write: broken pipe", Refusal::Connection),
        ("Get \"https://r.example/v2/\": x509: certificate signed by unknown authority", Refusal::UntrustedCertificate),
        ("Get \"https://r.example/v2/\": http: server gave HTTP response to HTTPS client", Refusal::PlainHttp),
        ("Get \"https://r.example/v2/\": proxyconnect tcp: dial tcp: lookup proxy.corp: no such host", Refusal::Proxy),
        ("Get \"https://r.example/v2/\": Proxy Authentication Required", Refusal::Proxy),
        ("write /var/lib/docker/tmp/GetImageBlob1: no space left on device", Refusal::NoSpace),
        (
            "denied: adding 10.0 MiB of storage resource, which when updated to current usage of 1.0 GiB will exceed the configured upper limit of 1.0 GiB.",
            Refusal::Quota,
        ),
        ("something new", Refusal::Other),
    ] {
        check(text, refusal);
    }
}

#[test]
fn messages_of_ecr() {
    for (text, refusal) in [
        ("denied: Your authorization token has expired. Reauthenticate and try again.", Refusal::Expired),
        (
            "denied: User: arn:aws:sts::123456789012:assumed-role/ci/x is not authorized to perform: ecr:InitiateLayerUpload on resource: arn:aws:ecr:eu-central-1:123456789012:repository/shop because no identity-based policy allows the ecr:InitiateLayerUpload action",
            Refusal::Denied,
        ),
        ("toomanyrequests: Rate exceeded", RATE),
    ] {
        check(text, refusal);
    }
}

#[test]
fn messages_of_docker_engine_28_with_either_image_store() {
    for (text, refusal) in [
        (
            "Get \"https://r.example/v2/\": tls: failed to verify certificate: x509: certificate signed by unknown authority",
            Refusal::UntrustedCertificate,
        ),
        (
            "failed to authorize: failed to fetch oauth token: unexpected status from GET request to https://ghcr.io/token?scope=repository%3Aacme%2Fshop%3Apull%2Cpush&service=ghcr.io: 403 Forbidden: denied: denied",
            Refusal::Denied,
        ),
        (
            "push access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed",
            Refusal::Denied,
        ),
        (
            "failed to do request: Put \"https://r.example/v2/a/blobs/uploads/x\": write tcp 10.0.0.1:1->10.0.0.2:443: use of closed network connection",
            Refusal::Connection,
        ),
        (
            "unexpected status from PUT request to https://r.example/v2/a/manifests/1: 502 Bad Gateway",
            Refusal::Server { status: 502 },
        ),
        (
            "failed to copy: unexpected status from POST request to https://r.example/v2/a/blobs/uploads/: 401 Unauthorized",
            Refusal::Unauthorized,
        ),
        (
            "pull access denied for nope, repository does not exist or may require 'docker login': denied: requested access to the resource is denied",
            Refusal::Denied,
        ),
        ("manifest for a/b:2 not found: manifest unknown: manifest unknown", Refusal::ManifestMissing),
        ("no matching manifest for linux/arm64/v8 in the manifest list entries", Refusal::PlatformMissing),
    ] {
        check(text, refusal);
    }
}

#[test]
fn messages_of_podman() {
    for (text, refusal) in [
        (
            "trying to reuse blob sha256:1 at destination: checking whether a blob sha256:1 exists in r.example/a: authentication required",
            Refusal::Unauthorized,
        ),
        (
            "trying to reuse blob sha256:1 at destination: checking whether a blob sha256:1 exists in r.example/a: requested access to the resource is denied",
            Refusal::Denied,
        ),
        (
            "trying to reuse blob sha256:1 at destination: unable to retrieve auth token: invalid username/password: unauthorized: bad",
            Refusal::Unauthorized,
        ),
        (
            "trying to reuse blob sha256:1 at destination: pinging container registry r.example: Get \"https://r.example/v2/\": http: server gave HTTP response to HTTPS client",
            Refusal::PlainHttp,
        ),
        (
            "writing blob: initiating layer upload to /v2/a/blobs/uploads/ in r.example: received unexpected HTTP status: 503 Service Unavailable",
            Refusal::Server { status: 503 },
        ),
        (
            "writing manifest: uploading manifest 1 to r.example/a: tag invalid: The image tag '1' already exists in the 'a' repository and cannot be overwritten because the repository is immutable.",
            Refusal::ImmutableTag,
        ),
        (
            "initializing source docker://r.example/a:2: reading manifest 2 in r.example/a: manifest unknown",
            Refusal::ManifestMissing,
        ),
        ("invalid status code from registry 404 (Not Found)", Refusal::RepositoryMissing),
    ] {
        check(text, refusal);
    }
}

#[test]
fn the_requested_wait_is_read() {
    for (text, millis) in [
        ("toomanyrequests: retry-after: 1.5s, allowed: 44000/minute", 1500),
        ("toomanyrequests: retry-after: 250ms, allowed: 44000/minute", 250),
        ("toomanyrequests: retry-after: 128000.4µs, allowed: 44000/minute", 128),
        ("toomanyrequests: Retry-After: 7", 7000),
        ("toomanyrequests: retry after 2m", 120_000),
    ] {
        let Refusal::RateLimited { retry_after: Some(wait) } = Refusal::classify(text) else { panic!("{text}") };
        assert_eq!(wait.as_millis(), millis, "{text}");
    }
    check("toomanyrequests: retry-after: 99999999999999999999999999s", RATE);
}

#[test]
fn only_refusals_that_can_pass_are_temporary() {
    for text in [
        "EOF",
        "toomanyrequests: x",
        "received unexpected HTTP status: 500 Internal Server Error",
        "blob upload unknown: x",
        "dial tcp 127.0.0.1:1: connect: connection refused",
    ] {
        assert!(Refusal::classify(text).is_temporary(), "{text}");
    }
    for text in [
        "denied: x",
        "unauthorized: x",
        "no such host",
        "name unknown: x",
        "unknown: tag is immutable",
        "x509: certificate signed by unknown authority",
        "error parsing HTTP 413 response body: x",
        "something new",
    ] {
        assert!(!Refusal::classify(text).is_temporary(), "{text}");
    }
}

/// Code, meaning and action for a push (or `pull REFERENCE`) that the daemon refused with `message`.
fn explained(reference: &str, message: &str) -> (&'static str, String, String) {
    explained_for(
        reference,
        message,
        Login::Basic { username: "me".into(), password: Secret::new("p".into()) },
        "`auths`",
    )
}

fn anonymous(reference: &str, message: &str) -> (&'static str, String, String) {
    explained_for(reference, message, Login::Anonymous, "anonymous access")
}

fn explained_for(reference: &str, message: &str, login: Login, origin: &str) -> (&'static str, String, String) {
    let (reference, access) = match reference.strip_prefix("pull ") {
        Some(reference) => (reference, Access::Pull),
        None => (reference, Access::Push),
    };
    let credential = Credential { login, origin: origin.into(), tried: vec!["`DOCKER_AUTH_CONFIG` is not set".into()] };
    let context = RefusalContext {
        reference: &ImageRef::parse(reference).unwrap(),
        access,
        credential: &credential,
        refusal: Refusal::classify(message),
        message,
    };
    let Explanation { code, meaning, action } = explain(&context);
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
fn ghcr_hints_name_the_settings_page_and_the_permission() {
    for message in ["denied: permission_denied: write_package", "denied: package belongs to another repository"] {
        let (code, _, action) = explained("ghcr.io/acme/web/shop:1", message);
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
        explained("ghcr.io/acme/shop:1", "denied: installation not allowed to Create organization package");
    assert_eq!(code, "registry/ghcr-create-package");
    has(&action, &["packages: write"]);
    let (code, _, action) = explained(
        "ghcr.io/acme/shop:1",
        "denied: permission_denied: The token provided does not match expected scopes.",
    );
    assert_eq!(code, "registry/denied");
    has(&action, &["write:packages"]);
    let (code, meaning, action) = anonymous("ghcr.io/acme/shop:1", "unauthorized: authentication required");
    assert_eq!(code, "registry/no-credentials");
    has(&meaning, &["`DOCKER_AUTH_CONFIG` is not set"]);
    has(&action, &["GITHUB_TOKEN", "packages: write"]);
    has(&explained("pull ghcr.io/acme/shop:1", "denied: denied").2, &["read:packages"]);
}

#[test]
fn ecr_hints_name_the_repository_the_action_and_the_token() {
    let (code, _, action) = explained(
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
    let (code, _, action) = explained(
        ECR,
        "denied: User: arn:aws:iam::123456789012:user/ci is not authorized to perform: ecr:InitiateLayerUpload on resource: arn:aws:ecr:eu-central-1:123456789012:repository/shop because no identity-based policy allows the ecr:InitiateLayerUpload action",
    );
    assert_eq!(code, "registry/ecr-access-denied");
    has(
        &action,
        &["`ecr:InitiateLayerUpload` on `arn:aws:ecr:eu-central-1:123456789012:repository/shop`", "ecr policy"],
    );
    let (code, _, action) =
        explained(ECR, "denied: Your authorization token has expired. Reauthenticate and try again.");
    assert_eq!(code, "registry/expired");
    has(&action, &["12 hours"]);
    has(&anonymous(ECR, "no basic auth credentials").2, &["AWS credentials"]);
}

#[test]
fn docker_hub_hints_ask_for_a_namespace() {
    const DENIED: &str = "denied: requested access to the resource is denied";
    has(&explained("shop:1", DENIED).2, &["docker.io/NAMESPACE/shop"]);
    has(&explained("acme/shop:1", DENIED).2, &["`acme`", "Read & Write"]);
    has(&anonymous("acme/shop:1", DENIED).2, &["--username"]);
    let (code, _, action) = anonymous("pull node:22", "toomanyrequests: You have reached your pull rate limit.");
    assert_eq!(code, "registry/rate-limited");
    has(&action, &["log in to Docker Hub"]);
}

#[test]
fn gitlab_is_recognized_by_message_host_or_credentials() {
    let (code, _, action) =
        explained("registry.gitlab.com/acme/shop:1", "denied: requested access to the resource is denied");
    assert_eq!(code, "registry/denied");
    has(&action, &["$CI_REGISTRY_IMAGE", "write_registry"]);
    has(
        &anonymous("registry.gitlab.com/acme/shop:1", "unauthorized: authentication required").2,
        &["CI_REGISTRY_USER"],
    );
    let login = Login::Basic { username: "u".into(), password: Secret::new("p".into()) };
    let (_, _, action) =
        explained_for("r.example/acme/shop:1", "denied: access forbidden", login, "`CI_REGISTRY_USER`");
    has(&action, &["$CI_REGISTRY_IMAGE"]);
    has(
        &explained("r.example/acme/shop:1", "unauthorized: HTTP Basic: Access denied").2,
        &["container registry is enabled"],
    );
}

#[test]
fn daemon_problems_name_the_setting_to_change() {
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
        ("name invalid: x", "registry/invalid-name", "lowercase"),
        ("what?", "registry/refused", "journalctl"),
    ] {
        let (found, _, action) = explained("r.example:5000/shop:1", message);
        assert_eq!(found, code, "{message}");
        has(&action, &[part]);
    }
}

#[test]
fn messages_are_shortened_to_one_line() {
    let long = format!("first\r\nsecond\u{1b}[2J{}", "x".repeat(5000));
    let text = shorten(&long);
    assert!(text.starts_with("first; second\\u{1b}[2J") && text.chars().count() <= explain::MAX_MESSAGE + 1, "{text}");
}
