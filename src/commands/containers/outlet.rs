//! Writes the output of containers to standard output and standard error.

use std::io::{self, Write};

use crate::commands::Session;
use crate::docker::LogStream;
use crate::error::CommandError;
use crate::host;
use crate::report::ci::HarmlessWriter;
use crate::report::containers::TerminalFilter;

/// Whether standard output is still read; a closed pipe is not an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputReader {
    Open,
    Closed,
}

/// Ensures that no line of a container is taken for a command by the CI system.
pub struct Outlet {
    stdout: HarmlessWriter<Box<dyn Write + Send>>,
    stderr: HarmlessWriter<Box<dyn Write + Send>>,
    /// For standard output and standard error, if they are terminals.
    filters: [Option<TerminalFilter>; 2],
}

impl Outlet {
    pub fn new(session: &Session) -> Self {
        let dialect = session.log.dialect();
        Self {
            stdout: HarmlessWriter::new(dialect, Box::new(host::output_writer())),
            stderr: HarmlessWriter::new(dialect, Box::new(host::error_writer())),
            filters: [None, None],
        }
    }

    /// The same, with the control sequences for terminals filtered out.
    pub fn filtered(session: &Session) -> Self {
        let filter = |is_terminal: bool| is_terminal.then(TerminalFilter::default);
        Self { filters: [filter(host::output_is_terminal()), filter(host::is_terminal())], ..Self::new(session) }
    }

    pub fn write(&mut self, stream: LogStream, bytes: &[u8]) -> Result<OutputReader, CommandError> {
        let mut shown = Vec::new();
        let bytes = match self.filter(stream) {
            Some(filter) => {
                filter.push(bytes, &mut shown);
                shown.as_slice()
            }
            None => bytes,
        };
        let writer = self.writer(stream);
        reader(writer.write_all(bytes).and_then(|()| writer.flush()))
    }

    /// Writes what waits for the end of its line.
    pub fn finish(mut self) -> Result<(), CommandError> {
        for stream in [LogStream::Stdout, LogStream::Stderr] {
            let mut last = Vec::new();
            if let Some(filter) = self.filter(stream) {
                filter.finish(&mut last);
            }
            let writer = self.writer(stream);
            reader(writer.write_all(&last).and_then(|()| writer.finish()))?;
        }
        Ok(())
    }

    fn filter(&mut self, stream: LogStream) -> Option<&mut TerminalFilter> {
        let [stdout, stderr] = &mut self.filters;
        match stream {
            LogStream::Stdout => stdout.as_mut(),
            LogStream::Stderr => stderr.as_mut(),
        }
    }

    fn writer(&mut self, stream: LogStream) -> &mut HarmlessWriter<Box<dyn Write + Send>> {
        match stream {
            LogStream::Stdout => &mut self.stdout,
            LogStream::Stderr => &mut self.stderr,
        }
    }
}

fn reader(written: io::Result<()>) -> Result<OutputReader, CommandError> {
    match written {
        Ok(()) => Ok(OutputReader::Open),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(OutputReader::Closed),
        Err(error) => Err(CommandError::Stdout(error)),
    }
}
