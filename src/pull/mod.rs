//! SHELL: pulls an image that a build is based on into a directory in the OCI layout, before anything of the Dockerfile
//! runs. Only this process has the credential for it, and nothing of the image runs in it.

mod manifest;
pub mod name;
mod options;
mod save;
#[cfg(test)]
mod tests;

pub use options::{Options, main};

use crate::registry::{Registry, RegistryError};
use manifest::{ACCEPTED, Descriptor, Found, ManifestError};
use name::Name;
use save::Directory;

/// A list of an image's platforms, or of its layers.
const MANIFEST_MAX: usize = 4 * 1024 * 1024;

/// Why the image is not there.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// The registry did not give it.
    #[error("the registry did not give the image")]
    Registry(#[from] RegistryError),
    /// It gave something that is no image for here.
    #[error("what the registry gave is no image that can be built on")]
    Manifest(#[from] ManifestError),
    /// It can't be kept.
    #[error("the image can't be written")]
    Write(#[source] std::io::Error),
    /// The place of the credentials can't be read.
    #[error("the credentials for the registry can't be read")]
    Credentials(#[source] std::io::Error),
    /// TLS or DNS can't be set up.
    #[error("can't set the connection up: {0}")]
    Setup(String),
}

/// Pulls; the digest of the image for this platform.
pub async fn pull(
    name: &Name,
    registry: &mut Registry,
    directory: &Directory,
) -> Result<String, PullError> {
    directory.begin().map_err(PullError::Write)?;
    let mut text = manifest(registry, &name.reference, name.digest()).await?;
    let image = match manifest::read(&text)? {
        Found::Image(image) => image,
        Found::Platforms(all) => {
            let one = manifest::for_here(&all)?;
            text = manifest(registry, &one.digest, Some(&one.digest)).await?;
            match manifest::read(&text)? {
                Found::Image(image) => image,
                Found::Platforms(_) => return Err(ManifestError::Nested.into()),
            }
        }
    };
    for blob in image.blobs() {
        let body = registry.blob(&blob.digest).await?;
        directory.blob(&blob.digest, body).await?;
    }
    let digest = manifest::digest(&text);
    directory
        .image(&digest, &image.media_type, &text)
        .map_err(PullError::Write)?;
    Ok(digest)
}

async fn manifest(
    registry: &mut Registry,
    reference: &str,
    digest: Option<&str>,
) -> Result<Vec<u8>, PullError> {
    let text = registry
        .get_manifest(reference, &ACCEPTED.join(", "), MANIFEST_MAX)
        .await?;
    match digest {
        Some(digest) if manifest::digest(&text) != digest => Err(ManifestError::Other {
            digest: digest.to_owned(),
        }
        .into()),
        _ => Ok(text),
    }
}

impl manifest::Image {
    fn blobs(&self) -> impl Iterator<Item = &Descriptor> {
        std::iter::once(&self.config).chain(&self.layers)
    }
}
