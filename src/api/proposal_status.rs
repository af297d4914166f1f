//! `Proposal.status`.

use super::{
    build::Build,
    room,
    schema::{self, Condition},
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What became of the question.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = room::diff()))]
pub struct ProposalStatus {
    /// Where the proposal is in its life.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<ProposalPhase>,
    /// The change in one line, for lists: `+api.example.com, -old.example.com`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub summary: Option<String>,
    /// The change in short, `+host` and `-host`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::strings::<64, 300>")]
    pub change: Vec<String>,
    /// The change line by line, against the file that was in force.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::strings::<1024, 2048>")]
    pub diff: Vec<String>,
    /// What a reviewer must not miss.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::strings::<32, 512>")]
    pub warnings: Vec<String>,
    /// Valid, Applied, Enforced, Answered: each with a sentence.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions::<6>")]
    pub conditions: Vec<Condition>,
    /// How far an approved Dockerfile has come.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build: Option<Build>,
    /// Place of this grant among the bottle's grants; given once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub applied_sequence: Option<i64>,
    /// One CamelCase word for the phase.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub reason: Option<String>,
    /// A sentence about the phase.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub message: Option<String>,
    /// When the change was first applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub applied_at: Option<Timestamp>,
    /// When every sidecar first enforced it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub enforced_at: Option<Timestamp>,
    /// When the grant ended or the question was closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub closed_at: Option<Timestamp>,
    /// What the bottle's own sidecar reports; nobody else writes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sidecar: Option<ProposalSidecar>,
}

/// Where a proposal is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ProposalPhase {
    /// A person has to decide.
    Pending,
    /// Approved; on its way to the sidecars.
    Applying,
    /// In force.
    Enforced,
    /// A person said no.
    Rejected,
    /// What it was about has changed since.
    Conflicted,
    /// It can't be applied.
    Failed,
    /// Its time is over.
    Expired,
    /// The grant was taken back.
    Revoked,
    /// Its Bottle is gone.
    Orphaned,
}

/// Written by the `supervise` sidecar.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ProposalSidecar {
    /// How often the agent asked; the question that stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub asked: Option<i64>,
    /// The last question that was answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub answered: Option<i64>,
}
