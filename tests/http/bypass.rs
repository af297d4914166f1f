//! The bypass list: what an agent may try, each row refused behind the wall (the lock, the filter, egress, cred-proxy, the
//! agent's uid), and each with its control: without the wall, with proxies that check nothing, the same attempt succeeds.
//!
//! To extend it, add rows to one of the tables, or a table to [`rows`]. `agent.py` evaluates the attempts, where `M`
//! is the row's own mark, and `recorder.py` is everybody else.

mod credentials;
mod http;
mod kernel;
mod messages;
mod names;
mod programs;
mod row;
mod tls;
mod world;

use row::{Row, Shown};
use world::{Place, Results};

fn rows() -> Vec<Row> {
    [
        names::ROWS,
        names::ADDRESSES,
        names::RESOLVED,
        tls::ROWS,
        http::ROWS,
        http::FRAMING,
        http::PROXIES,
        kernel::DIRECT,
        kernel::CALLS,
        credentials::OPEN,
        credentials::PATHS,
        messages::HEADERS,
        messages::FRAMING,
        credentials::INSIDE,
        credentials::SECRET,
    ]
    .concat()
}

/// Whether the attempt got through.
fn through(number: usize, row: &Row, results: &Results) -> bool {
    match row.shown {
        Shown::Mark | Shown::Text(_) | Shown::At(..) => results
            .seen
            .iter()
            .any(|(place, text)| row.is_in(number, place, text)),
        Shown::Outcome | Shown::OutcomeOfRoot => {
            ["ok", "answered"].contains(&results.outcomes[number].as_str())
        }
    }
}

#[test]
fn every_attempt_is_refused_behind_the_wall_and_succeeds_without_it() {
    let rows = rows();
    let behind = Place::walled().run(&rows);
    let control = Place::open();
    let open = control.run(&rows);
    let root = control.run_as_root(&rows);
    let mut wrong = Vec::new();
    for (number, row) in rows.iter().enumerate() {
        let without = match row.shown {
            Shown::OutcomeOfRoot => &root,
            _ => &open,
        };
        if through(number, row, &behind) {
            wrong.push(format!("{}: not refused", row.what));
        }
        if !through(number, row, without) {
            wrong.push(format!(
                "{}: the control fails: {}",
                row.what, without.outcomes[number]
            ));
        }
        println!("{:<70} {}", row.what, behind.outcomes[number]);
    }
    println!("{} attempts", rows.len());
    assert!(rows.len() >= 200, "{} attempts", rows.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // The wall is no wall to what is allowed.
    assert!(behind.allowed_works, "an allowed request fails");
}

#[test]
fn no_row_is_there_twice() {
    let mut names: Vec<_> = rows().iter().map(|row| row.what).collect();
    names.sort_unstable();
    let all = names.len();
    names.dedup();
    assert_eq!(names.len(), all);
}
