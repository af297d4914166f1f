//! The words of an answer to an agent; pure.

use super::tools::Tool;
use crate::api::Denial;
use crate::config::decisions::{Answer, Decided};
use crate::config::denials::in_words;
use serde_json::{Value, json};

/// Says to a proposal's caller that nothing had to be asked.
const IN_FORCE: &str = "this file is already in force; nothing had to be asked";
/// Says to a waiting caller that no decision will come.
const DELETED: &str =
    "the proposal was deleted without a decision; ask again if it is still needed";
/// How many refused hosts an answer names.
const MAX_REFUSED: usize = 5;
/// Says to a waiting caller that the file came into force without a decision on its proposal.
pub const CAME_INTO_FORCE: &str = "this file came into force by another way";

/// The result of `tools/call` for a decision.
pub fn decided(decided: &Decided) -> Value {
    let mut text = format!("status: {}", decided.status.as_str());
    let notes = decided.notes.trim();
    if !notes.is_empty() {
        text.push_str("\nnotes: ");
        text.push_str(notes);
    }
    if decided.status == Answer::Modified {
        text.push_str(
            "\nThe operator modified the proposal; the final config is what is applied:\n",
        );
        text.push_str(decided.final_file.as_deref().unwrap_or_default());
    }
    result(&text, decided.status == Answer::Rejected)
}

/// The result of `tools/call` for a proposal that somebody deleted while its call waited.
pub fn deleted() -> Value {
    result(&format!("status: rejected\nnotes: {DELETED}"), true)
}

/// The notes for a file that is in force, with what egress refuses all the same.
pub fn in_force(refused: &[Denial]) -> String {
    if refused.is_empty() {
        return IN_FORCE.to_owned();
    }
    let named: Vec<String> = refused.iter().take(MAX_REFUSED).map(in_words).collect();
    format!("{IN_FORCE}. egress refused last: {}", named.join(", "))
}

/// The result of `tools/call` for an approval without a decision of its own.
pub fn approved(notes: &str) -> Value {
    result(&format!("status: approved\nnotes: {notes}"), false)
}

/// The result of `tools/call` when the time for one call is over. `proposal` is the name under which the question is
/// kept; `recorded` whether it is there already.
pub fn pending(tool: Tool, proposal: &str, recorded: bool) -> Value {
    let state = if recorded {
        "waits for a decision"
    } else {
        "is still being recorded"
    };
    result(
        &format!(
            "status: pending\nproposal: {proposal}\nnotes: the proposal {state}; call {} again with the same arguments \
             to go on waiting",
            tool.name()
        ),
        false,
    )
}

fn result(text: &str, is_error: bool) -> Value {
    json!({"content": [{"type": "text", "text": text}], "isError": is_error})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: Answer, notes: &str, final_file: Option<&str>) -> (String, bool) {
        let value = decided(&Decided {
            uid: String::new(),
            proposal: "demo-0".to_owned(),
            asked: 1,
            status,
            notes: notes.to_owned(),
            final_file: final_file.map(str::to_owned),
        });
        (
            value["content"][0]["text"].as_str().unwrap().to_owned(),
            value["isError"].as_bool().unwrap(),
        )
    }

    #[test]
    fn an_approval_without_notes_is_one_line() {
        assert_eq!(
            answer(Answer::Approved, " ", None),
            ("status: approved".to_owned(), false)
        );
    }

    #[test]
    fn only_a_rejection_is_an_error() {
        assert_eq!(
            answer(Answer::Rejected, "no", None),
            ("status: rejected\nnotes: no".to_owned(), true)
        );
        assert!(!answer(Answer::Modified, "", Some("x")).1);
    }

    #[test]
    fn a_modified_file_follows_verbatim_after_one_line_that_says_so() {
        let (text, _) = answer(Answer::Modified, "less", Some("# kept\na.example\n\n"));
        let lines: Vec<&str> = text.splitn(4, '\n').collect();
        assert_eq!(&lines[..2], ["status: modified", "notes: less"]);
        assert!(
            lines[2].contains("operator modified") && lines[2].contains("what is applied"),
            "{text}"
        );
        assert_eq!(lines[3], "# kept\na.example\n\n");
    }

    #[test]
    fn a_file_in_force_is_answered_with_what_egress_refuses_all_the_same() {
        let refused: Vec<Denial> = (1..9)
            .map(|port| Denial {
                host: "a.example".to_owned(),
                port,
                reason: "PortNotListed".to_owned(),
                count: 7,
                last_at: None,
            })
            .collect();
        let notes = in_force(&refused);
        assert!(notes.starts_with(IN_FORCE) && notes.contains("a.example:1 (PortNotListed)"));
        assert_eq!(notes.matches("a.example").count(), MAX_REFUSED);
        assert_eq!(notes.lines().count(), 1);
        assert_eq!(in_force(&[]), IN_FORCE);
    }

    #[test]
    fn a_pending_answer_names_the_proposal_and_says_to_call_again() {
        let value = pending(Tool::PipelockBlock, "demo-1f2e3d4c5b6a", true);
        let text = value["content"][0]["text"].as_str().unwrap();
        assert!(text.starts_with("status: pending\n"));
        assert!(text.contains("demo-1f2e3d4c5b6a"));
        assert!(text.contains("again with the same arguments to go on waiting"));
        assert_eq!(value["isError"], false);
    }
}
