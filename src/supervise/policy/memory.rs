//! Ends of a container for its memory, one after the other: events → how many there were, when that is worth telling.
//!
//! The daemon restarts what the kernel ended, so nobody else tells it.

use std::time::{Duration, Instant};

use crate::docker::EventKind;

/// After this long without, the next one is the first again.
const QUIET: Duration = Duration::from_hours(1);
/// Between the events of the kernel's deed and of the end, in whichever order they come.
const TOGETHER: Duration = Duration::from_secs(5);
/// 128 + SIGKILL.
const KILLED: i64 = 137;

#[derive(Debug, Default)]
pub struct MemoryEnds {
    out_of_memory: Option<Instant>,
    killed: Option<Instant>,
    last: Option<Instant>,
    times: u32,
}

impl MemoryEnds {
    /// How many ends there were in a row, when that is to be told: the 1st, 4th, 16th, ….
    pub fn note(&mut self, kind: &EventKind, now: Instant) -> Option<u32> {
        match kind {
            // The kernel may also end a child and let the container go on.
            EventKind::OutOfMemory => self.out_of_memory = Some(now),
            EventKind::Died(Some(KILLED)) => self.killed = Some(now),
            _ => return None,
        }
        let is_recent = |at: Option<Instant>| at.is_some_and(|at| now.saturating_duration_since(at) < TOGETHER);
        if !is_recent(self.out_of_memory) || !is_recent(self.killed) {
            return None;
        }
        (self.out_of_memory, self.killed) = (None, None);
        if self.last.is_none_or(|last| now.saturating_duration_since(last) >= QUIET) {
            self.times = 0;
        }
        self.last = Some(now);
        self.times += 1;
        let is_power_of_four = self.times.is_power_of_two() && self.times.trailing_zeros().is_multiple_of(2);
        is_power_of_four.then_some(self.times)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One end, and what is told of it.
    fn end(ends: &mut MemoryEnds, now: Instant) -> Option<u32> {
        assert_eq!(ends.note(&EventKind::OutOfMemory, now), None);
        ends.note(&EventKind::Died(Some(KILLED)), now + Duration::from_millis(30))
    }

    #[test]
    fn a_row_of_ends_is_told_ever_more_seldom() {
        let (mut ends, mut now) = (MemoryEnds::default(), Instant::now());
        let mut told = Vec::new();
        for _ in 0..100 {
            told.extend(end(&mut ends, now));
            now += Duration::from_mins(1);
        }
        assert_eq!(told, [1, 4, 16, 64]);
        assert_eq!(end(&mut ends, now + QUIET), Some(1));
    }

    #[test]
    fn only_an_end_for_memory_counts() {
        let (mut ends, now) = (MemoryEnds::default(), Instant::now());
        for kind in [EventKind::Died(Some(KILLED)), EventKind::Started, EventKind::Died(Some(1))] {
            assert_eq!(ends.note(&kind, now), None);
        }
        let later = now + Duration::from_mins(1);
        assert_eq!(ends.note(&EventKind::OutOfMemory, later), None, "a child");
        assert_eq!(ends.note(&EventKind::Died(Some(KILLED)), later + Duration::from_mins(1)), None, "a kill, later");
        let much_later = later + Duration::from_mins(5);
        assert_eq!(ends.note(&EventKind::Died(Some(KILLED)), much_later), None);
        assert_eq!(ends.note(&EventKind::OutOfMemory, much_later), Some(1), "in the other order");
    }
}
