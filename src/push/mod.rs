//! SHELL: pushes the image that a build left in a directory, to one registry, by its own few requests.
//!
//! What is pushed was made by whoever wrote the Dockerfile, who may have left anything in that directory. Nothing of it
//! runs here; files are opened by their digest only and never through a link, and a registry takes a blob only when its
//! content has that digest.

mod layout;
mod options;

pub use options::{Options, main};

use crate::names::exit;
use crate::registry::{Registry, RegistryError};
use layout::{Layout, LayoutError};
use std::time::Duration;

/// How long a registry that is away is tried again; a build's own time limit may end it sooner.
const PATIENCE: Duration = Duration::from_secs(240);
/// First and longest pause between two tries.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(15));

/// Why the image was not pushed.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// What the build left is no image that we push.
    #[error("the build left no image that can be pushed")]
    Layout(#[from] LayoutError),
    /// The registry did not take it.
    #[error("the registry did not take the image")]
    Registry(#[from] RegistryError),
    /// The place of the credentials can't be read.
    #[error("the credentials for the registry can't be read")]
    Credentials(#[source] std::io::Error),
    /// TLS or DNS can't be set up.
    #[error("can't set the connection up: {0}")]
    Setup(String),
}

impl PushError {
    /// As the operator reads it from the container's end.
    fn exit(&self) -> u8 {
        match self {
            Self::Registry(error) if error.may_pass() => exit::AWAY,
            Self::Registry(error) if error.is_refusal() => exit::REFUSED,
            Self::Registry(_) | Self::Layout(_) | Self::Credentials(_) | Self::Setup(_) => 1,
        }
    }
}

/// Pushes; the manifest's digest.
pub async fn push(
    layout: &Layout,
    registry: &mut Registry,
    tag: &str,
) -> Result<String, PushError> {
    let image = layout.image()?;
    let mut pause = PAUSE.0;
    let began = tokio::time::Instant::now();
    loop {
        match once(layout, registry, &image, tag).await {
            Ok(()) => return Ok(image.digest),
            Err(PushError::Registry(error)) if error.may_pass() && began.elapsed() < PATIENCE => {
                tracing::warn!(
                    error = crate::telemetry::chain(&error),
                    "The registry is away; trying again"
                );
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE.1);
            }
            Err(error) => return Err(error),
        }
    }
}

async fn once(
    layout: &Layout,
    registry: &mut Registry,
    image: &layout::Image,
    tag: &str,
) -> Result<(), PushError> {
    for digest in &image.blobs {
        if !registry.has(digest).await? {
            let open = || layout.open(digest).map_err(std::io::Error::other);
            registry.upload(digest, open).await?;
        }
    }
    registry
        .manifest(tag, &image.media_type, &image.manifest)
        .await?;
    Ok(())
}
