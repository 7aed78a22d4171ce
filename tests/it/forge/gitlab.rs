//! Notes on GitLab's merge requests (GitLab, "Notes API").

use std::sync::{Arc, Mutex};

use nextdeploy::diagnostic::Warning;
use nextdeploy::report::forge::{ReportedOutcome, RequestedReports};
use serde_json::{Value, json};

use super::server::{Received, Reply, Server};
use super::{COMMIT, SUCCESS, TOKEN, comment_only};

const ME: u64 = 5;
const MARKER: &str = "<!-- nextdeploy comment of shop -->";

struct GitLabApi {
    server: Server,
    notes: Arc<Mutex<Vec<Value>>>,
}

fn note(id: u64, body: &str, author: u64) -> Value {
    json!({ "id": id, "type": null, "body": body, "author": { "id": author, "username": "bot" }, "system": false,
            "noteable_type": "MergeRequest", "noteable_iid": 7, "resolvable": false })
}

impl GitLabApi {
    /// `refusal` is the response to every write.
    fn start(notes: Vec<Value>, refusal: Option<(u16, &'static str)>) -> Self {
        let notes = Arc::new(Mutex::new(notes));
        let shared = Arc::clone(&notes);
        let server = Server::start(move |request| answer(&mut shared.lock().unwrap(), refusal, request));
        Self { server, notes }
    }

    async fn run(&self, wanted: RequestedReports, outcome: ReportedOutcome<'_>) -> Vec<Warning> {
        let api = format!("{}/api/v4", self.server.address);
        let variables = [
            ("GITLAB_CI", "true"),
            ("CI_API_V4_URL", api.as_str()),
            ("CI_PROJECT_ID", "42"),
            ("CI_PROJECT_PATH", "group/shop"),
            ("CI_MERGE_REQUEST_IID", "7"),
            ("CI_PIPELINE_SOURCE", "merge_request_event"),
            ("CI_COMMIT_SHA", COMMIT),
        ];
        super::run(&variables, "", wanted, outcome).await
    }

    fn bodies(&self) -> Vec<String> {
        self.notes.lock().unwrap().iter().map(|note| note["body"].as_str().unwrap().to_owned()).collect()
    }
}

fn answer(notes: &mut Vec<Value>, refusal: Option<(u16, &'static str)>, request: &Received) -> Reply {
    const NOTES: &str = "/api/v4/projects/42/merge_requests/7/notes";
    if request.header("private-token") != Some(TOKEN) {
        return Reply::json(401, &json!({ "message": "401 Unauthorized" }));
    }
    if let (Some((status, body)), true) = (refusal, request.method != "GET") {
        return Reply::json(status, &serde_json::from_str(body).unwrap());
    }
    let line = request.line();
    match line.split_once(' ').unwrap() {
        ("GET", "/api/v4/user") => Reply::json(200, &json!({ "id": ME, "username": "project_42_bot" })),
        ("GET", NOTES) => {
            assert_eq!(
                (request.query("sort").unwrap(), request.query("per_page").unwrap()),
                ("asc".into(), "100".into())
            );
            let page: usize = request.query("page").unwrap().parse().unwrap();
            let found: Vec<&Value> = notes.iter().skip(100 * (page - 1)).take(100).collect();
            let next = if notes.len() > 100 * page { (page + 1).to_string() } else { String::new() };
            Reply::json(200, &json!(found)).with("x-next-page", &next)
        }
        ("POST", NOTES) => {
            let made = note(900 + notes.len() as u64, request.json()["body"].as_str().unwrap(), ME);
            notes.push(made.clone());
            Reply::json(201, &made)
        }
        ("PUT", path) => {
            let id: u64 = path.strip_prefix(NOTES).unwrap().trim_start_matches('/').parse().unwrap();
            let found = notes.iter_mut().find(|note| note["id"] == id).unwrap();
            found["body"] = request.json()["body"].clone();
            Reply::json(200, found)
        }
        _ => Reply::json(404, &json!({ "message": "404 Not Found" })),
    }
}

#[tokio::test]
async fn one_note_per_app_is_updated_in_place() {
    let mut others: Vec<Value> = (0..120).map(|id| note(id, "a word", 9)).collect();
    others.push(note(500, &format!("{MARKER}\nby somebody else"), 9));
    let api = GitLabApi::start(others, None);
    let failed = ReportedOutcome::Failed { description: "", comment: "**failed**\n" };
    assert_eq!(api.run(comment_only(), failed).await, []);
    assert_eq!(api.run(comment_only(), SUCCESS).await, []);
    assert_eq!(api.run(comment_only(), SUCCESS).await, []);
    assert_eq!(api.bodies().len(), 122);
    assert_eq!(api.bodies()[121], format!("{MARKER}\n**built** shop\n"));
    assert_eq!(api.bodies()[120], format!("{MARKER}\nby somebody else"));
    assert_eq!(api.server.writes().len(), 2);
}

#[tokio::test]
async fn a_rejected_token_error_names_the_token_to_set() {
    for (status, body, code, text) in [
        (403, r#"{"message":"403 Forbidden"}"#, "forge/not-allowed", "scope `api`"),
        (
            403,
            r#"{"error":"insufficient_scope","error_description":"The request requires higher privileges than provided by the access token.","scope":"api"}"#,
            "forge/not-allowed",
            "scope `api`",
        ),
        (401, r#"{"message":"401 Unauthorized"}"#, "forge/unauthorized", "use a valid token"),
        (400, r#"{"message":{"note":["is too long"]}}"#, "forge/refused", "fix what the message names"),
    ] {
        let api = GitLabApi::start(Vec::new(), Some((status, body)));
        let warnings = api.run(comment_only(), SUCCESS).await;
        assert_eq!(warnings.len(), 1, "{warnings:#?}");
        assert_eq!(warnings[0].code, code, "{warnings:#?}");
        assert!(warnings[0].hint.as_deref().unwrap().contains(text), "{warnings:#?}");
    }
}

#[tokio::test]
async fn status_and_deployment_are_left_to_the_job() {
    let api = GitLabApi::start(Vec::new(), None);
    let wanted =
        RequestedReports { commit_status: true, deployment: Some("preview".to_owned()), ..RequestedReports::default() };
    let warnings = api.run(wanted, SUCCESS).await;
    assert_eq!(warnings.iter().map(|warning| warning.code).collect::<Vec<_>>(), ["forge/job-says-it"; 2]);
    assert!(warnings[1].hint.as_deref().unwrap().contains("environment:"), "{warnings:#?}");
    assert_eq!(api.server.received().len(), 0);
}
