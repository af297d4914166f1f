//! What the kubelets of a cluster should be told, so that an agent, or a step of its Dockerfile, takes no node along.

use super::Finding;
use serde_json::Value;

/// In short, for whoever can't ask them.
pub const RECOMMENDED: &str =
    "kubelets with podPidsLimit (such as 4096) and localStorageCapacityIsolation";

/// Of each node: is there a limit of processes, and is disk measured?
pub fn judge(kubelets: &[(String, Value)]) -> Finding {
    let missing: Vec<String> = kubelets
        .iter()
        .flat_map(|(node, config)| faults(config).map(move |fault| format!("{node} {fault}")))
        .collect();
    match kubelets.len() {
        0 => Finding::Bad(format!("there are none; recommended: {RECOMMENDED}")),
        _ if missing.is_empty() => {
            Finding::Good("their kubelets limit a pod's processes and measure its disk".into())
        }
        _ => Finding::Bad(missing.join("; ")),
    }
}

fn faults(config: &Value) -> impl Iterator<Item = &'static str> {
    // Absent is the kubelet's own default: no limit of processes, but disk is measured.
    let processes = config["podPidsLimit"].as_i64().unwrap_or(-1);
    let measured = config["localStorageCapacityIsolation"]
        .as_bool()
        .unwrap_or(true);
    [
        (
            processes <= 0,
            "has no podPidsLimit: one agent, or one step of a Dockerfile, can fork until nothing else can; set it in \
             the kubelet's configuration, such as 4096",
        ),
        (
            !measured,
            "does not measure disk: a bottle can fill it; set localStorageCapacityIsolation to true",
        ),
    ]
    .into_iter()
    .filter_map(|(wrong, text)| wrong.then_some(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn said(configs: &[Value]) -> (bool, String) {
        let named: Vec<_> = configs
            .iter()
            .map(|config| ("n1".to_owned(), config.clone()))
            .collect();
        match judge(&named) {
            Finding::Good(text) => (true, text),
            Finding::Bad(text) => (false, text),
        }
    }

    #[test]
    fn a_node_without_a_limit_of_processes_or_of_disk_is_named() {
        let good = json!({"podPidsLimit": 4096, "localStorageCapacityIsolation": true});
        assert!(said(std::slice::from_ref(&good)).0);
        assert!(said(&[json!({"podPidsLimit": 100})]).0);
        for (config, word) in [
            (json!({}), "podPidsLimit"),
            (json!({"podPidsLimit": -1}), "podPidsLimit"),
            (
                json!({"podPidsLimit": 1, "localStorageCapacityIsolation": false}),
                "disk",
            ),
        ] {
            let (fine, text) = said(&[good.clone(), config]);
            assert!(
                !fine && text.contains("n1 ") && text.contains(word),
                "{text}"
            );
        }
        assert!(!said(&[]).0);
    }
}
