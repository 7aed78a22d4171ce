//! How far the logs of each container were forwarded, so that a restart of this program loses and repeats nothing.
//!
//! The daemon gives lines from a time on, and several lines may have one time: a [`Mark`] counts them. Each stream has a mark of its own,
//! because only within one stream the times are in order. Never asks a clock.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::error::SuperviseError;
use crate::docker::{LogLine, LogStream};
use crate::host::read_file;

/// By how much the times of the two streams may be out of order.
const SLACK: TimeDelta = TimeDelta::seconds(1);

/// The last line of one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    time: DateTime<Utc>,
    /// That many lines with just this time were forwarded.
    lines: u32,
}

/// The last lines of one container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Position {
    stdout: Option<Mark>,
    stderr: Option<Mark>,
}

impl Position {
    /// From when on lines must be asked for again.
    pub fn since(&self) -> Option<DateTime<Utc>> {
        self.stdout.into_iter().chain(self.stderr).map(|mark| mark.time).max().map(|time| time - SLACK)
    }

    fn mark(&mut self, stream: LogStream) -> &mut Option<Mark> {
        match stream {
            LogStream::Stdout => &mut self.stdout,
            LogStream::Stderr => &mut self.stderr,
        }
    }
}

/// Tells new lines from those that were forwarded before.
#[derive(Debug, Clone, Default)]
pub struct Cursor {
    position: Position,
    /// What is still to be skipped after the last [`Cursor::rewind`].
    skipped: Position,
}

impl Cursor {
    pub fn new(position: Position) -> Self {
        Self { position, skipped: position }
    }

    pub fn position(&self) -> Position {
        self.position
    }

    /// The lines since [`Position::since`] follow, again.
    pub fn rewind(&mut self) {
        self.skipped = self.position;
    }

    /// Whether `line` is new; if so it counts as forwarded.
    pub fn advance(&mut self, line: &LogLine) -> bool {
        let Some(time) = line.time else { return true };
        let skipped = self.skipped.mark(line.stream);
        match skipped {
            Some(mark) if time < mark.time => return false,
            Some(mark) if time == mark.time && mark.lines > 0 => {
                mark.lines -= 1;
                return false;
            }
            _ => *skipped = None,
        }
        let mark = self.position.mark(line.stream);
        *mark = match *mark {
            Some(Mark { time: same, lines }) if same == time => Some(Mark { time, lines: lines.saturating_add(1) }),
            _ => Some(Mark { time, lines: 1 }),
        };
        true
    }
}

/// The file with the positions of all containers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Positions {
    /// When forwarding began: nothing older is forwarded.
    pub since: DateTime<Utc>,
    /// By the id of the container.
    pub containers: BTreeMap<String, Position>,
}

/// A position takes some 200 bytes; there is one for each container.
const POSITIONS_LIMIT: u64 = 32 << 20;

impl Positions {
    pub fn beginning(since: DateTime<Utc>) -> Self {
        Self { since, containers: BTreeMap::new() }
    }

    /// `None` when there is no such file yet.
    pub fn load(file: &Path) -> Result<Option<Self>, SuperviseError> {
        let malformed = |reason: String| SuperviseError::Positions { file: file.to_path_buf(), reason };
        match read_file(file, POSITIONS_LIMIT) {
            Ok(text) => serde_json::from_slice(&text).map(Some).map_err(|error| malformed(error.to_string())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(malformed(error.to_string())),
        }
    }

    /// Replaces the file in one step.
    pub fn save(&self, file: &Path) -> io::Result<()> {
        let folder = file.parent().unwrap_or(Path::new("."));
        let mut temporary = tempfile::Builder::new().prefix(".positions-").tempfile_in(folder)?;
        temporary.write_all(&serde_json::to_vec(self).map_err(io::Error::other)?)?;
        temporary.persist(file)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(stream: LogStream, nanos: i64, text: &str) -> LogLine {
        LogLine { stream, time: Some(DateTime::from_timestamp_nanos(nanos)), text: text.as_bytes().to_vec() }
    }

    /// What the daemon answers to a question with `since`.
    fn answer(log: &[LogLine], since: Option<DateTime<Utc>>) -> impl Iterator<Item = &LogLine> {
        log.iter().filter(move |line| since.is_none_or(|since| line.time.unwrap() >= since))
    }

    fn texts<'a>(lines: impl Iterator<Item = &'a LogLine>) -> Vec<String> {
        lines.map(|line| String::from_utf8(line.text.clone()).unwrap()).collect()
    }

    #[test]
    fn a_stream_that_was_silent_for_long_loses_nothing() {
        let hour = 3_600_000_000_000;
        let log = [
            line(LogStream::Stderr, 5, "started"),
            line(LogStream::Stdout, hour, "served"),
            line(LogStream::Stderr, hour - 1000, "warned, a moment out of order"),
        ];
        let mut cursor = Cursor::default();
        assert!(log[..2].iter().all(|line| cursor.advance(line)));
        let mut resumed = Cursor::new(cursor.position());
        let since = resumed.position().since();
        let new = answer(&log, since).filter(|line| resumed.advance(line));
        assert_eq!(texts(new), ["warned, a moment out of order"]);
    }

    #[test]
    fn positions_are_kept_in_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("positions.json");
        assert_eq!(Positions::load(&file).unwrap(), None);
        let mut cursor = Cursor::default();
        assert!(cursor.advance(&line(LogStream::Stdout, 1_800_000_000_123_456_789, "x")));
        let mut positions = Positions::beginning(DateTime::from_timestamp_nanos(7));
        positions.containers.insert("a1b2".to_owned(), cursor.position());
        positions.save(&file).unwrap();
        assert_eq!(Positions::load(&file).unwrap(), Some(positions));
        std::fs::write(&file, "{}").unwrap();
        let error = Positions::load(&file).unwrap_err().to_string();
        assert!(error.contains("positions.json") && error.contains("since"), "{error}");
    }

    proptest! {
        /// Two streams whose times repeat and overlap by less than the slack; the program is restarted at any line.
        #[test]
        fn nothing_is_lost_or_repeated(
            steps in prop::collection::vec((any::<bool>(), prop::sample::select(vec![0_i64, 0, 1, 400_000_000])), 1..80),
            stops in prop::collection::vec(0..80_usize, 0..4),
        ) {
            let (mut times, mut log) = ([0_i64, 300_000_000], Vec::new());
            for (number, (stderr, step)) in steps.into_iter().enumerate() {
                let newest = times[0].max(times[1]);
                let time = &mut times[usize::from(stderr)];
                *time = (*time + step).max(newest - 500_000_000);
                let stream = if stderr { LogStream::Stderr } else { LogStream::Stdout };
                log.push(line(stream, *time, &number.to_string()));
            }
            let (mut cursor, mut got) = (Cursor::default(), Vec::new());
            for stop in stops {
                let printed = &log[..stop.min(log.len())];
                got.extend(texts(answer(printed, cursor.position().since()).filter(|line| cursor.advance(line))));
                cursor = Cursor::new(cursor.position());
            }
            got.extend(texts(answer(&log, cursor.position().since()).filter(|line| cursor.advance(line))));
            let sorted = |mut texts: Vec<String>| { texts.sort(); texts };
            prop_assert_eq!(sorted(got), sorted(texts(log.iter())));
        }
    }
}
