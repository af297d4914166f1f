//! One Bottle with its scopes merged and every value checked: what the rest of `plan` may rely on.

use super::{
    engine, image, problem::Problem, roll::PERCENT, routes, settings::Settings, workspace::Work,
};
use crate::{
    agents,
    api::{
        Bottle, BottleClass, BottleClassSpec, BottleSpec, Egress, Engine, OperatingMode,
        PodTemplate, Proposals, Resources, Secret, Skill, Workspace,
    },
    config::{allowlist::Allowlist, egress},
    names,
    proposal::{
        change::ImageChange,
        lifetimes::{InvalidLifetime, Lifetimes},
        today::Today,
    },
};
use std::collections::BTreeMap;

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

/// What a Bottle and its class say together, the settings of the agent's program apart.
pub fn together(bottle: &BottleSpec, class: Option<&BottleClass>) -> BottleClassSpec {
    let class = class.map(|class| class.spec.clone()).unwrap_or_default();
    overlay(class, own(bottle))
}

/// How long the bottle's proposals live; a class that is not there adds nothing.
pub fn lifetimes(
    bottle: &Bottle,
    class: Option<&BottleClass>,
    settings: &Settings,
) -> Result<Lifetimes, InvalidLifetime> {
    let class = class.map(|class| class.spec.clone()).unwrap_or_default();
    let merged = overlay(overlay(settings.builtin.clone(), class), own(&bottle.spec));
    Lifetimes::read(&merged.proposals.unwrap_or_default())
}

/// How many per cent of the class' bottles may be without their agent at a time.
pub fn roll_percent(class: Option<&BottleClass>, settings: &Settings) -> u8 {
    class
        .and_then(|class| class.spec.roll_percent)
        .or(settings.builtin.roll_percent)
        .unwrap_or(PERCENT)
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
    check_path("spec.workspace.mountPath", &workspace_path)?;
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
    let mut env = environment(&rendered.env, &agent.env)?;
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
        user: agent_uid(agent.user)?,
        working_dir,
        image_home: agent.home.clone(),
        max_restarts: agent.max_restarts.unwrap_or(MAX_RESTARTS),
        supervise: merged.supervise.unwrap_or(true),
        rendered,
        skills: agent.skills.clone(),
        tty: agent.tty == Some(true),
        secrets: bottle.spec.secrets.clone(),
        declared: Today {
            allowlist: allowlist(&merged.allowlist)?,
            routes: credentials.routes,
            secrets: credentials.secrets,
            dockerfile: in_force,
            bases,
            runtime: settings.runtime,
        },
        egress: egress_file(&merged.egress, settings)?,
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

/// `seal` gives up after three failures in a row: enough for a hiccup, few enough to be noticed.
const MAX_RESTARTS: u32 = 3;

/// `over` on top of `base`: maps merge by key, lists that are sets are united, the last single value wins.
fn overlay(base: BottleClassSpec, over: BottleClassSpec) -> BottleClassSpec {
    let mut agent = base.agent;
    let top = over.agent;
    agent.kind = top.kind.or(agent.kind);
    agent.image = top.image.or(agent.image);
    if !top.command.is_empty() {
        agent.command = top.command;
    }
    if !top.args.is_empty() {
        agent.args = top.args;
    }
    agent.env.extend(top.env);
    agent.resources = top.resources.or(agent.resources);
    agent.user = top.user.or(agent.user);
    agent.working_dir = top.working_dir.or(agent.working_dir);
    agent.home = top.home.or(agent.home);
    agent.prompt = top.prompt.or(agent.prompt);
    agent.tty = top.tty.or(agent.tty);
    if !top.skills.is_empty() {
        agent.skills = top.skills;
    }
    agent.settings_path = top.settings_path.or(agent.settings_path);
    agent.model_secret = top.model_secret.or(agent.model_secret);
    agent.model = top.model.or(agent.model);
    agent.injection = top.injection.or(agent.injection);
    agent.program = top.program.or(agent.program);
    agent.model_api = top.model_api.or(agent.model_api);
    agent.model_upstream = top.model_upstream.or(agent.model_upstream);
    agent.max_restarts = top.max_restarts.or(agent.max_restarts);
    let mut allowlist = base.allowlist;
    allowlist.extend(over.allowlist);
    let mut allow_internal = base.egress.allow_internal;
    allow_internal.extend(over.egress.allow_internal);
    let mut image_pull_secrets = base.image_pull_secrets;
    image_pull_secrets.extend(over.image_pull_secrets);
    BottleClassSpec {
        agent,
        supervise: over.supervise.or(base.supervise),
        roll_percent: over.roll_percent.or(base.roll_percent),
        // The settings have rules of their own for merging: agents::merge.
        mcp_servers: BTreeMap::new(),
        plugins: BTreeMap::new(),
        marketplaces: BTreeMap::new(),
        allowlist,
        egress: crate::api::Egress {
            engine: over.egress.engine.or(base.egress.engine),
            allow_internal,
            ca_bundle: over.egress.ca_bundle.or(base.egress.ca_bundle),
            parent_proxy: over.egress.parent_proxy.or(base.egress.parent_proxy),
        },
        workspace: match (base.workspace, over.workspace) {
            (Some(base), Some(over)) => Some(Workspace {
                size: over.size.or(base.size),
                storage_class_name: over.storage_class_name.or(base.storage_class_name),
                accept_loss: over.accept_loss.or(base.accept_loss),
                mount_path: over.mount_path.or(base.mount_path),
                git: over.git.or(base.git),
            }),
            (base, over) => over.or(base),
        },
        proposals: match (base.proposals, over.proposals) {
            (Some(base), Some(over)) => Some(Proposals {
                pending_ttl: over.pending_ttl.or(base.pending_ttl),
                retention: over.retention.or(base.retention),
            }),
            (base, over) => over.or(base),
        },
        image_pull_secrets,
        runtime_class_name: over.runtime_class_name.or(base.runtime_class_name),
        pod_template: over.pod_template.or(base.pod_template),
    }
}

/// The part of a Bottle that a class may have too.
pub fn own(spec: &BottleSpec) -> BottleClassSpec {
    BottleClassSpec {
        agent: spec.agent.clone(),
        supervise: spec.supervise,
        roll_percent: None,
        mcp_servers: spec.mcp_servers.clone(),
        plugins: spec.plugins.clone(),
        marketplaces: spec.marketplaces.clone(),
        allowlist: spec.allowlist.clone(),
        egress: spec.egress.clone(),
        workspace: spec.workspace.clone(),
        proposals: spec.proposals.clone(),
        image_pull_secrets: spec.image_pull_secrets.clone(),
        runtime_class_name: spec.runtime_class_name.clone(),
        pod_template: spec.pod_template.clone(),
    }
}

fn agent_uid(user: Option<i64>) -> Result<i64, Problem> {
    let user = user.unwrap_or(names::uid::AGENT_DEFAULT);
    if user < names::uid::AGENT_MIN || names::uid::RESERVED.contains(&user) {
        return Err(Problem::ReservedUser(user));
    }
    Ok(user)
}

/// The kind's variables under the Bottle's own.
fn environment(
    kind: &BTreeMap<String, String>,
    own: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, Problem> {
    let mut env = kind.clone();
    env.extend(own.clone());
    for name in env.keys() {
        let first_is_digit = name
            .chars()
            .next()
            .is_none_or(|first| first.is_ascii_digit());
        if first_is_digit
            || !name
                .chars()
                .all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
        {
            return Err(Problem::EnvironmentName(name.clone()));
        }
    }
    Ok(env)
}

fn allowlist(lines: &[String]) -> Result<Allowlist, Problem> {
    if let Some(line) = lines.iter().find(|line| line.contains(['\n', '\r'])) {
        return Err(Problem::Allowlist(format!(
            "{line:?} holds a line end; write one host per entry"
        )));
    }
    let mut text = lines.join("\n");
    text.push('\n');
    Allowlist::parse_declared(&text).map_err(|error| Problem::Allowlist(error.to_string()))
}

fn egress_file(declared: &Egress, settings: &Settings) -> Result<egress::Egress, Problem> {
    let parent_proxy = declared.parent_proxy.clone();
    if let Some(url) = &parent_proxy
        && !is_parent_proxy(url)
    {
        return Err(Problem::ParentProxy);
    }
    let allow_internal = declared
        .allow_internal
        .iter()
        .map(|range| range.parse().map_err(|_| Problem::Range(range.clone())))
        .collect::<Result<_, _>>()?;
    Ok(egress::Egress {
        allow_internal,
        deny: settings.deny.clone(),
        parent_proxy,
    })
}

/// A credential in it would stand in a ConfigMap.
fn is_parent_proxy(url: &str) -> bool {
    url.parse::<http::Uri>().is_ok_and(|uri| {
        let host = uri.host().is_some_and(|host| !host.is_empty());
        let bare = uri.path() == "/" && uri.query().is_none();
        let scheme = uri.scheme_str() == Some("http");
        host && bare && scheme && !url.contains(['@', '#'])
    })
}

/// A mount there would hide a part of the seal.
fn check_path(field: &'static str, path: &str) -> Result<(), Problem> {
    let taken = [
        "/run/bottle",
        "/etc/claude-bottle",
        "/var/run",
        "/proc",
        "/sys",
        "/dev",
        names::path::HOME,
    ];
    let clean =
        path.starts_with('/') && path.len() > 1 && !path.split('/').any(|part| part == "..");
    if !clean
        || taken
            .iter()
            .any(|prefix| path == *prefix || path.starts_with(&format!("{prefix}/")))
    {
        return Err(Problem::Path {
            field,
            path: path.into(),
        });
    }
    Ok(())
}
