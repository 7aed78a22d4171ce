//! `nextdeploy logs`.

use chrono::{DateTime, Utc};
use futures_util::{FutureExt, StreamExt};

use super::outlet::{Outlet, OutputReader};
use super::{connect, owner};
use crate::commands::{Session, block_on};
use crate::config::cli::{CliSettings, LogsArgs};
use crate::diagnostic::{ExitCode, printable_json};
use crate::docker::{LogLine, LogOptions, LogStream, parse_moment};
use crate::error::{CommandError, Error};
use crate::host;
use crate::pipeline::Stop;
use crate::report::containers::{LineFormat, LineJson, render_line};

/// How many bytes are written at once.
const BATCH: usize = 64 * 1024;

pub fn run(session: &Session, verb: &LogsArgs, words: &CliSettings) -> Result<ExitCode, Error> {
    let options = LogOptions {
        follow: verb.follow,
        tail: verb.tail,
        since: verb.since.as_deref().map(|text| moment("--since", text)).transpose()?,
        until: verb.until.as_deref().map(|text| moment("--until", text)).transpose()?,
    };
    block_on(print(session, verb, words, &options))?
}

fn moment(flag: &'static str, text: &str) -> Result<DateTime<Utc>, CommandError> {
    let now = DateTime::from_timestamp(host::now(), 0).unwrap_or_default();
    parse_moment(text, now).ok_or_else(|| CommandError::InvalidTime { flag, text: text.to_owned() })
}

async fn print(
    session: &Session,
    verb: &LogsArgs,
    words: &CliSettings,
    options: &LogOptions,
) -> Result<ExitCode, Error> {
    let stop = Stop::on_signals();
    let containers = connect(session, words).await?;
    let container = containers.find(&verb.container, owner(verb.any)).await?;
    let mut lines = containers.logs(&container.id, options).await.map_err(|error| error.about(&container.name))?;
    let mut page = LineBuffer::new(session, verb);
    let mut stopped = std::pin::pin!(stop.clone().requested());
    loop {
        let mut next = tokio::select! {
            line = lines.next() => line,
            () = &mut stopped => return Ok(stop.code().unwrap_or(ExitCode::Interrupted)),
        };
        // Write everything that has already arrived in one piece.
        loop {
            let Some(line) = next else {
                page.flush()?;
                page.outlet.finish()?;
                return Ok(ExitCode::Ok);
            };
            let line = match line {
                Ok(line) => line,
                Err(error) => {
                    page.flush()?;
                    return Err(error.into());
                }
            };
            if page.add(&line)? == OutputReader::Closed {
                return Ok(ExitCode::Ok);
            }
            match lines.next().now_or_never() {
                Some(more) => next = more,
                None => break,
            }
        }
        if page.flush()? == OutputReader::Closed {
            return Ok(ExitCode::Ok);
        }
    }
}

/// Buffers lines of one stream at a time, which keeps their order.
struct LineBuffer {
    outlet: Outlet,
    stream: LogStream,
    waiting: Vec<u8>,
    json: bool,
    stdout: LineFormat,
    stderr: LineFormat,
    timestamps: bool,
}

impl LineBuffer {
    fn new(session: &Session, verb: &LogsArgs) -> Self {
        let log_of_ci = session.log.dialect().has_commands();
        let format = |terminal: bool| {
            if log_of_ci || terminal && !verb.raw { LineFormat::Shown } else { LineFormat::Bytes }
        };
        Self {
            outlet: Outlet::new(session),
            stream: LogStream::Stdout,
            waiting: Vec::new(),
            json: verb.json,
            stdout: format(host::output_is_terminal()),
            stderr: format(host::is_terminal()),
            timestamps: verb.timestamps,
        }
    }

    fn add(&mut self, line: &LogLine) -> Result<OutputReader, Error> {
        let stream = if self.json { LogStream::Stdout } else { line.stream };
        let full = self.waiting.len() >= BATCH;
        if (full || stream != self.stream) && self.flush()? == OutputReader::Closed {
            return Ok(OutputReader::Closed);
        }
        self.stream = stream;
        if self.json {
            let json = serde_json::to_string(&LineJson::new(line)).expect("texts are JSON");
            self.waiting.extend_from_slice(printable_json(&json).as_bytes());
            self.waiting.push(b'\n');
        } else {
            let format = match stream {
                LogStream::Stdout => self.stdout,
                LogStream::Stderr => self.stderr,
            };
            render_line(line, format, self.timestamps, &mut self.waiting);
        }
        Ok(OutputReader::Open)
    }

    fn flush(&mut self) -> Result<OutputReader, Error> {
        if self.waiting.is_empty() {
            return Ok(OutputReader::Open);
        }
        let written = self.outlet.write(self.stream, &self.waiting)?;
        self.waiting.clear();
        Ok(written)
    }
}
