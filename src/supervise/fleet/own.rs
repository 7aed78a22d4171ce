//! A restart of our own while it is done, end and start as two steps: what the events say in between → whether to start it.
//!
//! The end is done by signals, of which the daemon tells no `stop`: each `stop` is the wish of somebody else, and wins.

use std::time::{Duration, Instant};

use crate::docker::ContainerStatus;

/// The `stop` of somebody whose signal was seen comes after the end of the container, within this.
const WORD_OF_STOP: Duration = Duration::from_secs(2);
/// For the event of the end, which is on its way when the end is known.
const WORD_OF_END: Duration = Duration::from_secs(1);
const SIGKILL: i64 = 9;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Ending,
    /// Since then.
    Ended(Instant),
    Starting,
}

#[derive(Debug, Clone)]
pub struct OwnRestart {
    pub step: Step,
    awaited: Awaited,
    /// Somebody else sent a signal, and may stop it.
    signalled: bool,
    /// The event of its end came, and so all before.
    died: bool,
}

/// The next event of a signal that is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Awaited {
    StopSignal,
    /// When the first one did not end it.
    Kill,
    Nothing,
}

/// What follows for a container that has ended by us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Look again then.
    Wait(Instant),
    Start,
    /// Somebody else started it, or removes it.
    Done,
    /// Somebody else stopped it.
    Stopped,
}

impl OwnRestart {
    /// Of one that runs.
    pub fn of_running() -> Self {
        Self { step: Step::Ending, awaited: Awaited::StopSignal, signalled: false, died: false }
    }

    /// Of one that has ended: it is started only, so that a start by somebody else meanwhile harms nothing.
    pub fn of_ended() -> Self {
        Self { step: Step::Starting, awaited: Awaited::Nothing, signalled: false, died: true }
    }

    /// Whether a signal is of somebody else.
    pub fn note_signal(&mut self, signal: Option<i64>) -> bool {
        self.awaited = match (self.awaited, signal) {
            (Awaited::StopSignal, _) => Awaited::Kill,
            // Podman does not tell the number.
            (Awaited::Kill, Some(SIGKILL) | None) => Awaited::Nothing,
            _ => {
                self.signalled = true;
                return true;
            }
        };
        false
    }

    /// Whether somebody else sent a signal too.
    pub fn is_joined(&self) -> bool {
        self.signalled
    }

    pub fn note_end(&mut self) {
        self.died = true;
    }

    /// Of one that has ended since `ended`; `stopped` is the word of somebody else.
    pub fn judge(&self, now: Instant, ended: Instant, status: ContainerStatus, stopped: bool) -> Verdict {
        if !matches!(status, ContainerStatus::Exited | ContainerStatus::Created) {
            return Verdict::Done;
        }
        if stopped {
            return Verdict::Stopped;
        }
        let until = match (self.signalled, self.died) {
            (true, _) => ended + WORD_OF_STOP,
            (false, false) => ended + WORD_OF_END,
            (false, true) => return Verdict::Start,
        };
        if now < until { Verdict::Wait(until) } else { Verdict::Start }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ContainerStatus::{Exited, Removing, Running};

    const TERM: Option<i64> = Some(15);
    const KILL: Option<i64> = Some(SIGKILL);

    #[test]
    fn whose_signals_they_are() {
        for (name, signals, of_others) in [
            ("the own ones", &[TERM, KILL][..], &[false, false][..]),
            ("a stop meanwhile", &[TERM, TERM, KILL], &[false, true, false]),
            ("a stop that was faster", &[TERM, TERM, KILL, KILL], &[false, true, false, true]),
            ("its own signal for the end", &[Some(10), Some(10)], &[false, true]),
            ("signals without a number", &[None, None, None], &[false, false, true]),
        ] {
            let mut own = OwnRestart::of_running();
            let found: Vec<bool> = signals.iter().map(|signal| own.note_signal(*signal)).collect();
            assert_eq!(found, of_others, "{name}");
        }
        assert!(OwnRestart::of_ended().note_signal(TERM));
    }

    #[test]
    fn when_it_is_started() {
        let ended = Instant::now();
        let later = ended + Duration::from_secs(3);
        let (mut alone, mut joined) = (OwnRestart::of_running(), OwnRestart::of_running());
        for own in [&mut alone, &mut joined] {
            own.note_signal(TERM);
        }
        assert_eq!(alone.judge(ended, ended, Exited, false), Verdict::Wait(ended + WORD_OF_END));
        assert_eq!(alone.judge(later, ended, Exited, false), Verdict::Start, "the event got lost");
        joined.note_signal(TERM);
        for own in [&mut alone, &mut joined] {
            own.note_end();
            assert_eq!(own.judge(ended, ended, Exited, true), Verdict::Stopped);
            assert_eq!(own.judge(ended, ended, Running, false), Verdict::Done);
            assert_eq!(own.judge(ended, ended, Removing, false), Verdict::Done);
        }
        assert_eq!(alone.judge(ended, ended, Exited, false), Verdict::Start);
        assert_eq!(joined.judge(ended, ended, Exited, false), Verdict::Wait(ended + WORD_OF_STOP));
        assert_eq!(joined.judge(later, ended, Exited, false), Verdict::Start, "a signal, and no stop");
    }
}
