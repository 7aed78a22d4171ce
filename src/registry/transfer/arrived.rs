//! A manifest that the daemon brought to a repository, and further tags for it.
//!
//! The daemon looks at every layer again for each tag; one request to the registry does the same. Whenever that is not possible, the
//! answer is `None`, and the daemon does it, with its retries and its errors.

use super::remote::{Lookup, ManifestBytes, RemoteRepository};
use crate::image::PushedReference;
use crate::image_ref::ImageRef;

pub(super) struct Arrived<'a> {
    /// Image id.
    pub(super) image: String,
    digest: String,
    size: u64,
    manifest: ManifestBytes,
    remote: &'a RemoteRepository<'a>,
}

impl<'a> Arrived<'a> {
    /// What `pushed`, under `reference`, left in the repository.
    pub(super) async fn find(
        remote: &'a RemoteRepository<'a>,
        reference: &ImageRef,
        image: &str,
        pushed: &PushedReference,
    ) -> Option<Self> {
        // The same name may be another registry for the daemon: seen from here, the tag must point at what was pushed.
        if remote.digests(&[reference]).await != [Lookup::Digest(pushed.digest.clone())] {
            return None;
        }
        let manifest = remote.manifest_bytes(&pushed.digest).await?;
        let (image, digest, size) = (image.to_owned(), pushed.digest.clone(), manifest.size());
        Some(Self { image, digest, size, manifest, remote })
    }

    /// Makes `reference`, which pointed at `before`, point at this manifest.
    pub(super) async fn tag(&self, reference: &ImageRef, before: Option<&str>) -> Option<PushedReference> {
        let unchanged = before == Some(&self.digest);
        if !unchanged {
            self.remote.tag(&self.manifest, reference).await?;
        }
        let (reference, digest) = (reference.to_string(), self.digest.clone());
        Some(PushedReference { reference, digest, manifest_size: self.size, unchanged })
    }
}
