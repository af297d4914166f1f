//! One Bottle with its scopes merged and every value checked: what the rest of `plan` may rely on.

use super::{
    engine, image,
    overlay::{overlay, own},
    problem::Problem,
    routes,
    settings::Settings,
    values,
    workspace::Work,
};
use crate::{
    agents,
    api::{
        Bottle, BottleClass, BottleClassSpec, Engine, OperatingMode, PodTemplate, Resources,
        Secret, Skill,
    },
    config::egress,
    names,
    proposal::{change::ImageChange, lifetimes::Lifetimes, today::Today},
};
use std::collections::BTreeMap;

/// `seal` gives up after three failures in a row: enough for a hiccup, few enough to be noticed.
const MAX_RESTARTS: u32 = 3;

/// A valid Bottle.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// The agent's image; empty while one that is built from `build` has not come to be.
    pub image: String,
    /// The Bottle's own Dockerfile, when it is built.
    pub build: Option<ImageChange>,
    /// The agent's environment.
    pub env: BTreeMap<String, String>,
    /// The agent's CPU and memory.
    pub resources: Option<Resources>,
    /// The agent's uid.
    pub user: i64,
    /// Where the agent starts.
    pub working_dir: String,
    /// The image's own home, when named.
    pub image_home: Option<String>,
    /// Failures in a row until the bottle is Failed.
    pub max_restarts: u32,
    /// Whether the agent may ask.
    pub supervise: bool,
    /// Settings files, commands, and what else the agent's program is given.
    pub rendered: agents::Rendered,
    /// The agent's skills.
    pub skills: Vec<Skill>,
    /// Whether the agent has a terminal.
    pub tty: bool,
    /// Secrets, for cred-proxy; those that the settings name for `prepare` too.
    pub secrets: BTreeMap<String, Secret>,
    /// What the Bottle and its class declare, and the operator's own routes.
    pub declared: Today,
    /// `egress.json`.
    pub egress: egress::Egress,
    /// Which program keeps the allowlist.
    pub engine: Engine,
    /// ConfigMap with a company's certificates.
    pub ca_bundle: Option<String>,
    /// Whether the pod shall exist.
    pub suspended: bool,
    /// Mount path of the workspace.
    pub workspace_path: String,
    /// What workspace and HOME live in, and what becomes of them.
    pub work: Work,
    /// Pull secrets.
    pub image_pull_secrets: Vec<String>,
    /// RuntimeClass.
    pub runtime_class_name: Option<String>,
    /// Harmless parts of the pod.
    pub pod_template: Option<PodTemplate>,
}

/// Merges builtin → class → bottle and checks the result.
pub fn validate(
    bottle: &Bottle,
    class: Option<&BottleClass>,
    settings: &Settings,
) -> Result<Spec, Problem> {
    let class_spec = match (&bottle.spec.class, class) {
        (None, _) => BottleClassSpec::default(),
        (Some(_), Some(class)) => class.spec.clone(),
        (Some(name), None) => return Err(Problem::UnknownClass(name.clone())),
    };
    let scopes = [settings.builtin.clone(), class_spec, own(&bottle.spec)];
    let agent_settings = agents::merge::merge(&scopes.each_ref().map(agents::Settings::of));
    let merged = scopes.into_iter().reduce(overlay).unwrap_or_default();
    Lifetimes::read(&merged.proposals.clone().unwrap_or_default()).map_err(Problem::Lifetime)?;
    let agent = &merged.agent;
    let kind = agent.kind.ok_or(Problem::NoKind)?;
    let build = image::to_build(&bottle.spec, settings)?;
    let image = match &build {
        Some(_) => String::new(),
        None => image::named_by(agent, kind, settings).ok_or(Problem::NoImage(kind))?,
    };
    let workspace = merged.workspace.clone().unwrap_or_default();
    let workspace_path = workspace
        .mount_path
        .clone()
        .unwrap_or_else(|| names::path::WORKSPACE.to_owned());
    values::check_path("spec.workspace.mountPath", &workspace_path)?;
    let working_dir = agent
        .working_dir
        .clone()
        .unwrap_or_else(|| workspace_path.clone());
    let place = agents::Place {
        home: names::path::HOME,
        working_dir: &working_dir,
        cred_proxy: Some(agents::model::CRED_PROXY),
        supervise: names::mcp::URL,
    };
    let rendered = agents::render(&agent_settings, &place).map_err(Problem::Settings)?;
    if rendered.start.is_empty() {
        return Err(Problem::NoCommand(kind));
    }
    let credentials = routes::credentials(routes::Inputs {
        routes: &bottle.spec.routes,
        secrets: &bottle.spec.secrets,
        servers: &agent_settings.mcp_servers,
        agent,
        kind,
        fragments: &rendered.fragments,
    })?;
    let mut env = values::environment(&rendered.env, &agent.env)?;
    env.extend(credentials.env);
    let in_force = match &bottle.spec.dockerfile {
        Some(declared) => declared.clone(),
        None => format!("FROM {image}\n"),
    };
    let bases = settings
        .builds
        .as_ref()
        .map(|builds| image::bases(bottle, builds, &image, &in_force));
    Ok(Spec {
        image,
        build,
        env,
        resources: agent.resources.clone(),
        user: values::agent_uid(agent.user)?,
        working_dir,
        image_home: agent.home.clone(),
        max_restarts: agent.max_restarts.unwrap_or(MAX_RESTARTS),
        supervise: merged.supervise.unwrap_or(true),
        rendered,
        skills: agent.skills.clone(),
        tty: agent.tty == Some(true),
        secrets: bottle.spec.secrets.clone(),
        declared: Today {
            allowlist: values::allowlist(&merged.allowlist)?,
            routes: credentials.routes,
            secrets: credentials.secrets,
            dockerfile: in_force,
            bases,
            runtime: settings.runtime,
        },
        egress: values::egress_file(&merged.egress, settings)?,
        engine: engine::engine(&merged.egress, settings)?,
        ca_bundle: merged.egress.ca_bundle,
        suspended: bottle.spec.operating_mode == Some(OperatingMode::Suspended),
        workspace_path,
        work: Work::read(workspace, &bottle.spec, settings)?,
        image_pull_secrets: merged
            .image_pull_secrets
            .iter()
            .map(|reference| reference.name.clone())
            .collect(),
        runtime_class_name: merged.runtime_class_name,
        pod_template: merged.pod_template,
    })
}

impl Spec {
    /// The secrets that stand in the agent's settings, and so in its home.
    pub fn secrets_in_settings(&self) -> BTreeMap<&String, &Secret> {
        let used = agents::secrets::secrets_used(&self.rendered.fragments);
        let all = self.secrets.iter();
        all.filter(|(name, _)| used.contains_key(*name)).collect()
    }
}
