//! What every client of the AWS SDK here works with: one configuration and one kind of error.
//!
//! In: network, region, environment. Out: [`SdkConfig`] whose credentials come from the SDK's own chain, [`AwsError`]. Asks AWS for
//! nothing by itself but, after a refusal, who was refused.

mod client;
mod credentials;
mod denied;
mod error;

use std::time::Duration;

use aws_config::meta::region::ProvideRegion as _;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};

pub use denied::Denied;
pub use error::AwsError;

use crate::host::Environment;
use crate::net::Network;

/// Three attempts of this length are what a black hole costs.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
const OPERATION_TIMEOUT: Duration = Duration::from_secs(25);
const ATTEMPTS: u32 = 3;

/// The configuration of all clients for one region. `None` takes the region of the environment and of the profile; the metadata
/// service of an instance is never asked for it, because that takes seconds where there is none.
pub async fn sdk_config(
    network: &Network,
    region: Option<&str>,
    environment: &Environment,
) -> Result<SdkConfig, AwsError> {
    let region = match region {
        Some(region) => Region::new(region.to_owned()),
        None => region_of(environment).await?,
    };
    Ok(loader(network, region)?.load().await)
}

fn loader(network: &Network, region: Region) -> Result<ConfigLoader, AwsError> {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(OPERATION_TIMEOUT)
        .build();
    Ok(aws_config::defaults(BehaviorVersion::latest())
        .http_client(client::http_client(network)?)
        .region(region)
        .timeout_config(timeouts)
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS)))
}

async fn region_of(environment: &Environment) -> Result<Region, AwsError> {
    let named = ["AWS_REGION", "AWS_DEFAULT_REGION"].into_iter().find_map(|name| environment.get(name));
    if let Some(region) = named.filter(|region| !region.is_empty()) {
        return Ok(Region::new(region.to_owned()));
    }
    let profile = aws_config::profile::region::ProfileFileRegionProvider::new();
    profile.region().await.ok_or(AwsError::NoRegion)
}

/// The ARN of whoever the credentials belong to, for messages; `None` when that cannot be learnt quickly.
pub async fn caller_identity(config: &SdkConfig) -> Option<String> {
    let client = aws_sdk_sts::Client::new(config);
    let answer = tokio::time::timeout(CONNECT_TIMEOUT, client.get_caller_identity().send()).await;
    answer.ok()?.ok()?.arn().map(str::to_owned)
}

#[cfg(test)]
pub(super) mod tests;
