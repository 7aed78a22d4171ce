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
type Answer = (u16, Vec<(&'static str, String)>);

/// An endpoint with scripted answers; 200 after them.
#[derive(Clone, Default)]
struct Endpoint {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    taken: Arc<Mutex<Vec<(HeaderMap, String)>>>,
}

impl Endpoint {
    fn answering(statuses: &[u16]) -> Self {
        let endpoint = Self::default();
        endpoint.answers.lock().unwrap().extend(statuses.iter().map(|status| (*status, Vec::new())));
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

async fn take(State(endpoint): State<Endpoint>, headers: HeaderMap, body: String) -> impl IntoResponse {
    let (status, more) = endpoint.answers.lock().unwrap().pop_front().unwrap_or((200, Vec::new()));
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
    notices: tokio::sync::mpsc::Receiver<Notice>,
    end: watch::Sender<bool>,
    task: JoinHandle<()>,
    counters: Arc<Counters>,
}

fn target(port: u16) -> HttpTarget {
    let token = TokenSource::Value(Secret::new("0123456789abcdef".to_owned()));
    HttpTarget::parse(&format!("http://127.0.0.1:{port}/in?key=hidden"), Some(token)).unwrap()
}

fn start(folder: &TempDir, target: HttpTarget) -> Sending {
    crate::net::install_provider();
    let (teller, notices) = Teller::new();
    let counters = Arc::new(Counters::default());
    let spool = Spool::open(folder.path(), 1 << 20).unwrap();
    let sink = Arc::new(HttpSink::new(spool, 1 << 20, Arc::clone(&counters), teller));
    let (end, ended) = watch::channel(false);
    let sending = Arc::clone(&sink);
    let client = reqwest::Client::builder().tls_certs_only([]).no_proxy().build().unwrap();
    let task = tokio::spawn(async move { sending.send(&target, &client, ended).await });
    Sending { sink, notices, end, task, counters }
}

impl Sending {
    async fn finish(mut self) -> Vec<String> {
        self.end.send_replace(true);
        timeout(Duration::from_secs(10), self.task).await.unwrap().unwrap();
        drop(self.sink);
        let mut told = Vec::new();
        while let Ok(notice) = self.notices.try_recv() {
            told.push(notice.to_string());
        }
        told
    }
}

#[tokio::test]
async fn lines_arrive_in_order_with_the_token() {
    let (endpoint, folder) = (Endpoint::default(), tempfile::tempdir().unwrap());
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
async fn errors_that_pass_are_tried_again_and_told_once() {
    let (endpoint, folder) = (Endpoint::answering(&[503, 429, 401]), tempfile::tempdir().unwrap());
    endpoint.answers.lock().unwrap()[1].1.push(("retry-after", "1".to_owned()));
    let (port, _server) = endpoint.start(0).await;
    let sending = start(&folder, target(port));
    sending.sink.write(b"one\ntwo\n", 2);
    endpoint.wait_for(2).await;
    sending.sink.write(b"three\n", 1);
    endpoint.wait_for(3).await;
    assert_eq!(endpoint.lines(), ["one", "two", "three"]);
    let told = sending.finish().await;
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(
        told[0],
        format!("logs cannot be sent, and are kept on disk meanwhile: http://127.0.0.1:{port}/in: status 503")
    );
    assert!(told[1].starts_with("logs are sent again"), "{told:?}");
}

#[tokio::test]
async fn what_is_refused_is_dropped_and_what_is_too_large_is_split() {
    let (endpoint, folder) = (Endpoint::answering(&[400, 413, 413]), tempfile::tempdir().unwrap());
    let (port, _server) = endpoint.start(0).await;
    let sending = start(&folder, target(port));
    sending.sink.write(b"refused\n", 1);
    let refused = async {
        while sending.counters.url.dropped.get() == 0 {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(10), refused).await.unwrap();
    sending.sink.write(b"a1\na2\na3\na4\na5\na6\na7\na8\n", 8);
    endpoint.wait_for(8).await;
    assert_eq!(endpoint.lines(), ["a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8"]);
    assert_eq!(endpoint.taken.lock().unwrap()[0].1, "a1\na2\n");
    let told = sending.finish().await;
    assert_eq!(
        told,
        [format!("the log endpoint refuses 1 lines, which are dropped: http://127.0.0.1:{port}/in: status 400")]
    );
}

#[tokio::test]
async fn lines_wait_on_disk_for_an_endpoint_that_is_down() {
    let (endpoint, folder) = (Endpoint::default(), tempfile::tempdir().unwrap());
    let (port, server) = endpoint.start(0).await;
    server.abort();
    let _ = server.await;
    let sending = start(&folder, target(port));
    sending.sink.write(b"one\ntwo\n", 2);
    sleep(Duration::from_millis(1500)).await;
    let told = sending.finish().await;
    assert!(told[0].contains("Connection refused"), "{told:?}");
    assert_eq!(told.last().unwrap(), "2 lines are not sent yet; the next start sends them");
    assert!(!told.concat().contains("hidden"), "{told:?}");

    let (_, _server) = endpoint.start(port).await;
    let again = start(&folder, target(port));
    again.sink.write(b"three\n", 1);
    endpoint.wait_for(3).await;
    assert_eq!(endpoint.lines(), ["one", "two", "three"]);
    again.finish().await;
}

#[tokio::test]
async fn what_was_written_just_before_the_end_is_sent() {
    let (endpoint, folder) = (Endpoint::default(), tempfile::tempdir().unwrap());
    let (port, _server) = endpoint.start(0).await;
    let sending = start(&folder, target(port));
    sending.sink.write(b"last words\n", 1);
    assert_eq!(sending.finish().await, [] as [&str; 0]);
    assert_eq!(endpoint.lines(), ["last words"]);
}

#[tokio::test]
async fn a_redirection_is_no_success() {
    let (endpoint, folder) = (Endpoint::answering(&[302]), tempfile::tempdir().unwrap());
    endpoint.answers.lock().unwrap()[0].1.push(("location", "/elsewhere".to_owned()));
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
    assert!(sending.finish().await[0].ends_with("it redirects to another address"));
}

#[test]
fn addresses_that_give_secrets_away_are_refused() {
    let token = || Some(TokenSource::Value(Secret::new("0123456789abcdef".to_owned())));
    for (url, token, reason) in [
        ("logs.example", None, "it is no URL"),
        ("ftp://logs.example", None, "only `http://` and `https://` are supported"),
        ("https://user:hunter2@logs.example", None, "a password in it can be seen by every user of the machine"),
        ("http://logs.example/in", token(), "a token is sent through `https://` only"),
    ] {
        let error = HttpTarget::parse(url, token).unwrap_err().to_string();
        assert_eq!(error, format!("`--log-url` cannot be used: {reason}"));
    }
    let target = HttpTarget::parse("https://logs.example/in?key=hidden#x", token()).unwrap();
    assert_eq!(target.name(), "https://logs.example/in");
    assert!(!format!("{:?}", target.token).contains("0123456789abcdef"));
}

#[test]
fn pauses_come_from_the_answer() {
    assert_eq!(judge(204), Verdict::Accepted);
    assert_eq!(judge(413), Verdict::TooLarge);
    assert!(matches!(judge(422), Verdict::Refused { .. }));
    for status in [301, 401, 403, 404, 408, 429, 500, 503] {
        assert!(matches!(judge(status), Verdict::Failed { .. }), "{status}");
    }
}
