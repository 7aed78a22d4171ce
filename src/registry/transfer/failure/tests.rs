use super::*;

#[track_caller]
fn check(text: &str, expected: Failure) {
    assert_eq!(Failure::of(text), expected, "{text}");
}

const RATE: Failure = Failure::RateLimited { retry_after: None };

#[test]
fn docker_engine_20_with_distribution() {
    for (text, failure) in [
        ("no basic auth credentials", Failure::Unauthorized),
        ("unauthorized: authentication required", Failure::Unauthorized),
        ("denied: wrong credentials", Failure::Denied),
        (
            "errors:\ndenied: requested access to the resource is denied\nunauthorized: authentication required\n",
            Failure::Denied,
        ),
        ("denied: permission_denied: write_package", Failure::Denied),
        (
            "error parsing HTTP 403 response body: invalid character '<' looking for beginning of value: \"<html><body>Forbidden by proxy</body></html>\"",
            Failure::Denied,
        ),
        (
            "name unknown: The repository with name 'x' does not exist in the registry with id '123456789012'",
            Failure::RepositoryMissing,
        ),
        (
            "error parsing HTTP 404 response body: invalid character 'p' after top-level value: \"404 page not found\"",
            Failure::RepositoryMissing,
        ),
        ("toomanyrequests: slow down", RATE),
        (
            "error parsing HTTP 429 response body: invalid character 's' looking for beginning of value: \"slow down\"",
            RATE,
        ),
        (
            "error parsing HTTP 402 response body: invalid character 'p' looking for beginning of value: \"pay\"",
            Failure::Quota,
        ),
        (
            "error parsing HTTP 413 response body: invalid character '<' looking for beginning of value: \"<html>413 Request Entity Too Large</html>\"",
            Failure::TooLarge,
        ),
        ("received unexpected HTTP status: 500 Internal Server Error", Failure::Server { status: 500 }),
        ("received unexpected HTTP status: 503 Service Unavailable", Failure::Server { status: 503 }),
        (
            "tag invalid: The image tag '1' already exists in the 'x' repository and cannot be overwritten because the repository is immutable.",
            Failure::ImmutableTag,
        ),
        ("unknown: tag is immutable", Failure::ImmutableTag),
        ("manifest invalid", Failure::Unsupported),
        ("manifest blob unknown", Failure::BlobUnknown),
        ("blob upload unknown: blob upload unknown to registry", Failure::BlobUnknown),
        ("unsupported: media type", Failure::Unsupported),
        ("name invalid: invalid repository name", Failure::InvalidName),
        ("Put \"http://127.0.0.1:5603/v2/x/manifests/1\": EOF", Failure::Connection),
        ("EOF", Failure::Connection),
        (
            "Get \"http://127.0.0.1:5699/v2/\": dial tcp 127.0.0.1:5699: connect: connection refused",
            Failure::NotListening,
        ),
        (
            "Get \"https://nope.invalid/v2/\": dial tcp: lookup nope.invalid on 10.0.0.53:53: no such host",
            Failure::UnknownHost,
        ),
        (
            "Get \"https://r.example/v2/\": net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)",
            Failure::Connection,
        ),
        (
            "Get \"https://r.example/v2/\": dial tcp: lookup r.example on 10.0.0.53:53: server misbehaving",
            Failure::Connection,
        ),
        ("write tcp 10.0.0.1:3->10.0.0.2:443: write: broken pipe", Failure::Connection),
        ("Get \"https://r.example/v2/\": x509: certificate signed by unknown authority", Failure::UntrustedCertificate),
        ("Get \"https://r.example/v2/\": http: server gave HTTP response to HTTPS client", Failure::PlainHttp),
        ("Get \"https://r.example/v2/\": proxyconnect tcp: dial tcp: lookup proxy.corp: no such host", Failure::Proxy),
        ("Get \"https://r.example/v2/\": Proxy Authentication Required", Failure::Proxy),
        ("write /var/lib/docker/tmp/GetImageBlob1: no space left on device", Failure::NoSpace),
        (
            "denied: adding 10.0 MiB of storage resource, which when updated to current usage of 1.0 GiB will exceed the configured upper limit of 1.0 GiB.",
            Failure::Quota,
        ),
        ("something new", Failure::Other),
    ] {
        check(text, failure);
    }
}

#[test]
fn what_ecr_says() {
    for (text, failure) in [
        ("denied: Your authorization token has expired. Reauthenticate and try again.", Failure::Expired),
        (
            "denied: User: arn:aws:sts::123456789012:assumed-role/ci/x is not authorized to perform: ecr:InitiateLayerUpload on resource: arn:aws:ecr:eu-central-1:123456789012:repository/shop because no identity-based policy allows the ecr:InitiateLayerUpload action",
            Failure::Denied,
        ),
        ("toomanyrequests: Rate exceeded", RATE),
    ] {
        check(text, failure);
    }
}

#[test]
fn docker_engine_28_with_either_image_store() {
    for (text, failure) in [
        (
            "Get \"https://r.example/v2/\": tls: failed to verify certificate: x509: certificate signed by unknown authority",
            Failure::UntrustedCertificate,
        ),
        (
            "failed to authorize: failed to fetch oauth token: unexpected status from GET request to https://ghcr.io/token?scope=repository%3Aacme%2Fshop%3Apull%2Cpush&service=ghcr.io: 403 Forbidden: denied: denied",
            Failure::Denied,
        ),
        (
            "push access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed",
            Failure::Denied,
        ),
        (
            "failed to do request: Put \"https://r.example/v2/a/blobs/uploads/x\": write tcp 10.0.0.1:1->10.0.0.2:443: use of closed network connection",
            Failure::Connection,
        ),
        (
            "unexpected status from PUT request to https://r.example/v2/a/manifests/1: 502 Bad Gateway",
            Failure::Server { status: 502 },
        ),
        (
            "failed to copy: unexpected status from POST request to https://r.example/v2/a/blobs/uploads/: 401 Unauthorized",
            Failure::Unauthorized,
        ),
        (
            "pull access denied for nope, repository does not exist or may require 'docker login': denied: requested access to the resource is denied",
            Failure::Denied,
        ),
        ("manifest for a/b:2 not found: manifest unknown: manifest unknown", Failure::ManifestMissing),
        ("no matching manifest for linux/arm64/v8 in the manifest list entries", Failure::PlatformMissing),
    ] {
        check(text, failure);
    }
}

#[test]
fn podman() {
    for (text, failure) in [
        (
            "trying to reuse blob sha256:1 at destination: checking whether a blob sha256:1 exists in r.example/a: authentication required",
            Failure::Unauthorized,
        ),
        (
            "trying to reuse blob sha256:1 at destination: checking whether a blob sha256:1 exists in r.example/a: requested access to the resource is denied",
            Failure::Denied,
        ),
        (
            "trying to reuse blob sha256:1 at destination: unable to retrieve auth token: invalid username/password: unauthorized: bad",
            Failure::Unauthorized,
        ),
        (
            "trying to reuse blob sha256:1 at destination: pinging container registry r.example: Get \"https://r.example/v2/\": http: server gave HTTP response to HTTPS client",
            Failure::PlainHttp,
        ),
        (
            "writing blob: initiating layer upload to /v2/a/blobs/uploads/ in r.example: received unexpected HTTP status: 503 Service Unavailable",
            Failure::Server { status: 503 },
        ),
        (
            "writing manifest: uploading manifest 1 to r.example/a: tag invalid: The image tag '1' already exists in the 'a' repository and cannot be overwritten because the repository is immutable.",
            Failure::ImmutableTag,
        ),
        (
            "initializing source docker://r.example/a:2: reading manifest 2 in r.example/a: manifest unknown",
            Failure::ManifestMissing,
        ),
        ("invalid status code from registry 404 (Not Found)", Failure::RepositoryMissing),
    ] {
        check(text, failure);
    }
}

#[test]
fn the_time_that_a_registry_wants_is_read() {
    for (text, millis) in [
        ("toomanyrequests: retry-after: 1.5s, allowed: 44000/minute", 1500),
        ("toomanyrequests: retry-after: 250ms, allowed: 44000/minute", 250),
        ("toomanyrequests: retry-after: 128000.4µs, allowed: 44000/minute", 128),
        ("toomanyrequests: Retry-After: 7", 7000),
        ("toomanyrequests: retry after 2m", 120_000),
    ] {
        let Failure::RateLimited { retry_after: Some(wait) } = Failure::of(text) else { panic!("{text}") };
        assert_eq!(wait.as_millis(), millis, "{text}");
    }
    check("toomanyrequests: retry-after: 99999999999999999999999999s", RATE);
}

#[test]
fn only_what_can_change_by_itself_is_temporary() {
    for text in [
        "EOF",
        "toomanyrequests: x",
        "received unexpected HTTP status: 500 Internal Server Error",
        "blob upload unknown: x",
        "dial tcp 127.0.0.1:1: connect: connection refused",
    ] {
        assert!(Failure::of(text).is_temporary(), "{text}");
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
        assert!(!Failure::of(text).is_temporary(), "{text}");
    }
}
