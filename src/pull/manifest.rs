//! CORE: what a registry says an image is made of.

use crate::config::hex;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::env::consts::ARCH;

/// What is asked for: an image, or the list of its platforms, as the two standards write them.
pub const ACCEPTED: [&str; 4] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];
const OCI: &str = ACCEPTED[2];
const LAYERS_MAX: usize = 500;

/// It can't be built on.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Not the JSON that it must be.
    #[error("the manifest is broken")]
    Json(#[source] serde_json::Error),
    /// Not for this processor.
    #[error("it has no image for linux on {0}")]
    Platform(&'static str),
    /// A list in a list.
    #[error("its list of platforms lists another list")]
    Nested,
    /// Not what was asked for.
    #[error("it is not the one with the digest {digest}")]
    Other {
        /// What was asked for.
        digest: String,
    },
    /// A digest that we can't compare.
    #[error("{0:?} is no digest of sha256")]
    Digest(String),
    /// More layers than anybody has.
    #[error("it has more than {LAYERS_MAX} layers")]
    Layers,
}

/// What a manifest is.
pub enum Found {
    /// One image.
    Image(Image),
    /// One for each platform.
    Platforms(Vec<Descriptor>),
}

/// One image.
pub struct Image {
    /// Of its manifest.
    pub media_type: String,
    /// Its config.
    pub config: Descriptor,
    /// Its layers.
    pub layers: Vec<Descriptor>,
}

/// A thing by its digest.
#[derive(Clone, Deserialize)]
pub struct Descriptor {
    /// `sha256:…`.
    pub digest: String,
    #[serde(default)]
    platform: Option<Platform>,
}

#[derive(Clone, Deserialize)]
struct Platform {
    os: String,
    architecture: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Any {
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default)]
    manifests: Option<Vec<Descriptor>>,
    #[serde(default)]
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Vec<Descriptor>,
}

/// Reads it. By its fields and not by what the registry calls it, which is a header only.
pub fn read(text: &[u8]) -> Result<Found, ManifestError> {
    let any: Any = serde_json::from_slice(text).map_err(ManifestError::Json)?;
    if let Some(all) = any.manifests {
        return Ok(Found::Platforms(all));
    }
    if any.layers.len() > LAYERS_MAX {
        return Err(ManifestError::Layers);
    }
    let config = any.config.ok_or_else(|| {
        let missing = <serde_json::Error as serde::de::Error>::missing_field("config");
        ManifestError::Json(missing)
    })?;
    for one in std::iter::once(&config).chain(&any.layers) {
        is_digest(&one.digest)?;
    }
    Ok(Found::Image(Image {
        media_type: any.media_type.unwrap_or_else(|| OCI.to_owned()),
        config,
        layers: any.layers,
    }))
}

/// The one for this machine.
pub fn for_here(all: &[Descriptor]) -> Result<&Descriptor, ManifestError> {
    let here = match ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let found = all.iter().find(|one| {
        let platform = one.platform.as_ref();
        platform.is_some_and(|platform| platform.os == "linux" && platform.architecture == here)
    });
    let found = found.ok_or(ManifestError::Platform(here))?;
    is_digest(&found.digest)?;
    Ok(found)
}

/// The digest of `text`.
pub fn digest(text: &[u8]) -> String {
    format!("sha256:{}", hex(&Sha256::digest(text)))
}

/// It becomes part of an address and of a path.
fn is_digest(digest: &str) -> Result<(), ManifestError> {
    let hex = digest.strip_prefix("sha256:").unwrap_or_default();
    let is = |one: char| one.is_ascii_digit() || ('a'..='f').contains(&one);
    if hex.len() == 64 && hex.chars().all(is) {
        Ok(())
    } else {
        Err(ManifestError::Digest(digest.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refused(value: &serde_json::Value) -> String {
        match read(value.to_string().as_bytes()) {
            Ok(Found::Image(_)) => "an image".into(),
            Ok(Found::Platforms(all)) => for_here(&all).err().unwrap().to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn of_several_platforms_the_one_of_this_machine_is_taken() {
        let one = |os: &str, architecture: &str, letter: &str| json!({"digest": format!("sha256:{}", letter.repeat(64)), "platform": {"os": os, "architecture": architecture}});
        let list = json!({"manifests": [one("windows", "amd64", "a"), one("linux", "s390x", "b"), one("linux", "amd64", "c"), one("linux", "arm64", "d")]});
        let Ok(Found::Platforms(all)) = read(list.to_string().as_bytes()) else {
            panic!("no list");
        };
        let expected = if ARCH == "aarch64" { "d" } else { "c" };
        assert_eq!(
            for_here(&all).ok().unwrap().digest,
            format!("sha256:{}", expected.repeat(64))
        );
        let none = json!({"manifests": [one("linux", "s390x", "b")]});
        assert!(refused(&none).contains("no image for linux"));
    }

    #[test]
    fn nothing_but_a_digest_becomes_part_of_a_path() {
        let good = format!("sha256:{}", "a".repeat(64));
        for bad in ["sha256:../../etc", "sha512:ab", "", &good.to_uppercase()] {
            let layer = json!({"config": {"digest": good}, "layers": [{"digest": bad}]});
            assert!(refused(&layer).contains("no digest"), "{bad}");
            let list = json!({"manifests": [{"digest": bad, "platform": {"os": "linux", "architecture": if ARCH == "aarch64" { "arm64" } else { "amd64" }}}]});
            assert!(refused(&list).contains("no digest"), "{bad}");
        }
        assert!(refused(&json!({"layers": []})).contains("broken"));
    }
}
