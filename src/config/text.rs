//! CORE: text that people read: a diff of sanitised lines.
/// stand-in until merged
pub fn diff(base: &str, new: &str) -> Vec<String> {
    similar::TextDiff::from_lines(base, new)
        .iter_all_changes()
        .map(|change| format!("{}{}", change.tag(), change.value().trim_end()))
        .collect()
}
