//! `Proposal`: an agent's question and a person's answer, kept as the grant that it is.

use super::{ProposalStatus, proposal_rules, schema};
use jiff::Timestamp;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The question (never changed) and, below it, the decision. To decide, set `decision` to Approved or Rejected; to
/// approve something else than was asked, put the file that shall be applied into `finalFile` as well.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "bot-bottle.dev",
    version = "v1alpha1",
    kind = "Proposal",
    namespaced,
    shortname = "prop",
    category = "bot-bottle",
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
#[schemars(extend("x-kubernetes-validations" = proposal_rules::rules()))]
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
    #[schemars(length(min = 1, max = 8192))]
    pub justification: String,
    /// The whole file that the agent asks for.
    #[schemars(length(min = 1, max = 131_072))]
    pub proposed_file: String,
    /// The file in force when it asked.
    #[serde(default)]
    #[schemars(length(max = 262_144))]
    pub base_file: String,
    /// Pending, Approved, Rejected or Revoked. This is what a reviewer sets.
    #[serde(default)]
    pub decision: Decision,
    /// Words of the reviewer for the agent.
    #[serde(default)]
    #[schemars(length(max = 8192))]
    pub notes: String,
    /// With an approval: the whole file to apply instead of the proposed one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 131_072))]
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
