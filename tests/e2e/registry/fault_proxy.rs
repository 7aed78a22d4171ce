//! A proxy in front of a registry that injects faults into selected requests.
//!
//! One request per connection, so that bodies pass through unchanged.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// How long a rejected client may continue to send its body.
const DRAIN: Duration = Duration::from_secs(2);
/// The pause between two chunks on a slow link.
const TICK: Duration = Duration::from_millis(50);
const HEAD_LIMIT: usize = 64 * 1024;

/// What happens to a request.
#[derive(Debug, Clone)]
pub enum Fault {
    /// Answered without the registry; status line without `HTTP/1.1`, header lines, body.
    Answer { status: &'static str, headers: &'static str, body: &'static str },
    /// The connection is closed after this many bytes of the request body.
    CutRequest { after: usize },
    /// The connection is closed after this many bytes of the response.
    CutAnswer { after: usize },
    /// Bytes of the request body per second.
    Slow { bytes_per_second: usize },
    /// Never responds.
    Mute,
    /// The response has this `Docker-Content-Digest`.
    Digest(&'static str),
}

/// A fault and the requests that it applies to.
#[derive(Debug)]
pub struct Rule {
    method: &'static str,
    /// Part of the path.
    path: &'static str,
    fault: Fault,
    /// The number of requests that it applies to.
    left: AtomicUsize,
}

impl Rule {
    /// All requests with this method whose path contains `path`.
    pub fn new(method: &'static str, path: &'static str, fault: Fault) -> Self {
        Self { method, path, fault, left: AtomicUsize::new(usize::MAX) }
    }

    /// Only the first `count` of them.
    pub fn first(self, count: usize) -> Self {
        Self { left: AtomicUsize::new(count), ..self }
    }

    fn applies(&self, head: &Head) -> bool {
        let take_one =
            || self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok();
        head.method == self.method && head.path.contains(self.path) && take_one()
    }
}

/// A running proxy, stopped on drop.
pub struct FaultProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    upstream: String,
    rules: Vec<Rule>,
    /// `METHOD path` of every request, without query.
    seen: Mutex<Vec<String>>,
    ended: AtomicBool,
}

impl FaultProxy {
    /// In front of `upstream` (`host:port`, plain HTTP).
    pub fn start(upstream: &str, rules: Vec<Rule>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            upstream: upstream.to_owned(),
            rules,
            seen: Mutex::default(),
            ended: AtomicBool::new(false),
        });
        let for_thread = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if for_thread.ended.load(Ordering::Relaxed) {
                    return;
                }
                let shared = Arc::clone(&for_thread);
                // Broken connections are the purpose of this proxy.
                thread::spawn(move || shared.serve(client));
            }
        });
        Self { address, shared }
    }

    /// `127.0.0.1:PORT`.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// The number of requests with this method and this part of the path.
    pub fn count(&self, method: &str, path: &str) -> usize {
        let seen = self.shared.seen.lock().unwrap();
        seen.iter().filter(|line| line.starts_with(method) && line.contains(path)).count()
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        // Wakes the listener, which then exits.
        let _ = TcpStream::connect(self.address);
    }
}

/// The head of a request or response, and the bytes read after it.
struct Head {
    method: String,
    path: String,
    /// Without the empty line.
    text: String,
    rest: Vec<u8>,
}

impl Head {
    /// `None` if the peer sends nothing, or something other than HTTP.
    fn read(stream: &mut TcpStream) -> io::Result<Option<Self>> {
        let mut bytes = Vec::new();
        let mut chunk = [0; 4096];
        loop {
            if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                let text = String::from_utf8_lossy(&bytes[..end]).into_owned();
                let mut words = text.split(' ');
                let (method, path) =
                    (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
                return Ok(Some(Self { method, path, text, rest: bytes.split_off(end + 4) }));
            }
            let count = stream.read(&mut chunk)?;
            bytes.extend_from_slice(&chunk[..count]);
            let is_http = bytes.first().is_some_and(u8::is_ascii_alphabetic);
            if count == 0 || !is_http || bytes.len() > HEAD_LIMIT {
                return Ok(None);
            }
        }
    }

    /// As bytes, with the header `name` set to `value`.
    fn with(&self, name: &str, value: &str) -> Vec<u8> {
        let is_other = |line: &&str| !line.to_ascii_lowercase().starts_with(&format!("{}:", name.to_ascii_lowercase()));
        let mut lines: Vec<_> = self.text.split("\r\n").filter(is_other).collect();
        let header = format!("{name}: {value}");
        lines.push(&header);
        format!("{}\r\n\r\n", lines.join("\r\n")).into_bytes()
    }
}

impl Shared {
    fn serve(&self, mut client: TcpStream) -> io::Result<()> {
        let Some(head) = Head::read(&mut client)? else {
            // The response of a server without TLS to a TLS handshake.
            client.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTPS request to an HTTP server.\n")?;
            return client.shutdown(Shutdown::Both);
        };
        let path = head.path.split('?').next().unwrap_or_default();
        self.seen.lock().unwrap().push(format!("{} {path}", head.method));
        let fault = self.rules.iter().find(|rule| rule.applies(&head)).map(|rule| rule.fault.clone());
        match fault {
            Some(Fault::Answer { status, headers, body }) => {
                let length = body.len();
                let head =
                    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n");
                client.write_all(head.as_bytes())?;
                client.write_all(body.as_bytes())?;
                client.shutdown(Shutdown::Write)?;
                // An unread body would make the system reset the connection, and the response would be lost.
                client.set_read_timeout(Some(DRAIN))?;
                io::copy(&mut client, &mut io::sink()).map(drop)
            }
            Some(Fault::Mute) => io::copy(&mut client, &mut io::sink()).map(drop),
            other => self.pass(client, &head, other.as_ref()),
        }
    }

    /// Forwards to the registry, with a fault in either direction.
    fn pass(&self, mut client: TcpStream, head: &Head, fault: Option<&Fault>) -> io::Result<()> {
        let mut registry = TcpStream::connect(&self.upstream)?;
        registry.write_all(&head.with("Connection", "close"))?;
        let (mut body, mut to_registry) = (client.try_clone()?, registry.try_clone()?);
        let (rest, on_the_way) = (head.rest.clone(), fault.cloned());
        thread::spawn(move || {
            let sent = relay_request(&rest, &mut body, &mut to_registry, on_the_way.as_ref());
            if sent.is_err() || matches!(on_the_way, Some(Fault::CutRequest { .. })) {
                let _ = body.shutdown(Shutdown::Both);
                let _ = to_registry.shutdown(Shutdown::Both);
            }
        });
        let Some(answer) = Head::read(&mut registry)? else { return client.shutdown(Shutdown::Both) };
        match fault {
            Some(Fault::Digest(digest)) => client.write_all(&answer.with("Docker-Content-Digest", digest))?,
            _ => client.write_all(&answer.with("Connection", "close"))?,
        }
        let mut rest = answer.rest.as_slice().chain(&mut registry);
        match fault {
            Some(Fault::CutAnswer { after }) => io::copy(&mut rest.take(*after as u64), &mut client)?,
            _ => io::copy(&mut rest, &mut client)?,
        };
        client.shutdown(Shutdown::Both)?;
        registry.shutdown(Shutdown::Both)
    }
}

/// The request's body, whose first bytes are `read`.
fn relay_request(
    read: &[u8],
    client: &mut TcpStream,
    registry: &mut TcpStream,
    fault: Option<&Fault>,
) -> io::Result<()> {
    let mut body = read.chain(client);
    match fault {
        Some(Fault::CutRequest { after }) => io::copy(&mut body.take(*after as u64), registry).map(drop),
        Some(Fault::Slow { bytes_per_second }) => {
            let ticks_per_second = 1000 / TICK.as_millis().max(1);
            let piece = (*bytes_per_second as u128 / ticks_per_second).max(1);
            let piece = u64::try_from(piece).map_err(io::Error::other)?;
            while io::copy(&mut (&mut body).take(piece), registry)? > 0 {
                thread::sleep(TICK);
            }
            Ok(())
        }
        _ => io::copy(&mut body, registry).map(drop),
    }
}
