//! A world without a cluster: applies a plan's actions to plain objects, as the API server, the kubelet and the
//! sidecars would.

use bot_bottle::{
    api::{
        Bottle, BottleClass, BottleClassSpec, BottleStatus, Decision, Proposal, ProposalSidecar,
        ProposalSpec, Sidecar, Tool,
    },
    names,
    plan::{
        Action, Observed, Plan,
        builds::{Around, brought},
        plan,
        settings::Settings,
    },
    yaml,
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{
    ConfigMap, ContainerState, ContainerStateRunning, ContainerStateTerminated, ContainerStatus,
    PersistentVolumeClaim, Pod, PodStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::{collections::BTreeMap, sync::Arc};

pub const BOTTLE: &str = "
apiVersion: bot-bottle.dev/v1alpha1
kind: Bottle
metadata: {name: blue, namespace: garden, uid: 5f0c6d1e-aaaa, generation: 1}
spec:
  agent:
    kind: claude
    image: registry.example.com/agents/claude:7
  allowlist: [api.example.com, .docs.example.org]
  workspace: {acceptLoss: true}
";

pub struct World {
    pub bottle: Bottle,
    pub class: Option<BottleClass>,
    pub proposals: Vec<Proposal>,
    pub pod: Option<Pod>,
    pub config_map: Option<ConfigMap>,
    pub claim: Option<PersistentVolumeClaim>,
    /// The cluster's default storage class, which admission writes into claims that name none.
    pub default_class: Option<&'static str>,
    pub settings: Settings,
    pub helpers: Vec<Arc<Pod>>,
    /// What was built in the namespace for other Bottles.
    pub known: BTreeMap<String, String>,
    /// Whether the operator has removed the Bottle.
    pub removed: bool,
    /// Whether the bottle may be interrupted.
    pub turn: bool,
    pub now: Timestamp,
}

impl World {
    pub fn new(bottle: &str) -> Self {
        Self {
            bottle: yaml::from_str(bottle).unwrap(),
            class: None,
            proposals: Vec::new(),
            pod: None,
            config_map: None,
            claim: None,
            default_class: Some("standard"),
            settings: Settings {
                supervise_image: "registry.example.com/supervise:3".into(),
                pull_policy: "IfNotPresent".into(),
                deny: vec!["10.96.0.0/16".parse().unwrap()],
                pipelock: None,
                builds: None,
                runtime: None,
                images: std::collections::BTreeMap::new(),
                builtin: BottleClassSpec::default(),
            },
            helpers: Vec::new(),
            known: BTreeMap::new(),
            removed: false,
            turn: true,
            now: "2026-03-01T10:00:00Z".parse().unwrap(),
        }
    }

    /// A bottle whose agent runs and whose sidecars enforce everything.
    pub fn running() -> Self {
        Self::running_as(BOTTLE)
    }

    /// The same of another Bottle.
    pub fn running_as(bottle: &str) -> Self {
        let mut world = Self::new(bottle);
        world.settle();
        world.kubelet_runs_all();
        world.sidecar_enforces();
        world.settle();
        world
    }

    pub fn plan(&self) -> Plan {
        let mut known = self.known.clone();
        known.extend(self.proposals.iter().filter_map(brought));
        let observed = Observed {
            class: self.class.as_ref(),
            proposals: &self.proposals,
            config_map: self.config_map.as_ref(),
            pod: self.pod.as_ref(),
            claim: self.claim.as_ref(),
            settings: &self.settings,
            builds: Around {
                pods: &self.helpers,
                known: Some(&known),
            },
            turn: self.turn,
        };
        plan(&self.bottle, observed, self.now)
    }

    /// Plans and applies until there is nothing left to do; the names of all actions.
    pub fn settle(&mut self) -> Vec<String> {
        let mut names = Vec::new();
        for _ in 0..5 {
            let plan = self.plan();
            if plan.actions.is_empty() || self.removed {
                return names;
            }
            for action in plan.actions {
                names.push(name(&action));
                self.apply(action);
            }
        }
        panic!("never comes to rest: {names:?}");
    }

    pub fn apply(&mut self, action: Action) {
        match action {
            Action::ApplyProposalStatus { name, status } => {
                let proposal = self.proposal(&name);
                let sidecar = proposal.status.take().and_then(|status| status.sidecar);
                proposal.status = Some(*status);
                proposal.status.as_mut().unwrap().sidecar = sidecar;
            }
            Action::DeleteProposal { name, uid, .. } => {
                assert_eq!(self.proposal(&name).metadata.uid.as_deref(), Some(&*uid));
                self.proposals
                    .retain(|one| one.metadata.name != Some(name.clone()));
            }
            Action::CreateConfigMap(config_map) | Action::ApplyConfigMap(config_map) => {
                self.config_map = Some(*config_map);
            }
            Action::CreateClaim(mut claim) => {
                assert!(self.claim.is_none());
                claim.metadata.uid = Some("claim-uid".into());
                claim.metadata.creation_timestamp = Some(Time(self.now));
                let class = &mut claim.spec.as_mut().unwrap().storage_class_name;
                *class = class.take().or(self.default_class.map(str::to_owned));
                self.claim = Some(*claim);
            }
            Action::DeleteBottle { uid } => {
                assert_eq!(self.bottle.metadata.uid, Some(uid));
                self.removed = true;
            }
            Action::CreatePod(mut pod) => {
                assert!(self.pod.is_none());
                pod.metadata.uid = Some("pod-uid".into());
                self.pod = Some(*pod);
            }
            Action::DeletePod { .. } => self.pod = None,
            Action::PatchPodImage { image } => {
                let spec = self.pod.as_mut().unwrap().spec.as_mut().unwrap();
                let agent = spec
                    .containers
                    .iter_mut()
                    .find(|one| one.name == names::container::AGENT);
                agent.unwrap().image = Some(image);
            }
            Action::CreateHelper(mut pod) => {
                pod.metadata.uid =
                    Some(format!("uid-of-{}", pod.metadata.name.as_deref().unwrap()));
                pod.metadata.creation_timestamp = Some(Time(self.now));
                self.helpers.push(Arc::new(*pod));
            }
            Action::DeleteHelper { uid, .. } => {
                self.helpers
                    .retain(|pod| pod.metadata.uid.as_ref() != Some(&uid));
            }
            Action::ResizePod { hash, .. } => self.annotate(names::ANNOTATION_RESOURCES_HASH, hash),
            Action::TouchPod { value } => self.annotate(names::ANNOTATION_CONFIG_TOUCH, value),
            Action::ApplyBottleStatus(status) => {
                let sidecar = self.bottle.status.take().and_then(|status| status.sidecar);
                self.bottle.status = Some(BottleStatus { sidecar, ..*status });
            }
            Action::Notify { .. } => {}
        }
    }

    fn annotate(&mut self, name: &str, value: String) {
        self.pod
            .as_mut()
            .unwrap()
            .metadata
            .annotations
            .as_mut()
            .unwrap()
            .insert(name.into(), value);
    }

    pub fn kubelet_runs_all(&mut self) {
        let running = |name: &str| ContainerStatus {
            name: name.into(),
            state: Some(ContainerState {
                running: Some(ContainerStateRunning::default()),
                ..ContainerState::default()
            }),
            ..ContainerStatus::default()
        };
        let prepared = ContainerStatus {
            name: names::container::PREPARE.into(),
            state: Some(ContainerState {
                terminated: Some(ContainerStateTerminated::default()),
                ..ContainerState::default()
            }),
            ..ContainerStatus::default()
        };
        self.pod.as_mut().unwrap().status = Some(PodStatus {
            phase: Some("Running".into()),
            init_container_statuses: Some(vec![prepared]),
            container_statuses: Some(
                ["supervise", "cred-proxy", "egress", "agent"]
                    .map(running)
                    .to_vec(),
            ),
            ..PodStatus::default()
        });
    }

    /// Sets the state of one container.
    pub fn container_state(&mut self, name: &str, state: &ContainerState) {
        let status = self.pod.as_mut().unwrap().status.as_mut().unwrap();
        let all = status
            .init_container_statuses
            .iter_mut()
            .flatten()
            .chain(status.container_statuses.iter_mut().flatten());
        for one in all.filter(|one| one.name == name) {
            one.state = Some(state.clone());
        }
    }

    /// The mounted files have arrived and every role enforces them.
    pub fn sidecar_enforces(&mut self) {
        let hash = self.file(names::file::HASH);
        let status = self.bottle.status.get_or_insert_default();
        status.sidecar = Some(Sidecar {
            enforced_hash: Some(hash),
            ..Sidecar::default()
        });
    }

    pub fn sidecar_answers(&mut self, proposal: &str) {
        let status = self.proposal(proposal).status.as_mut().unwrap();
        let asked = status
            .sidecar
            .as_ref()
            .and_then(|one| one.asked)
            .unwrap_or(1);
        status.sidecar = Some(ProposalSidecar {
            asked: Some(asked),
            answered: Some(asked),
        });
    }

    /// The agent asks for `file` instead of what is in force.
    pub fn ask(&mut self, name: &str, file: &str) {
        let base_file = self.file(names::file::ALLOWLIST);
        let mut proposal = Proposal::new(
            name,
            ProposalSpec {
                bottle: "blue".into(),
                bottle_uid: "5f0c6d1e-aaaa".into(),
                tool: Tool::PipelockBlock,
                justification: "because".into(),
                proposed_file: file.into(),
                base_file,
                decision: Decision::Pending,
                notes: String::new(),
                final_file: None,
                expires_at: None,
                decided_by: None,
                decided_at: None,
                revoked_by: None,
                revoked_at: None,
            },
        );
        proposal.metadata.namespace = Some("garden".into());
        proposal.metadata.uid = Some(format!("uid-of-{name}"));
        proposal.metadata.creation_timestamp = Some(Time(self.now));
        self.proposals.push(proposal);
    }

    /// The agent asks for these routes instead of those in force.
    pub fn ask_routes(&mut self, name: &str, routes: &serde_json::Value) {
        self.ask(name, &serde_json::json!({"routes": routes}).to_string());
        let base_file = self.file(names::file::ROUTES);
        let spec = &mut self.proposal(name).spec;
        spec.tool = Tool::CredProxyBlock;
        spec.base_file = base_file;
    }

    /// The agent asks for one route more.
    pub fn ask_for_route(&mut self, name: &str, route: serde_json::Value) {
        let mut routes = self.routes();
        routes.as_array_mut().unwrap().push(route);
        self.ask_routes(name, &routes);
    }

    /// The routes in force.
    pub fn routes(&self) -> serde_json::Value {
        let file: serde_json::Value =
            serde_json::from_str(&self.file(names::file::ROUTES)).unwrap();
        file["routes"].clone()
    }

    /// The paths of the routes in force, in order.
    pub fn paths(&self) -> Vec<String> {
        let routes = self.routes();
        let path = |route: &serde_json::Value| route["path"].as_str().unwrap().to_owned();
        routes.as_array().unwrap().iter().map(path).collect()
    }

    /// The agent asks for one more host.
    pub fn ask_for(&mut self, name: &str, host: &str) {
        let file = format!("{}{host}\n", self.file(names::file::ALLOWLIST));
        self.ask(name, &file);
    }

    pub fn decide(&mut self, name: &str, decision: Decision) -> &mut ProposalSpec {
        let now = self.now;
        let spec = &mut self.proposal(name).spec;
        spec.decision = decision;
        if decision == Decision::Revoked {
            spec.revoked_by = Some("rosa".into());
            spec.revoked_at = Some(now);
        } else {
            spec.decided_by = Some("rosa".into());
            spec.decided_at = Some(now);
        }
        spec
    }

    pub fn approve_and_enforce(&mut self, name: &str) {
        self.decide(name, Decision::Approved);
        self.settle();
        self.sidecar_enforces();
        self.sidecar_answers(name);
        self.settle();
    }

    pub fn proposal(&mut self, name: &str) -> &mut Proposal {
        self.proposals
            .iter_mut()
            .find(|one| one.metadata.name.as_deref() == Some(name))
            .unwrap()
    }

    pub fn phase(&mut self, name: &str) -> String {
        let status = self.proposal(name).status.clone().unwrap_or_default();
        status
            .phase
            .map_or_else(|| "none".into(), |phase| format!("{phase:?}"))
    }

    pub fn file(&self, name: &str) -> String {
        self.config_map.as_ref().unwrap().data.as_ref().unwrap()[name].clone()
    }

    pub fn ready(&self) -> (String, String, String) {
        let status = self.bottle.status.clone().unwrap_or_default();
        let ready = status
            .conditions
            .iter()
            .find(|one| one.type_ == "Ready")
            .unwrap()
            .clone();
        (ready.status, ready.reason, ready.message)
    }

    pub fn wait(&mut self, seconds: i64) {
        self.now = self
            .now
            .checked_add(SignedDuration::from_secs(seconds))
            .unwrap();
    }
}

pub fn name(action: &Action) -> String {
    let text = format!("{action:?}");
    text.split([' ', '(', '{']).next().unwrap().to_owned()
}
