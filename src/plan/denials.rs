//! What egress refused, told to people as an Event: one for many hosts, and seldom, whatever the agent tries.

use crate::{
    api::{BottleStatus, Denial, DenialsTold},
    config::denials::{MAX, in_words, is_plain},
    proposal::notice::Notice,
};
use jiff::{SignedDuration, Timestamp};

/// Between two Events. Events that follow each other within six minutes are counted as one by the client, which
/// keeps the first one's words: a later list would not be seen.
const PAUSE: SignedDuration = SignedDuration::from_mins(7);
/// Room for hosts in the Event's words; Kubernetes takes 1024 characters.
const WORDS: usize = 700;

/// What to tell now.
#[derive(Debug, Default, PartialEq)]
pub struct Telling {
    /// The Event.
    pub notice: Option<Notice>,
    /// What the status remembers of the last one.
    pub told: Option<DenialsTold>,
    /// When to look again.
    pub recheck: Option<Timestamp>,
}

/// Decides from the stored status. The list comes from the sidecar and the hosts from the agent: what doesn't look
/// like a host is left out.
pub fn tell(status: Option<&BottleStatus>, now: Timestamp) -> Telling {
    let told = status.and_then(|status| status.denials_told.clone());
    let reported = status
        .and_then(|status| status.sidecar.as_ref())
        .map_or(&[][..], |sidecar| &sidecar.denials);
    let since = told.as_ref().map(|told| told.until);
    let fresh: Vec<&Denial> = reported
        .iter()
        .filter(|denial| is_plain(denial) && denial.last_at.is_some() && denial.last_at > since)
        .take(MAX)
        .collect();
    let Some(until) = fresh.iter().filter_map(|denial| denial.last_at).max() else {
        return Telling {
            told,
            ..Telling::default()
        };
    };
    // A time in the future is a clock that was put right; it holds nobody up for longer than the pause.
    let last = told.as_ref().map(|told| told.at.min(now));
    let due = last.and_then(|last| last.checked_add(PAUSE).ok());
    if let Some(due) = due.filter(|due| *due > now) {
        return Telling {
            told,
            recheck: Some(due),
            ..Telling::default()
        };
    }
    Telling {
        notice: Some(Notice {
            warning: true,
            reason: "EgressDenied",
            note: note(&fresh),
        }),
        told: Some(DenialsTold { at: now, until }),
        recheck: None,
    }
}

fn note(denials: &[&Denial]) -> String {
    let mut hosts = String::new();
    let mut named = 0;
    for denial in denials {
        let times = match denial.count {
            0 | 1 => String::new(),
            count => format!(" {count} times"),
        };
        let words = format!("{}{times}", in_words(denial));
        if named > 0 && hosts.len() + words.len() > WORDS {
            break;
        }
        let comma = if named == 0 { "" } else { ", " };
        hosts.push_str(comma);
        hosts.push_str(&words);
        named += 1;
    }
    let more = match denials.len() - named {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("the agent was refused: {hosts}{more}; status.sidecar.denials has the newest ones")
}
