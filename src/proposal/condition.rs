//! Conditions: set by type, with the time kept while the status stays.

use crate::api::Condition;
use jiff::Timestamp;

/// `True`.
pub const TRUE: &str = "True";
/// `False`.
pub const FALSE: &str = "False";
/// `Unknown`.
pub const UNKNOWN: &str = "Unknown";

/// Sets the condition `type_`; `lastTransitionTime` changes with the status only.
pub fn set(
    conditions: &mut Vec<Condition>,
    type_: &str,
    status: &str,
    reason: &str,
    message: &str,
    now: Timestamp,
) {
    let wanted = |last_transition_time| Condition {
        type_: type_.into(),
        status: status.into(),
        reason: reason.into(),
        message: message.into(),
        last_transition_time,
        observed_generation: None,
    };
    match conditions
        .iter_mut()
        .find(|condition| condition.type_ == type_)
    {
        Some(old) if old.status == status => *old = wanted(old.last_transition_time),
        Some(old) => *old = wanted(now),
        None => conditions.push(wanted(now)),
    }
}

/// The condition `type_`.
pub fn get<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == type_)
}

/// A time as the API stores it: whole seconds, so that what is written is what is read back.
pub fn whole_seconds(now: Timestamp) -> Timestamp {
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}
