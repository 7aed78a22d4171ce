//! What Podman's Docker API lacks (seen with 4.3), by its own API: the health check of an image, and health checks where systemd does not
//! run them.
//!
//! Podman itself runs the check and keeps its history. Never evaluates the result.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::containers::Containers;
use super::error::ContainerError;
use super::facts::{ContainerFacts, ContainerStatus};
use super::refusal::Operation;
use crate::host;

/// The version that Podman 4 and 5 answer to.
const API: &str = "/v4.0.0/libpod";
/// The delay of systemd's timer: regular checks are never run a second time.
const GRACE: Duration = Duration::from_secs(2);

/// When the health check of a container is due, if nothing else runs it.
#[derive(Debug, Clone, Default)]
pub struct CheckClock {
    /// Time of the last known check or start, and when it became known.
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

    /// A check was started, whatever the result.
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
    /// Podman leaves health checks to systemd, which may be missing.
    pub fn leaves_checks(&self) -> bool {
        self.engine.is_podman()
    }

    /// There is no `stop` event, only that of the container's end.
    pub fn tells_no_stops(&self) -> bool {
        self.engine.is_podman()
    }

    /// Runs the health check once, and waits for its end. The next inspection has the result.
    pub async fn check_health(&self, container: &str) -> Result<(), ContainerError> {
        let operation = Operation::container("health check", container).checked()?;
        self.libpod(&operation, &format!("/containers/{container}/healthcheck")).await.map(drop)
    }

    /// Like `inspect`, with a health status that is not older than the check's interval.
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

    /// Whether the image has a health check, which Podman's Docker API leaves out.
    pub(super) async fn podman_image_is_checked(
        &self,
        operation: &Operation<'_>,
        reference: &str,
    ) -> Result<bool, ContainerError> {
        let answer = self.libpod(operation, &format!("/images/{reference}/json")).await?;
        Ok(answer["Healthcheck"]["Test"][0].as_str().is_some_and(|kind| kind != "NONE"))
    }

    async fn libpod(&self, operation: &Operation<'_>, path: &str) -> Result<Value, ContainerError> {
        let request = self.get(operation, &format!("{API}{path}"));
        request.read().await.map_err(|error| operation.failed(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docker::convert;
    use crate::docker::facts::{ContainerHealth, HealthStatus, Probe};

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
    fn a_check_is_due_when_none_ran_in_its_interval() {
        let (start, mut clock) = (Instant::now(), CheckClock::default());
        let first = facts(Some(10), &[]);
        assert_eq!(clock.due(&first, start), Some(start + 12 * SECOND));
        assert_eq!(clock.due(&first, start + 5 * SECOND), Some(start + 12 * SECOND), "nothing new was seen");
        let checked = facts(Some(10), &[111]);
        assert_eq!(
            clock.due(&checked, start + 11 * SECOND),
            Some(start + 23 * SECOND),
            "something else runs the check"
        );
        clock.checked(start + 23 * SECOND);
        assert_eq!(clock.due(&checked, start + 24 * SECOND), Some(start + 35 * SECOND), "also without a result");
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
        assert_eq!(clock.due(&facts(Some(1), &[]), now + SECOND), Some(now + 4 * SECOND), "the interval starts again");
    }
}
