//! The state that survives a restart of this program: the state folder with its lock, and how far the logs of each container were
//! forwarded, so that nothing is lost or repeated.
//!
//! The daemon returns lines from a point in time on, and several lines may have the same time: a [`StreamMark`] counts them. Each stream
//! has a mark of its own, because times are ordered only within one stream. Never reads a clock.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use chrono::{DateTime, TimeDelta, Utc};
use rustix::fs::{FlockOperation, OFlags, flock};
use serde::{Deserialize, Serialize};

use super::error::SuperviseError;
use crate::docker::{LogLine, LogStream};
use crate::host::read_file;

/// The folder, locked against a second program for as long as this value lives.
#[derive(Debug)]
pub struct StateFolder {
    folder: PathBuf,
    _lock: File,
}

impl StateFolder {
    pub fn open(folder: &Path) -> Result<Self, SuperviseError> {
        let failed = |source: io::Error| SuperviseError::State { folder: folder.to_path_buf(), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        check_owner(folder).map_err(failed)?;
        let lock = fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
            .open(folder.join("lock"))
            .map_err(failed)?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { folder: folder.to_path_buf(), _lock: lock }),
            Err(error) if error == rustix::io::Errno::WOULDBLOCK => {
                Err(SuperviseError::StateInUse { folder: folder.to_path_buf() })
            }
            Err(error) => Err(failed(error.into())),
        }
    }

    pub fn positions(&self) -> PathBuf {
        self.folder.join("positions.json")
    }

    pub fn spool(&self) -> PathBuf {
        self.folder.join("spool")
    }

    pub fn failed(&self, source: io::Error) -> SuperviseError {
        SuperviseError::State { folder: self.folder.clone(), source }
    }
}

/// The folder holds log lines and positions: other users must neither read nor replace them.
fn check_owner(folder: &Path) -> io::Result<()> {
    let found = fs::metadata(folder)?;
    let own = [0, rustix::process::geteuid().as_raw()];
    if own.contains(&found.uid()) && found.mode() & 0o002 == 0 {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::PermissionDenied, "other users can write to it"))
}

/// How far the times of the two streams may be out of order.
const SLACK: TimeDelta = TimeDelta::seconds(1);

/// The last line of one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamMark {
    time: DateTime<Utc>,
    /// Number of forwarded lines with exactly this time.
    lines: u32,
}

/// The last lines of one container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogPosition {
    stdout: Option<StreamMark>,
    stderr: Option<StreamMark>,
}

impl LogPosition {
    /// The time to resume reading from.
    pub fn since(&self) -> Option<DateTime<Utc>> {
        self.stdout.into_iter().chain(self.stderr).map(|mark| mark.time).max().map(|time| time - SLACK)
    }

    fn mark(&mut self, stream: LogStream) -> &mut Option<StreamMark> {
        match stream {
            LogStream::Stdout => &mut self.stdout,
            LogStream::Stderr => &mut self.stderr,
        }
    }
}

/// Distinguishes new lines from those already forwarded.
#[derive(Debug, Clone, Default)]
pub struct LogCursor {
    position: LogPosition,
    /// Still to be skipped since the last [`LogCursor::rewind`].
    skipped: LogPosition,
}

impl LogCursor {
    pub fn new(position: LogPosition) -> Self {
        Self { position, skipped: position }
    }

    pub fn position(&self) -> LogPosition {
        self.position
    }

    /// To be called before the lines since [`LogPosition::since`] are read again.
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
            Some(StreamMark { time: same, lines }) if same == time => {
                Some(StreamMark { time, lines: lines.saturating_add(1) })
            }
            _ => Some(StreamMark { time, lines: 1 }),
        };
        true
    }
}

/// The file with the positions of all containers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPositions {
    /// When forwarding began: older lines are never forwarded.
    pub since: DateTime<Utc>,
    /// By container id.
    pub containers: BTreeMap<String, LogPosition>,
}

/// A position takes about 200 bytes; there is one per container.
const POSITIONS_LIMIT: u64 = 32 << 20;

impl LogPositions {
    pub fn starting_at(since: DateTime<Utc>) -> Self {
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

    /// Replaces the file atomically.
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
    use crate::diagnostic::Diagnostic;

    fn line(stream: LogStream, nanos: i64, text: &str) -> LogLine {
        LogLine { stream, time: Some(DateTime::from_timestamp_nanos(nanos)), text: text.as_bytes().to_vec() }
    }

    /// What the daemon returns for `since`.
    fn answer(log: &[LogLine], since: Option<DateTime<Utc>>) -> impl Iterator<Item = &LogLine> {
        log.iter().filter(move |line| since.is_none_or(|since| line.time.unwrap() >= since))
    }

    fn texts<'a>(lines: impl Iterator<Item = &'a LogLine>) -> Vec<String> {
        lines.map(|line| String::from_utf8(line.text.clone()).unwrap()).collect()
    }

    #[test]
    fn a_stream_that_was_silent_for_hours_loses_no_line() {
        let hour = 3_600_000_000_000;
        let log = [
            line(LogStream::Stderr, 5, "started"),
            line(LogStream::Stdout, hour, "served"),
            line(LogStream::Stderr, hour - 1000, "warned, slightly out of order"),
        ];
        let mut cursor = LogCursor::default();
        assert!(log[..2].iter().all(|line| cursor.advance(line)));
        let mut resumed = LogCursor::new(cursor.position());
        let since = resumed.position().since();
        let new = answer(&log, since).filter(|line| resumed.advance(line));
        assert_eq!(texts(new), ["warned, slightly out of order"]);
    }

    #[test]
    fn positions_survive_in_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("positions.json");
        assert_eq!(LogPositions::load(&file).unwrap(), None);
        let mut cursor = LogCursor::default();
        assert!(cursor.advance(&line(LogStream::Stdout, 1_800_000_000_123_456_789, "x")));
        let mut positions = LogPositions::starting_at(DateTime::from_timestamp_nanos(7));
        positions.containers.insert("a1b2".to_owned(), cursor.position());
        positions.save(&file).unwrap();
        assert_eq!(LogPositions::load(&file).unwrap(), Some(positions));
        std::fs::write(&file, "{}").unwrap();
        let error = LogPositions::load(&file).unwrap_err().to_string();
        assert!(error.contains("positions.json") && error.contains("since"), "{error}");
    }

    #[test]
    fn a_state_folder_is_locked_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("a/b");
        let first = StateFolder::open(&inner).unwrap();
        assert_eq!(StateFolder::open(&inner).unwrap_err().code(), "supervise/state-in-use");
        drop(first);
        assert!(StateFolder::open(&inner).is_ok());
        let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&inner).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o700);
        let set = |mode| fs::set_permissions(&inner, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        set(0o777);
        assert_eq!(StateFolder::open(&inner).unwrap_err().code(), "supervise/state", "world-writable");
        set(0o700);
        fs::remove_file(inner.join("lock")).unwrap();
        std::os::unix::fs::symlink(folder.path().join("theirs"), inner.join("lock")).unwrap();
        assert_eq!(StateFolder::open(&inner).unwrap_err().code(), "supervise/state", "the lock is a symlink");
        assert!(!folder.path().join("theirs").exists());
        fs::write(folder.path().join("file"), "").unwrap();
        assert_eq!(StateFolder::open(&folder.path().join("file")).unwrap_err().code(), "supervise/state");
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
            let (mut cursor, mut got) = (LogCursor::default(), Vec::new());
            for stop in stops {
                let printed = &log[..stop.min(log.len())];
                got.extend(texts(answer(printed, cursor.position().since()).filter(|line| cursor.advance(line))));
                cursor = LogCursor::new(cursor.position());
            }
            got.extend(texts(answer(&log, cursor.position().since()).filter(|line| cursor.advance(line))));
            let sorted = |mut texts: Vec<String>| { texts.sort(); texts };
            prop_assert_eq!(sorted(got), sorted(texts(log.iter())));
        }
    }
}
