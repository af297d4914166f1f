//! The directory that an image is pulled into.

use super::{ManifestError, PullError};
use crate::config::hex;
use crate::registry::RegistryError;
use bytes::Buf as _;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use sha2::{Digest as _, Sha256};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::PathBuf;

/// The directory.
#[derive(Clone, Debug)]
pub struct Directory(pub PathBuf);

impl Directory {
    /// Makes what every such directory has.
    pub(super) fn begin(&self) -> io::Result<()> {
        fs::create_dir_all(self.0.join("blobs/sha256"))?;
        fs::write(
            self.0.join("oci-layout"),
            r#"{"imageLayoutVersion":"1.0.0"}"#,
        )
    }

    /// Keeps a blob, and looks whether it is the one that was asked for.
    pub(super) async fn blob(&self, digest: &str, mut body: Incoming) -> Result<(), PullError> {
        let mut file = File::create(self.place(digest)).map_err(PullError::Write)?;
        let mut hasher = Sha256::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| RegistryError::cut(error.into()))?;
            let Ok(mut piece) = frame.into_data() else {
                continue;
            };
            while piece.has_remaining() {
                let chunk = piece.chunk();
                hasher.update(chunk);
                file.write_all(chunk).map_err(PullError::Write)?;
                let length = chunk.len();
                piece.advance(length);
            }
        }
        if format!("sha256:{}", hex(&hasher.finalize())) == digest {
            return Ok(());
        }
        let digest = digest.to_owned();
        Err(ManifestError::Other { digest }.into())
    }

    /// Keeps the manifest: from then on the image is there.
    pub(super) fn image(&self, digest: &str, media_type: &str, text: &[u8]) -> io::Result<()> {
        fs::write(self.place(digest), text)?;
        let index = serde_json::json!({
            "schemaVersion": 2,
            "manifests": [{"mediaType": media_type, "digest": digest, "size": text.len()}],
        });
        fs::write(self.0.join("index.json"), index.to_string())
    }

    /// Only hex digits are left of a digest that was looked at.
    fn place(&self, digest: &str) -> PathBuf {
        let hex = digest.trim_start_matches("sha256:");
        self.0.join("blobs/sha256").join(hex)
    }
}
