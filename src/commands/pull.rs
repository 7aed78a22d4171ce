//! `nextdeploy pull`.

use tokio::sync::mpsc;

use super::display::{progress_mode, show};
use super::{Session, block_on};
use crate::config::cli::{CliSettings, PullArgs};
use crate::config::metadata::ConfigFiles;
use crate::config::settings;
use crate::diagnostic::ExitCode;
use crate::docker::connection::Engine;
use crate::error::Error;
use crate::image_ref::ImageRef;
use crate::origin::Origin;
use crate::pipeline::{EventSender, RegistryAccess, Stop, TransferRecord, named_registry, typed_reference};
use crate::registry::transfer::{PullRun, PulledImage, TransferError, TransferOptions};
use crate::report::progress::ProgressMode;
use crate::report::transfer::{PullResult, render_pull};

/// Events of a transfer that wait to be recorded.
const TRANSFER_QUEUE: usize = 64;

pub fn run(session: &Session, verb: &PullArgs, words: &CliSettings) -> Result<ExitCode, Error> {
    let resolved = settings::resolve(words, &session.environment, &ConfigFiles::default())?;
    session.warn(&resolved.warnings);
    let reference = typed_reference(&verb.image)?;
    let access = RegistryAccess {
        environment: session.environment.clone(),
        settings: resolved.publish,
        registries: vec![named_registry(&reference, &Origin::Flag("IMAGE".to_owned()))],
        ca_bundle: resolved.settings.ca_bundle.map(|bundle| bundle.value),
    };
    let platform = resolved.settings.platform.as_ref().map(|platform| platform.value.as_str());
    let (pulled, signal) = block_on(async {
        let stop = Stop::on_signals();
        let work = async |events: EventSender| {
            let engine = access.connect_for_transfer().await?;
            events.message(format!("{engine} at {}", engine.address())).await;
            Box::pin(pull(&access, &engine, (&reference, platform), &events, &stop)).await
        };
        (Box::pin(show(session, progress_mode(session, resolved.run.progress), work)).await, stop.code())
    })?;
    match (pulled, signal) {
        (Err(Error::Transfer(TransferError::Cancelled)), Some(code)) => {
            session.log.message("interrupted: the pull was stopped");
            Ok(code)
        }
        (Err(error), _) => Err(error),
        (Ok((image, record)), _) => {
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
    (session, mode): (&Session, ProgressMode),
    access: &RegistryAccess,
    engine: &Engine,
    reference: &ImageRef,
    stop: &Stop,
) -> Result<(), Error> {
    let work = async |events: EventSender| Box::pin(pull(access, engine, (reference, None), &events, stop)).await;
    let (image, record) = Box::pin(show(session, mode, work)).await?;
    session.tell(&render_pull(&image, &record));
    Ok(())
}

async fn pull(
    access: &RegistryAccess,
    engine: &Engine,
    (reference, platform): (&ImageRef, Option<&str>),
    events: &EventSender,
    stop: &Stop,
) -> Result<(PulledImage, TransferRecord), Error> {
    let keychain = access.keychain()?;
    let (sender, received) = mpsc::channel(TRANSFER_QUEUE);
    let options = TransferOptions::default();
    let run = PullRun { engine, reference, platform, keychain: &keychain, events: sender, options };
    let (pulled, (record, notices)) =
        tokio::join!(run.pull(stop.clone().requested()), events.record_transfer(received));
    events.warnings(notices).await;
    Ok((pulled?, record))
}
