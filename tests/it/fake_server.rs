//! Scripted HTTP servers: one request per connection, on a Unix socket or on loopback.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

pub trait Stream: Read + Write + Send {}
impl Stream for UnixStream {}
impl Stream for TcpStream {}

/// Gets method, path without version and query, and the connection after the request head has been read.
type Answer = dyn Fn(&str, &str, &mut dyn Stream) + Send + Sync;

/// A server on a Unix socket: its folder, and its address in the format of `DOCKER_HOST`.
pub fn on_socket(answer: impl Fn(&str, &str, &mut dyn Stream) + Send + Sync + 'static) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("d.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let answer: Arc<Answer> = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let answer = Arc::clone(&answer);
            std::thread::spawn(move || serve(&mut stream.unwrap(), &*answer));
        }
    });
    let address = format!("unix://{}", socket.display());
    (folder, address)
}

/// A server on loopback that speaks plain HTTP.
pub fn on_loopback(answer: impl Fn(&str, &str, &mut dyn Stream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answer: Arc<Answer> = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (answer, mut stream) = (Arc::clone(&answer), stream.unwrap());
            std::thread::spawn(move || {
                let mut first = [0];
                // The first byte of a TLS handshake.
                if stream.peek(&mut first).unwrap_or(0) > 0 && first[0] != 22 {
                    serve(&mut stream, &*answer);
                }
            });
        }
    });
    address
}

fn serve(stream: &mut dyn Stream, answer: &Answer) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).unwrap_or(0) == 0 {
            return;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut words = head.split_whitespace();
    let (method, path) = (words.next().unwrap(), words.next().unwrap().split('?').next().unwrap());
    // bollard prefixes its paths with the API version; registry paths contain no dot there.
    let version = path.strip_prefix("/v1.").and_then(|rest| rest.find('/').map(|slash| &rest[slash..]));
    answer(method, version.unwrap_or(path), stream);
}

/// The response of a daemon of this version to `/_ping`.
pub fn ping(stream: &mut dyn Stream) {
    whole(stream, "200 OK\r\nApi-Version: 1.41\r\nServer: Docker/20.10.24 (linux)", "OK");
}

/// A complete response; `status` may be followed by headers.
pub fn whole(stream: &mut dyn Stream, status: &str, body: &str) {
    let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    let _ = stream.write_all(format!("{head}{body}").as_bytes());
}

/// `start`, followed by endless `x`.
pub fn endless(stream: &mut dyn Stream, status: &str, start: &str) {
    let chunk = [&b"10000\r\n"[..], &b"x".repeat(0x10000), b"\r\n"].concat();
    begin(stream, status, start);
    while stream.write_all(&chunk).is_ok() {}
}

/// `start`, followed by one `x` every quarter of a second.
pub fn dripping(stream: &mut dyn Stream, status: &str, start: &str) {
    begin(stream, status, start);
    while stream.write_all(b"1\r\nx\r\n").is_ok() {
        std::thread::sleep(Duration::from_millis(250));
    }
}

fn begin(stream: &mut dyn Stream, status: &str, start: &str) {
    let _ = stream.write_all(format!("HTTP/1.1 {status}\r\nTransfer-Encoding: chunked\r\n\r\n").as_bytes());
    if !start.is_empty() {
        let _ = stream.write_all(format!("{:x}\r\n{start}\r\n", start.len()).as_bytes());
    }
}
