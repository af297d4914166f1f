//! A directory in the OCI image layout, as a hostile build may have left it.

use crate::config::hex;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

/// A manifest is a list of layers.
const MANIFEST_MAX: u64 = 1024 * 1024;
const LAYERS_MAX: usize = 500;
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// The directory.
#[derive(Clone, Debug)]
pub struct Layout(pub PathBuf);

/// The image in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// `sha256:…` of the manifest.
    pub digest: String,
    /// The manifest as it is.
    pub manifest: Vec<u8>,
    /// Its media type.
    pub media_type: String,
    /// Config and layers, each once.
    pub blobs: Vec<String>,
}

/// What is there is no image that we push.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// A file is missing, is a link, or is no file.
    #[error("can't read {what}")]
    Read {
        /// Which.
        what: String,
        /// Why.
        source: io::Error,
    },
    /// Not the JSON that it must be.
    #[error("{what} is broken")]
    Json {
        /// Which.
        what: String,
        /// Why.
        source: serde_json::Error,
    },
    /// Something else than one plain image.
    #[error("{0}")]
    Odd(&'static str),
}

#[derive(Deserialize)]
struct Index {
    manifests: Vec<Descriptor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    config: Descriptor,
    layers: Vec<Descriptor>,
    #[serde(default)]
    media_type: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    digest: String,
    media_type: String,
    /// Where a node would get the layer from instead of the registry.
    #[serde(default)]
    urls: Vec<String>,
}

impl Layout {
    /// The one image that is there.
    pub fn image(&self) -> Result<Image, LayoutError> {
        let index: Index = json("index.json", &self.read("index.json")?)?;
        let [entry] = &index.manifests[..] else {
            return Err(LayoutError::Odd("index.json lists not one image"));
        };
        let text = self.read(&blob(&entry.digest)?)?;
        let digest = format!("sha256:{}", hex(&Sha256::digest(&text)));
        if digest != entry.digest || entry.media_type != MANIFEST {
            return Err(LayoutError::Odd(
                "the manifest is not the one that index.json names",
            ));
        }
        let manifest: Manifest = json("the manifest", &text)?;
        if manifest
            .media_type
            .as_deref()
            .is_some_and(|one| one != MANIFEST)
            || manifest.config.media_type != CONFIG
        {
            return Err(LayoutError::Odd("the manifest is not an image's"));
        }
        if manifest.layers.len() > LAYERS_MAX {
            return Err(LayoutError::Odd("the image has too many layers"));
        }
        let all = || std::iter::once(&manifest.config).chain(&manifest.layers);
        if all().any(|one| !one.urls.is_empty()) {
            return Err(LayoutError::Odd(
                "a layer names other places to get it from",
            ));
        }
        let mut blobs: Vec<String> = Vec::new();
        for one in all() {
            blob(&one.digest)?;
            if !blobs.contains(&one.digest) {
                blobs.push(one.digest.clone());
            }
        }
        Ok(Image {
            digest,
            manifest: text,
            media_type: MANIFEST.to_owned(),
            blobs,
        })
    }

    /// A blob, and its length.
    pub fn open(&self, digest: &str) -> Result<(File, u64), LayoutError> {
        self.plain(&blob(digest)?)
    }

    fn read(&self, name: &str) -> Result<Vec<u8>, LayoutError> {
        let (file, length) = self.plain(name)?;
        if length > MANIFEST_MAX {
            return Err(LayoutError::Odd("a list is longer than a megabyte"));
        }
        let mut text = Vec::new();
        let read = file.take(MANIFEST_MAX).read_to_end(&mut text);
        read.map(|_| text).map_err(|source| failed(name, source))
    }

    /// A plain file: a link would lead to what only we may read, and a pipe would never end.
    fn plain(&self, name: &str) -> Result<(File, u64), LayoutError> {
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK)
            .open(self.0.join(name));
        let file = opened.map_err(|source| failed(name, source))?;
        let meta = file.metadata().map_err(|source| failed(name, source))?;
        if !meta.is_file() {
            return Err(LayoutError::Odd("something in the image is no plain file"));
        }
        Ok((file, meta.len()))
    }
}

/// The place of a blob; nothing but hex digits becomes part of a path.
fn blob(digest: &str) -> Result<String, LayoutError> {
    let hex = digest.strip_prefix("sha256:").unwrap_or_default();
    if hex.len() != 64
        || !hex
            .chars()
            .all(|one| one.is_ascii_digit() || ('a'..='f').contains(&one))
    {
        return Err(LayoutError::Odd("a digest is not sha256 and 64 hex digits"));
    }
    Ok(format!("blobs/sha256/{hex}"))
}

fn failed(what: &str, source: io::Error) -> LayoutError {
    LayoutError::Read {
        what: what.to_owned(),
        source,
    }
}

fn json<T: for<'a> Deserialize<'a>>(what: &str, text: &[u8]) -> Result<T, LayoutError> {
    serde_json::from_slice(text).map_err(|source| LayoutError::Json {
        what: what.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::fs;

    struct Made(tempfile::TempDir);

    impl Made {
        fn new() -> Self {
            let made = Self(tempfile::tempdir().unwrap());
            fs::create_dir_all(made.0.path().join("blobs/sha256")).unwrap();
            made
        }

        fn blob(&self, content: &[u8]) -> String {
            let hex = hex(&Sha256::digest(content));
            fs::write(self.0.path().join("blobs/sha256").join(&hex), content).unwrap();
            format!("sha256:{hex}")
        }

        fn index(&self, digest: &str) {
            let index = json!({"manifests": [{"digest": digest, "mediaType": MANIFEST}]});
            fs::write(self.0.path().join("index.json"), index.to_string()).unwrap();
        }

        fn manifest(&self, layer: &serde_json::Value) -> String {
            let config = self.blob(b"{}");
            let manifest =
                json!({"config": {"digest": config, "mediaType": CONFIG}, "layers": [layer]});
            let digest = self.blob(manifest.to_string().as_bytes());
            self.index(&digest);
            digest
        }

        fn layout(&self) -> Layout {
            Layout(self.0.path().to_owned())
        }

        fn refused(&self) -> String {
            self.layout().image().unwrap_err().to_string()
        }
    }

    #[test]
    fn an_image_is_read_with_its_blobs() {
        let made = Made::new();
        let layer = made.blob(b"layer");
        let digest = made.manifest(&json!({"digest": layer, "mediaType": "x"}));
        let image = made.layout().image().unwrap();
        assert_eq!((image.digest, image.blobs.len()), (digest, 2));
        let (_, length) = made.layout().open(&layer).unwrap();
        assert_eq!(length, 5);
    }

    #[test]
    fn nothing_is_read_through_a_link() {
        let made = Made::new();
        let secret = made.0.path().join("secret");
        fs::write(&secret, "password").unwrap();
        let hex = "a".repeat(64);
        std::os::unix::fs::symlink(&secret, made.0.path().join("blobs/sha256").join(&hex)).unwrap();
        assert!(made.layout().open(&format!("sha256:{hex}")).is_err());
        std::os::unix::fs::symlink(&secret, made.0.path().join("index.json")).unwrap();
        assert!(made.refused().contains("can't read index.json"));
    }

    #[test]
    fn what_would_send_a_node_elsewhere_is_refused() {
        let made = Made::new();
        let layer = made.blob(b"layer");
        made.manifest(&json!({"digest": layer, "mediaType": "x", "urls": ["http://10.0.0.1/"]}));
        assert!(made.refused().contains("other places"));
        made.manifest(&json!({"digest": "sha256:../../etc/passwd", "mediaType": "x"}));
        assert!(made.refused().contains("64 hex digits"));
        made.index(&format!("sha256:{}", "b".repeat(64)));
        assert!(made.refused().contains("can't read blobs"));
    }
}
