//! The two files of a proposal, as `docs/queue.md` states them; pure.

use crate::config::decisions::{Answer, Decided};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// `<name>.json`: what is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProposalFile {
    /// `<bottle>-<12 hex digits>`, also the file's name.
    pub name: String,
    /// The bottle that asks.
    pub bottle: String,
    /// The tool that was called.
    pub tool: String,
    /// Name of the file that it changes.
    pub file: String,
    /// Why, in the agent's words.
    pub justification: String,
    /// The change, as lines for a reader; nothing that decides reads them.
    #[serde(default)]
    pub diff: Vec<String>,
    /// The whole new file.
    pub proposed_file: String,
    /// The file in force when it was asked.
    pub base_file: String,
    /// When it was asked.
    pub asked_at: Timestamp,
}

/// `<name>.decision.json`: the answer. Other keys (who, when) are for people and are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DecisionFile {
    /// The decision.
    pub status: Word,
    /// The reviewer's words for the agent.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub notes: String,
    /// The file that is applied instead of the proposed one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub final_file: Option<String>,
}

/// What a decision may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Word {
    /// Applied; as proposed unless there is another final file.
    Approved,
    /// Applied with the final file.
    Modified,
    /// Not applied.
    Rejected,
    /// Approved once, and taken back.
    Revoked,
    /// Could not be applied, because the file in force has changed.
    Conflicted,
    /// Nobody decided in time.
    Expired,
    /// Could not be applied.
    Failed,
}

/// A decision that can't be used.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum FormatError {
    /// Modified, but into what?
    #[error("`status` is `modified`, and there is no `finalFile`")]
    NoFinalFile,
}

impl DecisionFile {
    /// Whether the same question may end otherwise once the file in force has changed.
    pub fn is_ended(&self) -> bool {
        matches!(self.status, Word::Conflicted | Word::Expired | Word::Failed)
    }

    /// The answer to the agent that asked for `proposed`.
    pub fn decided(self, name: &str, proposed: &str) -> Result<Decided, FormatError> {
        let Self {
            status,
            notes,
            final_file,
        } = self;
        let final_file = final_file.filter(|file| file != proposed);
        let (answer, before) = match (status, &final_file) {
            (Word::Approved, None) => (Answer::Approved, ""),
            (Word::Approved | Word::Modified, Some(_)) => (Answer::Modified, ""),
            (Word::Modified, None) => return Err(FormatError::NoFinalFile),
            (Word::Rejected, _) => (Answer::Rejected, ""),
            (Word::Revoked, _) => (Answer::Rejected, "the grant was revoked"),
            (Word::Conflicted, _) => (
                Answer::Rejected,
                "the file in force has changed since; read the current file again",
            ),
            (Word::Expired, _) => (Answer::Rejected, "nobody decided in time"),
            (Word::Failed, _) => (Answer::Rejected, "the change could not be applied"),
        };
        let notes = match (before, notes.trim()) {
            ("", notes) => notes.to_owned(),
            (before, "") => before.to_owned(),
            (before, notes) => format!("{before}: {notes}"),
        };
        let final_file = final_file.filter(|_| answer == Answer::Modified);
        Ok(Decided {
            uid: String::new(),
            proposal: name.to_owned(),
            asked: 1,
            status: answer,
            notes,
            final_file,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(json: &str) -> Result<(Answer, String, Option<String>), FormatError> {
        let file: DecisionFile = serde_json::from_str(json).unwrap();
        file.decided("p", "old")
            .map(|decided| (decided.status, decided.notes, decided.final_file))
    }

    #[test]
    fn each_word_has_its_answer() {
        let new = Some("new".to_owned());
        assert_eq!(
            decided(r#"{"status": "approved", "decidedBy": "me"}"#),
            Ok((Answer::Approved, String::new(), None))
        );
        assert_eq!(
            decided(r#"{"status": "approved", "finalFile": "old"}"#)
                .unwrap()
                .0,
            Answer::Approved
        );
        assert_eq!(
            decided(r#"{"status": "approved", "finalFile": "new"}"#),
            Ok((Answer::Modified, String::new(), new.clone()))
        );
        assert_eq!(
            decided(r#"{"status": "modified", "finalFile": "new", "notes": "n"}"#),
            Ok((Answer::Modified, "n".into(), new))
        );
        assert_eq!(
            decided(r#"{"status": "modified"}"#),
            Err(FormatError::NoFinalFile)
        );
        assert_eq!(
            decided(r#"{"status": "rejected", "notes": "no"}"#),
            Ok((Answer::Rejected, "no".into(), None))
        );
        let (status, notes, _) = decided(r#"{"status": "revoked", "notes": "enough"}"#).unwrap();
        assert_eq!(
            (status, notes.as_str()),
            (Answer::Rejected, "the grant was revoked: enough")
        );
        let (status, notes, _) = decided(r#"{"status": "conflicted"}"#).unwrap();
        assert_eq!(status, Answer::Rejected);
        assert!(notes.contains("read the current file again"));
    }

    #[test]
    fn another_word_is_no_decision() {
        for json in [
            r#"{"status": "yes"}"#,
            r#"{"status": "Approved"}"#,
            "{}",
            "",
        ] {
            assert!(
                serde_json::from_str::<DecisionFile>(json).is_err(),
                "{json}"
            );
        }
    }
}
