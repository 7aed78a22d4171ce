//! Containers and images of a daemon: inspection, lists, and which container a word on the command line means.
//!
//! Never takes one container for another: a word that fits several is refused.

use std::collections::BTreeMap;

use bollard::models::{ContainerInspectResponse, ContainerSummary as ListEntry, ImageInspect};

use super::connection::ApiError;
use super::containers::Containers;
use super::convert;
use super::error::ContainerError;
use super::facts::{ContainerFacts, ContainerHealth, ContainerStatus, ContainerSummary, ImageFacts};
use super::refusal::Operation;
use super::spec::{APP_LABEL, MANAGED_LABEL};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// Containers with our label.
    Ours,
    Anybody,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Running {
    Only,
    /// Also those that ended or never started.
    OrNot,
}

/// Which containers a list has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListQuery<'a> {
    pub owner: Owner,
    pub running: Running,
    /// The name of the app in their label.
    pub app: Option<&'a str>,
}

impl Containers {
    pub async fn inspect(&self, container: &str) -> Result<ContainerFacts, ContainerError> {
        let operation = Operation::container("container inspection", container).checked()?;
        let answer = self.inspection(&operation, container).await?;
        convert::container_facts(answer).map_err(|lack| self.lost(&operation, format!("the answer has {lack}")))
    }

    pub(super) async fn inspection(
        &self,
        operation: &Operation<'_>,
        container: &str,
    ) -> Result<ContainerInspectResponse, ContainerError> {
        let request = self.get(operation, &format!("/containers/{container}/json"));
        if !self.engine.is_podman() {
            return request.read().await.map_err(|error| operation.failed(error));
        }
        let answer = request.read().await.map_err(|error| operation.failed(error))?;
        convert::podman_inspection(answer).map_err(|error| self.lost(operation, format!("invalid answer: {error}")))
    }

    /// `None` without a health check.
    pub async fn health(&self, container: &str) -> Result<Option<ContainerHealth>, ContainerError> {
        Ok(self.inspect(container).await?.state.health)
    }

    /// Youngest first.
    pub async fn list(&self, query: &ListQuery<'_>) -> Result<Vec<ContainerSummary>, ContainerError> {
        let mut labels = Vec::new();
        if query.owner == Owner::Ours {
            labels.push(format!("{MANAGED_LABEL}=true"));
        }
        if let Some(app) = query.app {
            labels.push(format!("{APP_LABEL}={app}"));
        }
        self.list_labelled(labels, query.running).await
    }

    /// All containers with the label `name`, youngest first.
    pub async fn with_label(&self, name: &str) -> Result<Vec<ContainerSummary>, ContainerError> {
        self.list_labelled(vec![name.to_owned()], Running::OrNot).await
    }

    /// `labels` as `NAME` or `NAME=VALUE`.
    async fn list_labelled(
        &self,
        labels: Vec<String>,
        running: Running,
    ) -> Result<Vec<ContainerSummary>, ContainerError> {
        let operation = Operation::container("container list", "all");
        let all = if running == Running::OrNot { "true" } else { "false" };
        let mut request = self.get(&operation, "/containers/json").query("all", all);
        if !labels.is_empty() {
            request = request.json_query("filters", &BTreeMap::from([("label", labels)]));
        }
        let failed = |error: ApiError| operation.failed(error);
        let answer: Vec<ListEntry> = if self.engine.is_podman() {
            convert::podman_list(request.read().await.map_err(failed)?)
        } else {
            request.read().await.map_err(failed)?
        };
        // A container that is being created or removed may have no name.
        let mut found: Vec<_> = answer.into_iter().filter_map(|entry| convert::container_summary(entry).ok()).collect();
        found.sort_by(|a, b| b.created_at.cmp(&a.created_at).then_with(|| a.name.cmp(&b.name)));
        Ok(found)
    }

    /// The container that `word` means: by name, by the beginning of its id, or by app (the running one, else the youngest).
    pub async fn find(&self, word: &str, owner: Owner) -> Result<ContainerSummary, ContainerError> {
        let all = self.list(&ListQuery { owner: Owner::Anybody, running: Running::OrNot, app: None }).await?;
        choose(&all, word, owner).cloned()
    }

    /// What an image of the daemon says about its containers.
    ///
    /// # Errors
    /// Also when a value is outside of its grammar.
    pub async fn image_facts(&self, reference: &str) -> Result<ImageFacts, ContainerError> {
        let operation = Operation { image: reference, ..Operation::new("image inspection", "image", reference) };
        let valid = reference.starts_with(|c: char| c.is_ascii_alphanumeric())
            && !reference.contains("..")
            && reference.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-/:@".contains(&b));
        if !valid {
            return Err(ContainerError::ImageMissing { image: reference.to_owned() });
        }
        let request = self.get(&operation, &format!("/images/{reference}/json"));
        let answer: ImageInspect = request.read().await.map_err(|error| operation.failed(error))?;
        let facts = convert::image_facts(answer);
        let mut facts = facts.map_err(|lack| self.lost(&operation, format!("the answer has {lack}")))?;
        if self.engine.is_podman() {
            facts.has_health_check = self.podman_image_is_checked(&operation, reference).await?;
        }
        facts.checked().map_err(|invalid| ContainerError::InvalidImage { image: reference.to_owned(), invalid })
    }
}

/// Names win over apps, apps over the beginnings of ids.
fn choose<'a>(all: &'a [ContainerSummary], word: &str, owner: Owner) -> Result<&'a ContainerSummary, ContainerError> {
    const SHORTEST_ID: usize = 4;
    let missing = || ContainerError::NotFound { kind: "container", name: word.to_owned() };
    let allowed = |found: &'a ContainerSummary| match owner {
        Owner::Ours if !found.is_ours() => {
            Err(ContainerError::NotOurs { word: word.to_owned(), name: found.name.clone() })
        }
        _ => Ok(found),
    };
    if let Some(found) = all.iter().find(|one| one.name == word || one.id == word) {
        return allowed(found);
    }
    let of_app: Vec<&ContainerSummary> = all.iter().filter(|one| one.is_ours() && one.app() == Some(word)).collect();
    if !of_app.is_empty() {
        let running: Vec<&ContainerSummary> =
            of_app.iter().copied().filter(|one| one.status == ContainerStatus::Running).collect();
        return match (running.as_slice(), of_app.first()) {
            ([one], _) => Ok(one),
            ([], Some(youngest)) => Ok(youngest),
            (several, _) => Err(ambiguous(word, several)),
        };
    }
    let by_id: Vec<&ContainerSummary> = all.iter().filter(|one| one.id.starts_with(word)).collect();
    match by_id.as_slice() {
        [one] if word.len() >= SHORTEST_ID => allowed(one),
        [_, _, ..] if word.len() >= SHORTEST_ID => Err(ambiguous(word, &by_id)),
        _ => Err(missing()),
    }
}

fn ambiguous(word: &str, found: &[&ContainerSummary]) -> ContainerError {
    ContainerError::Ambiguous { word: word.to_owned(), names: found.iter().map(|one| one.name.clone()).collect() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::diagnostic::Diagnostic;

    fn one(id: &str, name: &str, app: Option<&str>, status: ContainerStatus) -> ContainerSummary {
        let labels =
            app.map(|app| [(MANAGED_LABEL.to_owned(), "true".to_owned()), (APP_LABEL.to_owned(), app.to_owned())]);
        ContainerSummary {
            id: id.into(),
            name: name.into(),
            image: String::new(),
            image_id: String::new(),
            created_at: None,
            status,
            description: String::new(),
            health: None,
            labels: labels.into_iter().flatten().collect::<BTreeMap<_, _>>(),
            ports: Vec::new(),
        }
    }

    #[test]
    fn a_word_means_at_most_one_container() {
        use ContainerStatus::{Exited, Running};
        let all = [
            one("aaaa1111", "shop-2", Some("shop"), Running),
            one("bbbb2222", "shop-1", Some("shop"), Exited),
            one("cccc3333", "blog-2", Some("blog"), Exited),
            one("cccc4444", "blog-1", Some("blog"), Exited),
            one("dddd5555", "two-a", Some("two"), Running),
            one("dddd6666", "two-b", Some("two"), Running),
            one("eeee7777", "postgres", None, Running),
        ];
        let found = |word: &str, owner| match choose(&all, word, owner) {
            Ok(found) => found.name.clone(),
            Err(error) => format!("{} {error}", error.code()),
        };
        for (word, expected) in [
            ("shop-1", "shop-1"),
            ("shop", "shop-2"),
            ("blog", "blog-2"),
            ("bbbb", "shop-1"),
            ("bbbb2222", "shop-1"),
            ("aaa", "container/not-found no such container: `aaa`"),
            ("cccc", "container/ambiguous `cccc` is ambiguous: blog-2, blog-1"),
            ("two", "container/ambiguous `two` is ambiguous: two-a, two-b"),
            ("sho", "container/not-found no such container: `sho`"),
            ("", "container/not-found no such container: ``"),
            (
                "postgres",
                "container/not-ours `postgres` is the container `postgres`, which was not created by this program",
            ),
            ("eeee", "container/not-ours `eeee` is the container `postgres`, which was not created by this program"),
        ] {
            assert_eq!(found(word, Owner::Ours), expected, "{word}");
        }
        assert_eq!(found("postgres", Owner::Anybody), "postgres");
    }
}
