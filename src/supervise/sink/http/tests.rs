use std::collections::VecDeque;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::*;

/// Status and headers.
type ScriptedResponse = (u16, Vec<(&'static str, String)>);

/// An endpoint with scripted responses, then 200.
#[derive(Clone, Default)]
struct LogEndpoint {
    responses: Arc<Mutex<VecDeque<ScriptedResponse>>>,
    taken: Arc<Mutex<Vec<(HeaderMap, String)>>>,
}

impl LogEndpoint {
    fn responding(statuses: &[u16]) -> Self {
        let endpoint = Self::default();
        endpoint.responses.lock().unwrap().extend(statuses.iter().map(|status| (*status, Vec::new())));
        endpoint
    }

    async fn start(&self, port: u16) -> (u16, JoinHandle<()>) {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let routes = Router::new().fallback(take).with_state(self.clone());
        (port, tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() }))
    }

    fn lines(&self) -> Vec<String> {
        let taken = self.taken.lock().unwrap();
        taken.iter().flat_map(|(_, body)| body.lines().map(str::to_owned)).collect()
    }

    async fn wait_for(&self, lines: usize) {
        let arrive = async {
            while self.lines().len() < lines {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(Duration::from_secs(20), arrive).await.unwrap_or_else(|_| panic!("only {:?}", self.lines()));
    }
}

async fn take(State(endpoint): State<LogEndpoint>, headers: HeaderMap, body: String) -> impl IntoResponse {
    let (status, more) = endpoint.responses.lock().unwrap().pop_front().unwrap_or((200, Vec::new()));
    if status == 200 {
        endpoint.taken.lock().unwrap().push((headers, body));
    }
    let mut answer = HeaderMap::new();
    for (name, value) in more {
        answer.insert(name, value.parse().unwrap());
    }
    (StatusCode::from_u16(status).unwrap(), answer)
}

struct Sending {
    sink: Arc<HttpSink>,
    received_events: tokio::sync::mpsc::Receiver<SupervisorEvent>,
    end: watch::Sender<bool>,
    task: JoinHandle<()>,
    counters: Arc<LogCounters>,
}

fn target(port: u16) -> HttpTarget {
    let token = TokenSource::Value(Secret::new("0123456789abcdef".to_owned()));
    HttpTarget::parse(&format!("http://127.0.0.1:{port}/in?key=hidden"), Some(token)).unwrap()
}

fn start(folder: &TempDir, target: HttpTarget) -> Sending {
    crate::net::install_provider();
    let (events, received_events) = SupervisorEventSender::new();
    let counters = Arc::new(LogCounters::default());
    let spool = Spool::open(folder.path(), 1 << 20).unwrap();
    let sink = Arc::new(HttpSink::new(spool, 1 << 20, Arc::clone(&counters), events));
    let (end, ended) = watch::channel(false);
    let sending = Arc::clone(&sink);
    let client = reqwest::Client::builder().tls_certs_only([]).no_proxy().build().unwrap();
    let task = tokio::spawn(async move { sending.send(&target, &client, ended).await });
    Sending { sink, received_events, end, task, counters }
}

impl Sending {
    async fn finish(mut self) -> Vec<String> {
        self.end.send_replace(true);
        timeout(Duration::from_secs(10), self.task).await.unwrap().unwrap();
        drop(self.sink);
        let mut messages = Vec::new();
        while let Ok(event) = self.received_events.try_recv() {
            messages.push(event.to_string());
        }
        messages
    }
}

#[tokio::test]
async fn lines_arrive_in_order_with_the_token() {
    let (endpoint, folder) = (LogEndpoint::default(), tempfile::tempdir().unwrap());
    let (port, _server) = endpoint.start(0).await;
    let sending = start(&folder, target(port));
    for number in 0..1000 {
        sending.sink.write(format!("line {number}\n").as_bytes(), 1);
    }
    endpoint.wait_for(1000).await;
    assert_eq!(endpoint.lines(), (0..1000).map(|number| format!("line {number}")).collect::<Vec<_>>());
    let (headers, _) = endpoint.taken.lock().unwrap()[0].clone();
    assert_eq!(headers["authorization"], "Bearer 0123456789abcdef");
    assert_eq!(headers["content-type"], "application/x-ndjson");
    assert!(headers["idempotency-key"].to_str().unwrap().starts_with("1-0-"));
    // The last batch counts once its response is read.
    let counters = Arc::clone(&sending.counters);
    assert_eq!(sending.finish().await, [] as [&str; 0]);
    assert_eq!(counters.url.forwarded.get(), 1000);
    assert_eq!(counters.buffered.get(), 0);
}

#[tokio::test]
async fn transient_errors_are_retried_and_reported_once() {
    let (endpoint, folder) = (LogEndpoint::responding(&[503, 429, 401]), tempfile::tempdir().unwrap());
    endpoint.responses.lock().unwrap()[1].1.push(("retry-after", "1".to_owned()));
    let (port, _server) = endpoint.start(0).await;
    let sending = start(&folder, target(port));
    sending.sink.write(b"one\ntwo\n", 2);
    endpoint.wait_for(2).await;
    sending.sink.write(b"three\n", 1);
    endpoint.wait_for(3).await;
    assert_eq!(endpoint.lines(), ["one", "two", "three"]);
    let messages = sending.finish().await;
    assert_eq!(messages.len(), 2, "{messages:?}");
    assert_eq!(
        messages[0],
        format!("cannot send logs, buffering them on disk: http://127.0.0.1:{port}/in: status 503")
    );
    assert!(messages[1].starts_with("sending logs again"), "{messages:?}");
}

#[tokio::test]
async fn rejected_batches_are_dropped_and_large_ones_split() {
    let (endpoint, folder) = (LogEndpoint::responding(&[400, 413, 413]), tempfile::tempdir().unwrap());
    let (port, _server) = endpoint.start(0).await;
    let sending = start(&folder, target(port));
    sending.sink.write(b"rejected\n", 1);
    let rejected = async {
        while sending.counters.url.dropped.get() == 0 {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(10), rejected).await.unwrap();
    sending.sink.write(b"a1\na2\na3\na4\na5\na6\na7\na8\n", 8);
    endpoint.wait_for(8).await;
    assert_eq!(endpoint.lines(), ["a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8"]);
    assert_eq!(endpoint.taken.lock().unwrap()[0].1, "a1\na2\n");
    let messages = sending.finish().await;
    assert_eq!(
        messages,
        [format!("the log endpoint rejected 1 lines, which are dropped: http://127.0.0.1:{port}/in: status 400")]
    );
}

#[tokio::test]
async fn lines_wait_on_disk_for_an_endpoint_that_is_down() {
    let (endpoint, folder) = (LogEndpoint::default(), tempfile::tempdir().unwrap());
    let (port, server) = endpoint.start(0).await;
    server.abort();
    let _ = server.await;
    let sending = start(&folder, target(port));
    sending.sink.write(b"one\ntwo\n", 2);
    sleep(Duration::from_millis(1500)).await;
    let messages = sending.finish().await;
    assert!(messages[0].contains("Connection refused"), "{messages:?}");
    assert_eq!(messages.last().unwrap(), "2 log lines are not sent yet; they are sent after the next start");
    assert!(!messages.concat().contains("hidden"), "{messages:?}");

    let (_, _server) = endpoint.start(port).await;
    let again = start(&folder, target(port));
    again.sink.write(b"three\n", 1);
    endpoint.wait_for(3).await;
    assert_eq!(endpoint.lines(), ["one", "two", "three"]);
    again.finish().await;
}

#[tokio::test]
async fn lines_written_just_before_shutdown_are_sent() {
    let (endpoint, folder) = (LogEndpoint::default(), tempfile::tempdir().unwrap());
    let (port, _server) = endpoint.start(0).await;
    let sending = start(&folder, target(port));
    sending.sink.write(b"last words\n", 1);
    assert_eq!(sending.finish().await, [] as [&str; 0]);
    assert_eq!(endpoint.lines(), ["last words"]);
}

#[tokio::test]
async fn a_redirect_is_not_a_success() {
    let (endpoint, folder) = (LogEndpoint::responding(&[302]), tempfile::tempdir().unwrap());
    endpoint.responses.lock().unwrap()[0].1.push(("location", "/elsewhere".to_owned()));
    let (port, _server) = endpoint.start(0).await;
    let sending = start(&folder, target(port));
    sending.sink.write(b"one\n", 1);
    let arrive = async {
        while sending.counters.url.forwarded.get() == 0 {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(10), arrive).await.unwrap();
    assert_eq!(endpoint.lines(), ["one"]);
    assert!(sending.finish().await[0].ends_with("redirected to another URL"));
}

#[test]
fn urls_that_leak_secrets_are_rejected() {
    let token = || Some(TokenSource::Value(Secret::new("0123456789abcdef".to_owned())));
    for (url, token, reason) in [
        ("logs.example", None, "invalid URL"),
        ("ftp://logs.example", None, "only `http://` and `https://` are supported"),
        ("https://user:hunter2@logs.example", None, "a password in the URL is visible to every user of the machine"),
        ("http://logs.example/in", token(), "a token is only sent over `https://`"),
    ] {
        let error = HttpTarget::parse(url, token).unwrap_err().to_string();
        assert_eq!(error, format!("invalid `--log-url`: {reason}"));
    }
    let target = HttpTarget::parse("https://logs.example/in?key=hidden#x", token()).unwrap();
    assert_eq!(target.display_url(), "https://logs.example/in");
    assert!(!format!("{:?}", target.token).contains("0123456789abcdef"));
}

#[test]
fn responses_are_classified_by_status() {
    assert_eq!(classify(204), PostOutcome::Accepted);
    assert_eq!(classify(413), PostOutcome::TooLarge);
    assert!(matches!(classify(422), PostOutcome::Rejected { .. }));
    for status in [301, 401, 403, 404, 408, 429, 500, 503] {
        assert!(matches!(classify(status), PostOutcome::Failed { .. }), "{status}");
    }
}
