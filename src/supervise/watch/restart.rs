//! Restarts in two steps, so that a stop by somebody in between is seen, and what is left of them at the end of the program.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{Done, Watch};
use crate::docker::{ContainerError, ContainerStatus, Containers, EndCause};
use crate::supervise::fleet::{OwnRestart, Step, Verdict};
use crate::supervise::notice::Notice;
use crate::supervise::policy::Reason;

/// For a request that the daemon carries out whether or not its answer is read.
const HANDED_OVER: Duration = Duration::from_secs(2);

impl Watch<'_> {
    pub(super) fn restart(&mut self, id: &str, reason: Reason, tasks: &mut JoinSet<Done>) {
        let Some(watched) = self.fleet.watched.get_mut(id) else { return };
        match reason {
            Reason::Unhealthy => {
                watched.own = Some(OwnRestart::of_running());
                let (containers, id) = (self.containers.clone(), id.to_owned());
                tasks.spawn(async move { Done::End { result: containers.end(&id).await, id } });
            }
            Reason::Exited(_) => {
                watched.own = Some(OwnRestart::of_ended());
                self.start(id, tasks);
            }
        }
    }

    /// Starts what a restart ended, unless somebody else wants it otherwise.
    pub(super) fn go_on(&mut self, id: &str, verdict: Verdict, tasks: &mut JoinSet<Done>) {
        let Some(watched) = self.fleet.watched.get_mut(id) else { return };
        match verdict {
            Verdict::Wait(until) => self.fleet.look(id, until),
            Verdict::Start => self.start(id, tasks),
            Verdict::Done => watched.own = None,
            Verdict::Stopped => {
                watched.own = None;
                self.teller.tell(Notice::StoppedMeanwhile { name: watched.facts.name.clone() });
            }
        }
    }

    fn start(&mut self, id: &str, tasks: &mut JoinSet<Done>) {
        if let Some(own) = self.fleet.watched.get_mut(id).and_then(|watched| watched.own.as_mut()) {
            own.step = Step::Starting;
        }
        let (containers, id) = (self.containers.clone(), id.to_owned());
        tasks.spawn(async move {
            let result = containers.start(&id).await;
            Done::Start { result: unless_leaving(&containers, &id, result).await, id }
        });
    }

    pub(super) fn ended(&mut self, id: &str, result: Result<EndCause, ContainerError>) {
        let now = Instant::now();
        let Some(watched) = self.fleet.watched.get_mut(id) else { return };
        match (result, &mut watched.own) {
            (Ok(EndCause::Signalled), Some(own)) => own.step = Step::Ended(now),
            // Whose wish that was, the next look tells.
            (Ok(_), own) => *own = None,
            (Err(error), own) => {
                *own = None;
                self.tell_failure(id, &error);
            }
        }
        self.fleet.look(id, now);
    }

    pub(super) fn started(&mut self, id: &str, result: Result<(), ContainerError>) {
        let Some(watched) = self.fleet.watched.get_mut(id) else { return };
        watched.own = None;
        if let Err(error) = result {
            self.tell_failure(id, &error);
        }
        self.fleet.look(id, Instant::now());
    }

    fn tell_failure(&self, id: &str, error: &ContainerError) {
        // A daemon that is lost is told by the loop.
        if matches!(error, ContainerError::Daemon(_) | ContainerError::NotFound { .. }) {
            return;
        }
        if let Some(watched) = self.fleet.watched.get(id) {
            let (name, reason) = (watched.facts.name.clone(), error.to_string());
            self.teller.tell(Notice::RestartFailed { name, reason });
        }
    }

    /// Leaves the restarts that have begun to the daemon: a container that was ended and not started would stay away.
    pub fn hand_over(&self) -> impl Future<Output = ()> + use<> {
        let begun = self.fleet.watched.iter().filter_map(|(id, watched)| Some((id.clone(), watched.begun()?)));
        let requests: Vec<_> = begun.map(|(id, step)| hand_over(self.containers.clone(), id, step)).collect();
        async move {
            let _ = timeout(HANDED_OVER, join_all(requests)).await;
        }
    }
}

async fn hand_over(containers: Containers, id: String, step: Step) {
    // Nobody is left to tell.
    let _ = match step {
        Step::Ending => containers.restart(&id, None).await,
        Step::Ended(_) | Step::Starting => containers.start(&id).await,
    };
}

/// A refusal for a container that is being removed, or gone, is no news.
pub(super) async fn unless_leaving(
    containers: &Containers,
    id: &str,
    result: Result<(), ContainerError>,
) -> Result<(), ContainerError> {
    let error = match result {
        Ok(()) | Err(ContainerError::Daemon(_) | ContainerError::NotFound { .. }) => return result,
        Err(error) => error,
    };
    match containers.inspect(id).await {
        Ok(facts) if matches!(facts.state.status, ContainerStatus::Removing | ContainerStatus::Dead) => Ok(()),
        Err(ContainerError::NotFound { .. }) => Ok(()),
        _ => Err(error),
    }
}
