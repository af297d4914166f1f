//! What can be wrong with a line, one variant per rule.

use std::fmt;
use thiserror::Error;

/// The first line that breaks a rule, and where.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}, character {character}: {rule}")]
pub struct LineError {
    /// From 1.
    pub line: usize,
    /// From 1, in the line as it was sent.
    pub character: usize,
    /// The rule; part of the text above, so no source of its own.
    pub rule: Rule,
}

/// A rule that a line can break. The text says what to do.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Rule {
    /// The file starts with U+FEFF.
    #[error("the file starts with a byte-order mark; remove it")]
    ByteOrderMark,
    /// A character that no host has.
    #[error(
        "{} can't stand in a host; use ASCII letters, digits, '.', '-' and '_' (international names in their xn-- form)", Shown(*.0)
    )]
    Character(char),
    /// `https://host`.
    #[error("write the host alone, without a scheme")]
    Scheme,
    /// `host/path`.
    #[error("write the host alone, without a path")]
    Path,
    /// `*.host`.
    #[error("write `.example.com`, not `*.example.com`, for all names below a host")]
    Wildcard,
    /// `host:8443` from an agent.
    #[error(
        "write the host without a port (a host opens 80 and 443; other ports are declared in the Bottle)"
    )]
    Port,
    /// `host:0`, `host:x`.
    #[error("write the port as a number from 1 to 65535")]
    PortNumber,
    /// `com`, `.com`, `localhost`.
    #[error("write a full host name, with at least one dot inside")]
    SingleLabel,
    /// `.co.uk`.
    #[error("names below this one belong to everybody; list the hosts that you need")]
    PublicSuffix,
    /// `a..b`.
    #[error(
        "two dots follow each other, or nothing follows the first; remove one or complete the name"
    )]
    EmptyLabel,
    /// `host.`.
    #[error("remove the dot at the end")]
    TrailingDot,
    /// Over 63 characters between two dots.
    #[error("a part between dots has over 63 characters; no such host exists")]
    LongLabel,
    /// `-host`, `host-.example.com`.
    #[error("a part between dots starts or ends with '-'; no such host exists")]
    DashAtEdge,
    /// `127.1`, `10.0.0.0x1`.
    #[error(
        "addresses can't be listed, and a last part that is a number reads as one; write a host name"
    )]
    NumericHost,
    /// Over 253 characters.
    #[error("the name has over 253 characters; no such host exists")]
    TooLong,
}

/// A character as text that shows what it is, whatever a terminal makes of it.
struct Shown(char);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == ' ' {
            f.write_str("a space")
        } else if self.0.is_ascii_graphic() {
            write!(f, "'{}'", self.0)
        } else {
            write!(f, "U+{:04X}", u32::from(self.0))
        }
    }
}
