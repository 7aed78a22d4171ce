//! A daemon on a Unix socket with scripted pushes and pulls, and a registry with a single manifest.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use nextdeploy::docker::connection::{Address, Endpoint, Engine};
use nextdeploy::host::Environment;
use nextdeploy::image_ref::ImageRef;
use nextdeploy::net::Network;
use nextdeploy::origin::Origin;
use nextdeploy::registry::transfer::{PushOutcome, PushRun, TransferEvent, TransferOptions};
use nextdeploy::registry::{Credential, Keychain, Login};
use nextdeploy::secret::Secret;
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::sync::mpsc;

pub const ID: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// One push or pull request received by the daemon.
pub struct Asked {
    /// Counts from 0.
    pub number: usize,
    pub path: String,
    auth: String,
    /// Set by the handler when the client disconnects.
    pub cancelled: Arc<AtomicBool>,
}

impl Asked {
    pub fn tag(&self) -> &str {
        self.path.split_once("tag=").unwrap().1
    }

    /// The credentials, decoded as the daemon does.
    pub fn login(&self) -> serde_json::Value {
        serde_json::from_slice(&URL_SAFE.decode(&self.auth).unwrap()).unwrap()
    }
}

pub struct Daemon {
    _folder: TempDir,
    socket: PathBuf,
    asked: Arc<Mutex<Vec<String>>>,
    pub cancelled: Arc<AtomicBool>,
}

type Answer = dyn Fn(&Asked, &mut UnixStream) + Send + Sync;

impl Daemon {
    pub fn start(answer: impl Fn(&Asked, &mut UnixStream) + Send + Sync + 'static) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("d.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let cancelled = Arc::<AtomicBool>::default();
        let daemon = Self { _folder: folder, socket, asked: Arc::clone(&asked), cancelled: Arc::clone(&cancelled) };
        let answer: Arc<Answer> = Arc::new(answer);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (answer, asked, cancelled) = (Arc::clone(&answer), Arc::clone(&asked), Arc::clone(&cancelled));
                std::thread::spawn(move || serve(&mut stream.unwrap(), &*answer, &asked, cancelled));
            }
        });
        daemon
    }

    /// Paths of all pushes and pulls so far.
    pub fn pushes(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    pub async fn connect(&self) -> Engine {
        let address = Address::Unix(self.socket.clone());
        let endpoint = Endpoint { address, origin: Origin::Variable("DOCKER_HOST".into()), ca_bundle: None };
        Engine::connect(endpoint, &Environment::default()).await.unwrap()
    }

    /// A complete push, with its events.
    pub async fn push(
        &self,
        references: &[ImageRef],
        keychain: &Keychain,
        options: TransferOptions,
        cancel: impl Future<Output = ()>,
    ) -> (PushOutcome, Vec<TransferEvent>) {
        let engine = self.connect().await;
        let network = Network::new(&Environment::default(), None);
        let (events, mut received) = mpsc::channel(1000);
        let run = PushRun { engine: &engine, source: None, references, keychain, network: &network, events, options };
        let outcome = run.push(cancel).await;
        let mut told = Vec::new();
        while let Some(event) = received.recv().await {
            told.push(event);
        }
        (outcome, told)
    }
}

fn read_head(stream: &mut impl Read) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) > 0 {
        head.push(byte[0]);
    }
    String::from_utf8_lossy(&head).into_owned()
}

fn serve(stream: &mut UnixStream, respond: &Answer, asked: &Mutex<Vec<String>>, cancelled: Arc<AtomicBool>) {
    let head = read_head(stream);
    let Some(path) = head.split_whitespace().nth(1) else { return };
    // bollard prefixes its paths with the API version.
    let path = path.strip_prefix("/v").and_then(|rest| rest.find('/').map(|slash| &rest[slash..])).unwrap_or(path);
    let short = path.split('?').next().unwrap();
    if short.ends_with("/push") || short == "/images/create" {
        let auth = head
            .lines()
            .find_map(|line| line.split_once(": ").filter(|(name, _)| name.eq_ignore_ascii_case("x-registry-auth")));
        let number = {
            let mut asked = asked.lock().unwrap();
            asked.push(path.to_owned());
            asked.len() - 1
        };
        let auth = auth.map(|(_, value)| value.to_owned()).unwrap_or_default();
        respond(&Asked { number, path: path.to_owned(), auth, cancelled }, stream);
    } else if short == "/_ping" {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Length: 2\r\n\r\nOK");
    } else if short == "/version" {
        answer(stream, "200 OK", r#"{"Version":"20.10.24","ApiVersion":"1.41","Os":"linux","Arch":"amd64"}"#);
    } else if short.contains("missing") {
        answer(stream, "404 Not Found", r#"{"message":"No such image"}"#);
    } else {
        answer(stream, "200 OK", &format!(r#"{{"Id":"{ID}","Os":"linux","Architecture":"amd64","RepoDigests":[]}}"#));
    }
}

pub fn answer(stream: &mut impl Write, status: &str, body: &str) {
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
    let _ = stream.write_all(format!("{head}{body}").as_bytes());
}

pub fn chunk(stream: &mut UnixStream, text: &str) {
    let _ = stream.write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes());
}

pub fn end_stream(stream: &mut UnixStream) {
    let _ = stream.write_all(b"0\r\n\r\n");
}

/// A successful response with these messages, split in the middle of lines.
pub fn stream_lines(stream: &mut UnixStream, lines: &[String]) {
    let _ =
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
    let text = lines.join("\r\n") + "\r\n";
    for part in text.as_bytes().chunks(100) {
        chunk(stream, std::str::from_utf8(part).unwrap());
    }
    end_stream(stream);
}

/// A registry on loopback with one manifest under several tags.
pub struct Registry {
    pub address: String,
    pub digest: String,
    tags: Arc<Mutex<Vec<String>>>,
}

impl Registry {
    /// `config` is the image id in its manifest. Without `new_tags` it rejects new tags.
    pub fn start(config: &str, tags: &[&str], new_tags: NewTags) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"{MANIFEST_TYPE}","config":{{"mediaType":"application/vnd.docker.container.image.v1+json","size":1,"digest":"{config}"}},"layers":[]}}"#
        );
        let digest =
            Sha256::digest(&manifest).iter().fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}"));
        let tags = Arc::new(Mutex::new(tags.iter().map(|&tag| tag.to_owned()).collect::<Vec<_>>()));
        let registry = Self {
            address: listener.local_addr().unwrap().to_string(),
            digest: digest.clone(),
            tags: Arc::clone(&tags),
        };
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (manifest, digest, tags) = (manifest.clone(), digest.clone(), Arc::clone(&tags));
                std::thread::spawn(move || serve_registry(stream.unwrap(), &manifest, &digest, &tags, new_tags));
            }
        });
        registry
    }

    pub fn tags(&self) -> Vec<String> {
        let mut tags = self.tags.lock().unwrap().clone();
        tags.sort();
        tags
    }
}

#[derive(Clone, Copy, PartialEq)]
pub enum NewTags {
    Taken,
    Refused,
}

const MANIFEST_TYPE: &str = "application/vnd.docker.distribution.manifest.v2+json";

fn serve_registry(mut stream: TcpStream, manifest: &str, digest: &str, tags: &Mutex<Vec<String>>, new_tags: NewTags) {
    let mut first = [0];
    // The first byte of a TLS handshake: this registry speaks plain HTTP.
    if stream.peek(&mut first).unwrap_or(0) == 0 || first[0] == 22 {
        return;
    }
    let head = read_head(&mut stream);
    let mut words = head.split_whitespace();
    let (method, path) = (words.next().unwrap(), words.next().unwrap());
    let name = path.rsplit('/').next().unwrap();
    let is_known = path == "/v2/" || name == digest || tags.lock().unwrap().iter().any(|tag| tag == name);
    let (status, body) = match method {
        "PUT" if new_tags == NewTags::Taken => {
            let mut body = vec![0; manifest.len()];
            stream.read_exact(&mut body).unwrap();
            assert_eq!(String::from_utf8(body).unwrap(), manifest);
            tags.lock().unwrap().push(name.to_owned());
            ("201 Created", "")
        }
        "PUT" => ("405 Method Not Allowed", ""),
        _ if is_known => ("200 OK", manifest),
        _ => ("404 Not Found", r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"unknown"}]}"#),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Type: {MANIFEST_TYPE}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let body = if method == "HEAD" { "" } else { body };
    let _ = stream.write_all(format!("{head}{body}").as_bytes());
}

/// The first password is used until it is rejected, then the next one; without any, access is anonymous.
pub fn passwords(passwords: &[&str]) -> Keychain {
    if passwords.is_empty() {
        return Keychain::fixed([Credential {
            login: Login::Anonymous,
            origin: "anonymous access".into(),
            tried: vec!["`DOCKER_AUTH_CONFIG` is not set".into()],
        }]);
    }
    Keychain::fixed(passwords.iter().map(|&password| {
        let login = Login::Basic { username: "me".into(), password: Secret::new(password.into()) };
        Credential { login, origin: "the test".into(), tried: Vec::new() }
    }))
}
