//! Images as the daemon has them: their ids, names and the digests that it knows.

use super::TransferError;
use crate::docker::LocalImage;
use crate::docker::connection::{ApiError, DaemonRefusal, Engine};
use crate::image_ref::ImageRef;

/// The image that `reference` names.
pub(super) async fn find_local(engine: &Engine, reference: &ImageRef) -> Result<LocalImage, TransferError> {
    let found = engine.find_local(reference).await?;
    found.ok_or_else(|| TransferError::NoLocalImage { reference: reference.to_string() })
}

/// Gives the image `source` the name `reference`.
pub(super) async fn tag_local(engine: &Engine, source: &str, reference: &ImageRef) -> Result<(), TransferError> {
    engine.tag_image(source, reference).await.map_err(|error| match error {
        ApiError::Daemon(error) => error.into(),
        ApiError::Refused(DaemonRefusal { status: 404, .. }) => {
            TransferError::NoLocalImage { reference: source.to_owned() }
        }
        ApiError::Refused(DaemonRefusal { message, .. }) => {
            TransferError::CannotTag { source_image: source.to_owned(), reference: reference.to_string(), message }
        }
    })
}
