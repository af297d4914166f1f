//! The caBundle of the webhook's configuration: the certificates of all operators that live, and nothing else.
//!
//! Text between the blocks of a PEM file is allowed, so each block says whose it is and how long it is needed; there is
//! no second place to keep that, and no Secret.

/// Most certificates that are kept: a crash loop must not fill the object.
const MOST: usize = 8;
const MARK: &str = "# bot-bottle ";
const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// One operator's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The operator; a pod has one certificate.
    pub identity: String,
    /// Seconds since 1970 at which it ends.
    pub until: i64,
    /// The certificate.
    pub pem: String,
}

/// `bundle` with `ours`, without what has ended and without other certificates of the same operator.
///
/// Whatever carries no mark of ours goes: nobody but an operator serves this webhook.
pub fn with(bundle: &str, ours: &Entry, now: i64) -> String {
    let order = |entry: &Entry| (entry.until, entry.identity.clone());
    let mut kept: Vec<Entry> = parse(bundle)
        .into_iter()
        .filter(|entry| entry.until > now && entry.identity != ours.identity)
        .collect();
    kept.sort_by_key(order);
    // Ours stays, whatever others claim about theirs.
    let too_many = (kept.len() + 1).saturating_sub(MOST);
    kept.drain(..too_many);
    kept.push(ours.clone());
    kept.sort_by_key(order);
    kept.iter().map(print).collect()
}

fn print(entry: &Entry) -> String {
    let Entry {
        identity,
        until,
        pem,
    } = entry;
    format!("{MARK}{identity} {until}\n{}\n", pem.trim())
}

fn parse(bundle: &str) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut lines = bundle.lines();
    while let Some(line) = lines.next() {
        let Some((identity, until)) = line
            .strip_prefix(MARK)
            .and_then(|rest| rest.rsplit_once(' '))
        else {
            continue;
        };
        let Ok(until) = until.parse() else { continue };
        let mut pem = Vec::new();
        for line in lines.by_ref() {
            pem.push(line);
            if line == END {
                break;
            }
        }
        if pem.first() == Some(&BEGIN) && pem.last() == Some(&END) {
            entries.push(Entry {
                identity: identity.to_owned(),
                until,
                pem: pem.join("\n"),
            });
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::{Entry, MOST, parse, with};

    fn entry(identity: &str, until: i64, content: &str) -> Entry {
        Entry {
            identity: identity.into(),
            until,
            pem: format!("-----BEGIN CERTIFICATE-----\n{content}\n-----END CERTIFICATE-----"),
        }
    }

    #[test]
    fn two_operators_stand_side_by_side_and_adding_again_changes_nothing() {
        let (a, b) = (entry("a", 100, "AA"), entry("b", 90, "BB"));
        let both = with(&with("", &a, 0), &b, 0);
        assert_eq!(parse(&both), [b.clone(), a.clone()]);
        assert_eq!(with(&both, &a, 0), both);
        assert_eq!(with(&both, &b, 0), both);
    }

    #[test]
    fn what_has_ended_goes_and_a_renewal_replaces() {
        let both = with(
            &with("", &entry("a", 100, "AA"), 0),
            &entry("b", 90, "BB"),
            0,
        );
        let renewed = entry("a", 200, "AC");
        assert_eq!(parse(&with(&both, &renewed, 95)), [renewed]);
    }

    #[test]
    fn what_is_not_ours_goes() {
        let a = entry("a", 100, "AA");
        let foreign = "-----BEGIN CERTIFICATE-----\nXX\n-----END CERTIFICATE-----\n# bot-bottle x y\n# bot-bottle x 100\nnothing\n";
        assert_eq!(parse(&with(foreign, &a, 0)), [a]);
    }

    #[test]
    fn there_are_never_too_many_and_ours_is_always_there() {
        let mut bundle = String::new();
        for number in 0..20 {
            bundle = with(
                &bundle,
                &entry(&format!("pod-{number}"), 1000 + number, "AA"),
                0,
            );
            assert!(parse(&bundle).len() <= MOST);
        }
        let ours = entry("ours", 1, "AA");
        let bundle = with(&bundle, &ours, 0);
        assert_eq!(parse(&bundle).len(), MOST);
        assert!(parse(&bundle).contains(&ours));
    }
}
