//! What a build tells the service that hosts the repository, beside the build and after it. Never ends a build.

use tokio::task::JoinHandle;

use super::Session;
use crate::builder::BuildError;
use crate::config::settings::SecretValue;
use crate::diagnostic::{Diagnostic, Warning};
use crate::error::Error;
use crate::host::{FILE_LIMIT, read_named_text};
use crate::image::BuiltImage;
use crate::net::Network;
use crate::origin::Sourced;
use crate::pipeline::BuildRecord;
use crate::pipeline::Opened;
use crate::report::forge::{Action, Announcer, ForgeError, Outcome, Place, Service, Wanted};
use crate::report::progress::size;
use crate::report::{Comment, CommentResult, PushReport, render_comment};
use crate::secret::Secret;

/// A build that somebody is told about.
pub struct Announcement<'a> {
    session: &'a Session,
    app: String,
    commit: Option<String>,
    environment_url: Option<String>,
    run_url: Option<String>,
    /// `None` when it could not begin.
    beginning: Option<JoinHandle<Announcer>>,
}

/// Whether everything that was wanted has been told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Announced {
    /// As far as it was wanted, and as a run like this one may.
    Completely,
    Incompletely,
}

impl<'a> Announcement<'a> {
    /// Begins to tell beside the build, when that was asked for; to be called inside the runtime.
    pub fn begin(session: &'a Session, project: &Opened) -> Option<Self> {
        let wanted = wanted(project);
        let action = wanted.first()?;
        let (run_url, beginning) = match Self::try_begin(session, project, wanted, action) {
            Ok((run_url, beginning)) => (run_url, Some(beginning)),
            Err(warning) => {
                session.warn(&[warning]);
                (None, None)
            }
        };
        Some(Self {
            session,
            app: app(project).to_owned(),
            commit: project.ci.commit.clone(),
            environment_url: project.forge.environment_url.as_ref().map(|url| url.value.clone()),
            run_url,
            beginning,
        })
    }

    fn try_begin(
        session: &Session,
        project: &Opened,
        wanted: Wanted,
        action: Action,
    ) -> Result<(Option<String>, JoinHandle<Announcer>), Warning> {
        let place = Place::find(&session.environment, &project.ci, action).map_err(|error| error.warning())?;
        if wanted.comment && place.pull_request.is_none() {
            session.tell("notice: no comment is written: this run is for no pull request");
        }
        let ca_bundle = project.settings.ca_bundle.as_ref().map(|bundle| bundle.value.as_path());
        let network = Network::new(&session.environment, ca_bundle);
        let run_url = place.run_url.clone();
        let mut announcer = announcer(session, project, place, wanted, &network)?;
        let beginning = tokio::spawn(async move {
            announcer.begin().await;
            announcer
        });
        Ok((run_url, beginning))
    }

    /// Tells that the image is there; `push` may still have failed for some of its names.
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
                result.pushed.iter().map(|pushed| (pushed.reference.clone(), pushed.digest.clone())).collect()
            }
            PushReport::NotWanted | PushReport::Skipped(_) => Vec::new(),
        };
        let references: Vec<String> =
            if pushed.is_empty() { image.tags.clone() } else { pushed.iter().map(|(name, _)| name.clone()).collect() };
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
        self.finish(Outcome::Succeeded { description: &description, comment: &comment }).await
    }

    /// Tells that `error` ended the build.
    pub async fn ended(self, error: &Error) -> Announced {
        if matches!(error, Error::Build(BuildError::Cancelled)) {
            return self.finish(Outcome::Stopped).await;
        }
        let (code, message, hints) = (error.code(), error.to_string(), error.hints());
        self.failed(CommentResult::Failed { code, message: &message, hints: &hints }, &message, code).await
    }

    async fn failed(self, result: CommentResult<'_>, message: &str, code: &str) -> Announced {
        let comment = self.comment(result);
        let description = format!("{message} [{code}]");
        self.finish(Outcome::Failed { description: &description, comment: &comment }).await
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

    async fn finish(self, outcome: Outcome<'_>) -> Announced {
        let Some(beginning) = self.beginning else { return Announced::Incompletely };
        let Ok(announcer) = beginning.await else { return Announced::Incompletely };
        let delivery = announcer.finish(outcome).await;
        self.session.warn(&delivery.warnings);
        if delivery.incomplete { Announced::Incompletely } else { Announced::Completely }
    }
}

/// What the settings ask to be told.
pub fn wanted(project: &Opened) -> Wanted {
    let settings = &project.forge;
    Wanted {
        comment: settings.comment,
        commit_status: settings.commit_status,
        deployment: settings.deployment.as_ref().map(|name| name.value.clone()),
        environment_url: settings.environment_url.as_ref().map(|url| url.value.clone()),
    }
}

/// A client with the token of this run; to be called inside the runtime.
pub fn announcer(
    session: &Session,
    project: &Opened,
    place: Place,
    wanted: Wanted,
    network: &Network,
) -> Result<Announcer, Warning> {
    let token = token(session, project, &place)?;
    session.log.mask(&format!("the token for {}", place.host()), token.expose());
    let http = network.client().map_err(|error| Warning::new(error.code(), error.to_string()))?;
    Announcer::new(place, http, &token, app(project), wanted).map_err(|error| error.warning())
}

/// The name that people know the app by.
fn app(project: &Opened) -> &str {
    project.settings.name.as_ref().map_or(&project.facts.name.value, |name| &name.value)
}

/// The token of the setting, or of the variable that people use for it.
fn token(session: &Session, project: &Opened, place: &Place) -> Result<Secret, Warning> {
    let (setting, variable, hint) = match place.service {
        Service::GitHub => (
            &project.publish.github_token,
            "GITHUB_TOKEN",
            "give it with the input `github-token: ${{ github.token }}`, or as `GITHUB_TOKEN`",
        ),
        Service::GitLab => (
            &project.forge.gitlab_token,
            "GITLAB_TOKEN",
            "give a project access token with the scope `api` as the masked variable `GITLAB_TOKEN`",
        ),
    };
    let missing = || ForgeError::NoToken { host: place.host().to_owned(), hint }.warning();
    match setting {
        Some(Sourced { value: SecretValue::Value(token), .. }) => Ok(token.clone()),
        Some(Sourced { value: SecretValue::File(path), origin }) => {
            read_named_text(path, FILE_LIMIT).map(Secret::new).map_err(|error| {
                Warning::new(
                    "forge/token-file",
                    format!("the token in `{}` ({origin}) cannot be read: {error}", path.display()),
                )
                .with_hint("name a file that this user can read")
            })
        }
        None => {
            let token = session.environment.get(variable).filter(|token| !token.trim().is_empty());
            token.map(|token| Secret::new(token.to_owned())).ok_or_else(missing)
        }
    }
}
