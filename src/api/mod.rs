//! The API types, group `bot-bottle.dev`, version `v1alpha1`: what people and programs write into Kubernetes.
//!
//! Doc comments here become the descriptions that `kubectl explain` shows.

#![allow(
    clippy::duplicated_attributes,
    reason = "a derived resource has many print columns"
)]

mod agent;
mod bottle;
mod build;
mod class;
mod crds;
mod egress;
mod mcp;
mod pod_template;
mod program;
mod proposal;
mod proposal_rules;
mod proposal_status;
mod reference;
mod room;
mod schema;
mod status;

pub use agent::{Agent, AgentKind, Injection, ModelApi, Resources, Skill};
pub use bottle::{
    Bottle, BottleSpec, Git, LocalReference, OperatingMode, Proposals, Rollout, Secret, Workspace,
};
pub use build::{Build, BuildFailed, BuildStage, DeclaredBuild};
pub use class::{BottleClass, BottleClassSpec, BottleClassStatus};
pub use crds::crds;
pub use egress::{Auth, Egress, Engine, Route};
pub use mcp::{Marketplace, McpServer, ServerType, Toggle};
pub use pod_template::{PodTemplate, Volume};
pub use program::{
    Exec, Flag, Format, Model, Plugins, Program, ProgramFile, ProjectFile, Servers, SettingsPath,
    Variable,
};
pub use proposal::{Decision, Proposal, ProposalSpec, Tool};
pub use proposal_status::{ProposalPhase, ProposalSidecar, ProposalStatus};
pub use reference::reference;
pub use schema::Condition;
pub use status::{BottlePhase, BottleStatus, Denial, DenialsTold, Sidecar};
