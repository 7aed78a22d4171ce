//! Any bytes as what servers answer: the Docker daemon (JSON, NDJSON, frames of logs, archives), a registry with its challenges, Caddy,
//! GitHub and GitLab. A value or an error, never a panic, and always an end.
//!
//! The input is a choice, then answers to one request after the other, separated by `%%` on a line. An answer that begins with `HTTP/`
//! goes out as it is; otherwise its first byte chooses the status, and `%` on a line separates header fields from the body.
#![no_main]

use std::sync::OnceLock;
use std::time::Duration;

use futures_util::StreamExt as _;
use libfuzzer_sys::fuzz_target;
use nextdeploy::docker::{
    Containers, EventQuery, ExecSpec, ListQuery, LogOptions, Owner, Running, read_routes, read_run_document,
};
use nextdeploy::docker::connection::{Address, Endpoint, Engine};
use nextdeploy::report::forge::{ForgeClient, ForgeTarget, ForgeService, RequestedReports};
use nextdeploy::host::{Cache, Environment};
use nextdeploy::net::{Network, install_provider};
use nextdeploy::image_ref::ImageRef;
use nextdeploy::origin::Origin;
use nextdeploy::deploy::proxy::CaddyAdmin;
use nextdeploy::registry::transfer::{PullRun, PushRun, RetryPolicy, TransferOptions, check_login};
use nextdeploy::registry::{Credential, Keychain, Login};
use nextdeploy::secret::Secret;
use nextdeploy_fuzz::{Script, choose, parts, runtime};
use tempfile::TempDir;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::mpsc;

#[derive(Clone, Copy)]
enum Question {
    Connect,
    List,
    Inspect,
    Image,
    Logs,
    Events,
    Stats,
    Exec,
    File,
    Swarm,
    Login,
    Pull,
    Push,
    Caddy,
    GitHub,
    GitLab,
}

const QUESTIONS: &[Question] = &[
    Question::Connect,
    Question::List,
    Question::Inspect,
    Question::Image,
    Question::Logs,
    Question::Events,
    Question::Stats,
    Question::Exec,
    Question::File,
    Question::Swarm,
    Question::Login,
    Question::Pull,
    Question::Push,
    Question::Caddy,
    Question::GitHub,
    Question::GitLab,
];

/// Without 5xx: these are asked again after a pause, which takes all of the time.
const STATUSES: &[&str] = &[
    "200 OK",
    "201 Created",
    "204 No Content",
    "304 Not Modified",
    "400 Bad Request",
    "401 Unauthorized",
    "404 Not Found",
    "409 Conflict",
];

/// Everything is quick here: what waits longer waits without end.
const LIMIT: Duration = Duration::from_secs(8);

struct Servers {
    _folder: TempDir,
    daemon: Script,
    other: Script,
    endpoint: Endpoint,
    engine: Engine,
    network: Network,
    /// `127.0.0.1:PORT` of the registry, of Caddy and of the services.
    address: String,
}

impl Servers {
    fn start() -> Self {
        runtime().block_on(async {
            install_provider();
            let folder = tempfile::tempdir().expect("a temporary folder");
            let socket = folder.path().join("docker.sock");
            let (daemon, other) = (Script::default(), Script::default());
            let unix = UnixListener::bind(&socket).expect("a socket");
            let tcp = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let address = tcp.local_addr().expect("an address").to_string();
            let script = daemon.clone();
            tokio::spawn(async move {
                while let Ok((stream, _)) = unix.accept().await {
                    let script = script.clone();
                    tokio::spawn(async move { script.serve(stream).await });
                }
            });
            let script = other.clone();
            tokio::spawn(async move {
                while let Ok((stream, _)) = tcp.accept().await {
                    let script = script.clone();
                    tokio::spawn(async move { script.serve(stream).await });
                }
            });
            let origin = Origin::Variable("DOCKER_HOST".to_owned());
            let endpoint = Endpoint { address: Address::Unix(socket), origin, ca_bundle: None };
            let pong =
                "HTTP/1.1 200 OK\r\nApi-Version: 1.47\r\nServer: Docker/27.0.0 (linux)\r\nContent-Length: 2\r\n\r\nOK";
            daemon.set(vec![pong.into()]);
            let environment = Environment::default();
            let engine = Engine::connect(endpoint.clone(), &environment).await.expect("a daemon that answers");
            let network = Network::new(&environment, None);
            Self { _folder: folder, daemon, other, endpoint, engine, network, address }
        })
    }
}

/// One answer as the bytes of an HTTP response.
fn response(part: &[u8]) -> Vec<u8> {
    if part.starts_with(b"HTTP/") {
        return part.to_vec();
    }
    let Some((status, rest)) = choose(STATUSES, part) else { return Vec::new() };
    let (fields, body) = match rest.windows(3).position(|at| at == b"\n%\n") {
        Some(at) => (&rest[..at], &rest[at + 3..]),
        None => (&b"Content-Type: application/json"[..], rest),
    };
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n", body.len());
    [head.as_bytes(), fields, b"\r\n\r\n", body].concat()
}

/// The same login for every registry.
fn keychain(login: Login) -> Keychain {
    Keychain::fixed([Credential { login, origin: "the test".to_owned(), tried: Vec::new() }])
}

fn options() -> TransferOptions {
    TransferOptions {
        retry: RetryPolicy {
            attempts: 1,
            first_wait: Duration::ZERO,
            longest_wait: Duration::ZERO,
            ..RetryPolicy::default()
        },
        ..TransferOptions::default()
    }
}

fn place(servers: &Servers, service: ForgeService) -> ForgeTarget {
    ForgeTarget {
        service,
        api: format!("http://{}", servers.address),
        repository: if service == ForgeService::GitHub { "acme/shop".to_owned() } else { "7".to_owned() },
        commit: Some("0123456789abcdef0123456789abcdef01234567".to_owned()),
        pull_request: Some(7),
        run_url: None,
        from_fork: false,
    }
}

async fn ask(servers: &Servers, question: Question) {
    let containers = Containers::new(&servers.engine);
    let login = Login::Basic { username: "u".to_owned(), password: Secret::new("password".to_owned()) };
    let image = format!("{}/acme/shop:1", servers.address);
    let reference = ImageRef::parse(&image).expect("a reference");
    match question {
        Question::Connect => {
            if let Ok(engine) = Engine::connect(servers.endpoint.clone(), &Environment::default()).await {
                let _ = engine.platform().await;
            }
        }
        Question::List => {
            let _ = containers.list(&ListQuery { owner: Owner::Anybody, running: Running::OrNot, app: None }).await;
            let _ = containers.find("shop", Owner::Anybody).await;
        }
        Question::Inspect => {
            let _ = containers.inspect("shop").await;
            let _ = containers.health("shop").await;
        }
        Question::Image => {
            let _ = containers.image_facts("shop").await;
            let _ = servers.engine.find_image("shop").await;
            let _ = read_routes(&servers.engine, "shop").await;
        }
        Question::Logs => {
            if let Ok(mut lines) = containers.logs("shop", &LogOptions::default()).await {
                while let Some(Ok(_)) = lines.next().await {}
            }
        }
        Question::Events => {
            let query = EventQuery { owner: Owner::Anybody, container: None, since: None };
            if let Ok(mut events) = containers.events(&query).await {
                while let Some(Ok(_)) = events.next().await {}
            }
        }
        Question::Stats => {
            if let Ok(mut samples) = containers.stats("shop").await {
                while let Some(Ok(_)) = samples.next().await {}
            }
        }
        Question::Exec => {
            let spec = ExecSpec { argv: vec!["true".to_owned()], ..ExecSpec::default() };
            if let Ok(mut execution) = containers.exec("shop", &spec).await {
                while let Ok(Some(_)) = execution.next().await {}
                let _ = execution.exit_code().await;
            }
        }
        Question::File => {
            let _ = containers.read_file("shop", "/nextdeploy/run.json", 64 * 1024).await;
            let cache = Cache::new(&Environment::default(), "fuzz");
            let _ = read_run_document(&containers, "sha256:00", &cache).await;
        }
        Question::Swarm => {
            let _ = containers.swarm_role().await;
            let _ = containers.service_replicas("shop").await;
        }
        Question::Login => {
            let _ = check_login(&servers.engine, &servers.network, &reference, &login).await;
        }
        Question::Pull => {
            let (events, _received) = mpsc::channel(64);
            let keychain = keychain(login);
            let run = PullRun {
                engine: &servers.engine,
                reference: &reference,
                platform: None,
                keychain: &keychain,
                events,
                options: options(),
            };
            let _ = run.pull(std::future::pending()).await;
        }
        Question::Push => {
            let (events, received) = mpsc::channel(64);
            drop(received);
            let keychain = keychain(login);
            let references = [reference];
            let run = PushRun {
                engine: &servers.engine,
                source: None,
                references: &references,
                keychain: &keychain,
                network: &servers.network,
                events,
                options: options(),
            };
            let _ = run.push(std::future::pending()).await;
        }
        Question::Caddy => {
            let Ok(admin) = CaddyAdmin::new(&servers.address) else { return };
            let _ = admin.upstreams("shop").await;
            let _ = admin.spare("shop").await;
        }
        Question::GitHub | Question::GitLab => {
            let service = if matches!(question, Question::GitHub) { ForgeService::GitHub } else { ForgeService::GitLab };
            let token = Secret::new("token-of-the-test".to_owned());
            let http = servers.network.client().expect("a client");
            let announcer = ForgeClient::new(place(servers, service), http, &token, "shop", RequestedReports::default());
            if let Ok(announcer) = announcer {
                let _ = announcer.check_token().await;
            }
        }
    }
}

fuzz_target!(|data: &[u8]| {
    static SERVERS: OnceLock<Servers> = OnceLock::new();
    let servers = SERVERS.get_or_init(Servers::start);
    let Some((question, rest)) = choose(QUESTIONS, data) else { return };
    let answers: Vec<Vec<u8>> = parts(rest).iter().map(|part| response(part)).collect();
    servers.daemon.set(answers.clone());
    servers.other.set(answers);
    runtime().block_on(async {
        tokio::time::timeout(LIMIT, ask(servers, question)).await.expect("an answer, an error or a limit of its own");
    });
});
