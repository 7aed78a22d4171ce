//! Asks a started app whether it is well, as the launcher inside does: by its command, or, where this machine reaches the port, at once.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::run_document::RunDocument;

/// Between two requests.
const PAUSE: Duration = Duration::from_millis(10);
/// A first page may take its time.
const PATIENCE: Duration = Duration::from_secs(4);

/// How it is found out whether the app is well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Probe {
    /// Runs inside; 0 is well.
    pub argv: Vec<String>,
    /// Asks the same from here, without a process of its own.
    pub request: Option<HealthRequest>,
}

/// The request of the launcher's health check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HealthRequest {
    address: SocketAddr,
    path: String,
    /// Only success and redirects count as well; else everything but an error of the server.
    strict: bool,
}

impl HealthRequest {
    pub fn new(address: SocketAddr, run: &RunDocument) -> Self {
        let path = run.health_path.as_deref().unwrap_or(&run.base_path);
        let path = if path.is_empty() { "/" } else { path };
        // As in the launcher: what is not printable ASCII is escaped.
        let escaped = path.bytes().fold(String::new(), |text, byte| match byte {
            b'!'..=b'~' => text + char::from(byte).encode_utf8(&mut [0; 4]),
            _ => format!("{text}%{byte:02X}"),
        });
        Self { address, path: escaped, strict: run.health_path.is_some() }
    }

    /// Asks until the app is well.
    pub async fn until_well(&self) {
        loop {
            // Nobody listens yet, or it was not well: the daemon's own check tells why when that lasts.
            if let Ok(Some(status)) = timeout(PATIENCE, self.status()).await
                && self.is_well(status)
            {
                return;
            }
            sleep(PAUSE).await;
        }
    }

    fn is_well(&self, status: u16) -> bool {
        if self.strict { (200..400).contains(&status) } else { (100..500).contains(&status) }
    }

    /// The status of the answer.
    async fn status(&self) -> Option<u16> {
        let mut stream = TcpStream::connect(self.address).await.ok()?;
        let Self { address, path, .. } = self;
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: {address}\r\nuser-agent: nextdeploy-health\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut line = [0; 12];
        stream.read_exact(&mut line).await.ok()?;
        let text = std::str::from_utf8(&line).ok()?;
        text.strip_prefix("HTTP/1.1 ").or_else(|| text.strip_prefix("HTTP/1.0 "))?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    fn run(health_path: Option<&str>, base_path: &str) -> RunDocument {
        RunDocument {
            health_path: health_path.map(str::to_owned),
            base_path: base_path.into(),
            ..RunDocument::default()
        }
    }

    #[test]
    fn what_is_well_is_what_the_launcher_says() {
        let request = |run: &RunDocument| HealthRequest::new(([127, 0, 0, 1], 1).into(), run);
        let lenient = request(&run(None, "/docs"));
        assert_eq!(lenient.path, "/docs");
        assert_eq!([200, 404, 500].map(|status| lenient.is_well(status)), [true, true, false]);
        let strict = request(&run(Some("/w\u{e9}ll "), ""));
        assert_eq!(strict.path, "/w%C3%A9ll%20");
        assert_eq!([204, 307, 404, 500].map(|status| strict.is_well(status)), [true, true, false, false]);
        assert_eq!(request(&run(None, "")).path, "/");
    }

    #[tokio::test]
    async fn it_asks_until_there_is_a_good_answer() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let request = HealthRequest::new(listener.local_addr().unwrap(), &run(None, ""));
        let answers = ["", "HTTP/1.1 503 Busy\r\n\r\n", "nonsense, and long", "HTTP/1.1 200 OK\r\n\r\n"];
        let server = async {
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut asked = [0; 14];
                stream.read_exact(&mut asked).await.unwrap();
                assert_eq!(&asked, b"GET / HTTP/1.1");
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        };
        tokio::join!(server, request.until_well());
    }
}
