//! A writer through which no line can become a command of the CI system.

use std::io::{self, Write};

use super::dialect::Dialect;

/// A line that goes on and on is passed in parts.
const LONGEST_LINE: usize = 1024 * 1024;

/// Passes whole lines on, each made harmless; an unfinished line waits for its end.
pub struct HarmlessWriter<W> {
    dialect: &'static dyn Dialect,
    inner: W,
    line: Vec<u8>,
}

impl<W: Write> HarmlessWriter<W> {
    pub fn new(dialect: &'static dyn Dialect, inner: W) -> Self {
        Self { dialect, inner, line: Vec::new() }
    }

    /// Passes an unfinished line on; nothing may follow.
    pub fn finish(&mut self) -> io::Result<()> {
        if !self.line.is_empty() {
            self.pass()?;
        }
        self.inner.flush()
    }

    fn pass(&mut self) -> io::Result<()> {
        let line = std::mem::take(&mut self.line);
        let text = String::from_utf8_lossy(&line);
        let (text, end) = text.strip_suffix('\n').map_or((text.as_ref(), ""), |text| (text, "\n"));
        self.inner.write_all(self.dialect.harmless(text).as_bytes())?;
        self.inner.write_all(end.as_bytes())
    }
}

impl<W: Write> Write for HarmlessWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.dialect.has_commands() {
            return self.inner.write(bytes);
        }
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(piece);
            if piece.ends_with(b"\n") || self.line.len() > LONGEST_LINE {
                self.pass()?;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
