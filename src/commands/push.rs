//! `nextdeploy push`.

use super::display::{progress_mode, show};
use super::{Session, block_on};
use crate::config::cli::{CliSettings, PushArgs};
use crate::config::metadata::ConfigFiles;
use crate::config::settings;
use crate::diagnostic::{Diagnostic, ExitCode};
use crate::error::{CommandError, Error};
use crate::image_ref::ImageRef;
use crate::origin::Origin;
use crate::pipeline::{DaemonPublisher, EventSender, RegistryAccess, Stop, named_registry, typed_reference};
use crate::report::transfer::{PushResult, render_push};

pub fn run(session: &Session, verb: &PushArgs, words: &CliSettings) -> Result<ExitCode, Error> {
    let resolved = settings::resolve(words, &session.environment, &ConfigFiles::default())?;
    session.warn(&resolved.warnings);
    let references = verb.images.iter().map(|text| pushable(text)).collect::<Result<Vec<_>, _>>()?;
    let typed = Origin::Flag("IMAGE".to_owned());
    let access = RegistryAccess {
        environment: session.environment.clone(),
        settings: resolved.publish,
        registries: references.iter().map(|reference| named_registry(reference, &typed)).collect(),
        ca_bundle: resolved.settings.ca_bundle.map(|bundle| bundle.value),
    };
    let (pushed, signal) = block_on(async {
        let stop = Stop::on_signals();
        let work = async |events: EventSender| {
            let engine = access.connect_for_transfer().await?;
            events.message(format!("{engine} at {}", engine.address())).await;
            DaemonPublisher { engine: &engine, access: &access }.push(None, &references, &events, &stop).await
        };
        (show(session, progress_mode(session, resolved.run.progress), work).await, stop.code())
    })?;
    let (outcome, record) = pushed?;
    session.tell(&render_push(&outcome, &record));
    let result = PushResult::new(&outcome, &record);
    if verb.json {
        session.json(&result)?;
    } else if !result.pushed.is_empty() {
        session.data(&result.lines())?;
    }
    session.push_errors(&outcome);
    Ok(signal.unwrap_or_else(|| outcome.error().map_or(ExitCode::Ok, Diagnostic::exit_code)))
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
