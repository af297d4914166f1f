//! Hosts that look like another: what a hurried reader takes for a name that they know.

use std::collections::BTreeSet;

/// Names that every reviewer knows, so that their look-alikes are told even where the bottle does not use them.
const WELL_KNOWN: [&str; 16] = [
    "amazonaws.com",
    "anthropic.com",
    "azure.com",
    "bitbucket.org",
    "crates.io",
    "debian.org",
    "docker.com",
    "docker.io",
    "github.com",
    "githubusercontent.com",
    "gitlab.com",
    "googleapis.com",
    "npmjs.org",
    "openai.com",
    "pypi.org",
    "pythonhosted.org",
];

/// Shorter labels differ by one letter from too many honest ones.
const LABEL_MIN: usize = 4;

/// What `host` could be mistaken for, in a sentence; `known` are the hosts that the bottle has already.
pub fn warning(host: &str, known: &BTreeSet<String>) -> Option<String> {
    if known.contains(host) {
        return None;
    }
    let domain = registrable(host);
    let mut owners: BTreeSet<&str> = known.iter().map(|host| registrable(host)).collect();
    if owners.contains(domain) {
        return international(host);
    }
    owners.extend(WELL_KNOWN);
    let alike = owners
        .iter()
        .copied()
        .filter(|owner| *owner != domain)
        .find_map(|owner| likeness(host, domain, owner));
    // Well-known owners are no look-alikes of each other.
    alike
        .filter(|_| !WELL_KNOWN.contains(&domain))
        .or_else(|| international(host))
}

fn likeness(host: &str, domain: &str, owner: &str) -> Option<String> {
    let (label, owner_label) = (first_label(domain), first_label(owner));
    let readable = to_unicode(domain);
    let long = owner_label.chars().count() >= LABEL_MIN;
    if folded(&readable) == folded(owner)
        || (long && strsim::osa_distance(&readable, owner) <= 1)
        || (long && strsim::osa_distance(&folded(&readable), &folded(owner)) <= 1)
    {
        return Some(format!("{host} looks like {owner}, but is another's"));
    }
    if format!(".{host}.").contains(&format!(".{owner}."))
        || host.contains(&owner.replace('.', "-"))
    {
        return Some(format!(
            "{host} holds the name {owner}, but belongs to {domain}"
        ));
    }
    if WELL_KNOWN.contains(&owner) && label == owner_label {
        return Some(format!(
            "{host} is like {owner}, but ends differently: it is another's"
        ));
    }
    None
}

/// An international name is shown in its `xn--` form everywhere, which nobody can read.
fn international(host: &str) -> Option<String> {
    let readable = to_unicode(host);
    (readable != host).then(|| format!("{host} is the international name {readable:?}"))
}

fn to_unicode(host: &str) -> String {
    idna::domain_to_unicode(host).0
}

/// The part that somebody registered: `github.com` of `api.github.com`.
fn registrable(host: &str) -> &str {
    psl::domain_str(host).unwrap_or(host)
}

fn first_label(domain: &str) -> &str {
    domain.split('.').next().unwrap_or(domain)
}

/// Letters and pairs of them that many typefaces draw alike, as one.
fn folded(text: &str) -> String {
    text.replace("rn", "m")
        .replace("vv", "w")
        .replace("cl", "d")
        .chars()
        .map(|letter| match letter {
            '0' => 'o',
            '1' | 'i' => 'l',
            '5' => 's',
            '_' => '-',
            letter => letter,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> BTreeSet<String> {
        ["api.github.com", "files.example.com", "t.co"]
            .map(str::to_owned)
            .into()
    }

    #[test]
    fn a_host_that_looks_like_a_known_one_is_told() {
        for (host, like) in [
            ("githud.com", "github.com"),
            ("api.gihtub.com", "github.com"),
            ("githu.com", "github.com"),
            ("githubb.com", "github.com"),
            ("api.g1thub.com", "github.com"),
            ("exarnple.com", "example.com"),
            ("files.exannple.com", "another"),
            // Cyrillic i, and all of "apple" in Cyrillic as an international name at least.
            ("xn--gthub-2of.com", "github.com"),
            ("xn--80ak6aa92e.com", "international"),
            ("api.github.com.evil.net", "github.com"),
            ("api-github-com.evil.net", "github.com"),
            ("github.io.example.net", ""),
            ("pypi.com", "pypi.org"),
            ("crates.dev", "crates.io"),
            ("registry.npmjs.com", "npmjs.org"),
        ] {
            let warning = warning(host, &known());
            match (like, &warning) {
                ("" | "another", None) => {}
                ("", Some(text)) => panic!("{host}: {text}"),
                (like, Some(text)) => assert!(text.contains(like), "{host}: {text}"),
                (like, None) => panic!("{host} is like {like}, and nothing is said"),
            }
        }
    }

    #[test]
    fn an_honest_host_is_not_accused() {
        for host in [
            "api.github.com",
            "raw.github.com",
            "uploads.github.com",
            "docs.rs",
            "nodejs.org",
            "x.co",
            "gitlab.com",
            "example.net",
            "registry.npmjs.org",
            "gitea.io",
        ] {
            assert_eq!(warning(host, &known()), None, "{host}");
        }
    }
}
