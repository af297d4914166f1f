//! The road of a route: declared, asked for, approved, in the ConfigMap. The plan is the operator's own, its writes
//! are made as the operator's account; what the API server would not store shows here.

use crate::{
    proposals::{decide, question, with},
    support::{
        cluster::Space,
        rest::{
            Patch, Requests, accepted,
            path::{ACCOUNTS, BOTTLES, CONFIG_MAPS, PODS, PROPOSALS},
        },
    },
};
use bot_bottle::{
    api::{Bottle, BottleClassSpec, Proposal},
    plan::{Action, Observed, builds::Around, plan, settings::Settings},
};
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::{Value, json};

/// What the API server stored, as our types read it.
fn decoded<T: serde::de::DeserializeOwned>(stored: Value) -> T {
    serde_json::from_value(stored).expect("what was stored can be read")
}

/// One Bottle, planned for by hand.
struct Road {
    space: Space,
    operator: Requests,
}

impl Road {
    async fn new(spec: &Value) -> Self {
        let space = Space::new().await;
        let operator = space.operator().await.requests;
        let bottle = json!({
            "apiVersion": "bot-bottle.dev/v1alpha1",
            "kind": "Bottle",
            "metadata": {"name": "demo"},
            "spec": spec,
        });
        accepted("a Bottle", space.admin.create(BOTTLES, &bottle).await);
        let account = json!({
            "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "bottle-supervise"},
        });
        accepted("the account", operator.create(ACCOUNTS, &account).await);
        Self { space, operator }
    }

    /// Plans and writes until only the pod is left to do, which no node here would run.
    async fn settle(&self) {
        for _ in 0..5 {
            if self.step().await == 0 {
                return;
            }
        }
        panic!("never comes to rest");
    }

    async fn step(&self) -> usize {
        let get = async |path: &str, name: &str| self.operator.get(path, name).await;
        let bottle = accepted("the Bottle", get(BOTTLES, "demo").await);
        let bottle: Bottle = decoded(bottle);
        let list = accepted("the Proposals", get(PROPOSALS, "").await);
        let proposals: Vec<Proposal> = decoded(list["items"].clone());
        let config_map = get(CONFIG_MAPS, "demo-bottle").await.ok();
        let config_map: Option<ConfigMap> = config_map.map(decoded);
        let settings = Settings {
            supervise_image: "none.invalid/supervise:1".into(),
            pull_policy: "IfNotPresent".into(),
            deny: Vec::new(),
            pipelock: None,
            builds: None,
            images: std::collections::BTreeMap::new(),
            runtime: None,
            builtin: BottleClassSpec::default(),
        };
        let observed = Observed {
            class: None,
            proposals: &proposals,
            config_map: config_map.as_ref(),
            pod: None,
            claim: None,
            settings: &settings,
            builds: Around::default(),
            turn: true,
        };
        #[expect(clippy::disallowed_methods, reason = "a test has a clock")]
        let now = jiff::Timestamp::now();
        let mut written = 0;
        for action in plan(&bottle, observed, now).actions {
            written += usize::from(self.write(action).await);
        }
        written
    }

    async fn write(&self, action: Action) -> bool {
        let ours = |kind: &str, name: &str, status: Value| {
            json!({
                "apiVersion": "bot-bottle.dev/v1alpha1",
                "kind": kind,
                "metadata": {"name": name},
                "status": status,
            })
        };
        let apply = async |path: &str, name: &str, object: Value| {
            let answer = self.operator.patch(path, name, Patch::Apply, &object).await;
            accepted(name, answer)
        };
        match action {
            Action::ApplyProposalStatus { name, status } => {
                let object = ours("Proposal", &name, json!(status));
                apply(PROPOSALS, &format!("{name}/status"), object).await;
            }
            Action::ApplyBottleStatus(status) => {
                let object = ours("Bottle", "demo", json!(status));
                apply(BOTTLES, "demo/status", object).await;
            }
            Action::CreateConfigMap(object) | Action::ApplyConfigMap(object) => {
                apply(CONFIG_MAPS, "demo-bottle", json!(object)).await;
            }
            Action::CreatePod(pod) => {
                let dry = format!("{PODS}?dryRun=All");
                accepted("the pod", self.operator.create(&dry, &json!(pod)).await);
                return false;
            }
            _ => return false,
        }
        true
    }

    async fn routes(&self) -> Value {
        let stored = self.operator.get(CONFIG_MAPS, "demo-bottle").await;
        let stored = accepted("the ConfigMap", stored);
        let text = stored["data"]["routes.json"].as_str();
        serde_json::from_str(text.expect("routes.json")).expect("JSON")
    }

    /// Asks for one route more.
    async fn ask(&self, name: &str, route: Value) {
        let bottle = accepted("the Bottle", self.operator.get(BOTTLES, "demo").await);
        let base = self.routes().await;
        let mut proposed = base.clone();
        let routes = proposed["routes"].as_array_mut();
        routes.expect("a list").push(route);
        let asked = with(
            question("demo", name),
            &[
                ("/spec/bottleUID", bottle["metadata"]["uid"].clone()),
                ("/spec/tool", json!("cred-proxy-block")),
                ("/spec/baseFile", json!(base.to_string())),
                ("/spec/proposedFile", json!(proposed.to_string())),
            ],
        );
        accepted(name, self.space.admin.create(PROPOSALS, &asked).await);
        self.settle().await;
    }

    async fn approve(&self, name: &str) {
        decide(&self.space.admin, name, "Approved").await;
        self.settle().await;
    }

    async fn status(&self, name: &str) -> Value {
        let stored = self.space.admin.get(PROPOSALS, name).await;
        accepted(name, stored)["status"].clone()
    }
}

fn spec() -> Value {
    json!({
        "agent": {"kind": "claude", "image": "none.invalid/agent:1", "modelSecret": "MODEL"},
        "secrets": {
            "FORGE": {"secretName": "tokens", "key": "forge"},
            "MODEL": {"secretName": "tokens", "key": "model", "hosts": ["api.anthropic.com"]},
        },
        "routes": [{
            "path": "/forge/",
            "upstream": "https://forge.example.com",
            "auth": {"scheme": "Bearer", "secret": "FORGE"},
        }],
    })
}

fn route(path: &str, upstream: &str, secret: &str) -> Value {
    let auth = json!({"scheme": "Bearer", "secret": secret});
    json!({"path": path, "upstream": upstream, "auth": auth})
}

#[tokio::test]
async fn an_approved_route_comes_into_the_config_map() {
    let road = Road::new(&spec()).await;
    road.settle().await;
    let paths = |routes: &Value| -> Vec<String> {
        let all = routes["routes"].as_array().unwrap().iter();
        all.map(|one| one["path"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(paths(&road.routes().await), ["/forge/", "/model/"]);

    road.ask("demo-1", route("/hub/", "https://hub.example.net", "FORGE"))
        .await;
    let status = road.status("demo-1").await;
    assert_eq!(
        status["change"],
        json!([
            "WARNING: FORGE would be sent to another host: hub.example.net. So far it goes to forge.example.com only",
            "+ /hub/ → https://hub.example.net (Bearer FORGE)",
        ])
    );
    assert_eq!(
        status["summary"],
        "WARNING + /hub/ → https://hub.example.net (Bearer FORGE)"
    );
    assert_eq!(paths(&road.routes().await), ["/forge/", "/model/"]);

    road.approve("demo-1").await;
    assert_eq!(paths(&road.routes().await), ["/forge/", "/model/", "/hub/"]);
    assert_eq!(road.status("demo-1").await["phase"], "Applying");
}

#[tokio::test]
async fn what_no_approval_can_allow_is_told_and_changes_nothing() {
    let road = Road::new(&spec()).await;
    road.settle().await;
    let before = road.routes().await;
    road.ask("demo-1", route("/m/", "https://evil.example.net", "MODEL"))
        .await;
    road.ask("demo-2", route("/n/", "https://n.example.net", "NOBODYS"))
        .await;
    for (name, phase, reason) in [
        ("demo-1", "Failed", "SecretHost"),
        ("demo-2", "Pending", "UndeclaredSecret"),
    ] {
        road.approve(name).await;
        let status = road.status(name).await;
        assert_eq!(
            (&status["phase"], &status["reason"]),
            (&json!(phase), &json!(reason)),
            "{status}"
        );
    }
    assert_eq!(road.routes().await, before);
}

#[tokio::test]
async fn the_longest_warnings_and_routes_can_be_stored() {
    let road = Road::new(&spec()).await;
    road.settle().await;
    let base = road.routes().await;
    let mut proposed = base.clone();
    for number in 0..60 {
        let path = format!("/forge/{}{number}/", "p".repeat(230));
        let host = format!("{}.{}.example.net", "h".repeat(63), "i".repeat(63));
        let upstream = format!("https://{host}/{}", "u".repeat(400));
        let routes = proposed["routes"].as_array_mut().unwrap();
        routes.push(route(&path, &upstream, "FORGE"));
    }
    let bottle = accepted("the Bottle", road.operator.get(BOTTLES, "demo").await);
    let asked = with(
        question("demo", "demo-1"),
        &[
            ("/spec/bottleUID", bottle["metadata"]["uid"].clone()),
            ("/spec/tool", json!("cred-proxy-block")),
            ("/spec/baseFile", json!(base.to_string())),
            ("/spec/proposedFile", json!(proposed.to_string())),
        ],
    );
    accepted("large", road.space.admin.create(PROPOSALS, &asked).await);
    road.settle().await;
    let status = road.status("demo-1").await;
    assert!(
        status["warnings"].as_array().unwrap().len() > 20,
        "{status}"
    );
    road.approve("demo-1").await;
    assert_eq!(road.routes().await["routes"].as_array().unwrap().len(), 62);
}
