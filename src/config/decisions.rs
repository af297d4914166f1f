//! `decisions.json`: what was decided and still has to be answered, and what is left of the limits.

use serde::{Deserialize, Serialize};

/// The whole file. Written by the operator (or the local runtime), read by `supervise mcp`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Decisions {
    /// Exactly the decided proposals whose `asked` is above `answered`.
    pub decisions: Vec<Decided>,
    /// What an agent may still ask; absent means "not limited here".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// Uids of the proposals that somebody may wait for; the writer's own memory.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub open: Vec<String>,
    /// Uids of the last ones that were deleted while they were open: nobody will decide them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deleted: Vec<String>,
}

/// One decided proposal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decided {
    /// Name of the Proposal.
    pub proposal: String,
    /// Its uid: one that was deleted and asked anew has the same name. Empty in queue mode.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// The question that this answers: the Proposal's `status.sidecar.asked`.
    pub asked: i64,
    /// The answer.
    pub status: Answer,
    /// The reviewer's words, or the operator's for a conflict or an expiry.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub notes: String,
    /// For [`Answer::Modified`]: the file that is applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub final_file: Option<String>,
}

/// `status:` line of an answer (contract section 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// Applied as proposed.
    Approved,
    /// Applied with a person's edit.
    Modified,
    /// Not applied, or no longer.
    Rejected,
}

impl Answer {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Modified => "modified",
            Self::Rejected => "rejected",
        }
    }
}

impl Limits {
    /// Proposals of one bottle that may be pending: what a person can be asked to keep in mind.
    pub const PENDING: u32 = 20;
    /// New proposals of one bottle in an hour: one every two minutes is more than anybody reads with care.
    pub const HOURLY: u32 = 30;
}

/// What is left of the limits that protect the reviewer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Proposals that may still become pending.
    pub pending_left: u32,
    /// New proposals that may still be made in this hour.
    pub hour_left: u32,
}
