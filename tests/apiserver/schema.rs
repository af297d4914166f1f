//! The CRDs as they are printed: bounded, described, small, and everywhere the same bytes.

use bot_bottle::{api, yaml};
use serde_json::Value;

/// Shapes that Kubernetes validates when the pod is made; only the size of a request bounds them.
const KUBERNETES_OWN: [&str; 6] = [
    "affinity",
    "tolerations[]",
    "topologySpreadConstraints[]",
    "configMap",
    "emptyDir",
    "persistentVolumeClaim",
];

/// What a person gets from `kubectl explain` must fit into an annotation and a screen, and into one review.
const LARGEST_FILE: usize = 64_000;

fn printed() -> Vec<(String, String, Value)> {
    api::crds()
        .into_iter()
        .map(|crd| {
            let name = crd.spec.names.plural.clone();
            let text = format!("---\n{}", yaml::to_string(&crd).expect("a CRD is YAML"));
            let value = serde_json::to_value(&crd).expect("a CRD is JSON");
            (name, text, value)
        })
        .collect()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR")))
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Calls `see` with every schema below `schema` and its path.
fn walk(path: &str, schema: &Value, see: &mut impl FnMut(&str, &Value)) {
    see(path, schema);
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        walk(&format!("{path}.{name}"), property, see);
    }
    if schema["items"].is_object() {
        walk(&format!("{path}[]"), &schema["items"], see);
    }
    if schema["additionalProperties"].is_object() {
        walk(&format!("{path}{{}}"), &schema["additionalProperties"], see);
    }
}

fn each_schema(mut see: impl FnMut(&str, &Value)) {
    for (name, _, crd) in printed() {
        for version in crd["spec"]["versions"].as_array().expect("versions") {
            let schema = &version["schema"]["openAPIV3Schema"];
            walk(&name, schema, &mut see);
        }
    }
}

#[test]
fn crds_and_chart_hold_what_the_types_print() {
    for (name, text, _) in printed() {
        for directory in ["crds", "charts/bottle-operator/files/crds"] {
            let file = format!("{directory}/{name}.yaml");
            assert!(read(&file) == text, "{file} is stale: run `operator crds`");
        }
    }
}

#[test]
fn each_file_is_small() {
    for (name, text, _) in printed() {
        assert!(text.len() < LARGEST_FILE, "{name}: {} bytes", text.len());
    }
}

#[test]
fn every_field_has_a_description() {
    let mut silent = Vec::new();
    each_schema(|path, schema| {
        let element = path.ends_with("[]") || path.ends_with("{}");
        // The API server itself describes these in every kind.
        let common = ["apiVersion", "kind", "metadata"]
            .contains(&path.rsplit('.').next().unwrap_or_default())
            && path.matches('.').count() == 1;
        if !element && !common && schema["description"].as_str().is_none_or(str::is_empty) {
            silent.push(path.to_owned());
        }
    });
    assert_eq!(silent, Vec::<String>::new());
}

/// What a program's files hold has the program's own shape: no schema can bound it. The Bottle's size does, and `plan`
/// refuses what would not fit into its ConfigMap.
fn is_template(path: &str) -> bool {
    let own = [".merge", ".http", ".stdio", ".supervise"];
    path.contains(".agent.program.") && own.iter().any(|end| path.ends_with(end))
}

#[test]
fn every_string_list_and_map_is_bounded() {
    let mut unbounded = Vec::new();
    each_schema(|path, schema| {
        if ["apiVersion", "kind", "metadata"].contains(&path.split('.').nth(1).unwrap_or_default())
        {
            return;
        }
        let has = |key: &str| !schema[key].is_null();
        let open = schema["x-kubernetes-preserve-unknown-fields"] == true;
        let bounded = match schema["type"].as_str() {
            Some("string") => has("maxLength") || has("enum") || schema["format"] == "date-time",
            Some("array") => has("maxItems"),
            Some("object") if schema["additionalProperties"].is_object() => has("maxProperties"),
            Some("object") if open => {
                KUBERNETES_OWN
                    .iter()
                    .any(|own| path.ends_with(&format!(".{own}")))
                    || is_template(path)
            }
            Some("object") => has("properties"),
            Some("integer" | "boolean") => true,
            None if schema["x-kubernetes-int-or-string"] == true => has("maxLength"),
            _ => false,
        };
        if !bounded {
            unbounded.push(path.to_owned());
        }
    });
    assert_eq!(unbounded, Vec::<String>::new());
}

#[test]
fn the_keys_of_every_map_are_bounded_by_a_rule() {
    let mut unbounded = Vec::new();
    each_schema(|path, schema| {
        if !schema["additionalProperties"].is_object() {
            return;
        }
        let rules = schema["x-kubernetes-validations"].to_string();
        if !rules.contains("self.all(k, size(k) <= ") {
            unbounded.push(path.to_owned());
        }
    });
    assert_eq!(unbounded, Vec::<String>::new());
}
