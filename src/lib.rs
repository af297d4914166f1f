//! Coding agents sealed in pods.
//!
//! # Layout
//!
//! Dependencies point downward only: binaries → shells → core → api.
//!
//! - [`api`]: `Bottle`, `Proposal`, `BottleClass`: serde types and CEL rules, nothing else
//! - [`names`]: every object name, label, port, path, uid and field manager, each once
//! - [`config`]: CORE, the files that sidecars read: allowlist, routes, decisions, `seal`'s instructions
//! - [`agents`]: CORE, kinds of agent programs, the settings that each reads, `${SECRET:NAME}`
//! - [`plan`]: CORE, what must exist for one bottle, decided from what is there
//! - [`proposal`]: CORE, a proposal's life: the table of steps, the review, the answer
//! - [`cli`]: SHELL, the verbs of `bottle`, on a cluster and on this machine
//! - [`cluster`]: SHELL, Kubernetes: watches, observes, applies
//! - [`config_directory`]: SHELL, watches the mounted config and the hashes that the roles enforce
//! - [`egress`]: SHELL, the forward proxy that keeps the allowlist
//! - [`prepare`]: the role that lays the lock (`prepare::lock` is CORE) and shares `seal`
//! - [`seal`]: the first process of the agent's container (`seal::merge` and `seal::attempts` are CORE)
//! - [`supervise`]: SHELL, the MCP server over a queue directory or Kubernetes, and the reporter to the Bottle
//! - [`demo`]: SHELL, `bottle demo`: the road with real roles and a scripted agent
//! - [`local`]: SHELL, bottles on this machine: a directory of YAML objects, the runtimes `sandbox` and `process`
//! - [`roles`]: the sidecars as subcommands
//! - [`telemetry`], [`yaml`]: one place each for logs, and for the YAML library

pub mod agents;
pub mod api;
pub mod cli;
pub mod cluster;
pub mod config;
pub mod config_directory;
pub mod demo;
pub mod egress;
pub mod local;
pub mod names;
pub mod plan;
pub mod prepare;
pub mod proposal;
pub mod roles;
pub mod seal;
pub mod supervise;
pub mod telemetry;
pub mod yaml;
