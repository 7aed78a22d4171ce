//! Reports to the service that hosts the repository: one comment per pull request and app, a commit status, a deployment.
//!
//! In: the CI's description of the run, a token, finished texts. Out: API calls to GitHub or GitLab, bounded in time, and warnings. Types
//! of the API libraries stay here. Nothing here fails a run or renders a text.

mod error;
mod exchange;
mod github;
mod gitlab;
mod target;

use std::time::Duration;

use self::exchange::ApiCall;
use self::github::{DeploymentState, GitHubApi};
use self::gitlab::GitLabApi;
use self::target::CommentMarker;
use crate::config::settings::SecretValue;
use crate::diagnostic::Warning;
use crate::host::{Environment, FILE_LIMIT, read_named_text};
use crate::origin::Sourced;
use crate::secret::{Secret, redact};

pub use error::{ForgeAction, ForgeError};
pub use exchange::{CALL_LIMIT, STOP_LIMIT};
pub use target::{ForgeService, ForgeTarget, ReportedOutcome, RequestedReports};

/// The tokens of the settings.
#[derive(Debug, Clone, Copy)]
pub struct ForgeTokens<'a> {
    pub github: Option<&'a Sourced<SecretValue>>,
    pub gitlab: Option<&'a Sourced<SecretValue>>,
}

impl ForgeTokens<'_> {
    /// The token for `target`: from the setting, else from the conventional variable.
    pub fn find(&self, target: &ForgeTarget, environment: &Environment) -> Result<Secret, Warning> {
        let (setting, variable, hint) = match target.service {
            ForgeService::GitHub => (
                self.github,
                "GITHUB_TOKEN",
                "set the input `github-token: ${{ github.token }}`, or the variable `GITHUB_TOKEN`",
            ),
            ForgeService::GitLab => (
                self.gitlab,
                "GITLAB_TOKEN",
                "set the masked variable `GITLAB_TOKEN` to a project access token with the scope `api`",
            ),
        };
        match setting {
            Some(Sourced { value: SecretValue::Value(token), .. }) => Ok(token.clone()),
            Some(Sourced { value: SecretValue::File(path), origin }) => {
                read_named_text(path, FILE_LIMIT).map(Secret::new).map_err(|error| {
                    let message = format!("cannot read the token in `{}` ({origin}): {error}", path.display());
                    Warning::new("forge/token-file", message).with_hint("name a file that this user can read")
                })
            }
            None => {
                let token = environment.get(variable).filter(|token| !token.trim().is_empty());
                let missing = || ForgeError::NoToken { host: target.host().to_owned(), hint }.warning();
                token.map(|token| Secret::new(token.to_owned())).ok_or_else(missing)
            }
        }
    }
}

/// The result of reporting.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delivery {
    pub warnings: Vec<Warning>,
    /// A requested report is missing, and not just because the token of a fork is read-only.
    pub incomplete: bool,
}

enum ServiceApi {
    GitHub(GitHubApi),
    GitLab(GitLabApi),
}

/// Reports one build of one app to one service.
pub struct ForgeClient {
    api: ServiceApi,
    target: ForgeTarget,
    requested: RequestedReports,
    app: String,
    deployment: Option<u64>,
    delivery: Delivery,
}

impl ForgeClient {
    /// Must be called within the async runtime.
    pub fn new(
        target: ForgeTarget,
        http: reqwest::Client,
        token: &Secret,
        app: &str,
        requested: RequestedReports,
    ) -> Result<Self, ForgeError> {
        let token = token.expose().trim();
        if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(ForgeError::InvalidToken { host: target.host().to_owned() });
        }
        let token = Secret::new(token.to_owned());
        let api = match target.service {
            ForgeService::GitHub => ServiceApi::GitHub(GitHubApi::new(target.clone(), http, &token)?),
            ForgeService::GitLab => ServiceApi::GitLab(GitLabApi::new(target.clone(), http, token)),
        };
        Ok(Self { api, target, requested, app: app.to_owned(), deployment: None, delivery: Delivery::default() })
    }

    /// Checks that the service accepts the token; returns the scopes of a personal token of GitHub.
    pub async fn check_token(&self) -> Result<Option<String>, ForgeError> {
        let call = ApiCall::new(ForgeAction::CheckToken, STOP_LIMIT);
        match &self.api {
            ServiceApi::GitHub(github) => github.scopes(call).await,
            ServiceApi::GitLab(gitlab) => gitlab.current_user(call).await.map(|_| None),
        }
    }

    /// Reports that the build is running. May run concurrently with the build.
    pub async fn begin(&mut self) {
        let ServiceApi::GitHub(github) = &self.api else {
            for (requested, action) in [
                (self.requested.commit_status, ForgeAction::CommitStatus),
                (self.requested.deployment.is_some(), ForgeAction::Deployment),
            ] {
                if requested {
                    self.delivery.warnings.push(reported_by_gitlab(action));
                }
            }
            return;
        };
        let status = async {
            if !self.requested.commit_status {
                return Ok(());
            }
            let call = ApiCall::new(ForgeAction::CommitStatus, CALL_LIMIT);
            github.set_status(call, self.commit()?, &self.app, None).await
        };
        let deployment = async {
            let Some(environment) = &self.requested.deployment else { return Ok(None) };
            let call = ApiCall::new(ForgeAction::Deployment, CALL_LIMIT);
            let id = github.put_deployment(call, self.commit()?, environment, &self.app).await?;
            github.set_deployment_state(call, id, DeploymentState::InProgress, None).await?;
            Ok(Some(id))
        };
        let (status, deployment) = tokio::join!(status, deployment);
        // A report that failed at the start is not retried at the end: it would fail, after the same wait, for the same reason.
        if let Err(error) = status {
            self.record_failure(&error);
            self.requested.commit_status = false;
        }
        match deployment {
            Ok(id) => self.deployment = id,
            Err(error) => self.record_failure(&error),
        }
    }

    /// Reports how the build ended. The result covers [`ForgeClient::begin`] too.
    pub async fn finish(mut self, outcome: ReportedOutcome<'_>) -> Delivery {
        let limit = if outcome == ReportedOutcome::Stopped { STOP_LIMIT } else { CALL_LIMIT };
        let results = tokio::join!(
            self.finish_comment(limit, outcome),
            self.finish_status(limit, outcome),
            self.finish_deployment(limit, outcome)
        );
        for result in [results.0, results.1, results.2] {
            if let Err(error) = result {
                self.record_failure(&error);
            }
        }
        self.delivery
    }

    async fn finish_comment(&self, limit: Duration, outcome: ReportedOutcome<'_>) -> Result<(), ForgeError> {
        let (ReportedOutcome::Succeeded { comment, .. } | ReportedOutcome::Failed { comment, .. }) = outcome else {
            return Ok(());
        };
        let (true, Some(number)) = (self.requested.comment, self.target.pull_request) else { return Ok(()) };
        let (call, marker) = (ApiCall::new(ForgeAction::Comment, limit), CommentMarker::new(&self.app));
        match &self.api {
            ServiceApi::GitHub(github) => github.put_comment(call, number, &marker, &redact(comment)).await,
            ServiceApi::GitLab(gitlab) => gitlab.put_note(call, number, &marker, &redact(comment)).await,
        }
    }

    async fn finish_status(&self, limit: Duration, outcome: ReportedOutcome<'_>) -> Result<(), ForgeError> {
        match &self.api {
            ServiceApi::GitHub(github) if self.requested.commit_status => {
                let call = ApiCall::new(ForgeAction::CommitStatus, limit);
                github.set_status(call, self.commit()?, &self.app, Some(&outcome)).await
            }
            _ => Ok(()),
        }
    }

    async fn finish_deployment(&self, limit: Duration, outcome: ReportedOutcome<'_>) -> Result<(), ForgeError> {
        let (ServiceApi::GitHub(github), Some(id)) = (&self.api, self.deployment) else { return Ok(()) };
        let (state, url) = match outcome {
            ReportedOutcome::Succeeded { .. } => (DeploymentState::Success, self.requested.environment_url.as_deref()),
            ReportedOutcome::Failed { .. } => (DeploymentState::Failure, None),
            ReportedOutcome::Stopped => (DeploymentState::Error, None),
        };
        github.set_deployment_state(ApiCall::new(ForgeAction::Deployment, limit), id, state, url).await
    }

    fn commit(&self) -> Result<&str, ForgeError> {
        self.target.commit.as_deref().ok_or(ForgeError::MissingCiValue { what: "commit" })
    }

    fn record_failure(&mut self, error: &ForgeError) {
        self.delivery.incomplete |= !error.is_expected();
        let warning = error.warning();
        if !self.delivery.warnings.contains(&warning) {
            self.delivery.warnings.push(warning);
        }
    }
}

fn reported_by_gitlab(action: ForgeAction) -> Warning {
    let instead = match action {
        ForgeAction::Deployment => "declare the environment with `environment:` in the job",
        ForgeAction::CommitStatus | ForgeAction::Comment | ForgeAction::CheckToken => {
            "remove the setting: the status of the job shows it already"
        }
    };
    Warning::new("forge/job-says-it", format!("GitLab itself reports {}", action.name())).with_hint(instead)
}
