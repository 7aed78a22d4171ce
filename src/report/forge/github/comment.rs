//! The comment on a pull request: looked for first, so that there is never a second one.

use serde::Deserialize;
use serde_json::json;

use super::GitHub;
use crate::report::forge::error::{Action, ForgeError};
use crate::report::forge::exchange::{Call, Method, Repeat, Request};
use crate::report::forge::marker::Marker;

/// Longest body that the API takes, in characters.
const BODY_LIMIT: usize = 65_536;
const PER_PAGE: usize = 100;
/// Pull requests with more comments than that get a second comment of ours.
const PAGES: usize = 30;

#[derive(Debug, Deserialize)]
struct Comment {
    id: u64,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    user: Option<User>,
    #[serde(default)]
    author_association: Option<String>,
}

#[derive(Debug, Deserialize)]
struct User {
    #[serde(default, rename = "type")]
    kind: String,
}

impl Comment {
    /// Strangers can write our marker into a comment of theirs; what they could edit afterwards is never taken over.
    fn is_trusted(&self) -> bool {
        let is_bot = self.user.as_ref().is_some_and(|user| user.kind == "Bot");
        is_bot || matches!(self.author_association.as_deref(), Some("OWNER" | "MEMBER" | "COLLABORATOR"))
    }
}

impl GitHub {
    /// Writes `body` into the comment that `marker` marks, or makes one.
    pub async fn put_comment(&self, call: Call, number: u64, marker: &Marker, body: &str) -> Result<(), ForgeError> {
        debug_assert_eq!(call.action, Action::Comment);
        let body = marker.above(body, BODY_LIMIT);
        let found = self.find_comment(call, number, marker).await?;
        if let Some(comment) = found {
            if comment.body.as_deref().is_some_and(|old| same_text(old, &body)) {
                return Ok(());
            }
            match self.update_comment(call, comment.id, &body).await {
                // Another account's comment, or one that was deleted meanwhile.
                Err(ForgeError::NotAllowed { .. } | ForgeError::NotFound { .. }) => {}
                result => return result,
            }
        }
        match self.create_comment(call, number, &body).await {
            Err(
                error @ (ForgeError::Unavailable { .. } | ForgeError::NoAnswer { .. } | ForgeError::Unreachable { .. }),
            ) => {
                // Nobody knows whether it was made: look before making another one.
                match self.find_comment(call, number, marker).await {
                    Ok(None) => self.create_comment(call, number, &body).await,
                    Ok(Some(comment)) if comment.body.as_deref().is_some_and(|made| same_text(made, &body)) => Ok(()),
                    Ok(Some(_)) | Err(_) => Err(error),
                }
            }
            result => result,
        }
    }

    async fn find_comment(&self, call: Call, number: u64, marker: &Marker) -> Result<Option<Comment>, ForgeError> {
        for page in 1..=PAGES {
            let path = self.path(&format!("issues/{number}/comments?per_page={PER_PAGE}&page={page}"));
            let answer = call.ask(self, &Request::get(path)).await?;
            let comments: Vec<Comment> = call.read(self, &answer)?;
            let ours = |comment: &Comment| {
                comment.body.as_deref().is_some_and(|body| marker.begins(body)) && comment.is_trusted()
            };
            if let Some(comment) = comments.into_iter().find(ours) {
                return Ok(Some(comment));
            }
            if !answer.has_next {
                break;
            }
        }
        Ok(None)
    }

    async fn update_comment(&self, call: Call, id: u64, body: &str) -> Result<(), ForgeError> {
        let path = self.path(&format!("issues/comments/{id}"));
        let request = Request::write(Method::Patch, path, json!({ "body": body }), Repeat::Harmless);
        call.ask(self, &request).await.map(drop)
    }

    async fn create_comment(&self, call: Call, number: u64, body: &str) -> Result<(), ForgeError> {
        let path = self.path(&format!("issues/{number}/comments"));
        let request = Request::write(Method::Post, path, json!({ "body": body }), Repeat::Duplicates);
        call.ask(self, &request).await.map(drop)
    }
}

/// The service may give back other line ends and no final one.
fn same_text(old: &str, new: &str) -> bool {
    old.replace("\r\n", "\n").trim_end() == new.trim_end()
}
