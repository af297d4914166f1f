//! What must hold whatever happens: a grant is applied once, and no host is open that no object allows.

use crate::support::{Bottle, PATIENCE, eventually};
use serde_json::Value;
use std::collections::BTreeMap;

/// A Proposal, as far as the invariants go.
#[derive(Debug, Clone)]
pub struct Trail {
    /// Its name.
    pub name: String,
    /// What is added, without the sign.
    pub host: String,
    /// What a person decided.
    pub decision: String,
    /// Where the operator has got.
    pub phase: String,
    /// Its place among the applied ones.
    pub sequence: Option<i64>,
    /// Whether a call has no answer yet.
    pub waits: bool,
}

impl Trail {
    /// Every Proposal of the bottle; an error while the API server does not answer.
    pub fn read(bottle: &Bottle<'_>) -> Result<Vec<Self>, String> {
        let said = bottle.namespace.kubectl(["get", "proposals", "-o", "json"]);
        if !said.ok {
            return Err(said.all());
        }
        let list: Value = serde_json::from_str(&said.out).map_err(|error| error.to_string())?;
        let items = list["items"].as_array().cloned().unwrap_or_default();
        let own = |item: &&Value| item["spec"]["bottle"] == *bottle.name;
        Ok(items.iter().filter(own).map(Self::of).collect())
    }

    fn of(object: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (spec, status) = (&object["spec"], &object["status"]);
        let number = |value: &Value, absent: i64| value.as_i64().unwrap_or(absent);
        let sidecar = &status["sidecar"];
        Self {
            name: text(&object["metadata"]["name"]),
            host: text(&spec["justification"]).replace(" is needed", ""),
            decision: text(&spec["decision"]),
            phase: text(&status["phase"]),
            sequence: status["appliedSequence"].as_i64(),
            waits: number(&sidecar["answered"], 0) < number(&sidecar["asked"], 1),
        }
    }
}

/// The hosts in force, from the ConfigMap.
fn in_force(bottle: &Bottle<'_>) -> Result<Vec<String>, String> {
    let object = format!("configmap/{}", bottle.pod());
    let said = bottle
        .namespace
        .kubectl(["get", &object, "-o", "jsonpath={.data.allowlist}"]);
    if said.ok {
        Ok(said.out.lines().map(str::to_owned).collect())
    } else {
        Err(said.all())
    }
}

/// What is wrong at this moment, while things still happen; nothing where that can't be told.
///
/// The config is read first: what a person approves after that can't be in it.
pub fn wrong_now(bottle: &Bottle<'_>, declared: &[&str]) -> Vec<String> {
    let (Ok(hosts), Ok(trails)) = (in_force(bottle), Trail::read(bottle)) else {
        return Vec::new();
    };
    let mut wrong = twice(&hosts, &trails);
    for host in &hosts {
        let allowed = declared.contains(&host.as_str())
            || trails
                .iter()
                .any(|one| one.host == *host && one.sequence.is_some());
        if !allowed {
            wrong.push(format!("{host} is open and nobody allowed it: {trails:?}"));
        }
    }
    wrong
}

fn twice(hosts: &[String], trails: &[Trail]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut sequences: BTreeMap<i64, &str> = BTreeMap::new();
    for one in trails {
        if let Some(number) = one.sequence
            && let Some(other) = sequences.insert(number, &one.name)
        {
            wrong.push(format!("{number} was given to {other} and {}", one.name));
        }
    }
    for (at, host) in hosts.iter().enumerate() {
        if hosts[..at].contains(host) {
            wrong.push(format!("{host} is in force twice"));
        }
    }
    wrong
}

/// Everything has come to rest as it must: exactly what is declared and granted is open, every decision is carried out,
/// and every question that was decided is noted as answered.
#[track_caller]
pub fn in_order(bottle: &Bottle<'_>, declared: &[&str]) -> Vec<Trail> {
    at_rest(bottle, declared, true)
}

/// The same; a sidecar that is killed between answer and note leaves the note out, and says it again when it is asked.
#[track_caller]
pub fn at_rest(bottle: &Bottle<'_>, declared: &[&str], noted: bool) -> Vec<Trail> {
    eventually("all is in order", PATIENCE * 2, || {
        let (hosts, trails) = (in_force(bottle)?, Trail::read(bottle)?);
        let mut wrong = twice(&hosts, &trails);
        let granted = trails.iter().filter(|one| one.decision == "Approved");
        let mut wanted: Vec<String> = granted.map(|one| one.host.clone()).collect();
        wanted.extend(declared.iter().map(|one| (*one).to_owned()));
        wanted.sort();
        let mut found = hosts;
        found.sort();
        if found != wanted {
            wrong.push(format!("in force {found:?}, allowed {wanted:?}"));
        }
        for one in &trails {
            let phase = match one.decision.as_str() {
                "Approved" => "Enforced",
                "Rejected" => "Rejected",
                "Revoked" => "Revoked",
                _ => "Pending",
            };
            if one.phase != phase || (noted && phase != "Pending" && one.waits) {
                wrong.push(format!("{one:?}"));
            }
        }
        if wrong.is_empty() {
            Ok(trails)
        } else {
            Err(wrong.join("\n"))
        }
    })
}
