//! `nextdeploy push`.

use super::publish::{Publisher, named_registry, progress_mode, typed_reference};
use super::stop::Stop;
use super::{Session, block_on};
use crate::config::cli::{CliSettings, Push};
use crate::config::metadata::ConfigFiles;
use crate::config::settings;
use crate::diagnostic::ExitCode;
use crate::error::{CommandError, Error};
use crate::image_ref::ImageRef;
use crate::origin::Origin;
use crate::registry::transfer::PushOutcome;
use crate::report::transfer::{PushResult, TransferRecord, render_push};

pub fn run(session: &Session, verb: &Push, words: &CliSettings) -> Result<ExitCode, Error> {
    let resolved = settings::resolve(words, &session.environment, &ConfigFiles::default())?;
    session.warn(&resolved.warnings);
    let references = verb.images.iter().map(|text| pushable(text)).collect::<Result<Vec<_>, _>>()?;
    let typed = Origin::Flag("IMAGE".to_owned());
    let publisher = Publisher {
        session,
        settings: &resolved.publish,
        registries: references.iter().map(|reference| named_registry(reference, &typed)).collect(),
        ca_bundle: resolved.settings.ca_bundle.as_ref().map(|bundle| bundle.value.as_path()),
        progress: progress_mode(session, resolved.run.progress),
    };
    let (outcome, record, signal) = block_on(push(&publisher, &references))??;
    session.tell(&render_push(&outcome, &record));
    let result = PushResult::new(&outcome, &record);
    if verb.json {
        session.json(&result)?;
    } else if !result.pushed.is_empty() {
        session.data(&result.lines())?;
    }
    let code = publisher.tell_failures(&outcome);
    Ok(signal.unwrap_or(code))
}

/// A digest names content that is in a registry already.
fn pushable(text: &str) -> Result<ImageRef, CommandError> {
    let reference = typed_reference(text)?;
    if reference.digest.is_some() {
        return Err(CommandError::InvalidReference {
            text: text.to_owned(),
            reason: "a push needs a tag, not a digest".to_owned(),
            hint: "leave `@sha256:…` out".to_owned(),
        });
    }
    Ok(reference)
}

async fn push(
    publisher: &Publisher<'_>,
    references: &[ImageRef],
) -> Result<(PushOutcome, TransferRecord, Option<ExitCode>), Error> {
    let stop = Stop::on_signals();
    let engine = publisher.connect().await?;
    publisher.session.tell(&format!("{engine} at {}", engine.address()));
    publisher.create_repositories(references).await?;
    let (outcome, record) = publisher.push(&engine, None, references, stop.clone().requested()).await?;
    Ok((outcome, record, stop.code()))
}
