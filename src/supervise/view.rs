//! What the config directory, the state directory and the store say at one moment, as the calls need it; pure.

use super::tools::Tool;
use crate::api::Denial;
use crate::config::Files;
use crate::config::allowlist::Allowlist;
use crate::config::decisions::{Answer, Decided, Decisions, Limits};
use crate::config::routes::Routes;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};

/// Most bytes of what an agent is told at its start; it is an argument of its program.
const ANSWERS_MAX: usize = 32 * 1024;

/// One consistent moment; calls wait for the next one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// The files in force; none when there is no config directory (queue mode only).
    pub files: Option<Files>,
    /// Name of this state of the files.
    pub hash: String,
    /// What [`View::files`] mean.
    meanings: Option<[Meaning; 3]>,
    /// Decided proposals, by name.
    pub decisions: HashMap<String, Decided>,
    /// What may still be asked; none: not limited by the config.
    pub limits: Option<Limits>,
    /// Uids of questions that were deleted undecided.
    pub deleted: Vec<String>,
    /// Whether every proxy enforces [`View::hash`].
    pub enforced: bool,
}

/// SHA-256 of a file's canonical form. A waiting call keeps this instead of a file, so thousands of them are cheap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meaning([u8; 32]);

impl View {
    /// The view of these files.
    pub fn new(files: Option<Files>, hash: String) -> Self {
        let meanings = files
            .as_ref()
            .map(|files| Tool::ALL.map(|tool| Meaning::of_file_in_force(tool, tool.file(files))));
        Self {
            files,
            hash,
            meanings,
            ..Self::default()
        }
    }

    /// With the decisions and limits of `decisions.json`.
    #[must_use]
    pub fn with_decisions(self, decisions: Decisions) -> Self {
        let Decisions {
            decisions,
            limits,
            open: _,
            deleted,
        } = decisions;
        let decisions = decisions
            .into_iter()
            .map(|decided| (decided.proposal.clone(), decided))
            .collect();
        Self {
            decisions,
            limits,
            deleted,
            ..self
        }
    }

    /// With the word whether each of `enforcers` reports this view's hash.
    #[must_use]
    pub fn with_hashes(self, enforcers: &[String], hashes: &BTreeMap<String, String>) -> Self {
        let enforced = lagging(enforcers, hashes, &self.hash).next().is_none();
        Self { enforced, ..self }
    }

    /// The text of the tool's file in force; empty when it isn't known.
    pub fn file(&self, tool: Tool) -> &str {
        self.files.as_ref().map_or("", |files| tool.file(files))
    }

    /// What was decided and not answered yet, for an agent that starts anew: as far as it is in force, and without the
    /// files, which the call itself brings.
    pub fn answers(&self) -> String {
        let mut waiting: Vec<&Decided> = self
            .decisions
            .values()
            .filter(|one| self.enforced || one.status == Answer::Rejected)
            .collect();
        waiting.sort_unstable_by(|a, b| a.proposal.cmp(&b.proposal));
        let mut text = String::new();
        for one in waiting {
            let status = one.status.as_str();
            let notes = one.notes.lines().collect::<Vec<_>>().join(" ");
            let notes = if notes.is_empty() {
                String::new()
            } else {
                format!("  notes: {notes}\n")
            };
            let said = format!("- status: {status}\n{notes}");
            if text.len() + said.len() > ANSWERS_MAX {
                break;
            }
            text.push_str(&said);
        }
        text
    }

    /// Those of `denials` that egress would refuse by the file in force too, if they came now.
    pub fn still_refused(&self, denials: Vec<Denial>) -> Vec<Denial> {
        if denials.is_empty() {
            return denials;
        }
        let list = Allowlist::parse_declared(self.file(Tool::PipelockBlock)).unwrap_or_default();
        let by_the_list = |denial: &Denial| list.allows(&denial.host, denial.port).is_allowed();
        let listed = |denial: &Denial| {
            matches!(denial.reason.as_str(), "HostNotListed" | "PortNotListed")
                && by_the_list(denial)
        };
        denials
            .into_iter()
            .filter(|denial| !listed(denial))
            .collect()
    }

    /// Whether a file of this meaning is in the config.
    pub fn means(&self, tool: Tool, meaning: Meaning) -> bool {
        self.meanings
            .is_some_and(|meanings| meanings[tool as usize] == meaning)
    }
}

/// Those of `enforcers` that don't report `hash`.
pub fn lagging<'a>(
    enforcers: &'a [String],
    hashes: &'a BTreeMap<String, String>,
    hash: &'a str,
) -> impl Iterator<Item = &'a str> {
    enforcers
        .iter()
        .filter(move |role| hashes.get(*role).is_none_or(|enforced| enforced != hash))
        .map(String::as_str)
}

impl Meaning {
    /// An allowlist: its entries, whatever their order.
    pub fn of_allowlist(allowlist: &Allowlist) -> Self {
        let mut hosts: Vec<String> = allowlist.hosts().collect();
        hosts.sort_unstable();
        Self::of_text(&hosts.join("\n"))
    }

    /// Routes, whatever their order.
    pub fn of_routes(routes: &Routes) -> Self {
        let mut sorted = routes.clone();
        sorted.routes.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        Self::of_text(&sorted.render())
    }

    /// A Dockerfile: its text, but for the line end at its end.
    pub fn of_dockerfile(text: &str) -> Self {
        Self::of_text(text.strip_suffix('\n').unwrap_or(text))
    }

    fn of_text(text: &str) -> Self {
        Self(Sha256::digest(text).into())
    }

    /// A file in force that can't be read means what its text is: nothing that is proposed equals it.
    fn of_file_in_force(tool: Tool, text: &str) -> Self {
        match tool {
            Tool::PipelockBlock => Allowlist::parse_declared(text)
                .map_or_else(|_| Self::of_text(text), |list| Self::of_allowlist(&list)),
            Tool::CredProxyBlock => Routes::parse_declared(text)
                .map_or_else(|_| Self::of_text(text), |routes| Self::of_routes(&routes)),
            Tool::CapabilityBlock => Self::of_dockerfile(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(allowlist: &str) -> Files {
        Files {
            allowlist: allowlist.to_owned(),
            routes: r#"{"routes": []}"#.to_owned(),
            ..Files::default()
        }
    }

    #[test]
    fn the_order_of_hosts_comments_and_case_have_no_meaning() {
        let view = View::new(
            Some(files("# ours\nB.example\na.example\n")),
            "h".to_owned(),
        );
        let same = Allowlist::parse_declared("a.example\nb.example").unwrap();
        let other = Allowlist::parse_declared("a.example\nc.example").unwrap();
        assert!(view.means(Tool::PipelockBlock, Meaning::of_allowlist(&same)));
        assert!(!view.means(Tool::PipelockBlock, Meaning::of_allowlist(&other)));
    }

    #[test]
    fn without_a_config_nothing_is_in_force() {
        let view = View::new(None, String::new());
        assert!(!view.means(
            Tool::PipelockBlock,
            Meaning::of_allowlist(&Allowlist::default())
        ));
    }

    #[test]
    fn a_file_in_force_that_cannot_be_read_equals_no_proposal() {
        let view = View::new(Some(files("https://broken\n")), "h".to_owned());
        assert!(!view.means(
            Tool::PipelockBlock,
            Meaning::of_allowlist(&Allowlist::default())
        ));
    }

    #[test]
    fn a_config_is_enforced_when_every_proxy_reports_its_hash() {
        let enforcers = ["egress".to_owned(), "cred-proxy".to_owned()];
        let hashes = |pairs: &[(&str, &str)]| {
            pairs
                .iter()
                .map(|(role, hash)| ((*role).to_owned(), (*hash).to_owned()))
                .collect::<BTreeMap<_, _>>()
        };
        let view = |pairs| {
            View::new(Some(files("")), "new".to_owned()).with_hashes(&enforcers, &hashes(pairs))
        };
        assert!(view(&[("egress", "new"), ("cred-proxy", "new")]).enforced);
        assert!(!view(&[("egress", "new"), ("cred-proxy", "old")]).enforced);
        assert!(!view(&[("egress", "new")]).enforced);
        assert!(
            View::new(None, String::new())
                .with_hashes(&[], &BTreeMap::new())
                .enforced
        );
    }
}
