//! One request to the running application, as a browser would send it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

const LIMIT: Duration = Duration::from_secs(20);

pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// `GET path`, without following redirects.
pub fn get(address: SocketAddr, path: &str) -> Result<Answer, String> {
    get_for(address, path, &address.to_string())
}

/// The same with the `Host` header `host`.
pub fn get_for(address: SocketAddr, path: &str, host: &str) -> Result<Answer, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        tokio::time::timeout(LIMIT, ask(address, path, host))
            .await
            .unwrap_or_else(|_| Err("no answer in time".to_owned()))
            .map_err(|error| format!("GET {path}: {error}"))
    })
}

async fn ask(address: SocketAddr, path: &str, host: &str) -> Result<Answer, String> {
    let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    let connection = tokio::spawn(connection);
    let request = Request::get(path)
        .header("host", host)
        .header("accept", "text/html,image/webp,*/*;q=0.8")
        .header("connection", "close")
        .body(Empty::<bytes::Bytes>::new())
        .unwrap();
    let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
    let status = response.status().as_u16();
    let headers = response
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    let body = response.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes().to_vec();
    connection.abort();
    Ok(Answer { status, headers, body })
}
