//! CORE: the files in a sidecar's config directory, their meaning and their hash.

pub mod address;
pub mod allowlist;
pub mod decisions;
pub mod denials;
pub mod dockerfile;
pub mod egress;
pub mod pipelock;
pub mod proposal_name;
pub mod remarks;
pub mod routes;
pub mod seal;
pub mod text;

use sha2::{Digest, Sha256};

/// The files whose content is enforced; [`Files::hash`] names one state of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// `routes.json`.
    pub routes: String,
    /// `allowlist`.
    pub allowlist: String,
    /// `Dockerfile`.
    pub dockerfile: String,
    /// `egress.json`.
    pub egress: String,
}

impl Files {
    /// SHA-256 over the files, each with its length before it so that no two states share a hash; 64 hex digits.
    pub fn hash(&self) -> String {
        let Self {
            routes,
            allowlist,
            dockerfile,
            egress,
        } = self;
        let mut hasher = Sha256::new();
        for file in [routes, allowlist, dockerfile, egress] {
            hasher.update((file.len() as u64).to_be_bytes());
            hasher.update(file.as_bytes());
        }
        hex(&hasher.finalize())
    }
}

/// Lower-case hex digits of `bytes`.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}
