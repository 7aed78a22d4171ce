//! Images as the daemon has them: their ids, names and the digests that it knows.

use bollard::errors::Error;
use bollard::query_parameters::TagImageOptionsBuilder;

use super::TransferError;
use crate::docker::connection::Engine;
use crate::image_ref::ImageRef;

/// An image in the daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LocalImage {
    /// `sha256:…`
    pub(super) id: String,
    /// `linux/arm64`
    pub(super) platform: String,
    /// `REPOSITORY@sha256:…`, for each repository that it was pushed to or pulled from.
    repo_digests: Vec<String>,
}

impl LocalImage {
    /// Digests that the image is known by in the repository of `reference`.
    pub(super) fn digests(&self, reference: &ImageRef) -> impl Iterator<Item = &str> {
        let repository = repository(reference);
        self.repo_digests.iter().filter_map(move |known| {
            let (name, digest) = known.split_once('@')?;
            (repository_of(name)? == repository).then_some(digest)
        })
    }

    /// The digest in the repository of `reference`, when there is exactly one.
    pub(super) fn only_digest(&self, reference: &ImageRef) -> Option<String> {
        let mut digests = self.digests(reference);
        let digest = digests.next()?;
        digests.next().is_none().then(|| digest.to_owned())
    }
}

/// `docker.io/library/node`, however it was written.
fn repository(reference: &ImageRef) -> String {
    let mut name = ImageRef { tag: None, digest: None, ..reference.clone() }.fully_qualified();
    name.truncate(name.len() - ":latest".len());
    name
}

fn repository_of(name: &str) -> Option<String> {
    ImageRef::parse(name).ok().map(|reference| repository(&reference))
}

/// The image that `reference` names.
pub(super) async fn find_local(engine: &Engine, reference: &ImageRef) -> Result<LocalImage, TransferError> {
    let name = reference.to_string();
    let image = match engine.api_client().inspect_image(&name).await {
        Ok(image) => image,
        Err(error) if is_missing(&error) => return Err(TransferError::NoLocalImage { reference: name }),
        Err(error) => return Err(engine.dialer.daemon_error("the question for the image", &error).into()),
    };
    let id = image.id.unwrap_or_default();
    let variant = image.variant.filter(|variant| !variant.is_empty()).map(|variant| format!("/{variant}"));
    Ok(LocalImage {
        id: if id.starts_with("sha256:") { id } else { format!("sha256:{id}") },
        platform: format!(
            "{}/{}{}",
            image.os.as_deref().unwrap_or("linux"),
            image.architecture.as_deref().unwrap_or_default(),
            variant.unwrap_or_default()
        ),
        repo_digests: image.repo_digests.unwrap_or_default(),
    })
}

/// Gives the image `source` the name `reference`.
pub(super) async fn tag_local(engine: &Engine, source: &str, reference: &ImageRef) -> Result<(), TransferError> {
    let options = TagImageOptionsBuilder::default()
        .repo(&ImageRef { tag: None, ..reference.clone() }.to_string())
        .tag(reference.tag.as_deref().unwrap_or("latest"))
        .build();
    match engine.api_client().tag_image(source, Some(options)).await {
        Ok(()) => Ok(()),
        Err(error) if is_missing(&error) => Err(TransferError::NoLocalImage { reference: source.to_owned() }),
        Err(Error::DockerResponseServerError { message, .. }) => {
            Err(TransferError::CannotTag { source_image: source.to_owned(), reference: reference.to_string(), message })
        }
        Err(error) => Err(engine.dialer.daemon_error("the naming of the image", &error).into()),
    }
}

fn is_missing(error: &Error) -> bool {
    matches!(error, Error::DockerResponseServerError { status_code: 404, .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_the_repository_however_it_is_written() {
        let image = LocalImage {
            id: "sha256:1".into(),
            platform: "linux/amd64".into(),
            repo_digests: vec!["node@sha256:a".into(), "ghcr.io/acme/node@sha256:b".into(), "bad name@x".into()],
        };
        let digests =
            |text: &str| image.digests(&ImageRef::parse(text).unwrap()).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(digests("docker.io/library/node:22"), ["sha256:a"]);
        assert_eq!(digests("ghcr.io/acme/node"), ["sha256:b"]);
        assert_eq!(digests("ghcr.io/acme/other"), Vec::<String>::new());
    }
}
