//! What Podman's Docker API lacks (seen with 4.3): words for states that are not Docker's, the health check of an image, and health
//! checks where no systemd runs them. The latter two come from Podman's own API; the answers are Docker's types again.
//!
//! Podman runs the check and keeps its history. Never judges what it finds.

use std::time::{Duration, Instant};

use bollard::models::{ContainerInspectResponse, ContainerSummary as DockerSummary};
use chrono::{DateTime, Utc};
use hyper::Method;
use serde_json::Value;

use super::client::Containers;
use super::convert;
use super::error::ContainerError;
use super::facts::{ContainerFacts, ContainerStatus};
use super::failure::Subject;
use crate::docker::connection::Query;
use crate::host;

/// The version that Podman 4 and 5 answer to.
const API: &str = "/v4.0.0/libpod";
/// What systemd's timer may be late: whoever checks regularly is never joined by us.
const GRACE: Duration = Duration::from_secs(2);

/// When the health check of a container is due that nobody else runs.
#[derive(Debug, Clone, Default)]
pub struct CheckClock {
    /// The last check or start that was seen, and when it was first seen.
    seen: Option<(Option<DateTime<Utc>>, Instant)>,
}

impl CheckClock {
    /// `None` while there is nothing to check.
    pub fn due(&mut self, facts: &ContainerFacts, now: Instant) -> Option<Instant> {
        let Some(interval) = facts.check_interval.filter(|_| facts.state.status == ContainerStatus::Running) else {
            self.seen = None;
            return None;
        };
        let last = last_check(facts);
        let at = match self.seen {
            Some((seen, at)) if seen == last => at,
            _ => now,
        };
        self.seen = Some((last, at));
        Some(at + interval + GRACE)
    }

    /// A check was asked for, whatever came of it.
    pub fn checked(&mut self, now: Instant) {
        if let Some((_, at)) = &mut self.seen {
            *at = now;
        }
    }
}

/// The end of the last check, or the start when there was none since.
fn last_check(facts: &ContainerFacts) -> Option<DateTime<Utc>> {
    let probes = facts.state.health.iter().flat_map(|health| &health.probes);
    probes.filter_map(|probe| probe.finished_at).chain(facts.state.started_at).max()
}

impl Containers {
    /// Podman leaves health checks to systemd, which need not be there.
    pub fn leaves_checks(&self) -> bool {
        self.engine.is_podman()
    }

    /// `stop` is told by the end of the container only.
    pub fn tells_no_stops(&self) -> bool {
        self.engine.is_podman()
    }

    /// Lets Podman run the health check once, and waits for its end. The next inspection has what was found.
    pub async fn check_health(&self, container: &str) -> Result<(), ContainerError> {
        let subject = Subject::container("the health check", container).checked()?;
        self.own(&subject, &format!("/containers/{container}/healthcheck")).await.map(drop)
    }

    /// Like `inspect`, with a health that is not older than the check's interval.
    pub async fn inspect_checked(&self, container: &str) -> Result<ContainerFacts, ContainerError> {
        let facts = self.inspect(container).await?;
        let runs = facts.state.status == ContainerStatus::Running;
        let Some(interval) = facts.check_interval.filter(|_| runs && self.leaves_checks()) else { return Ok(facts) };
        let age = last_check(&facts).map_or(i64::MAX, |last| host::now().saturating_sub(last.timestamp()));
        if u64::try_from(age).is_ok_and(|age| Duration::from_secs(age) < interval + GRACE) {
            return Ok(facts);
        }
        match self.check_health(container).await {
            Err(error @ ContainerError::Daemon(_)) => Err(error),
            // It may have ended meanwhile.
            _ => self.inspect(container).await,
        }
    }

    pub(super) async fn podman_inspection(
        &self,
        subject: &Subject<'_>,
        container: &str,
    ) -> Result<ContainerInspectResponse, ContainerError> {
        let path = format!("/containers/{container}/json");
        let answer = self.stream(subject, Method::GET, &path, None).await?;
        let answer = convert::podman_inspection(self.json(subject, answer).await?);
        answer.map_err(|error| self.lost(subject, &format!("an answer of no use: {error}")))
    }

    pub(super) async fn podman_list(
        &self,
        subject: &Subject<'_>,
        query: Query,
    ) -> Result<Vec<DockerSummary>, ContainerError> {
        let answer = self.stream(subject, Method::GET, &query.into_uri(), None).await?;
        Ok(convert::podman_list(self.json(subject, answer).await?))
    }

    /// Whether the image has a health check, which Podman's Docker API leaves out.
    pub(super) async fn podman_image_is_checked(
        &self,
        subject: &Subject<'_>,
        reference: &str,
    ) -> Result<bool, ContainerError> {
        let answer = self.own(subject, &format!("/images/{reference}/json")).await?;
        Ok(answer["Healthcheck"]["Test"][0].as_str().is_some_and(|kind| kind != "NONE"))
    }

    async fn own(&self, subject: &Subject<'_>, path: &str) -> Result<Value, ContainerError> {
        let answer = self.stream(subject, Method::GET, &format!("{API}{path}"), None).await?;
        self.json(subject, answer).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docker::health::{ContainerHealth, HealthStatus, Probe};

    const SECOND: Duration = Duration::from_secs(1);

    fn facts(interval: Option<u64>, checks: &[i64]) -> ContainerFacts {
        let answer = serde_json::from_str(include_str!("convert/samples/podman-inspect.json")).unwrap();
        let mut facts = convert::container_facts(answer).unwrap();
        let time = |seconds| DateTime::from_timestamp(seconds, 0);
        let probes = checks.iter().map(|end| Probe {
            started_at: None,
            finished_at: time(*end),
            exit_code: 0,
            output: String::new(),
        });
        facts.state.status = ContainerStatus::Running;
        facts.state.started_at = time(100);
        let probes = probes.collect();
        facts.state.health = Some(ContainerHealth { status: HealthStatus::Starting, failing_streak: 0, probes });
        facts.check_interval = interval.map(Duration::from_secs);
        facts
    }

    #[test]
    fn a_check_is_due_when_nobody_ran_one_in_its_interval() {
        let (start, mut clock) = (Instant::now(), CheckClock::default());
        let first = facts(Some(10), &[]);
        assert_eq!(clock.due(&first, start), Some(start + 12 * SECOND));
        assert_eq!(clock.due(&first, start + 5 * SECOND), Some(start + 12 * SECOND), "nothing new was seen");
        let checked = facts(Some(10), &[111]);
        assert_eq!(clock.due(&checked, start + 11 * SECOND), Some(start + 23 * SECOND), "somebody else checks");
        clock.checked(start + 23 * SECOND);
        assert_eq!(clock.due(&checked, start + 24 * SECOND), Some(start + 35 * SECOND), "also when nothing came of it");
        let mut restarted = checked;
        restarted.state.started_at = DateTime::from_timestamp(125, 0);
        assert_eq!(clock.due(&restarted, start + 25 * SECOND), Some(start + 37 * SECOND));
    }

    #[test]
    fn nothing_is_due_without_a_check_or_while_it_does_not_run() {
        let (now, mut clock) = (Instant::now(), CheckClock::default());
        assert_eq!(clock.due(&facts(None, &[]), now), None);
        let mut paused = facts(Some(1), &[]);
        paused.state.status = ContainerStatus::Paused;
        assert_eq!(clock.due(&paused, now), None);
        assert_eq!(clock.due(&facts(Some(1), &[]), now + SECOND), Some(now + 4 * SECOND), "it begins anew");
    }
}
