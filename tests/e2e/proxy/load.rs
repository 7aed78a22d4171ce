//! A constant load of requests, as sent by browsers: connections stay open, and a request whose connection was closed before
//! any response is sent once more on a new one (RFC 9112 §9.3.1).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http_body_util::{BodyExt as _, Empty};
use hyper::Request;
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

type Sender = SendRequest<Empty<bytes::Bytes>>;

/// How the clients use connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connections {
    Kept,
    OneEach,
    /// All clients on one HTTP/2 connection, like a browser with a site that has TLS.
    Http2,
}

#[derive(Debug, Default)]
pub struct Tally {
    /// Responses by their text.
    pub answers: BTreeMap<String, usize>,
    /// Sent again on a new connection.
    pub repeated: usize,
    pub lost: Vec<String>,
}

pub struct Load {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Tally>>,
}

impl Load {
    /// `clients` that send `GET path` for `host` one after the other, until [`Self::finish`].
    pub fn start(address: SocketAddr, path: &'static str, clients: usize, connections: Connections) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        nextdeploy::net::install_provider();
        let shared = reqwest::Client::builder().no_proxy().tls_danger_accept_invalid_certs(true).build().unwrap();
        let url = format!("https://localhost:{}{path}", address.port());
        let client = |_| match connections {
            Connections::Http2 => tokio::spawn(http2_client(shared.clone(), url.clone(), Arc::clone(&stop))),
            _ => tokio::spawn(client(address, path, connections, Arc::clone(&stop))),
        };
        Self { clients: (0..clients).map(client).collect(), stop }
    }

    pub async fn finish(self) -> Tally {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Tally::default();
        for client in self.clients {
            let tally = client.await.unwrap();
            for (answer, count) in tally.answers {
                *all.answers.entry(answer).or_default() += count;
            }
            all.repeated += tally.repeated;
            all.lost.extend(tally.lost);
        }
        all
    }
}

async fn client(address: SocketAddr, path: &str, connections: Connections, stop: Arc<AtomicBool>) -> Tally {
    let mut tally = Tally::default();
    let mut open: Option<Sender> = None;
    while !stop.load(Ordering::Relaxed) {
        let kept = open.take();
        let was_kept = kept.is_some();
        let answer = match exchange(address, path, kept).await {
            Err(_) if was_kept => {
                tally.repeated += 1;
                exchange(address, path, None).await
            }
            answer => answer,
        };
        match answer {
            Ok((200, text, sender)) => {
                *tally.answers.entry(text).or_default() += 1;
                open = sender.filter(|_| connections == Connections::Kept);
            }
            Ok((status, ..)) => tally.lost.push(format!("status {status}")),
            Err(error) => tally.lost.push(error),
        }
    }
    tally
}

/// The library repeats requests that the server has not begun (GOAWAY), as the protocol specifies.
async fn http2_client(client: reqwest::Client, url: String, stop: Arc<AtomicBool>) -> Tally {
    let mut tally = Tally::default();
    while !stop.load(Ordering::Relaxed) {
        let answer = async {
            let response = client.get(&url).send().await?.error_for_status()?;
            assert_eq!(response.version(), reqwest::Version::HTTP_2);
            response.text().await
        };
        match answer.await {
            Ok(text) => *tally.answers.entry(text).or_default() += 1,
            Err(error) => tally.lost.push(format!("{error:?}")),
        }
    }
    tally
}

async fn exchange(
    address: SocketAddr,
    path: &str,
    kept: Option<Sender>,
) -> Result<(u16, String, Option<Sender>), String> {
    let mut sender = match kept {
        Some(sender) => sender,
        None => connect(address).await?,
    };
    sender.ready().await.map_err(|error| error.to_string())?;
    let request = Request::get(path).header("host", address.to_string()).body(Empty::new()).unwrap();
    let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
    let status = response.status().as_u16();
    let closes = response.headers().get("connection").is_some_and(|value| value == "close");
    let body = response.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
    Ok((status, String::from_utf8_lossy(&body).into_owned(), (!closes).then_some(sender)))
}

pub async fn connect(address: SocketAddr) -> Result<Sender, String> {
    let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    let made = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (sender, connection) = made.map_err(|error| error.to_string())?;
    tokio::spawn(connection);
    Ok(sender)
}
