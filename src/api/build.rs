//! `Proposal.status.build`: how far an approved Dockerfile has come.

use super::schema;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How far an approved Dockerfile has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Build {
    /// What is being done.
    pub stage: BuildStage,
    /// The pod that builds it, named after the Dockerfile and its base; its log is the build's.
    #[schemars(length(max = 253))]
    pub pod: String,
    /// How often the build was begun, because a registry or a node went away.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(range(min = 0))]
    pub retries: u32,
    /// The image that was built, by its digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub image: Option<String>,
    /// The last lines of a log that ended badly.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::strings::<40, 300>")]
    pub log: Vec<String>,
    /// The container that the agent ran in before its image was replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub replaced: Option<String>,
    /// When the stage began.
    #[schemars(schema_with = "schema::time")]
    pub since: Timestamp,
}

/// What has become of a Bottle's own Dockerfile, where the Bottle names no image that was made from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeclaredBuild {
    /// How far its image has come.
    pub build: Build,
    /// Why it was given up; it is begun again when the Bottle or what is in force changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<BuildFailed>,
    /// The image that the agent has until then, or when that fails: of an earlier Dockerfile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub before: Option<String>,
}

/// A build that was given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BuildFailed {
    /// One CamelCase word.
    #[schemars(length(max = 128))]
    pub reason: String,
    /// A sentence, and the log's last lines.
    #[schemars(length(max = 4096))]
    pub message: String,
    /// What it was tried under: the Bottle's generation, and the hash of what was in force.
    #[schemars(length(max = 128))]
    pub under: String,
}

/// What is being done about an approved or declared Dockerfile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum BuildStage {
    /// The image is being built and pushed; the agent works on in the old one.
    Building,
    /// The image is there: it is tried on the bottle's node, then the agent's container is replaced.
    Replacing,
    /// The agent runs in it.
    Running,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature is serde's"
)]
fn is_zero(count: &u32) -> bool {
    *count == 0
}
