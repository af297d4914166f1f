use super::{Metrics, Snapshot};
use crate::api::{Proposal, ProposalPhase, ProposalStatus};
use kube::{
    core::DeserializeGuard,
    runtime::{reflector, watcher::Event},
};
use serde_json::json;

fn proposal(phase: Option<&str>) -> Proposal {
    serde_json::from_value(json!({
        "apiVersion": "bot-bottle.dev/v1alpha1",
        "kind": "Proposal",
        "metadata": {"name": "blue-1", "namespace": "garden", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {
            "bottle": "blue", "bottleUID": "u", "tool": "pipelock-block", "proposedFile": "a.example\n", "justification": "j",
            "decision": "Approved", "decidedAt": "2026-01-01T00:01:00Z",
        },
        "status": phase.map(|phase| json!({"phase": phase})),
    }))
    .unwrap()
}

fn to(phase: ProposalPhase) -> ProposalStatus {
    ProposalStatus {
        phase: Some(phase),
        enforced_at: Some("2026-01-01T00:01:02Z".parse().unwrap()),
        ..ProposalStatus::default()
    }
}

fn has(metrics: &Metrics, line: &str) -> bool {
    metrics.page(true).unwrap().lines().any(|one| one == line)
}

#[test]
fn each_step_of_a_proposal_counts_once_with_the_times_that_people_and_programs_took() {
    let metrics = Metrics::default();
    metrics.stored(&proposal(Some("Pending")), &to(ProposalPhase::Applying));
    metrics.stored(&proposal(Some("Applying")), &to(ProposalPhase::Applying));
    metrics.stored(&proposal(Some("Applying")), &to(ProposalPhase::Enforced));
    for line in [
        r#"bot_bottle_proposal_steps_total{tool="pipelock-block",phase="Applying"} 1"#,
        r#"bot_bottle_proposal_steps_total{tool="pipelock-block",phase="Enforced"} 1"#,
        r#"bot_bottle_decision_seconds_sum{tool="pipelock-block"} 60.0"#,
        r#"bot_bottle_decision_seconds_count{tool="pipelock-block"} 1"#,
        r#"bot_bottle_enforcement_seconds_sum{tool="pipelock-block"} 2.0"#,
    ] {
        assert!(
            has(&metrics, line),
            "{line}\n{}",
            metrics.page(true).unwrap()
        );
    }
}

#[test]
fn a_reconcile_runs_until_it_ends_however_that_is() {
    let metrics = Metrics::default();
    let running = metrics.begins();
    assert!(has(&metrics, "bot_bottle_reconciles_running 1"));
    drop(running);
    assert!(has(&metrics, "bot_bottle_reconciles_running 0"));
}

#[test]
fn a_bottle_waits_once_however_often_it_is_woken_until_its_turn_comes() {
    let metrics = Metrics::default();
    metrics.woken("garden", "blue");
    metrics.woken("garden", "blue");
    metrics.woken("shed", "blue");
    assert!(has(&metrics, "bot_bottle_reconciles_waiting 2"));
    metrics.has_its_turn("garden", "blue");
    // Nobody woke it: its time had come.
    metrics.has_its_turn("garden", "red");
    assert!(has(&metrics, "bot_bottle_reconciles_waiting 1"));
    assert!(has(&metrics, "bot_bottle_reconcile_wait_seconds_count 1"));
}

#[test]
fn the_page_says_who_leads() {
    let metrics = Metrics::default();
    assert!(has(&metrics, "bot_bottle_leading 1"));
    assert!(
        metrics
            .page(false)
            .unwrap()
            .contains("bot_bottle_leading 0")
    );
}

/// A world with one of everything.
fn watched(metrics: &Metrics) {
    let (bottles, mut fill) = reflector::store();
    let bottle = json!({
        "apiVersion": "bot-bottle.dev/v1alpha1",
        "kind": "Bottle",
        "metadata": {"name": "blue", "namespace": "garden"},
        "spec": {},
        "status": {
            "phase": "Running",
            "configHash": "new",
            "sidecar": {"enforcedHash": "old", "denials": [{"host": "a.example", "port": 443, "reason": "r", "count": 3}]},
        },
    });
    fill.apply_watcher_event(&Event::Apply(guarded(bottle)));
    let (proposals, mut fill) = reflector::store();
    let pending = serde_json::to_value(proposal(Some("Pending"))).unwrap();
    fill.apply_watcher_event(&Event::Apply(guarded(pending)));
    metrics.watch(Snapshot {
        bottles,
        proposals,
        now: || "2026-01-01T00:02:00Z".parse().unwrap(),
    });
}

fn guarded<T: serde::de::DeserializeOwned>(value: serde_json::Value) -> DeserializeGuard<T> {
    DeserializeGuard(Ok(serde_json::from_value(value).unwrap()))
}

#[test]
fn the_world_is_counted_as_it_is_when_somebody_looks() {
    let metrics = Metrics::default();
    watched(&metrics);
    for line in [
        r#"bot_bottle_bottles{phase="Running"} 1"#,
        r#"bot_bottle_proposals{tool="pipelock-block",phase="Pending"} 1"#,
        "bot_bottle_oldest_pending_seconds 120",
        "bot_bottle_config_drift 1",
        r#"bot_bottle_refused_hosts{tool="pipelock-block"} 1"#,
        "bot_bottle_unreadable_objects 0",
    ] {
        // Looking twice counts once.
        assert!(
            has(&metrics, line) && has(&metrics, line),
            "{line}\n{}",
            metrics.page(true).unwrap()
        );
    }
}

/// The names that alerts and the dashboard use.
#[test]
fn every_metric_that_the_chart_names_is_on_the_page() {
    let metrics = Metrics::default();
    watched(&metrics);
    metrics.reconciled("ok", std::time::Duration::ZERO);
    metrics.requested(&http::Method::GET, "200");
    metrics.noticed("sent");
    metrics.stored(&proposal(Some("Pending")), &to(ProposalPhase::Enforced));
    let page = metrics.page(true).unwrap();
    let known: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .filter_map(|line| line.split(' ').next())
        .collect();
    let mut seen = 0;
    for file in ["alerts.yaml", "dashboard.json"] {
        let path = format!(
            "{}/charts/bottle-operator/files/{file}",
            env!("CARGO_MANIFEST_DIR")
        );
        let text = std::fs::read_to_string(&path).unwrap();
        for word in text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')) {
            if !word.starts_with("bot_bottle_") {
                continue;
            }
            seen += 1;
            let base = ["_total", "_bucket", "_sum", "_count"]
                .iter()
                .find_map(|end| word.strip_suffix(end))
                .unwrap_or(word);
            assert!(known.contains(&base), "{file}: {word} is no metric of ours");
        }
    }
    assert!(seen > 10);
}
