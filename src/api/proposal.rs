//! `Proposal`: an agent's question and a person's answer, kept as the grant that it is.

use super::{ProposalStatus, schema};
use jiff::Timestamp;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// No control character but tab and line ends, nothing invisible and nothing that turns the reading direction: a
/// reviewer must see what is there.
const VISIBLE: &str = "^[^\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\\x{00ad}\\x{061c}\\x{180e}\\x{200b}-\\x{200f}\\x{2028}-\\x{202e}\\x{2060}-\\x{206f}\\x{feff}\\x{fff9}-\\x{fffb}]*$";

/// The question (never changed) and, below it, the decision. To decide, set `decision` to Approved or Rejected; to
/// approve something else than was asked, put the file that shall be applied into `finalFile` as well.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "bot-bottle.dev",
    version = "v1alpha1",
    kind = "Proposal",
    namespaced,
    shortname = "prop",
    category = "bottles",
    status = "ProposalStatus",
    derive = "PartialEq",
    doc = "A change that an agent asks for. Decide with kubectl edit: set spec.decision to Approved or Rejected.",
    selectable = ".spec.bottle",
    printcolumn(name = "Bottle", type_ = "string", json_path = ".spec.bottle"),
    printcolumn(name = "Tool", type_ = "string", json_path = ".spec.tool"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Change", type_ = "string", json_path = ".status.summary"),
    printcolumn(name = "By", type_ = "string", json_path = ".spec.decidedBy"),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    ),
    printcolumn(
        name = "Justification",
        type_ = "string",
        json_path = ".spec.justification",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "self.bottle == oldSelf.bottle && self.bottleUID == oldSelf.bottleUID && self.tool == oldSelf.tool && self.proposedFile == oldSelf.proposedFile && self.baseFile == oldSelf.baseFile && self.justification == oldSelf.justification",
     "message": "the question can't be changed; only the decision can: decision, finalFile, notes, expiresAt"},
    {"rule": "oldSelf.hasValue() || (self.decision == 'Pending' && !has(self.finalFile) && self.notes == '' && !has(self.expiresAt) && !has(self.decidedBy) && !has(self.decidedAt) && !has(self.revokedBy) && !has(self.revokedAt))",
     "optionalOldSelf": true,
     "message": "a Proposal is created undecided: leave out decision, finalFile, notes, expiresAt, decidedBy and decidedAt"},
    {"rule": "self.decision == oldSelf.decision || (oldSelf.decision == 'Pending' && self.decision in ['Approved', 'Rejected']) || (oldSelf.decision == 'Approved' && self.decision == 'Revoked')",
     "message": "a pending Proposal becomes Approved or Rejected, an Approved one Revoked; nothing else"},
    {"rule": "oldSelf.decision == 'Pending' || self.decision != oldSelf.decision || self.notes == oldSelf.notes",
     "message": "notes can't be changed after the decision"},
    {"rule": "oldSelf.decision == 'Pending' || (has(self.decidedBy) == has(oldSelf.decidedBy) && (!has(self.decidedBy) || self.decidedBy == oldSelf.decidedBy) && has(self.decidedAt) == has(oldSelf.decidedAt) && (!has(self.decidedAt) || self.decidedAt == oldSelf.decidedAt))",
     "message": "decidedBy and decidedAt can't be changed after the decision"},
    {"rule": "size(bytes(self.proposedFile)) <= 131072 && size(bytes(self.baseFile)) <= 262144 && (!has(self.finalFile) || size(bytes(self.finalFile)) <= 131072)",
     "message": "a file may have at most 128 KiB"},
    {"rule": "!has(self.finalFile) || self.decision in ['Pending', 'Approved', 'Revoked']",
     "message": "finalFile goes with an approval; leave it out of a rejection"},
]))]
pub struct ProposalSpec {
    /// Name of the Bottle that asks.
    #[schemars(length(min = 1, max = 48))]
    pub bottle: String,
    /// Uid of that Bottle: another Bottle of the same name inherits nothing.
    #[serde(rename = "bottleUID")]
    #[schemars(length(min = 1, max = 64))]
    pub bottle_uid: String,
    /// The tool that the agent called: pipelock-block (a host), cred-proxy-block (a route), capability-block (its
    /// image).
    pub tool: Tool,
    /// Why the agent needs it, in its own words: read them as the words of somebody who may lie.
    #[schemars(length(min = 1, max = 8192), regex(pattern = VISIBLE))]
    pub justification: String,
    /// The whole file that the agent asks for.
    #[schemars(length(min = 1, max = 131_072), regex(pattern = VISIBLE))]
    pub proposed_file: String,
    /// The file in force when it asked.
    #[serde(default)]
    #[schemars(length(max = 262_144), regex(pattern = VISIBLE))]
    pub base_file: String,
    /// Pending, Approved, Rejected or Revoked. This is what a reviewer sets.
    #[serde(default)]
    pub decision: Decision,
    /// Words of the reviewer for the agent.
    #[serde(default)]
    #[schemars(length(max = 8192), regex(pattern = VISIBLE))]
    pub notes: String,
    /// With an approval: the whole file to apply instead of the proposed one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 131_072), regex(pattern = VISIBLE))]
    pub final_file: Option<String>,
    /// With an approval: when the grant ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub expires_at: Option<Timestamp>,
    /// Who decided; filled in by admission, never by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub decided_by: Option<String>,
    /// When; filled in by admission, never by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub decided_at: Option<Timestamp>,
    /// Who revoked the grant; filled in by admission, never by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub revoked_by: Option<String>,
    /// When; filled in by admission, never by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub revoked_at: Option<Timestamp>,
}

/// The three tools of the contract.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Tool {
    /// A host is missing from the allowlist.
    PipelockBlock,
    /// A route or a credential is missing.
    CredProxyBlock,
    /// A tool is missing from the image.
    CapabilityBlock,
}

impl Tool {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PipelockBlock => "pipelock-block",
            Self::CredProxyBlock => "cred-proxy-block",
            Self::CapabilityBlock => "capability-block",
        }
    }
}

/// What a person decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Decision {
    /// Nothing yet.
    #[default]
    Pending,
    /// The change is granted.
    Approved,
    /// It is not.
    Rejected,
    /// It was, and is no longer.
    Revoked,
}
