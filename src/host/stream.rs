//! Standard streams: stdout carries data only, stderr everything else. A closed pipe is no error.

use std::io::{self, IsTerminal, Write};

use crate::secret::redact_bytes;

/// True when standard error is a terminal.
pub fn is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// True when standard output is a terminal.
pub fn output_is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Standard output as a writer for what others printed, byte by byte: secrets are taken out of it before, where it is text.
pub fn output_writer() -> impl Write + Send + 'static {
    io::stdout()
}

/// Standard error as a writer for progress. What is written at once has no secrets.
pub fn error_writer() -> impl Write + Send + 'static {
    Redacting(io::stderr())
}

struct Redacting<W>(W);

impl<W: Write> Write for Redacting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write_all(&redact_bytes(bytes))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Columns of the terminal at standard error; 80 where it does not say.
pub fn terminal_width() -> u16 {
    rustix::termios::tcgetwinsize(io::stderr()).ok().map(|size| size.ws_col).filter(|width| *width > 0).unwrap_or(80)
}

/// Writes to the standard streams of the process.
#[derive(Debug, Clone, Copy, Default)]
pub struct Streams;

impl Streams {
    /// One datum on standard output, with a final newline, exactly as it is.
    ///
    /// # Errors
    /// When the stream cannot be written; a closed pipe is success.
    pub fn data(self, text: &str) -> io::Result<()> {
        write_line(io::stdout().lock(), text)
    }

    /// One message on standard error; secrets were taken out of it when it was written. Failures are dropped: there is nowhere left to report them.
    pub fn message(self, text: &str) {
        let _ = write_line(io::stderr().lock(), text);
    }
}

fn write_line(mut stream: impl Write, text: &str) -> io::Result<()> {
    let line = if text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") };
    match stream.write_all(line.as_bytes()).and_then(|()| stream.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}
