//! The docker builder with misbehaving daemons: each case is a small HTTP server on a Unix socket.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nextdeploy::builder::{BuildError, BuildRequest};
use nextdeploy::config::settings::{CacheUse, PullPolicy};
use nextdeploy::diagnostic::{Diagnostic, ExitCode};
use nextdeploy::docker::build::{BuildRun, ContextBody};
use nextdeploy::docker::connection::{Address, DaemonError, Endpoint, Engine, TlsFiles};
use nextdeploy::host::Environment;
use nextdeploy::image::BuiltImage;
use nextdeploy::image::dockerfile::BuildContext;
use nextdeploy::origin::Origin;
use tempfile::TempDir;
use tokio::sync::mpsc;

const ID: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const PING: &str = "HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Length: 2\r\n\r\nOK";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

/// Handles one kind of request; gets the connection after the request head has been read.
type Answer = Arc<dyn Fn(&mut UnixStream) + Send + Sync>;

pub struct FakeDaemon {
    _folder: TempDir,
    pub socket: PathBuf,
}

impl FakeDaemon {
    /// A daemon with only the classic builder, which responds to the first request with `ping` and to builds with `build`.
    fn start(
        ping: impl Fn(&mut UnixStream) + Send + Sync + 'static,
        build: impl Fn(&mut UnixStream) + Send + Sync + 'static,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("d.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let (ping, build): (Answer, Answer) = (Arc::new(ping), Arc::new(build));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (ping, build) = (Arc::clone(&ping), Arc::clone(&build));
                std::thread::spawn(move || serve(&mut stream.unwrap(), &ping, &build));
            }
        });
        Self { _folder: folder, socket }
    }

    /// A daemon that responds to builds with these messages.
    pub fn that_prints(messages: Vec<serde_json::Value>) -> Self {
        Self::start(healthy, move |stream| {
            read_context(stream);
            let _ = stream.write_all(CHUNKED.as_bytes());
            for message in &messages {
                chunk(stream, &format!("{message}\n"));
            }
            let _ = stream.write_all(b"0\r\n\r\n");
        })
    }

    /// A daemon whose builds succeed at once.
    pub fn that_builds() -> Self {
        Self::start(healthy, |stream| {
            read_context(stream);
            let _ = stream.write_all(CHUNKED.as_bytes());
            chunk(stream, &format!("{{\"aux\":{{\"ID\":\"{ID}\"}}}}\n"));
            let _ = stream.write_all(b"0\r\n\r\n");
        })
    }

    fn endpoint(&self) -> Endpoint {
        Endpoint {
            address: Address::Unix(self.socket.clone()),
            origin: Origin::Variable("DOCKER_HOST".into()),
            ca_bundle: None,
        }
    }
}

fn serve(stream: &mut UnixStream, ping: &Answer, build: &Answer) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).unwrap_or(0) == 0 {
            return;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let path = head.split_whitespace().nth(1).unwrap();
    match path.split('?').next().unwrap() {
        "/_ping" => ping(stream),
        "/version" => json(
            stream,
            r#"{"Version":"4.3.1","ApiVersion":"1.41","Os":"linux","Arch":"amd64","Components":[{"Name":"Podman Engine","Version":"4.3.1"}]}"#,
        ),
        "/build" => build(stream),
        path if path.ends_with("/history") => {
            json(stream, r#"[{"Id":"x","Created":0,"CreatedBy":"RUN x","Tags":[],"Size":7,"Comment":""}]"#);
        }
        _ => json(
            stream,
            &format!(
                r#"{{"Id":"{ID}","Os":"linux","Architecture":"amd64","RootFS":{{"Type":"layers","Layers":["sha256:1"]}}}}"#
            ),
        ),
    }
}

fn json(stream: &mut UnixStream, body: &str) {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
    let _ = stream.write_all(format!("{head}{body}").as_bytes());
}

fn healthy(stream: &mut UnixStream) {
    let _ = stream.write_all(PING.as_bytes());
}

/// Reads the whole chunked request body.
fn read_context(stream: &mut UnixStream) {
    let mut body = Vec::new();
    let mut byte = [0];
    while !body.ends_with(b"0\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) > 0 {
        body.push(byte[0]);
    }
}

fn chunk(stream: &mut UnixStream, text: &str) {
    let _ = stream.write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes());
}

fn request(timeout: Option<Duration>) -> BuildRequest {
    BuildRequest {
        context: BuildContext::default(),
        dockerfile: "Dockerfile".into(),
        tags: vec![nextdeploy::image_ref::ImageRef::parse("x:1").unwrap()],
        platform: None,
        target: None,
        build_args: std::collections::BTreeMap::new(),
        labels: std::collections::BTreeMap::new(),
        secrets: Vec::new(),
        credentials: std::collections::BTreeMap::new(),
        network: None,
        cache_from: Vec::new(),
        memory: None,
        cache: CacheUse::Use,
        pull: PullPolicy::Missing,
        timeout,
    }
}

async fn connect(endpoint: Endpoint) -> Result<Engine, DaemonError> {
    Engine::connect(endpoint, &Environment::default()).await
}

async fn build_with(
    daemon: &FakeDaemon,
    context: ContextBody,
    timeout: Option<Duration>,
) -> Result<BuiltImage, BuildError> {
    let engine = connect(daemon.endpoint()).await.unwrap();
    let (events, receiver) = mpsc::channel(1000);
    drop(receiver);
    let request = request(timeout);
    BuildRun { engine: &engine, request: &request, events }.build(context, std::future::pending()).await
}

fn small_context() -> ContextBody {
    ContextBody::new(tokio_stream::once(Ok(vec![7; 1024].into())), Some(1024))
}

async fn build(answer: impl Fn(&mut UnixStream) + Send + Sync + 'static) -> Result<BuiltImage, BuildError> {
    let daemon = FakeDaemon::start(healthy, answer);
    build_with(&daemon, small_context(), None).await
}

fn assert_code(error: &impl Diagnostic, code: &str) {
    assert_eq!((error.code(), error.exit_code()), (code, ExitCode::Build), "{error}");
    assert!(!error.hints().is_empty(), "{error} says what to do");
}

#[tokio::test]
async fn a_missing_daemon_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("gone.sock");
    let endpoint = |address| Endpoint { address, origin: Origin::Variable("DOCKER_HOST".into()), ca_bundle: None };
    let missing = connect(endpoint(Address::Unix(socket.clone()))).await.unwrap_err();
    assert_code(&missing, "daemon/unreachable");
    assert!(missing.to_string().contains("gone.sock") && missing.to_string().contains("does not exist"), "{missing}");

    drop(UnixListener::bind(&socket).unwrap());
    let refused = connect(endpoint(Address::Unix(socket))).await.unwrap_err();
    assert_code(&refused, "daemon/unreachable");
    assert!(refused.to_string().contains("refused"), "{refused}");

    let unknown =
        connect(endpoint(Address::Tcp { host: "nd-not-there.invalid".into(), port: 2375 })).await.unwrap_err();
    assert_code(&unknown, "daemon/unreachable");
    assert!(unknown.to_string().contains("nd-not-there.invalid:2375"), "{unknown}");
}

#[tokio::test]
async fn a_server_that_is_not_docker_is_reported() {
    let answers = [
        (
            "HTTP/1.1 400 Bad Request\r\nContent-Length: 49\r\n\r\nClient sent an HTTP request to an HTTPS server.\n\n",
            "daemon/needs-tls",
        ),
        ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nblog", "daemon/not-docker"),
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "daemon/not-docker"),
        ("SSH-2.0-OpenSSH_9.2\r\n", "daemon/not-docker"),
        ("", "daemon/not-docker"),
        ("HTTP/1.1 500 Internal Server Error\r\nApi-Version: 1.41\r\nContent-Length: 6\r\n\r\nbroken", "daemon/error"),
    ];
    for (answer, code) in answers {
        let daemon = FakeDaemon::start(move |stream| stream.write_all(answer.as_bytes()).unwrap(), |_| {});
        assert_code(&connect(daemon.endpoint()).await.unwrap_err(), code);
    }
}

#[tokio::test]
async fn a_silent_daemon_times_out_after_five_seconds() {
    let daemon = FakeDaemon::start(|_| std::thread::sleep(Duration::from_secs(30)), |_| {});
    let start = Instant::now();
    assert_code(&connect(daemon.endpoint()).await.unwrap_err(), "daemon/no-answer");
    assert!(start.elapsed() < Duration::from_secs(8));
}

#[tokio::test]
async fn tls_to_a_plain_http_daemon_is_an_error() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 64]);
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    let address = Address::Tls { host: "127.0.0.1".into(), port, files: TlsFiles::default() };
    let endpoint = Endpoint { address, origin: Origin::Variable("DOCKER_HOST".into()), ca_bundle: None };
    let error = connect(endpoint).await.unwrap_err();
    assert_code(&error, "daemon/tls");
    assert!(error.to_string().contains("does not speak TLS"), "{error}");
}

#[tokio::test]
async fn a_last_message_without_a_newline_is_read() {
    let image = build(|stream| {
        read_context(stream);
        let _ = stream.write_all(CHUNKED.as_bytes());
        chunk(stream, &format!("{{\"aux\":{{\"ID\":\"{ID}\"}}}}\n{{\"stream\":\"Successfully "));
        chunk(stream, "tagged x:1\"}\r");
        let _ = stream.write_all(b"0\r\n\r\n");
    })
    .await
    .unwrap();
    assert_eq!((image.id.as_str(), image.size, image.layers[0].created_by.as_str()), (ID, 7, "RUN x"));
}

#[tokio::test]
async fn a_daemon_that_dies_in_the_middle_is_an_error() {
    let error = build(|stream| {
        read_context(stream);
        let _ = stream.write_all(CHUNKED.as_bytes());
        chunk(stream, "{\"stream\":\"Step 1/2 : FROM x\"}\n");
    })
    .await
    .unwrap_err();
    assert_code(&error, "daemon/connection-lost");
    assert!(error.to_string().contains("d.sock"), "{error}");
    // A stream that ends cleanly, but without an image, is a failure, too.
    let error = build(|stream| {
        read_context(stream);
        let _ = stream.write_all(format!("{CHUNKED}0\r\n\r\n").as_bytes());
    })
    .await
    .unwrap_err();
    assert_code(&error, "daemon/connection-lost");
    let error = build(|stream| {
        read_context(stream);
        let _ = stream.write_all(CHUNKED.as_bytes());
        chunk(stream, "<html>\n");
        let _ = stream.write_all(b"0\r\n\r\n");
    })
    .await
    .unwrap_err();
    assert_code(&error, "daemon/connection-lost");
}

#[tokio::test]
async fn errors_of_the_daemon_are_passed_on_and_explained() {
    let error = build(|stream| {
        read_context(stream);
        let body = r#"{"message":"boom \u001b[2J"}"#;
        let head = format!("HTTP/1.1 500 Internal Server Error\r\nContent-Length: {}\r\n\r\n", body.len());
        let _ = stream.write_all(format!("{head}{body}").as_bytes());
    })
    .await
    .unwrap_err();
    assert_code(&error, "builder/refused");
    assert!(error.to_string().contains("boom \\u{1b}[2J"), "{error}");
    let error = build(|stream| {
        read_context(stream);
        let _ = stream.write_all(CHUNKED.as_bytes());
        chunk(stream, "{\"error\":\"write /var/lib/docker/tmp/x: no space left on device\"}\n");
        let _ = stream.write_all(b"0\r\n\r\n");
    })
    .await
    .unwrap_err();
    assert_code(&error, "builder/disk-full");
}

#[tokio::test]
async fn an_upload_that_hangs_is_never_a_success() {
    let endless = || ContextBody::new(futures_util::stream::pending(), Some(1 << 30));
    let hanging = FakeDaemon::start(healthy, |_| std::thread::sleep(Duration::from_secs(30)));
    let error = build_with(&hanging, endless(), Some(Duration::from_secs(1))).await.unwrap_err();
    assert_code(&error, "builder/timed-out");
    let hasty = FakeDaemon::start(healthy, |stream| {
        let _ = stream.write_all(CHUNKED.as_bytes());
        chunk(stream, &format!("{{\"aux\":{{\"ID\":\"{ID}\"}}}}\n"));
        let _ = stream.write_all(b"0\r\n\r\n");
        std::thread::sleep(Duration::from_secs(2));
    });
    let error = build_with(&hasty, endless(), None).await.unwrap_err();
    assert_code(&error, "daemon/connection-lost");
    assert!(error.to_string().contains("before it had read the whole context"), "{error}");
}
