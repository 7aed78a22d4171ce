//! Receivers of logs: a WebSocket client (RFC 6455) and an HTTP endpoint.

use std::collections::VecDeque;
use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, spawn};
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};

pub const TOKEN: &str = "a-token-of-the-tests-7f3a";

/// The connection after its handshake, or the status of the rejection.
pub fn open_socket(address: SocketAddr, target: &str, header: &str) -> Result<BufReader<TcpStream>, u16> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    write!(
        stream,
        "GET {target} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{header}\r\n"
    )
    .unwrap();
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        reader.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let status: u16 = head.split(' ').nth(1).unwrap().parse().unwrap();
    if status == 101 {
        // The response to the key above, from the example in the RFC.
        assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
        Ok(reader)
    } else {
        Err(status)
    }
}

/// Kind and content of the next frame.
pub fn read_frame(reader: &mut impl Read) -> std::io::Result<(u8, Vec<u8>)> {
    let mut head = [0; 2];
    reader.read_exact(&mut head)?;
    assert_eq!(head[0] & 0x80, 0x80, "every message is one frame");
    assert_eq!(head[1] & 0x80, 0, "a server does not mask");
    let length = match head[1] {
        126 => {
            let mut bytes = [0; 2];
            reader.read_exact(&mut bytes)?;
            u64::from(u16::from_be_bytes(bytes))
        }
        127 => {
            let mut bytes = [0; 8];
            reader.read_exact(&mut bytes)?;
            u64::from_be_bytes(bytes)
        }
        short => u64::from(short),
    };
    let mut content = vec![0; usize::try_from(length).unwrap()];
    reader.read_exact(&mut content)?;
    Ok((head[0] & 0x0f, content))
}

/// A client that reads everything it receives.
pub struct Listener {
    lines: Arc<Mutex<Vec<String>>>,
    reading: JoinHandle<Option<u16>>,
}

impl Listener {
    pub fn open(address: SocketAddr, query: &str) -> Self {
        let mut socket = open_socket(address, &format!("/logs?token={TOKEN}{query}"), "").unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let taken = Arc::clone(&lines);
        let reading = spawn(move || {
            loop {
                match read_frame(&mut socket).ok()? {
                    (1, text) => {
                        let text = String::from_utf8(text).unwrap();
                        taken.lock().unwrap().extend(text.lines().map(str::to_owned));
                    }
                    (8, close) => return Some(u16::from_be_bytes([close[0], close[1]])),
                    _ => {}
                }
            }
        });
        Self { lines, reading }
    }

    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    pub fn count(&self) -> usize {
        self.lines.lock().unwrap().len()
    }

    /// The code with which the server closed the connection.
    pub fn closed(self) -> Option<u16> {
        self.reading.join().unwrap()
    }
}

/// An HTTP endpoint for batches, with scripted responses before it accepts everything.
#[derive(Clone, Default)]
pub struct Endpoint {
    refusals: Arc<Mutex<VecDeque<u16>>>,
    lines: Arc<Mutex<Vec<String>>>,
    tokens: Arc<Mutex<Vec<String>>>,
}

impl Endpoint {
    /// A port without a listener.
    pub fn free_port() -> u16 {
        TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
    }

    /// Listens forever.
    pub fn start(port: u16, refusals: &[u16]) -> Self {
        let endpoint = Self::default();
        endpoint.refusals.lock().unwrap().extend(refusals);
        let served = endpoint.clone();
        spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
                let routes = Router::new().fallback(take).layer(DefaultBodyLimit::disable()).with_state(served);
                axum::serve(listener, routes).await.unwrap();
            });
        });
        endpoint
    }

    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    pub fn count(&self) -> usize {
        self.lines.lock().unwrap().len()
    }

    pub fn tokens(&self) -> Vec<String> {
        self.tokens.lock().unwrap().clone()
    }
}

async fn take(State(endpoint): State<Endpoint>, headers: HeaderMap, body: String) -> StatusCode {
    let token = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    endpoint.tokens.lock().unwrap().push(token.to_owned());
    if let Some(status) = endpoint.refusals.lock().unwrap().pop_front() {
        return StatusCode::from_u16(status).unwrap();
    }
    endpoint.lines.lock().unwrap().extend(body.lines().map(str::to_owned));
    StatusCode::NO_CONTENT
}
