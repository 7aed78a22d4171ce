//! Lines waiting for the log endpoint, on disk: bounded, oldest dropped first, kept across restarts.
//!
//! Segments `N.ndjson` are appended to and removed whole; `cursor` holds how much of the first one was sent. Never holds lines in memory.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const SEGMENTS: u64 = 16;
const LARGEST_SEGMENT: u64 = 4 << 20;
const CURSOR: &str = "cursor";

#[derive(Debug)]
struct Segment {
    number: u64,
    bytes: u64,
    /// Not sent yet.
    lines: u64,
}

/// A bounded queue of lines on disk.
pub struct Spool {
    folder: PathBuf,
    limit: u64,
    segments: VecDeque<Segment>,
    /// Appends to the last segment.
    writer: Option<File>,
    /// Bytes of the first segment that were sent.
    sent: u64,
}

/// Whole lines from the front.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpoolChunk {
    pub text: Vec<u8>,
    pub lines: u64,
    segment: u64,
    start: u64,
}

impl SpoolChunk {
    /// An idempotency key: the same for the same lines, so that a receiver can recognise a repeated batch.
    pub fn key(&self) -> String {
        format!("{}-{}-{}", self.segment, self.start, self.end())
    }

    fn end(&self) -> u64 {
        self.start + self.text.len() as u64
    }
}

impl Spool {
    /// Opens the spool in `folder`, with what is there already. `limit` in bytes.
    pub fn open(folder: &Path, limit: u64) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let mut numbers: Vec<u64> = fs::read_dir(folder)?
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_suffix(".ndjson")?.parse().ok())
            .collect();
        numbers.sort_unstable();
        let mut spool = Self { folder: folder.to_path_buf(), limit, segments: VecDeque::new(), writer: None, sent: 0 };
        let (first, sent) = spool.read_cursor().unwrap_or_default();
        for number in numbers {
            let path = spool.path(number);
            let skipped = if number == first { sent } else { 0 };
            let (bytes, lines) = complete_lines(&path, skipped)?;
            if number < first || lines == 0 {
                fs::remove_file(path)?;
                continue;
            }
            if spool.segments.is_empty() {
                spool.sent = skipped;
            }
            spool.segments.push_back(Segment { number, bytes, lines });
        }
        Ok(spool)
    }

    /// Queued bytes.
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum::<u64>() - self.sent
    }

    pub fn lines(&self) -> u64 {
        self.segments.iter().map(|segment| segment.lines).sum()
    }

    /// Appends `lines` whole lines; returns how many old ones were dropped to make room.
    pub fn append(&mut self, text: &[u8], lines: u64) -> io::Result<u64> {
        let largest = (self.limit / SEGMENTS).clamp(1, LARGEST_SEGMENT);
        let is_full =
            self.segments.back().is_none_or(|last| last.bytes > 0 && last.bytes + text.len() as u64 > largest);
        if is_full || self.writer.is_none() {
            self.begin_segment()?;
        }
        let (Some(last), Some(writer)) = (self.segments.back_mut(), &mut self.writer) else {
            return Err(io::Error::other("no segment is open"));
        };
        if let Err(error) = writer.write_all(text) {
            // A partial line would corrupt the next one.
            let _ = writer.set_len(last.bytes);
            return Err(error);
        }
        last.bytes += text.len() as u64;
        last.lines += lines;
        self.drop_oldest()
    }

    fn begin_segment(&mut self) -> io::Result<()> {
        let number = self.segments.back().map_or_else(|| self.after_cursor(), |last| last.number + 1);
        let path = self.path(number);
        self.writer = Some(OpenOptions::new().create_new(true).append(true).mode(0o600).open(path)?);
        self.segments.push_back(Segment { number, bytes: 0, lines: 0 });
        Ok(())
    }

    /// Numbers are never reused: the key of a batch that was sent before a crash must not match a new one.
    fn after_cursor(&self) -> u64 {
        self.read_cursor().map_or(1, |(number, _)| number + 1)
    }

    fn drop_oldest(&mut self) -> io::Result<u64> {
        let mut dropped = 0;
        while self.segments.len() > 1 && self.bytes() > self.limit {
            dropped += self.remove_first()?;
        }
        Ok(dropped)
    }

    fn remove_first(&mut self) -> io::Result<u64> {
        let Some(first) = self.segments.pop_front() else { return Ok(0) };
        self.sent = 0;
        if self.segments.is_empty() {
            self.writer = None;
        }
        match fs::remove_file(self.path(first.number)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(first.lines),
        }
    }

    /// Whole lines from the front, up to `limit` bytes but at least one line; `None` if the spool is empty.
    pub fn peek(&self, limit: usize) -> io::Result<Option<SpoolChunk>> {
        let Some(first) = self.segments.front().filter(|first| first.lines > 0) else { return Ok(None) };
        let mut file = File::open(self.path(first.number))?;
        file.seek(SeekFrom::Start(self.sent))?;
        let mut reader = BufReader::with_capacity(64 << 10, file.take(first.bytes - self.sent));
        let mut text = Vec::new();
        reader.by_ref().take(limit as u64).read_to_end(&mut text)?;
        match text.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => text.truncate(end + 1),
            None => {
                reader.read_until(b'\n', &mut text)?;
            }
        }
        let lines = count_lines(&text);
        if lines == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a segment has been truncated"));
        }
        Ok(Some(SpoolChunk { text, lines, segment: first.number, start: self.sent }))
    }

    /// Removes `chunk`, which the endpoint has accepted or rejected for good.
    pub fn remove(&mut self, chunk: &SpoolChunk) -> io::Result<()> {
        let Some(first) = self.segments.front_mut().filter(|first| first.number == chunk.segment) else {
            // It was dropped while it was being sent.
            return Ok(());
        };
        self.sent = chunk.end();
        first.lines = first.lines.saturating_sub(chunk.lines);
        let (number, is_done) = (first.number, self.sent >= first.bytes);
        self.write_cursor(number, chunk.end())?;
        if is_done {
            self.remove_first()?;
        }
        Ok(())
    }

    /// Drops the first segment, which cannot be read; returns how many lines it had.
    pub fn skip(&mut self) -> io::Result<u64> {
        let Some((number, bytes)) = self.segments.front().map(|first| (first.number, first.bytes)) else {
            return Ok(0);
        };
        self.write_cursor(number, bytes)?;
        self.remove_first()
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number:012}.ndjson"))
    }

    fn read_cursor(&self) -> Option<(u64, u64)> {
        let text = fs::read_to_string(self.folder.join(CURSOR)).ok()?;
        let (number, sent) = text.trim().split_once(' ')?;
        Some((number.parse().ok()?, sent.parse().ok()?))
    }

    fn write_cursor(&self, number: u64, sent: u64) -> io::Result<()> {
        let temporary = self.folder.join(".cursor");
        fs::write(&temporary, format!("{number} {sent}\n"))?;
        fs::rename(temporary, self.folder.join(CURSOR))
    }
}

fn count_lines(text: &[u8]) -> u64 {
    text.iter().map(|byte| u64::from(*byte == b'\n')).sum()
}

/// Truncates a partial line at the end, left by a crash; returns the bytes, and the lines after `skipped`.
fn complete_lines(path: &Path, skipped: u64) -> io::Result<(u64, u64)> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let mut reader = BufReader::with_capacity(64 << 10, &file);
    let (mut at, mut end, mut lines) = (0_u64, 0_u64, 0_u64);
    loop {
        let block = reader.fill_buf()?;
        if block.is_empty() {
            break;
        }
        for (index, _) in block.iter().enumerate().filter(|(_, byte)| **byte == b'\n') {
            end = at + index as u64 + 1;
            lines += u64::from(end > skipped);
        }
        let length = block.len();
        at += length as u64;
        reader.consume(length);
    }
    if end < at {
        file.set_len(end)?;
    }
    Ok((end, lines))
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    fn text(chunk: &SpoolChunk) -> &str {
        std::str::from_utf8(&chunk.text).unwrap()
    }

    fn drain(spool: &mut Spool, limit: usize) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(chunk) = spool.peek(limit).unwrap() {
            lines.extend(text(&chunk).lines().map(str::to_owned));
            spool.remove(&chunk).unwrap();
        }
        lines
    }

    #[test]
    fn lines_come_out_in_order_and_in_bounded_chunks() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(folder.path(), 1 << 20).unwrap();
        spool.append(b"one\ntwo\n", 2).unwrap();
        spool.append(b"a longer line\n", 1).unwrap();
        let chunk = spool.peek(10).unwrap().unwrap();
        assert_eq!((text(&chunk), chunk.lines), ("one\ntwo\n", 2));
        assert_eq!(spool.peek(10).unwrap().unwrap(), chunk, "it stays until it is removed");
        spool.remove(&chunk).unwrap();
        assert_eq!(drain(&mut spool, 10), ["a longer line"]);
        assert_eq!((spool.bytes(), spool.lines()), (0, 0));
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, [CURSOR]);
    }

    #[test]
    fn queued_lines_survive_a_crash() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(folder.path(), 1 << 20).unwrap();
        spool.append(b"one\ntwo\nsix\n", 3).unwrap();
        let chunk = spool.peek(4).unwrap().unwrap();
        spool.remove(&chunk).unwrap();
        let path = spool.path(1);
        drop(spool);
        OpenOptions::new().append(true).open(path).unwrap().write_all(b"half a li").unwrap();
        let mut again = Spool::open(folder.path(), 1 << 20).unwrap();
        assert_eq!((again.lines(), again.bytes()), (2, 8));
        again.append(b"ten\n", 1).unwrap();
        assert_eq!(drain(&mut again, 100), ["two", "six", "ten"]);
    }

    #[test]
    fn keys_are_unique() {
        let folder = tempfile::tempdir().unwrap();
        let mut keys = Vec::new();
        for _ in 0..3 {
            let mut spool = Spool::open(folder.path(), 1 << 20).unwrap();
            for _ in 0..2 {
                spool.append(b"one\n", 1).unwrap();
                let chunk = spool.peek(100).unwrap().unwrap();
                keys.push(chunk.key());
                spool.remove(&chunk).unwrap();
            }
        }
        let all = keys.len();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), all, "{keys:?}");
    }

    #[test]
    fn a_full_spool_drops_and_counts_the_oldest_lines() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(folder.path(), 1600).unwrap();
        let mut dropped = 0;
        for number in 0..1000 {
            dropped += spool.append(format!("{number:09}\n").as_bytes(), 1).unwrap();
            assert!(spool.bytes() <= 1600);
        }
        let on_disk: u64 = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().metadata().unwrap().len()).sum();
        assert!(on_disk <= 1700, "{on_disk} bytes");
        let kept = drain(&mut spool, 300);
        assert_eq!(kept.len() as u64 + dropped, 1000);
        assert!(kept.len() >= 150, "{} kept", kept.len());
        assert_eq!(kept.last().unwrap(), "000000999");
        assert_eq!(kept[0], format!("{dropped:09}"));
    }

    #[test]
    fn removing_a_chunk_of_a_dropped_segment_does_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(folder.path(), 64).unwrap();
        spool.append(b"the first line\n", 1).unwrap();
        let chunk = spool.peek(100).unwrap().unwrap();
        let dropped: u64 = (0..5).map(|_| spool.append(b"another line...\n", 1).unwrap()).sum();
        assert_eq!(dropped, 2);
        spool.remove(&chunk).unwrap();
        assert_eq!(spool.lines(), 4);
    }

    proptest! {
        #[test]
        fn the_spool_is_a_queue(steps in prop::collection::vec((0..4_u8, 1..40_usize), 1..100)) {
            let folder = tempfile::tempdir().unwrap();
            let mut spool = Spool::open(folder.path(), 600).unwrap();
            let (mut expected, mut number): (VecDeque<String>, u32) = (VecDeque::new(), 0);
            for (step, size) in steps {
                match step {
                    0 | 1 => {
                        let line = format!("{number:0size$}");
                        number += 1;
                        let dropped = spool.append(format!("{line}\n").as_bytes(), 1).unwrap();
                        expected.push_back(line);
                        expected.drain(..usize::try_from(dropped).unwrap());
                    }
                    2 => {
                        if let Some(chunk) = spool.peek(size * 2).unwrap() {
                            for line in text(&chunk).lines() {
                                prop_assert_eq!(Some(line.to_owned()), expected.pop_front());
                            }
                            spool.remove(&chunk).unwrap();
                        }
                    }
                    _ => spool = Spool::open(folder.path(), 600).unwrap(),
                }
                prop_assert_eq!(spool.lines(), expected.len() as u64);
            }
            prop_assert_eq!(drain(&mut spool, 64), Vec::from(expected));
        }
    }
}
