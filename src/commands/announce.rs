//! Reports a build to the service that hosts the repository, during and after the build. Never fails a build.

use tokio::task::JoinHandle;

use super::Session;
use crate::builder::BuildError;
use crate::diagnostic::{Diagnostic, Warning};
use crate::error::Error;
use crate::format::size;
use crate::image::BuiltImage;
use crate::net::Network;
use crate::pipeline::{BuildRecord, Opened};
use crate::report::forge::{ForgeAction, ForgeClient, ForgeTarget, ForgeTokens, ReportedOutcome, RequestedReports};
use crate::report::{Comment, CommentResult, PushReport, render_comment};

/// The report of one build.
pub struct ForgeReport<'a> {
    session: &'a Session,
    app: String,
    commit: Option<String>,
    environment_url: Option<String>,
    run_url: Option<String>,
    /// `None` if reporting could not start.
    client: Option<JoinHandle<ForgeClient>>,
}

/// Whether every requested report was delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Announced {
    /// All that a run like this one may deliver.
    Completely,
    Incompletely,
}

impl<'a> ForgeReport<'a> {
    /// Starts reporting alongside the build, if requested; must be called within the async runtime.
    pub fn begin(session: &'a Session, project: &Opened) -> Option<Self> {
        let requested = RequestedReports::from(&project.forge);
        let action = requested.first()?;
        let environment_url = requested.environment_url.clone();
        let (run_url, client) = match Self::try_begin(session, project, requested, action) {
            Ok((run_url, client)) => (run_url, Some(client)),
            Err(warning) => {
                session.warn(&[warning]);
                (None, None)
            }
        };
        let (app, commit) = (app(project).to_owned(), project.ci.commit.clone());
        Some(Self { session, app, commit, environment_url, run_url, client })
    }

    fn try_begin(
        session: &Session,
        project: &Opened,
        requested: RequestedReports,
        action: ForgeAction,
    ) -> Result<(Option<String>, JoinHandle<ForgeClient>), Warning> {
        let target = ForgeTarget::find(&session.environment, &project.ci, action).map_err(|error| error.warning())?;
        if requested.comment && target.pull_request.is_none() {
            session.tell("notice: no comment is written, because this run is not for a pull request");
        }
        let ca_bundle = project.settings.ca_bundle.as_ref().map(|bundle| bundle.value.as_path());
        let network = Network::new(&session.environment, ca_bundle);
        let run_url = target.run_url.clone();
        let mut client = forge_client(session, project, target, requested, &network)?;
        let client = tokio::spawn(async move {
            client.begin().await;
            client
        });
        Ok((run_url, client))
    }

    /// Reports that the image was built; `push` may have failed for some references.
    pub async fn built(
        self,
        image: &BuiltImage,
        record: &BuildRecord,
        push: &PushReport,
        warnings: &[Warning],
    ) -> Announced {
        let failed = match push {
            PushReport::Done(result) => result.failed.first(),
            PushReport::NotWanted | PushReport::Skipped(_) => None,
        };
        if let Some(failed) = failed {
            let (code, message) = (failed.code.as_str(), failed.message.as_str());
            return self.failed(CommentResult::Failed { code, message, hints: &failed.hints }, message, code).await;
        }
        let pushed: Vec<(String, String)> = match push {
            PushReport::Done(result) => {
                result.pushed.iter().map(|pushed| (pushed.reference.to_string(), pushed.digest.clone())).collect()
            }
            PushReport::NotWanted | PushReport::Skipped(_) => Vec::new(),
        };
        let references: Vec<String> = if pushed.is_empty() {
            image.tags.iter().map(ToString::to_string).collect()
        } else {
            pushed.iter().map(|(name, _)| name.clone()).collect()
        };
        let messages: Vec<String> = warnings.iter().map(|warning| warning.message.clone()).collect();
        let (cached_steps, counted_steps) = record.cache_hits();
        let result = CommentResult::Built {
            references: &references,
            digest: pushed.first().map(|(_, digest)| digest.as_str()),
            bytes: image.size,
            platform: &image.platform,
            seconds: record.total.as_secs_f64(),
            cached_steps,
            counted_steps,
            warnings: &messages,
        };
        let comment = self.comment(result);
        let reference = references.first().map_or("", String::as_str);
        let description = format!("{reference}, {}", size(image.size));
        self.finish(ReportedOutcome::Succeeded { description: &description, comment: &comment }).await
    }

    /// Reports that `error` ended the build.
    pub async fn ended(self, error: &Error) -> Announced {
        if matches!(error, Error::Build(BuildError::Cancelled)) {
            return self.finish(ReportedOutcome::Stopped).await;
        }
        let (code, message, hints) = (error.code(), error.to_string(), error.hints());
        self.failed(CommentResult::Failed { code, message: &message, hints: &hints }, &message, code).await
    }

    async fn failed(self, result: CommentResult<'_>, message: &str, code: &str) -> Announced {
        let comment = self.comment(result);
        let description = format!("{message} [{code}]");
        self.finish(ReportedOutcome::Failed { description: &description, comment: &comment }).await
    }

    fn comment(&self, result: CommentResult<'_>) -> String {
        render_comment(&Comment {
            app: &self.app,
            commit: self.commit.as_deref(),
            run_url: self.run_url.as_deref(),
            environment_url: self.environment_url.as_deref(),
            result,
        })
    }

    async fn finish(self, outcome: ReportedOutcome<'_>) -> Announced {
        let Some(client) = self.client else { return Announced::Incompletely };
        let Ok(client) = client.await else { return Announced::Incompletely };
        let delivery = client.finish(outcome).await;
        self.session.warn(&delivery.warnings);
        if delivery.incomplete { Announced::Incompletely } else { Announced::Completely }
    }
}

/// A client with the token of this run; must be called within the async runtime.
pub fn forge_client(
    session: &Session,
    project: &Opened,
    target: ForgeTarget,
    requested: RequestedReports,
    network: &Network,
) -> Result<ForgeClient, Warning> {
    let tokens =
        ForgeTokens { github: project.publish.github_token.as_ref(), gitlab: project.forge.gitlab_token.as_ref() };
    let token = tokens.find(&target, &session.environment)?;
    session.log.mask(&format!("the token for {}", target.host()), token.expose());
    let http = network.client().map_err(|error| Warning::new(error.code(), error.to_string()))?;
    ForgeClient::new(target, http, &token, app(project), requested).map_err(|error| error.warning())
}

/// The display name of the app.
fn app(project: &Opened) -> &str {
    project.settings.name.as_ref().map_or(&project.facts.name.value, |name| &name.value)
}
