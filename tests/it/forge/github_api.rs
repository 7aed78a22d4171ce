//! The subset of GitHub's REST API in use, with its messages, limits and permissions (REST API documentation, 2022-11-28).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::server::{Received, Reply, Server};
use super::{COMMIT, TOKEN};

/// A fault for a single request.
pub enum Fault {
    /// Returned instead of carrying out the request.
    Instead(Reply),
    /// Returned after carrying out the request.
    After(Reply),
}

#[derive(Default)]
pub struct State {
    pub comments: Vec<Value>,
    pub statuses: Vec<Value>,
    pub deployments: Vec<Value>,
    pub deployment_statuses: Vec<Value>,
    /// Write permissions of the token: `pull_requests`, `statuses`, `deployments`.
    pub may_write: Vec<&'static str>,
    pub may_read: bool,
    /// Upcoming faults, by the start of the request line.
    pub faults: VecDeque<(&'static str, Fault)>,
}

pub struct GitHubApi {
    pub server: Server,
    pub state: Arc<Mutex<State>>,
    prefix: &'static str,
}

impl GitHubApi {
    pub fn start() -> Self {
        Self::at("")
    }

    /// Like a GitHub Enterprise Server, below `/api/v3`.
    pub fn enterprise() -> Self {
        Self::at("/api/v3")
    }

    fn at(prefix: &'static str) -> Self {
        let state =
            State { may_write: vec!["pull_requests", "statuses", "deployments"], may_read: true, ..State::default() };
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        let server = Server::start(move |request| answer(&mut shared.lock().unwrap(), prefix, request));
        Self { server, state, prefix }
    }

    pub fn fail(&self, line: &'static str, fault: Fault) -> &Self {
        self.state.lock().unwrap().faults.push_back((line, fault));
        self
    }

    /// Adds a comment by another user.
    pub fn comment(&self, body: &str, kind: &str, association: &str) -> &Self {
        let mut state = self.state.lock().unwrap();
        let id = state.comments.len() as u64 + 1;
        state.comments.push(comment(id, body, kind, association));
        self
    }

    pub fn bodies(&self) -> Vec<String> {
        let state = self.state.lock().unwrap();
        state.comments.iter().map(|comment| comment["body"].as_str().unwrap().to_owned()).collect()
    }

    /// The variables of a run for a pull request.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        vec![
            ("GITHUB_ACTIONS", "true".to_owned()),
            ("GITHUB_API_URL", format!("{}{}", self.server.address, self.prefix)),
            ("GITHUB_SERVER_URL", "https://github.example".to_owned()),
            ("GITHUB_REPOSITORY", "acme/shop".to_owned()),
            ("GITHUB_RUN_ID", "77".to_owned()),
            ("GITHUB_EVENT_NAME", "pull_request".to_owned()),
            ("GITHUB_SHA", COMMIT.to_owned()),
            ("GITHUB_REF", "refs/pull/7/merge".to_owned()),
            ("GITHUB_EVENT_PATH", "/github/workflow/event.json".to_owned()),
        ]
    }
}

fn comment(id: u64, body: &str, kind: &str, association: &str) -> Value {
    json!({
        "id": id,
        "node_id": "IC_kwDO",
        "url": format!("https://api.github.com/repos/acme/shop/issues/comments/{id}"),
        "html_url": format!("https://github.com/acme/shop/pull/7#issuecomment-{id}"),
        "body": body,
        "user": { "login": "somebody", "id": 1, "type": kind, "site_admin": false },
        "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-01T00:00:00Z",
        "author_association": association,
        "reactions": { "total_count": 0 },
        "performed_via_github_app": null
    })
}

fn answer(state: &mut State, prefix: &str, request: &Received) -> Reply {
    let line = request.line().replacen(prefix, "", 1);
    if !request.path.starts_with(prefix) {
        return refuse(404, "Not Found");
    }
    if request.header("authorization") != Some(&format!("Bearer {TOKEN}")) {
        return refuse(401, "Bad credentials");
    }
    let fault = state.faults.iter().position(|(beginning, _)| line.starts_with(beginning));
    let reply = match fault.and_then(|at| state.faults.remove(at)) {
        Some((_, Fault::Instead(reply))) => reply,
        Some((_, Fault::After(reply))) => {
            carry_out(state, &line, request);
            reply
        }
        None => carry_out(state, &line, request),
    };
    if matches!(&reply, Reply::Answer { headers, .. } if headers.iter().any(|(name, _)| name == "x-ratelimit-remaining"))
    {
        return reply;
    }
    reply
        .with("x-ratelimit-limit", &5000)
        .with("x-ratelimit-remaining", &4990)
        .with("x-ratelimit-reset", &4_000_000_000_u64)
}

fn carry_out(state: &mut State, line: &str, request: &Received) -> Reply {
    if !state.may_read {
        return refuse(404, "Not Found");
    }
    let needs = match line {
        line if line.starts_with("GET ") => None,
        line if line.contains("/comments") => Some("pull_requests"),
        line if line.contains("/statuses/") => Some("statuses"),
        _ => Some("deployments"),
    };
    if needs.is_some_and(|needs| !state.may_write.contains(&needs)) {
        return refuse(403, "Resource not accessible by integration");
    }
    let status_line = format!("POST /repos/acme/shop/statuses/{COMMIT}");
    match line {
        "GET /repos/acme/shop" => Reply::json(200, &json!({ "id": 1, "full_name": "acme/shop", "private": true })),
        "GET /repos/acme/shop/issues/7/comments" => list_comments(state, request),
        "POST /repos/acme/shop/issues/7/comments" => create_comment(state, request),
        "GET /repos/acme/shop/deployments" => {
            let environment = request.query("environment").unwrap();
            let sha = request.query("sha").unwrap();
            let found: Vec<&Value> = state
                .deployments
                .iter()
                .filter(|deployment| {
                    deployment["environment"] == environment.as_str() && deployment["sha"] == sha.as_str()
                })
                .collect();
            Reply::json(200, &json!(found))
        }
        "POST /repos/acme/shop/deployments" => create_deployment(state, request),
        line if line == status_line => {
            let body = request.json();
            assert!(body["description"].as_str().unwrap().chars().count() <= 140, "the API refuses longer ones");
            state.statuses.push(body.clone());
            Reply::json(201, &json!({ "id": 1, "state": body["state"], "context": body["context"] }))
        }
        line if line.starts_with("POST /repos/acme/shop/statuses/") => refuse(422, "No commit found for SHA"),
        line if line.starts_with("POST /repos/acme/shop/deployments/") => {
            let mut body = request.json();
            body["id"] = json!(line.split('/').nth(5));
            state.deployment_statuses.push(body);
            Reply::json(201, &json!({ "id": 1 }))
        }
        line if line.starts_with("PATCH /repos/acme/shop/issues/comments/") => {
            let id: u64 = line.rsplit('/').next().unwrap().parse().unwrap();
            let Some(comment) = state.comments.iter_mut().find(|comment| comment["id"] == id) else {
                return refuse(404, "Not Found");
            };
            comment["body"] = request.json()["body"].clone();
            Reply::json(200, comment)
        }
        _ => refuse(404, "Not Found"),
    }
}

fn list_comments(state: &State, request: &Received) -> Reply {
    let number = |name: &str, default: usize| request.query(name).map_or(default, |text| text.parse().unwrap());
    let (size, page) = (number("per_page", 30).min(100), number("page", 1));
    let comments: Vec<&Value> = state.comments.iter().skip(size * (page - 1)).take(size).collect();
    let reply = Reply::json(200, &json!(comments));
    if state.comments.len() <= size * page {
        return reply;
    }
    let link = |page: usize, rel: &str| format!("<https://api.github.com/x?page={page}>; rel=\"{rel}\"");
    reply.with("link", &format!("{}, {}", link(page + 1, "next"), link(9, "last")))
}

fn create_comment(state: &mut State, request: &Received) -> Reply {
    let body = request.json()["body"].as_str().unwrap().to_owned();
    if body.chars().count() > 65_536 {
        let error = json!({
            "resource": "IssueComment", "code": "unprocessable", "field": "data",
            "message": "Body is too long (maximum is 65536 characters)"
        });
        return Reply::json(422, &json!({ "message": "Validation Failed", "errors": [error] }));
    }
    let id = state.comments.len() as u64 + 1000;
    let made = comment(id, &body, "Bot", "NONE");
    state.comments.push(made.clone());
    Reply::json(201, &made)
}

fn create_deployment(state: &mut State, request: &Received) -> Reply {
    let body = request.json();
    if body["required_contexts"] != json!([]) {
        return refuse(409, "Conflict: Commit status checks failed for main.");
    }
    let id = state.deployments.len() as u64 + 500;
    let made = json!({
        "id": id, "sha": body["ref"], "ref": body["ref"], "task": "deploy", "environment": body["environment"],
        "payload": body["payload"], "description": body["description"]
    });
    state.deployments.push(made.clone());
    Reply::json(201, &made)
}

pub fn refuse(status: u16, message: &str) -> Reply {
    let body = json!({ "message": message, "documentation_url": "https://docs.github.com/rest", "status": status.to_string() });
    Reply::json(status, &body)
}
