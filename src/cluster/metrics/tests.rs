use super::Metrics;
use crate::api::{Proposal, ProposalPhase, ProposalStatus};
use serde_json::json;

fn proposal(phase: Option<&str>) -> Proposal {
    serde_json::from_value(json!({
        "apiVersion": "bot-bottle.dev/v1alpha1",
        "kind": "Proposal",
        "metadata": {"name": "blue-1", "creationTimestamp": "2026-01-01T00:00:00Z"},
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

/// The names that alerts and the dashboard use.
#[test]
fn every_metric_that_the_chart_names_is_on_the_page() {
    let metrics = Metrics::default();
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
