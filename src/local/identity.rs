//! CORE: whose bottle it is: a project and a name.

use crate::{config::hex, names};
use sha2::{Digest as _, Sha256};
use std::{fmt, path::Path};

/// Characters of a project's readable part, and of its hash.
const WORDS: usize = 32;
const DIGITS: usize = 8;
/// Characters of the name of an object that bottles share; Kubernetes' own bound.
const SHARED_MAX: usize = 253;

/// A bottle on this machine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// The project, which stands where a cluster has the namespace.
    pub project: String,
    /// The Bottle's name.
    pub name: String,
}

/// A name that would lead out of its directory, or that a cluster would refuse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} {name:?} must be lower-case letters, digits and {marks}, at most {most} of them")]
pub struct InvalidName {
    what: &'static str,
    name: String,
    marks: &'static str,
    most: usize,
}

impl Key {
    /// Both names are checked: each becomes a directory.
    pub fn new(project: &str, name: &str) -> Result<Self, InvalidName> {
        check_project(project)?;
        check("bottle", name, names::BOTTLE_NAME_MAX)?;
        Ok(Self {
            project: project.to_owned(),
            name: name.to_owned(),
        })
    }
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.project, self.name)
    }
}

/// Checks the name of a project alone: it becomes a directory.
pub fn check_project(project: &str) -> Result<(), InvalidName> {
    check("project", project, 63)
}

fn check(what: &'static str, name: &str, most: usize) -> Result<(), InvalidName> {
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let edges = !name.starts_with('-') && !name.ends_with('-');
    if !name.is_empty() && name.len() <= most && edges && name.bytes().all(legal) {
        return Ok(());
    }
    Err(InvalidName {
        what,
        name: name.to_owned(),
        marks: "dashes",
        most,
    })
}

/// Checks the name of an object that bottles share: words of a name with dots between them, as a cluster has it. It
/// becomes a file.
pub fn check_shared(what: &'static str, name: &str) -> Result<(), InvalidName> {
    let word = |word: &str| check(what, word, SHARED_MAX).is_ok();
    if name.len() <= SHARED_MAX && name.split('.').all(word) {
        return Ok(());
    }
    Err(InvalidName {
        what,
        name: name.to_owned(),
        marks: "dashes, and dots between them",
        most: SHARED_MAX,
    })
}

/// The project of a directory: its name for people, and a hash of its whole path, so that two checkouts differ.
pub fn project(directory: &Path) -> String {
    let name = directory
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let mut hash = hex(&Sha256::digest(directory.as_os_str().as_encoded_bytes()));
    hash.truncate(DIGITS);
    match plain(&name, WORDS) {
        words if words.is_empty() => format!("project-{hash}"),
        words => format!("{words}-{hash}"),
    }
}

/// The text as a name: what is not allowed becomes one dash.
pub fn plain(text: &str, most: usize) -> String {
    let mut words = String::new();
    for letter in text.to_ascii_lowercase().chars().take(most) {
        if letter.is_ascii_lowercase() || letter.is_ascii_digit() {
            words.push(letter);
        } else if !words.ends_with('-') && !words.is_empty() {
            words.push('-');
        }
    }
    words.trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_checkouts_of_one_name_are_two_projects() {
        let one = project(Path::new("/a/My Project"));
        let other = project(Path::new("/b/My Project"));
        assert!(one.starts_with("my-project-") && other.starts_with("my-project-"));
        assert_ne!(one, other);
        assert!(Key::new(&one, "demo").is_ok());
    }

    #[test]
    fn any_directory_has_a_legal_project() {
        for path in [
            "/",
            "/…",
            "/--",
            "/a.b_c/",
            "/ÄÖ",
            &format!("/{}", "x".repeat(300)),
        ] {
            let project = project(Path::new(path));
            assert!(Key::new(&project, "demo").is_ok(), "{path}: {project}");
        }
    }

    #[test]
    fn a_name_never_leads_out_of_its_directory() {
        for name in ["", "..", "a/b", "A", "-a", "a-", "a.b", &"x".repeat(49)] {
            assert!(Key::new("p", name).is_err(), "{name}");
            assert!(name.len() == 49 || Key::new(name, "n").is_err(), "{name}");
        }
    }

    #[test]
    fn what_bottles_share_may_have_dots_between_its_words() {
        for name in ["small", "company.example.com", "a-1.b"] {
            assert!(check_shared("class", name).is_ok(), "{name}");
        }
        for name in [
            "",
            ".",
            "..",
            "a..b",
            ".a",
            "a.",
            "a/b",
            "A",
            "a_b",
            &"x".repeat(254),
        ] {
            assert!(check_shared("class", name).is_err(), "{name}");
        }
    }
}
