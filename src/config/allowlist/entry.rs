//! One line of an allowlist.

use super::rule::Rule;
use std::fmt;

/// Longest name, without the leading dot: what fits into a DNS question.
pub(super) const MAX_NAME: usize = 253;
/// Longest label, by the same source.
const MAX_LABEL: usize = 63;

/// A host, or all names below one; lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Entry {
    suffix: bool,
    name: String,
    port: Option<u16>,
}

/// A broken rule, and how many characters stand before it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Violation {
    pub offset: usize,
    pub rule: Rule,
}

fn violation(offset: usize, rule: Rule) -> Violation {
    Violation { offset, rule }
}

impl Entry {
    /// Whether it opens what is below [`Entry::name`], instead of the name.
    pub fn is_suffix(&self) -> bool {
        self.suffix
    }

    /// The name in lower case, without the leading dot.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The one port that it opens; none: the web ports.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// One trimmed line, by the rules for an agent.
    pub(super) fn parse_proposed(text: &str) -> Result<Self, Violation> {
        let (entry, port_at) = Self::parse(text).map_err(|found| match found.rule {
            // An agent is told to leave the port out, not how to spell it.
            Rule::PortNumber => {
                let colon = text.find(':').unwrap_or(found.offset);
                violation(colon, Rule::Port)
            }
            _ => found,
        })?;
        if let Some(at) = port_at {
            return Err(violation(at, Rule::Port));
        }
        if entry.suffix && is_public_suffix(&entry.name, |_| true) {
            return Err(violation(0, Rule::PublicSuffix));
        }
        Ok(entry)
    }

    /// One trimmed line, by the rules for a Bottle. A suffix of the list's private part (`.github.io`) may be
    /// declared: whoever writes a Bottle knows what is below it.
    pub(super) fn parse_declared(text: &str) -> Result<Self, Violation> {
        let (entry, _) = Self::parse(text)?;
        if entry.suffix && is_public_suffix(&entry.name, |kind| kind != psl::Type::Private) {
            return Err(violation(0, Rule::PublicSuffix));
        }
        Ok(entry)
    }

    /// The entry, and the offset of its port's colon.
    fn parse(text: &str) -> Result<(Self, Option<usize>), Violation> {
        let (host, port) = split_port(text)?;
        let (suffix, name) = match host.strip_prefix('.') {
            Some(name) => (true, name),
            None => (false, host),
        };
        check_name(name)
            .map_err(|found| violation(found.offset + usize::from(suffix), found.rule))?;
        let entry = Self {
            suffix,
            name: name.to_ascii_lowercase(),
            port,
        };
        Ok((entry, port.map(|_| host.len())))
    }
}

/// Splits `host[:port]` at the first character that a host can't have, which must be the port's colon.
fn split_port(text: &str) -> Result<(&str, Option<u16>), Violation> {
    let found = text
        .char_indices()
        .find(|(_, c)| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')));
    // All before `at` is ASCII, so byte offsets count characters.
    let Some((at, character)) = found else {
        return Ok((text, None));
    };
    let rest = &text[at + character.len_utf8()..];
    let rule = match character {
        ':' if rest.starts_with("//") => Rule::Scheme,
        ':' => {
            let port = parse_port(rest).ok_or_else(|| violation(at + 1, Rule::PortNumber))?;
            return Ok((&text[..at], Some(port)));
        }
        '/' => Rule::Path,
        '*' if at == 0 => Rule::Wildcard,
        other => Rule::Character(other),
    };
    Err(violation(at, rule))
}

/// One spelling per port, so that equal entries are equal text.
fn parse_port(text: &str) -> Option<u16> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    plain.then(|| text.parse().ok()).flatten()
}

/// The rules for a name, whoever writes it; the leading dot is gone.
fn check_name(name: &str) -> Result<(), Violation> {
    let mut offset = 0;
    for label in name.split('.') {
        let end = offset + label.len();
        if label.is_empty() {
            let last = end == name.len() && offset > 0;
            // A trailing dot is reported at the dot, which stands before the empty label.
            return Err(if last && !name.ends_with("..") {
                violation(offset - 1, Rule::TrailingDot)
            } else {
                violation(offset, Rule::EmptyLabel)
            });
        }
        if label.len() > MAX_LABEL {
            return Err(violation(offset + MAX_LABEL, Rule::LongLabel));
        }
        if label.starts_with('-') {
            return Err(violation(offset, Rule::DashAtEdge));
        }
        if label.ends_with('-') {
            return Err(violation(end - 1, Rule::DashAtEdge));
        }
        offset = end + 1;
    }
    if name.len() > MAX_NAME {
        return Err(violation(MAX_NAME, Rule::TooLong));
    }
    match name.rsplit_once('.') {
        None => Err(violation(0, Rule::SingleLabel)),
        Some((before, _)) if ends_in_number(name) => {
            Err(violation(before.len() + 1, Rule::NumericHost))
        }
        Some(_) => Ok(()),
    }
}

/// Whether some program reads `host` as an IPv4 address, because its last label is a number: decimal, octal or
/// hexadecimal (`127.1`, `0x7f.1`, `2130706433`).
pub fn ends_in_number(host: &str) -> bool {
    let label = host.rsplit('.').next().unwrap_or(host);
    let hex = label
        .strip_prefix("0x")
        .or_else(|| label.strip_prefix("0X"));
    match hex {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

/// Whether `name` stands itself in the public suffix list, in a part that `counts`.
fn is_public_suffix(name: &str, counts: impl Fn(psl::Type) -> bool) -> bool {
    psl::suffix(name.as_bytes()).is_some_and(|suffix| {
        suffix.as_bytes() == name.as_bytes() && suffix.typ().is_some_and(counts)
    })
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.suffix {
            f.write_str(".")?;
        }
        f.write_str(&self.name)?;
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}
