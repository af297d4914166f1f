//! Effective config = declared ⊕ grants, in the order of their sequence.

use crate::{
    config::{
        allowlist::{self, Allowlist},
        routes::{self, Routes},
    },
    proposal::{progress::Grant, today::Today},
};

/// What a bottle may reach now.
#[derive(Clone, Debug, PartialEq)]
pub struct Effective {
    /// The allowlist in force.
    pub allowlist: Allowlist,
    /// The routes in force.
    pub routes: Routes,
    /// The Dockerfile in force.
    pub dockerfile: String,
    /// The image that was built for the last grant of one, to be run; none: the declared one.
    pub image: Option<String>,
    /// Declared entries, and paths of declared routes, that a grant hides.
    pub hidden: Vec<String>,
}

/// Folds `grants` over what the Bottle declares. The order of the slice does not matter, the sequences do. A grant
/// that does not fit changes nothing: [`crate::proposal::progress`] ends it.
pub fn fold(declared: &Today, grants: &[Grant]) -> Effective {
    let mut ordered: Vec<&Grant> = grants.iter().collect();
    ordered.sort_by_key(|grant| grant.sequence);
    let mut folded = declared.clone();
    let mut image = None;
    for grant in ordered {
        if grant.in_force() {
            folded.make(&grant.change);
        }
        // Wanted before it is in force: first the agent runs in it.
        let built = grant.build.as_ref().and_then(|build| build.image.clone());
        image = built.or(image);
    }
    let mut hidden = allowlist::change(&declared.allowlist, &folded.allowlist).removed;
    let change = routes::change(&declared.routes, &folded.routes);
    let changed = change.changed.into_iter().map(|changed| changed.from);
    hidden.extend(changed.chain(change.removed).map(|route| route.path));
    Effective {
        allowlist: folded.allowlist,
        routes: folded.routes,
        dockerfile: folded.dockerfile,
        image,
        hidden,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::allowlist::AllowlistChange, proposal::change::Change};
    use proptest::prelude::*;

    fn listed(text: &str) -> Today {
        Today {
            allowlist: Allowlist::parse_declared(text).unwrap(),
            ..Today::default()
        }
    }

    fn declared() -> Today {
        listed("a.example.com\nb.example.com\n.wild.example.org\nc.example.com:8443\n")
    }

    fn grant(sequence: i64, added: &[&str], removed: &[&str]) -> Grant {
        let own = |list: &[&str]| list.iter().map(|host| (*host).to_owned()).collect();
        Grant {
            sequence,
            change: Change::Hosts(AllowlistChange {
                added: own(added),
                removed: own(removed),
            }),
            build: None,
        }
    }

    #[test]
    fn without_grants_the_declared_list_is_in_force() {
        assert_eq!(
            fold(&declared(), &[]),
            Effective {
                allowlist: declared().allowlist,
                routes: Routes::default(),
                dockerfile: String::new(),
                image: None,
                hidden: vec![]
            }
        );
    }

    #[test]
    fn a_granted_removal_hides_a_declared_host() {
        let effective = fold(&declared(), &[grant(1, &[], &["a.example.com"])]);
        assert_eq!(effective.hidden, ["a.example.com"]);
        assert!(!effective.allowlist.to_string().contains("a.example.com"));
    }

    #[test]
    fn a_later_grant_wins_over_an_earlier_one() {
        let grants = [
            grant(2, &["x.example.com"], &[]),
            grant(1, &[], &["x.example.com"]),
        ];
        assert!(
            fold(&declared(), &grants)
                .allowlist
                .to_string()
                .contains("x.example.com")
        );
    }

    #[test]
    fn a_grant_for_another_host_stays_when_a_declared_one_goes() {
        let grants = [grant(1, &["x.example.com"], &[])];
        let less = listed("b.example.com\n");
        assert_eq!(
            fold(&less, &grants).allowlist.to_string(),
            "b.example.com\nx.example.com\n"
        );
    }

    proptest! {
        #[test]
        fn the_order_in_which_grants_are_read_does_not_matter(hosts in proptest::collection::vec("[a-d]", 1..6), seed in any::<u64>()) {
            let grants: Vec<Grant> = hosts
                .iter()
                .enumerate()
                .map(|(at, host)| {
                    let host = format!("{host}.example.com");
                    let (added, removed) = if (seed >> at) & 1 == 0 { (vec![host], vec![]) } else { (vec![], vec![host]) };
                    Grant { sequence: i64::try_from(at).unwrap(), change: Change::Hosts(AllowlistChange { added, removed }), build: None }
                })
                .collect();
            let mut shuffled = grants.clone();
            shuffled.reverse();
            shuffled.rotate_left(usize::try_from(seed).unwrap_or(0) % grants.len());
            prop_assert_eq!(fold(&declared(), &grants), fold(&declared(), &shuffled));
        }

        #[test]
        fn a_revoked_grant_leaves_no_trace(host in "[a-d]") {
            let host = format!("{host}.example.com");
            let kept = grant(1, &["kept.example.com"], &[]);
            let before = fold(&declared(), std::slice::from_ref(&kept));
            let revoked = grant(2, &[&host], &[]);
            let _ = fold(&declared(), &[kept.clone(), revoked]);
            prop_assert_eq!(fold(&declared(), &[kept]), before);
        }
    }
}
