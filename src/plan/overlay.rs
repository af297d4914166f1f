//! What builtin settings, a class and a Bottle say together, before anything of it is checked.

use super::{roll::PERCENT, settings::Settings};
use crate::{
    api::{Bottle, BottleClass, BottleClassSpec, BottleSpec, Egress, Proposals, Workspace},
    proposal::lifetimes::{InvalidLifetime, Lifetimes},
};
use std::collections::BTreeMap;

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
    let merged = overlay(settings.builtin.clone(), together(&bottle.spec, class));
    Lifetimes::read(&merged.proposals.unwrap_or_default())
}

/// How many per cent of the class' bottles may be without their agent at a time.
pub fn roll_percent(class: Option<&BottleClass>, settings: &Settings) -> u8 {
    class
        .and_then(|class| class.spec.roll_percent)
        .or(settings.builtin.roll_percent)
        .unwrap_or(PERCENT)
}

/// `over` on top of `base`: maps merge by key, lists that are sets are united, the last single value wins.
pub(super) fn overlay(base: BottleClassSpec, over: BottleClassSpec) -> BottleClassSpec {
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
        egress: Egress {
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
