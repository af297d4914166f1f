//! CORE: the allowlist: its text, what it opens, and how two of them differ.
//!
//! One host a line. `.x` opens what is below `x`, never `x` itself. A plain host opens the ports 80 and 443;
//! `host:P` opens `P` only. Names are ASCII and compared without case; international names are written in their
//! `xn--` form, because a reviewer must see what is there.
//!
//! Two sets of rules read the same format: [`Allowlist::parse_proposed`] for what an agent asks, and
//! [`Allowlist::parse_declared`] for what a Bottle says or what is in force already. The second one also takes a
//! port, and a suffix entry below which a hosting company gives names away (`.github.io`).

mod change;
mod entry;
mod rule;

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;

pub use change::{AllowlistChange, change};
pub use entry::{Entry, ends_in_number};
pub use rule::{LineError, Rule};

/// The ports that a plain host opens.
pub const WEB_PORTS: [u16; 2] = [80, 443];

/// A parsed allowlist. Keeps the order of its file; comments and repeated lines are gone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowlist {
    entries: Vec<Entry>,
    // Both derived from `entries`, so that a look-up costs one hash per label whatever the list's length.
    exact: HashMap<String, Ports>,
    below: HashMap<String, Ports>,
}

/// What an allowlist says about a host and a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Open as a plain host's web port.
    Web,
    /// Open by an entry that names this port: any protocol may pass.
    Declared,
    /// The host is listed, with other ports.
    PortRefused,
    /// The host isn't listed.
    HostRefused,
}

impl Verdict {
    /// Whether a connection may be made.
    pub fn is_allowed(self) -> bool {
        matches!(self, Self::Web | Self::Declared)
    }
}

/// Ports that the entries of one name open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Ports {
    web: bool,
    declared: BTreeSet<u16>,
}

impl Ports {
    fn verdict(&self, port: u16) -> Verdict {
        if self.declared.contains(&port) {
            Verdict::Declared
        } else if self.web && WEB_PORTS.contains(&port) {
            Verdict::Web
        } else {
            Verdict::PortRefused
        }
    }
}

impl Allowlist {
    /// Reads what an agent proposes. An entry that stands in the file in force is accepted as it is: the agent
    /// always sends the whole file, and a Bottle may declare what an agent may not ask for.
    pub fn parse_proposed(text: &str, in_force: &Self) -> Result<Self, LineError> {
        let known: HashSet<&Entry> = in_force.entries.iter().collect();
        Self::parse(text, |text| {
            let entry = Entry::parse_declared(text);
            match entry {
                Ok(entry) if known.contains(&entry) => Ok(entry),
                _ => Entry::parse_proposed(text),
            }
        })
    }

    /// Reads what a Bottle declares, or what is in force.
    pub fn parse_declared(text: &str) -> Result<Self, LineError> {
        Self::parse(text, Entry::parse_declared)
    }

    fn parse(
        text: &str,
        read: impl Fn(&str) -> Result<Entry, entry::Violation>,
    ) -> Result<Self, LineError> {
        if text.starts_with('\u{feff}') {
            return Err(LineError {
                line: 1,
                character: 1,
                rule: Rule::ByteOrderMark,
            });
        }
        let mut entries = Vec::new();
        // `lines` ends at LF and CRLF only: any other carriage return stays in the line and is refused.
        for (index, line) in text.lines().enumerate() {
            let trimmed = line.trim_matches([' ', '\t']);
            if trimmed.is_empty() || trimmed.starts_with('#') {
                continue;
            }
            let indent = line.len() - line.trim_start_matches([' ', '\t']).len();
            let entry = read(trimmed).map_err(|violation| LineError {
                line: index + 1,
                character: indent + violation.offset + 1,
                rule: violation.rule,
            })?;
            entries.push(entry);
        }
        Ok(Self::from_entries(entries))
    }

    /// The allowlist of these entries; repeated ones count once, where they stand first.
    pub fn from_entries(entries: impl IntoIterator<Item = Entry>) -> Self {
        let mut list = Self::default();
        let entries = entries.into_iter();
        // A list of thousands is read while connections wait for it.
        list.entries.reserve(entries.size_hint().0);
        list.exact.reserve(entries.size_hint().0);
        for entry in entries {
            let names = if entry.is_suffix() {
                &mut list.below
            } else {
                &mut list.exact
            };
            let ports = names.entry(entry.name().to_owned()).or_default();
            let is_new = match entry.port() {
                Some(port) => ports.declared.insert(port),
                None => !std::mem::replace(&mut ports.web, true),
            };
            if is_new {
                list.entries.push(entry);
            }
        }
        list
    }

    /// The entries, in the order of the file.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entries as canonical text, in the order of the file.
    pub fn hosts(&self) -> impl Iterator<Item = String> + '_ {
        self.entries.iter().map(Entry::to_string)
    }

    /// Whether nothing is open.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The canonical text: one entry a line, each line ended; the same as [`fmt::Display`].
    pub fn render(&self) -> String {
        self.to_string()
    }

    /// Whether `host` may be reached on `port`. Case doesn't count; everything else does: a host with a trailing
    /// dot, or an address, is never listed.
    pub fn allows(&self, host: &str, port: u16) -> Verdict {
        // A name that starts with a dot isn't below anything.
        if host.starts_with('.') || host.len() > entry::MAX_NAME {
            return Verdict::HostRefused;
        }
        let host = host.to_ascii_lowercase();
        let parents = host.match_indices('.').map(|(at, _)| &host[at + 1..]);
        let found = self
            .exact
            .get(host.as_str())
            .into_iter()
            .chain(parents.filter_map(|parent| self.below.get(parent)));
        let mut verdict = Verdict::HostRefused;
        for ports in found {
            match ports.verdict(port) {
                Verdict::Declared => return Verdict::Declared,
                Verdict::Web => verdict = Verdict::Web,
                Verdict::PortRefused if verdict == Verdict::HostRefused => {
                    verdict = Verdict::PortRefused;
                }
                Verdict::PortRefused | Verdict::HostRefused => {}
            }
        }
        verdict
    }
}

impl fmt::Display for Allowlist {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.entries
            .iter()
            .try_for_each(|entry| writeln!(f, "{entry}"))
    }
}

/// Whether two allowlists hold the same entries, whatever their order.
pub fn same_meaning(a: &Allowlist, b: &Allowlist) -> bool {
    // Entries are unique within a list, so equal lengths and one inclusion are enough.
    a.entries.len() == b.entries.len() && {
        let known: HashSet<&Entry> = a.entries.iter().collect();
        b.entries.iter().all(|entry| known.contains(entry))
    }
}
