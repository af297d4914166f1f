//! What a sidecar reports: its own part of its own bottle's status.

use crate::{
    proposals::{asked, decide, question},
    sidecars::{ITS_BOTTLE, OURS, bottle},
    support::{
        cluster::Space,
        rest::{
            Patch, accepted,
            path::{BOTTLES, PROPOSALS},
            refused,
        },
    },
};
use serde_json::{Value, json};

const ITS_STATUS: &str = "a sidecar writes status.sidecar only";
#[tokio::test]
async fn a_sidecar_reports_in_its_own_part_of_the_status() {
    let space = Space::new().await;
    let sidecar = space.sidecar("demo").await.requests;
    asked(&space, OURS).await;
    bottle(&space, "demo").await;
    let operator = space.operator().await.requests;
    for (path, name) in [
        (PROPOSALS, format!("{OURS}/status")),
        (BOTTLES, "demo/status".to_owned()),
    ] {
        let phase = json!({"status": {"phase": "Pending"}});
        accepted(
            "the operator's phase",
            operator.merge(path, &name, phase).await,
        );
        let field = if path == PROPOSALS {
            "asked"
        } else {
            "generation"
        };
        for value in [1, 2] {
            let report = json!({"status": {"sidecar": {field: value}}});
            let stored = accepted("a report", sidecar.merge(path, &name, report).await);
            assert_eq!(stored["status"]["sidecar"][field], value);
            assert_eq!(stored["status"]["phase"], "Pending");
        }
        let condition = json!([{"type": "Applied", "status": "False", "reason": "InvalidFinalFile", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}]);
        let mut table = vec![
            ("phase", json!({"phase": "Failed"})),
            ("no phase", json!({"phase": null})),
            (
                "beside its own",
                json!({"phase": "Failed", "sidecar": {field: 3}}),
            ),
            ("conditions", json!({"conditions": condition})),
        ];
        table.extend(if path == PROPOSALS {
            vec![
                ("appliedSequence", json!({"appliedSequence": 1})),
                ("diff", json!({"diff": ["+a"]})),
                ("reason", json!({"reason": "A"})),
            ]
        } else {
            vec![
                ("configHash", json!({"configHash": "a"})),
                ("podName", json!({"podName": "a"})),
                ("pendingProposals", json!({"pendingProposals": 0})),
            ]
        });
        for (what, status) in table {
            refused(
                what,
                sidecar.merge(path, &name, json!({"status": status})).await,
                ITS_STATUS,
            );
        }
        let all = json!({"status": null});
        refused(
            "all of it",
            sidecar.merge(path, &name, all).await,
            ITS_STATUS,
        );
        let patch = json!([{"op": "replace", "path": "/status", "value": {"sidecar": {field: 9}}}]);
        refused(
            "replaced",
            sidecar.patch(path, &name, Patch::Json, &patch).await,
            ITS_STATUS,
        );
        // A condition that the operator's list holds already, changed inside.
        accepted(
            "the operator's condition",
            operator
                .merge(path, &name, json!({"status": {"conditions": condition}}))
                .await,
        );
        let patch =
            json!([{"op": "replace", "path": "/status/conditions/0/status", "value": "True"}]);
        refused(
            "inside a condition",
            sidecar.patch(path, &name, Patch::Json, &patch).await,
            ITS_STATUS,
        );
    }
}

#[tokio::test]
async fn another_bottles_status_is_closed() {
    let space = Space::new().await;
    let sidecar = space.sidecar("demo").await.requests;
    accepted(
        "another's question",
        space
            .admin
            .create(PROPOSALS, &question("other", "other-0123456789ab"))
            .await,
    );
    bottle(&space, "other").await;
    let report = json!({"status": {"sidecar": {"asked": 1}}});
    refused(
        "a Proposal",
        sidecar
            .merge(PROPOSALS, "other-0123456789ab/status", report)
            .await,
        ITS_BOTTLE,
    );
    let report = json!({"status": {"sidecar": {"generation": 1}}});
    refused(
        "a Bottle",
        sidecar.merge(BOTTLES, "other/status", report).await,
        ITS_BOTTLE,
    );
}

#[tokio::test]
async fn a_report_that_carries_a_decision_changes_nothing_but_the_report() {
    let space = Space::new().await;
    let sidecar = space.sidecar("demo").await.requests;
    asked(&space, OURS).await;
    let body = json!({
        "metadata": {"labels": {"a": "b"}, "finalizers": ["a.example/stay"], "managedFields": [{}]},
        "spec": {"decision": "Approved", "proposedFile": "evil.example\n"},
        "status": {"sidecar": {"asked": 1}},
    });
    let stored = accepted(
        "a report",
        sidecar
            .merge(PROPOSALS, &format!("{OURS}/status"), body)
            .await,
    );
    assert_eq!(stored["spec"]["decision"], "Pending");
    assert_eq!(stored["spec"]["proposedFile"], "docs.example\n");
    assert_eq!(stored["metadata"]["labels"], Value::Null);
    assert_eq!(stored["metadata"]["finalizers"], Value::Null);
    decide(&space.admin, OURS, "Approved").await;
}
