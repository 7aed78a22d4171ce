//! `nextdeploy pull`.

use tokio::sync::mpsc;

use super::publish::{EVENT_QUEUE, Publisher, named_registry, progress_mode, typed_reference};
use super::stop::Stop;
use super::{Session, block_on};
use crate::config::cli::{CliSettings, Pull};
use crate::config::metadata::ConfigFiles;
use crate::config::settings;
use crate::diagnostic::ExitCode;
use crate::docker::connection::Engine;
use crate::error::Error;
use crate::image_ref::ImageRef;
use crate::origin::Origin;
use crate::registry::transfer::{PullRun, PulledImage, TransferError, TransferOptions};
use crate::report::transfer::{PullResult, TransferRecord, render_pull, show_transfer};

pub fn run(session: &Session, verb: &Pull, words: &CliSettings) -> Result<ExitCode, Error> {
    let resolved = settings::resolve(words, &session.environment, &ConfigFiles::default())?;
    session.warn(&resolved.warnings);
    let reference = typed_reference(&verb.image)?;
    let publisher = Publisher {
        session,
        settings: &resolved.publish,
        registries: vec![named_registry(&reference, &Origin::Flag("IMAGE".to_owned()))],
        ca_bundle: resolved.settings.ca_bundle.as_ref().map(|bundle| bundle.value.as_path()),
        progress: progress_mode(session, resolved.run.progress),
    };
    let platform = resolved.settings.platform.as_ref().map(|platform| platform.value.as_str());
    let (pulled, record, signal) = block_on(pull(&publisher, &reference, platform))??;
    match (pulled, signal) {
        (Err(TransferError::Cancelled), Some(code)) => {
            session.log.message("interrupted: the pull was stopped");
            Ok(code)
        }
        (Err(error), _) => Err(error.into()),
        (Ok(image), _) => {
            session.tell(&render_pull(&image, &record));
            let result = PullResult::new(&image, &record);
            if verb.json {
                session.json(&result)?;
            } else {
                session.data(&result.pinned())?;
            }
            Ok(ExitCode::Ok)
        }
    }
}

/// Pulls an image that the daemon lacks, for its own platform.
pub async fn pull_missing(
    publisher: &Publisher<'_>,
    engine: &Engine,
    reference: &ImageRef,
    stop: &Stop,
) -> Result<(), Error> {
    let authenticator = publisher.authenticator()?;
    let (events, received) = mpsc::channel(EVENT_QUEUE);
    let display = tokio::spawn(show_transfer(received, publisher.progress, publisher.session.log.writer()));
    let options = TransferOptions::default();
    let run = PullRun { engine, reference, platform: None, credentials: &authenticator, events, options };
    let pulled = run.pull(stop.clone().requested()).await;
    let record = display.await.unwrap_or_default();
    publisher.session.warn(&record.notices);
    publisher.session.tell(&render_pull(&pulled?, &record));
    Ok(())
}

type Ended = (Result<PulledImage, TransferError>, TransferRecord, Option<ExitCode>);

async fn pull(publisher: &Publisher<'_>, reference: &ImageRef, platform: Option<&str>) -> Result<Ended, Error> {
    let session = publisher.session;
    let stop = Stop::on_signals();
    let engine = publisher.connect().await?;
    session.tell(&format!("{engine} at {}", engine.address()));
    let authenticator = publisher.authenticator()?;
    let (events, received) = mpsc::channel(EVENT_QUEUE);
    let display = tokio::spawn(show_transfer(received, publisher.progress, session.log.writer()));
    let run = PullRun {
        engine: &engine,
        reference,
        platform,
        credentials: &authenticator,
        events,
        options: TransferOptions::default(),
    };
    let pulled = run.pull(stop.clone().requested()).await;
    let record = display.await.unwrap_or_default();
    session.warn(&record.notices);
    Ok((pulled, record, stop.code()))
}
