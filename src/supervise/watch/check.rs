//! Health checks of an engine that leaves them to others (Podman without systemd).

use std::time::Instant;

use tokio::task::JoinSet;

use super::{Done, Watch};

impl Watch<'_> {
    /// Lets the engine run the health check, when it does not by itself.
    pub(super) fn check(&mut self, id: &str, tasks: &mut JoinSet<Done>) {
        let Some(watched) = self.fleet.watched.get_mut(id).filter(|_| self.containers.leaves_checks()) else { return };
        let now = Instant::now();
        let Some(due) = watched.checks.due(&watched.facts, now).filter(|_| !watched.checking) else { return };
        if now < due {
            return self.fleet.look(id, due);
        }
        watched.checking = true;
        let (containers, id) = (self.containers.clone(), id.to_owned());
        tasks.spawn(async move {
            // What was found, or why nothing was, is told by the next look.
            let _ = containers.check_health(&id).await;
            Done::Check { id }
        });
    }

    pub(super) fn checked(&mut self, id: &str) {
        let now = Instant::now();
        let Some(watched) = self.fleet.watched.get_mut(id) else { return };
        watched.checking = false;
        watched.checks.checked(now);
        self.fleet.look(id, now);
    }
}
