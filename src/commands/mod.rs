//! One verb per file: glue between the stages, and the only place that writes their results.

mod agent;
mod announce;
mod build;
mod conceal;
mod conclude;
mod containers;
mod detect;
mod display;
mod dockerfile;
mod doctor;
mod dry_run;
mod ecr;
mod init;
mod launching;
mod log;
mod manifest;
mod metadata;
mod output;
mod plan;
mod proxy;
mod pull;
mod push;
mod reporting;
mod rollback;
mod run;
mod schema;
mod supervise;

use std::process;

use self::log::Log;
use crate::config::cli::{Cli, CliSettings, ColorChoice, Command};
use crate::config::settings::{self, Reporting};
use crate::diagnostic::{Diagnostic as _, ExitCode, Warning, printable_json};
use crate::error::{CommandError, Error};
use crate::host::{self, Environment, Streams};
use crate::net;
use crate::pipeline::{OpenOptions, Opened};
use crate::registry::transfer::PushOutcome;
use crate::repo::ci::CiSystem;
use crate::repo::{self, GitDetail};
use crate::report::Style;
use crate::secret::{redact, redact_json};

/// Runs the program with the arguments and environment of this process.
pub fn main() -> process::ExitCode {
    host::report_panics();
    net::install_provider();
    let environment = Environment::of_process();
    conceal::hide_environment(&environment);
    let cli = match crate::config::cli::parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err(usage) => {
            if usage.use_stderr() {
                let message = usage.render();
                let coloured = host::is_terminal() && environment.get("NO_COLOR").is_none_or(str::is_empty);
                let message = if coloured { message.ansi().to_string() } else { message.to_string() };
                Streams.message(&redact(&message));
            } else {
                // `--help` and `--version`. A closed pipe is no error.
                let _ = usage.print();
            }
            return process::ExitCode::from(u8::try_from(usage.exit_code()).unwrap_or(ExitCode::Usage as u8));
        }
    };
    let (session, reporting) = Session::new(&cli, environment);
    let code = reporting.and_then(|()| session.run(&cli)).unwrap_or_else(|error| {
        session.log.error(&error);
        error.exit_code() as u8
    });
    session.log.end();
    process::ExitCode::from(code)
}

/// How much is printed on standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verbosity {
    Quiet,
    Normal,
    Verbose,
}

/// What every verb has at hand.
struct Session {
    environment: Environment,
    streams: Streams,
    log: Log,
    reporting: Reporting,
    style: Style,
    verbosity: Verbosity,
}

impl Session {
    /// The session works also with invalid settings of reporting: their error is shown as the detected CI system expects it.
    fn new(cli: &Cli, environment: Environment) -> (Self, Result<(), Error>) {
        let coloured = match cli.global.color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => host::is_terminal() && environment.get("NO_COLOR").is_none_or(str::is_empty),
        };
        let verbosity = match (cli.global.quiet, cli.global.verbose) {
            (true, _) => Verbosity::Quiet,
            (false, true) => Verbosity::Verbose,
            (false, false) => Verbosity::Normal,
        };
        let style = if coloured { Style::Coloured } else { Style::Plain };
        let (reporting, valid) = match settings::resolve_reporting(&cli.settings, &environment) {
            Ok(reporting) => (reporting, Ok(())),
            Err(error) => {
                let system = CiSystem::detect(&environment);
                (Reporting { system, ..Reporting::default() }, Err(error.into()))
            }
        };
        let log = Log::new(reporting.system, style, &environment);
        (Self { environment, streams: Streams, log, reporting, style, verbosity }, valid)
    }

    /// The exit code: one of ours, or that of the command that `exec` ran.
    fn run(&self, cli: &Cli) -> Result<u8, Error> {
        let words = &cli.settings;
        let code = match &cli.command {
            Command::Detect(verb) => detect::run(self, verb, words),
            Command::Metadata(verb) => metadata::run(self, verb, words),
            Command::Plan(verb) => plan::run(self, verb, words),
            Command::Dockerfile(verb) => dockerfile::run(self, verb, words),
            Command::Build(verb) => build::run(self, verb, words),
            Command::Ecr(verb) => ecr::run(self, verb, words),
            Command::Doctor(verb) => doctor::run(self, verb, words),
            Command::Push(verb) => push::run(self, verb, words),
            Command::Pull(verb) => pull::run(self, verb, words),
            Command::Run(verb) => run::run(self, verb, words),
            Command::Rollback(verb) => rollback::run(self, verb, words),
            Command::Proxy(verb) => proxy::run(self, verb, words),
            Command::Manifest(verb) => manifest::run(self, verb, words),
            Command::Ps(verb) => containers::ps(self, verb, words),
            Command::Logs(verb) => containers::logs(self, verb, words),
            Command::Exec(verb) => return containers::exec(self, verb, words),
            Command::Stats(verb) => containers::stats(self, verb, words),
            Command::Health(verb) => containers::health(self, verb, words),
            Command::Stop(verb) => containers::stop(self, verb, words),
            Command::Restart(verb) => containers::restart(self, verb, words),
            Command::Rm(verb) => containers::rm(self, verb, words),
            Command::Init(verb) => init::run(self, verb, words),
            Command::Schema(verb) => schema::run(self, verb),
            Command::Supervise(verb) => supervise::run(self, verb, words),
        };
        code.map(|code| code as u8)
    }

    /// One datum on standard output, exactly as it is: a reference, a manifest, a key that was requested.
    fn data(&self, text: &str) -> Result<(), Error> {
        self.streams.data(text).map_err(|source| CommandError::Stdout(source).into())
    }

    /// One document of ours on standard output. What it holds is not changed by the escape: `##[` stands inside of strings only.
    fn json(&self, value: &impl serde::Serialize) -> Result<(), Error> {
        let text = to_json(value);
        self.data(&if self.log.dialect().has_commands() { text.replace("##[", "##\\u005b") } else { text })
    }

    /// Data for people on standard output.
    fn text(&self, text: &str) -> Result<(), Error> {
        self.data(&self.log.harmless(text))
    }

    /// A message for people, unless `--quiet` is given.
    fn tell(&self, text: &str) {
        if self.verbosity > Verbosity::Quiet {
            self.log.message(text);
        }
    }

    /// A long message, where the log can fold it.
    fn tell_folded(&self, name: &'static str, title: &'static str, text: impl FnOnce() -> String) {
        if self.verbosity > Verbosity::Quiet && self.log.dialect().has_groups() {
            self.log.open(name, title);
            self.log.message(&text());
            self.log.close();
        }
    }

    /// Reads the repository that `words` name. Writes nothing and runs no code of the project.
    fn open(&self, words: &CliSettings, detail: GitDetail) -> Result<Opened, Error> {
        let place = settings::locate(words, &self.environment)?;
        let located = repo::locate(&place.directory.value)?;
        self.log.set_root(&located.root);
        let options = OpenOptions { words, environment: &self.environment, reporting: &self.reporting, detail };
        let opened = Opened::read(&options, &place, &located)?;
        for (name, secret) in opened.secrets() {
            self.log.mask(&name, secret.expose());
        }
        Ok(opened)
    }

    /// Every reason why references were not pushed, with its hints.
    fn push_errors(&self, outcome: &PushOutcome) {
        for failed in &outcome.failed {
            self.log.error(&failed.error);
        }
    }

    fn warn(&self, warnings: &[Warning]) {
        for warning in warnings {
            self.log.warning(warning);
        }
    }
}

/// Runs `work` to its end. Threads that still work for something that was stopped are not waited for.
fn block_on<T>(work: impl Future<Output = T>) -> Result<T, CommandError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(CommandError::Runtime)?;
    let result = runtime.block_on(work);
    runtime.shutdown_background();
    Ok(result)
}

/// A document for others, without secrets.
fn to_json(value: &impl serde::Serialize) -> String {
    pretty(&without_secrets(value))
}

fn without_secrets(value: &impl serde::Serialize) -> serde_json::Value {
    let mut document = serde_json::to_value(value).expect("values of this program have string keys only");
    redact_json(&mut document);
    document
}

/// Our own values always serialise.
fn pretty(value: &impl serde::Serialize) -> String {
    printable_json(&serde_json::to_string_pretty(value).expect("values of this program have string keys only"))
}
