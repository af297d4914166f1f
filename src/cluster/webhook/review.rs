//! One question of the API server, and the answer: no clock, no client.
//!
//! The same rules as in the chart's MutatingAdmissionPolicy. The time is the API server's own: whoever changes a field
//! becomes its one owner in managedFields, and the entry has the time of that request.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

/// The answer to an AdmissionReview; none when it is no such thing.
pub fn answer(review: &Value) -> Option<Value> {
    let request = review.get("request")?;
    let uid = request.get("uid")?.as_str()?;
    let patch = patch(request);
    let mut response = json!({"uid": uid, "allowed": true});
    if !patch.is_empty() {
        response["patchType"] = "JSONPatch".into();
        response["patch"] = STANDARD.encode(Value::from(patch).to_string()).into();
    }
    Some(json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "response": response,
    }))
}

fn patch(request: &Value) -> Vec<Value> {
    let spec = &request["object"]["spec"];
    let decision = &spec["decision"];
    if decision == &request["oldObject"]["spec"]["decision"] {
        return Vec::new();
    }
    let (by, at) = if decision == "Revoked" {
        ("revokedBy", "revokedAt")
    } else {
        ("decidedBy", "decidedAt")
    };
    let user = request["userInfo"]["username"].as_str();
    let time = time(&request["object"]["metadata"]["managedFields"]);
    // What somebody has written by hand stays, for admission to refuse it.
    [(by, user), (at, time)]
        .into_iter()
        .filter(|(field, _)| spec[*field].is_null())
        .filter_map(|(field, value)| {
            Some(json!({"op": "add", "path": format!("/spec/{field}"), "value": value?}))
        })
        .collect()
}

/// When the one owner of the decision wrote it; none when that can't be told, and then the decision is refused.
fn time(managed_fields: &Value) -> Option<&str> {
    let mut owners = managed_fields.as_array()?.iter().filter(|entry| {
        let fields = &entry["fieldsV1"]["f:spec"];
        entry["time"].is_string() && fields.get("f:decision").is_some()
    });
    let owner = owners.next()?;
    if owners.next().is_some() || owner["manager"] == "ancient-changes" {
        return None;
    }
    owner["time"].as_str()
}

#[cfg(test)]
mod tests {
    use super::answer;
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use serde_json::{Value, json};

    fn owner(manager: &str, time: &str) -> Value {
        json!({"manager": manager, "time": time, "fieldsV1": {"f:spec": {"f:decision": {}}}})
    }

    fn patch(old: &str, spec: &Value, owners: &[Value]) -> Value {
        let answer = answer(&json!({"request": {
            "uid": "u",
            "userInfo": {"username": "alice"},
            "object": {"metadata": {"managedFields": owners}, "spec": spec},
            "oldObject": {"spec": {"decision": old}},
        }}))
        .unwrap();
        assert_eq!(answer["response"]["uid"], "u");
        assert_eq!(answer["response"]["allowed"], true);
        let Some(patch) = answer["response"]["patch"].as_str() else {
            return Value::Null;
        };
        assert_eq!(answer["response"]["patchType"], "JSONPatch");
        serde_json::from_slice(&STANDARD.decode(patch).unwrap()).unwrap()
    }

    fn add(field: &str, value: &str) -> Value {
        json!({"op": "add", "path": format!("/spec/{field}"), "value": value})
    }

    const T: &str = "2026-01-01T00:00:00Z";

    #[test]
    fn a_decision_gets_its_author_and_the_api_servers_time() {
        let owners = [owner("kubectl", T)];
        for decision in ["Approved", "Rejected"] {
            let patch = patch("Pending", &json!({"decision": decision}), &owners);
            assert_eq!(
                patch,
                json!([add("decidedBy", "alice"), add("decidedAt", T)])
            );
        }
        let patch = patch("Approved", &json!({"decision": "Revoked"}), &owners);
        assert_eq!(
            patch,
            json!([add("revokedBy", "alice"), add("revokedAt", T)])
        );
    }

    #[test]
    fn what_is_written_by_hand_is_left_for_admission_to_refuse() {
        let spec = json!({"decision": "Approved", "decidedBy": "bob", "decidedAt": "1999-01-01T00:00:00Z"});
        assert_eq!(patch("Pending", &spec, &[owner("kubectl", T)]), Value::Null);
    }

    #[test]
    fn without_one_known_owner_there_is_no_time() {
        let spec = json!({"decision": "Approved"});
        let by = json!([add("decidedBy", "alice")]);
        assert_eq!(patch("Pending", &spec, &[]), by);
        assert_eq!(patch("Pending", &spec, &[owner("ancient-changes", T)]), by);
        assert_eq!(patch("Pending", &spec, &[owner("a", T), owner("b", T)]), by);
    }

    #[test]
    fn nothing_else_is_touched_and_what_is_no_review_is_not_answered() {
        let spec = json!({"decision": "Approved", "notes": "n"});
        assert_eq!(
            patch("Approved", &spec, &[owner("kubectl", T)]),
            Value::Null
        );
        for other in [
            json!({}),
            json!([]),
            json!(1),
            json!({"request": {}}),
            json!({"request": {"uid": 1}}),
        ] {
            assert!(answer(&other).is_none(), "{other}");
        }
    }
}
