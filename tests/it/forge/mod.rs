//! Comments, commit statuses and deployments, with servers that implement the APIs.

mod github;
pub mod github_api;
mod gitlab;
pub mod server;

use nextdeploy::diagnostic::Warning;
use nextdeploy::host::Environment;
use nextdeploy::net::Network;
use nextdeploy::repo::ci::CiContext;
use nextdeploy::report::forge::{ForgeAction, ForgeClient, ForgeTarget, ReportedOutcome, RequestedReports};
use nextdeploy::secret::Secret;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
pub const TOKEN: &str = "ghs_0123456789";

const SUCCESS: ReportedOutcome<'static> =
    ReportedOutcome::Succeeded { description: "42 MB", comment: "**built** shop\n" };

/// One run from its beginning to `outcome`, as the CI's variables describe it.
async fn run(
    variables: &[(&str, &str)],
    event: &str,
    wanted: RequestedReports,
    outcome: ReportedOutcome<'_>,
) -> Vec<Warning> {
    let environment = Environment::from_pairs(variables.iter().copied());
    let ci = CiContext::detect(&environment, Some(event), 1_700_000_000);
    let place = ForgeTarget::find(&environment, &ci, ForgeAction::Comment).unwrap();
    let token = Secret::new(TOKEN.to_owned());
    let mut announcer = ForgeClient::new(place, http(), &token, "shop", wanted).unwrap();
    announcer.begin().await;
    announcer.finish(outcome).await.warnings
}

fn http() -> reqwest::Client {
    Network::new(&Environment::default(), None).client().unwrap()
}

fn comment_only() -> RequestedReports {
    RequestedReports { comment: true, ..RequestedReports::default() }
}
