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
//! - [`prepare`]: the role that lays the lock (`prepare::lock` is CORE) and shares `seal`
//! - [`seal`]: the first process of the agent's container (`seal::merge` and `seal::attempts` are CORE)
//! - [`telemetry`], [`yaml`]: one place each for logs, and for the YAML library

pub mod agents;
pub mod api;
pub mod config;
pub mod names;
pub mod prepare;
pub mod seal;
pub mod telemetry;
pub mod yaml;
