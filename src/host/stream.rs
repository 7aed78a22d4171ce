//! Standard streams: stdout carries data only, stderr everything else. A closed pipe is no error.

use std::io::{self, IsTerminal, Write};

/// True when standard error is a terminal.
pub fn is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// True when standard output is a terminal.
pub fn output_is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Standard output as a writer for what others printed.
pub fn output_writer() -> impl Write + Send + 'static {
    io::stdout()
}

/// Standard error as a writer for progress.
pub fn error_writer() -> impl Write + Send + 'static {
    io::stderr()
}

/// Columns of the terminal at standard error; 80 where it does not say.
pub fn terminal_width() -> u16 {
    rustix::termios::tcgetwinsize(io::stderr()).ok().map(|size| size.ws_col).filter(|width| *width > 0).unwrap_or(80)
}

/// Writes to the standard streams of the process.
#[derive(Debug, Clone, Copy, Default)]
pub struct Streams;

impl Streams {
    /// One datum on standard output, with a final newline.
    ///
    /// # Errors
    /// When the stream cannot be written; a closed pipe is success.
    pub fn data(self, text: &str) -> io::Result<()> {
        write_line(io::stdout().lock(), text)
    }

    /// One message on standard error. Failures are dropped: there is nowhere left to report them.
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
