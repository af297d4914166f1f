//! Who may do what, as one table (`rights/table.txt`), by people with certificates and accounts with tokens: each cell
//! is a request to a real API server.

mod cluster;
mod deed;
mod objects;
mod ours;
mod who;

use crate::support::{
    cluster::Space,
    rest::{
        accepted,
        path::{BOTTLES, PODS},
    },
};
use deed::{Deed, Verdict};
use std::fmt::Write as _;

const TABLE: &str = include_str!("table.txt");
/// Where the first cell stands; a name is shorter.
const NAME: usize = 45;
/// How wide a cell is.
const CELL: usize = 9;

/// What the table says of a deed.
struct Row {
    name: &'static str,
    /// A variant of the last row above that is none.
    variant: bool,
    cells: Vec<char>,
    /// The policies that refuse it.
    policies: Vec<&'static str>,
}

impl Row {
    fn read(line: &'static str) -> Option<Self> {
        if line.trim().is_empty() || line.starts_with(['#', '=']) {
            return None;
        }
        let (name, rest) = line.split_at_checked(NAME)?;
        let mut words = rest.split_whitespace();
        let cells = words.by_ref().take(columns().len());
        let cells = cells.filter_map(|word| word.chars().next()).collect();
        Some(Self {
            name: name.trim_end(),
            variant: name.starts_with(' '),
            cells,
            policies: words.collect(),
        })
    }
}

/// The names above the cells.
fn columns() -> Vec<&'static str> {
    let head = TABLE.lines().find_map(|line| line.strip_prefix('='));
    head.unwrap_or_default().split_whitespace().collect()
}

fn rows() -> Vec<Row> {
    TABLE.lines().filter_map(Row::read).collect()
}

/// All that is tried, in the order of the table.
async fn deeds(space: &Space) -> Vec<Deed> {
    let bottle = accepted("the Bottle", space.admin.get(BOTTLES, "demo").await);
    let pod = accepted("its pod", space.admin.get(PODS, "demo-bottle").await);
    let uid = &bottle["metadata"]["uid"];
    [
        ours::bottles(),
        ours::questions(),
        objects::config_maps(uid),
        objects::pods(uid),
        objects::connections(),
        cluster::identities(&space.namespace, &pod["metadata"]["uid"]),
        cluster::roles(&space.namespace),
        cluster::foundations(&space.namespace),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[tokio::test]
async fn everybody_may_do_what_the_table_says_and_nothing_else() {
    let space = Space::new().await;
    let everybody = who::everybody(&space).await;
    let people = &everybody.people;
    let names: Vec<&str> = people.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, columns(), "the columns");
    let rows = rows();
    let (mut wrong, mut seen) = (Vec::new(), String::new());
    let deeds = deeds(&space).await;
    for (at, deed) in deeds.iter().enumerate() {
        let row = rows.get(at).filter(|row| row.name == deed.name);
        let _ = write!(seen, "{:NAME$}", deed.name);
        let mut policies = Vec::new();
        for (column, (name, person)) in people.iter().enumerate() {
            let (verdict, said) = deed.attempt(person).await;
            let _ = write!(seen, "{:CELL$}", verdict.sign());
            let expected = row.and_then(|row| row.cells.get(column).copied());
            let mut right = expected == Some(verdict.sign());
            if let Verdict::Policy(policy) = &verdict {
                right &= row.is_some_and(|row| row.policies.contains(&policy.as_str()));
                policies.push(policy.clone());
            }
            if !right {
                wrong.push(format!(
                    "{name}: {}: {verdict:?}, not {expected:?}: {said}",
                    deed.name.trim()
                ));
            }
        }
        policies.sort();
        policies.dedup();
        seen = format!("{}{}\n", seen, policies.join(" "));
    }
    let extra: Vec<&str> = rows
        .iter()
        .map(|row| row.name)
        .filter(|name| !deeds.iter().any(|deed| deed.name == *name))
        .collect();
    assert!(extra.is_empty(), "nobody tries {extra:?}");
    assert!(wrong.is_empty(), "{wrong:#?}\nSeen:\n{seen}");
}

/// A refusal proves something only where the same request is let through for somebody. A variant must differ from the
/// row above that is none, or it shows nothing.
#[test]
fn every_refusal_of_the_table_has_its_control() {
    let (mut plain, mut wrong) = (None::<Row>, Vec::new());
    for row in rows() {
        assert_eq!(row.cells.len(), columns().len(), "{}", row.name);
        let above = plain.as_ref().filter(|_| row.variant);
        match above {
            Some(above) if above.cells != row.cells => {}
            None if row.cells.contains(&'+') => {}
            _ => wrong.push(row.name),
        }
        if !row.variant {
            plain = Some(row);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
