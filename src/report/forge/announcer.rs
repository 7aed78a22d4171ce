//! The order of things: what is told when the build begins, and what when it has ended.

use std::time::Duration;

use super::error::{Action, ForgeError};
use super::exchange::{CALL_LIMIT, Call, STOP_LIMIT};
use super::github::{DeploymentState, GitHub};
use super::gitlab::GitLab;
use super::marker::Marker;
use super::place::{Place, Service};
use crate::diagnostic::Warning;
use crate::secret::{Secret, redact};

/// What was asked to be told; by default nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    pub comment: bool,
    pub commit_status: bool,
    /// Name of the environment of a deployment.
    pub deployment: Option<String>,
    /// Where the deployment can be visited.
    pub environment_url: Option<String>,
}

impl Wanted {
    /// The first thing that is wanted.
    pub fn first(&self) -> Option<Action> {
        [
            (self.comment, Action::Comment),
            (self.commit_status, Action::CommitStatus),
            (self.deployment.is_some(), Action::Deployment),
        ]
        .into_iter()
        .find_map(|(wanted, action)| wanted.then_some(action))
    }
}

/// How a build ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// `description` is one short line, `comment` the Markdown of the comment.
    Succeeded {
        description: &'a str,
        comment: &'a str,
    },
    Failed {
        description: &'a str,
        comment: &'a str,
    },
    Stopped,
}

/// What became of what was wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delivery {
    pub warnings: Vec<Warning>,
    /// True when something is missing that the service could have been told.
    pub incomplete: bool,
}

enum Client {
    GitHub(GitHub),
    GitLab(GitLab),
}

/// Tells one service about one build of one app.
pub struct Announcer {
    client: Client,
    place: Place,
    wanted: Wanted,
    app: String,
    deployment: Option<u64>,
    delivery: Delivery,
}

impl Announcer {
    /// To be called inside the runtime.
    pub fn new(
        place: Place,
        http: reqwest::Client,
        token: &Secret,
        app: &str,
        wanted: Wanted,
    ) -> Result<Self, ForgeError> {
        let token = token.expose().trim();
        if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(ForgeError::OddToken { host: place.host().to_owned() });
        }
        let token = Secret::new(token.to_owned());
        let client = match place.service {
            Service::GitHub => Client::GitHub(GitHub::new(place.clone(), http, &token)?),
            Service::GitLab => Client::GitLab(GitLab::new(place.clone(), http, token)),
        };
        Ok(Self { client, place, wanted, app: app.to_owned(), deployment: None, delivery: Delivery::default() })
    }

    /// Asks whether the service takes the token; the answer is what a personal token of GitHub may do.
    pub async fn check_token(&self) -> Result<Option<String>, ForgeError> {
        let call = Call::begin(Action::CheckToken, STOP_LIMIT);
        match &self.client {
            Client::GitHub(github) => github.scopes(call).await,
            Client::GitLab(gitlab) => gitlab.me(call).await.map(|_| None),
        }
    }

    /// Tells that the build runs. It can run beside the build.
    pub async fn begin(&mut self) {
        let Client::GitHub(github) = &self.client else {
            for (wanted, action) in [
                (self.wanted.commit_status, Action::CommitStatus),
                (self.wanted.deployment.is_some(), Action::Deployment),
            ] {
                if wanted {
                    self.delivery.warnings.push(job_says_it(action));
                }
            }
            return;
        };
        let status = async {
            if !self.wanted.commit_status {
                return Ok(());
            }
            let call = Call::begin(Action::CommitStatus, CALL_LIMIT);
            github.set_status(call, self.commit()?, &self.app, None).await
        };
        let deployment = async {
            let Some(environment) = &self.wanted.deployment else { return Ok(None) };
            let call = Call::begin(Action::Deployment, CALL_LIMIT);
            let id = github.put_deployment(call, self.commit()?, environment, &self.app).await?;
            github.set_deployment_state(call, id, DeploymentState::InProgress, None).await?;
            Ok(Some(id))
        };
        let (status, deployment) = tokio::join!(status, deployment);
        // What failed at the beginning is not tried again at the end: it would fail, and wait, for the same reason.
        if let Err(error) = status {
            self.give_up(&error);
            self.wanted.commit_status = false;
        }
        match deployment {
            Ok(id) => self.deployment = id,
            Err(error) => self.give_up(&error),
        }
    }

    /// Tells how the build ended. Answers for both calls.
    pub async fn finish(mut self, outcome: Outcome<'_>) -> Delivery {
        let limit = if outcome == Outcome::Stopped { STOP_LIMIT } else { CALL_LIMIT };
        let results = tokio::join!(
            self.finish_comment(limit, outcome),
            self.finish_status(limit, outcome),
            self.finish_deployment(limit, outcome)
        );
        for result in [results.0, results.1, results.2] {
            if let Err(error) = result {
                self.give_up(&error);
            }
        }
        self.delivery
    }

    async fn finish_comment(&self, limit: Duration, outcome: Outcome<'_>) -> Result<(), ForgeError> {
        let (Outcome::Succeeded { comment, .. } | Outcome::Failed { comment, .. }) = outcome else { return Ok(()) };
        let (true, Some(number)) = (self.wanted.comment, self.place.pull_request) else { return Ok(()) };
        let (call, marker) = (Call::begin(Action::Comment, limit), Marker::new(&self.app));
        match &self.client {
            Client::GitHub(github) => github.put_comment(call, number, &marker, &redact(comment)).await,
            Client::GitLab(gitlab) => gitlab.put_note(call, number, &marker, &redact(comment)).await,
        }
    }

    async fn finish_status(&self, limit: Duration, outcome: Outcome<'_>) -> Result<(), ForgeError> {
        match &self.client {
            Client::GitHub(github) if self.wanted.commit_status => {
                let call = Call::begin(Action::CommitStatus, limit);
                github.set_status(call, self.commit()?, &self.app, Some(&outcome)).await
            }
            _ => Ok(()),
        }
    }

    async fn finish_deployment(&self, limit: Duration, outcome: Outcome<'_>) -> Result<(), ForgeError> {
        let (Client::GitHub(github), Some(id)) = (&self.client, self.deployment) else { return Ok(()) };
        let (state, url) = match outcome {
            Outcome::Succeeded { .. } => (DeploymentState::Success, self.wanted.environment_url.as_deref()),
            Outcome::Failed { .. } => (DeploymentState::Failure, None),
            Outcome::Stopped => (DeploymentState::Error, None),
        };
        github.set_deployment_state(Call::begin(Action::Deployment, limit), id, state, url).await
    }

    fn commit(&self) -> Result<&str, ForgeError> {
        self.place.commit.as_deref().ok_or(ForgeError::NotTold { what: "commit" })
    }

    fn give_up(&mut self, error: &ForgeError) {
        self.delivery.incomplete |= !error.is_expected();
        let warning = error.warning();
        if !self.delivery.warnings.contains(&warning) {
            self.delivery.warnings.push(warning);
        }
    }
}

fn job_says_it(action: Action) -> Warning {
    let instead = match action {
        Action::Deployment => "name the environment by `environment:` of the job",
        Action::CommitStatus | Action::Comment | Action::CheckToken => {
            "remove the setting: the status of the job says it"
        }
    };
    Warning::new("forge/job-says-it", format!("{} is left to GitLab itself", action.name())).with_hint(instead)
}
