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
//! - [`cred_proxy`]: SHELL, the reverse proxy that holds the credentials
//! - [`egress`]: SHELL, the forward proxy that keeps the allowlist
//! - [`pipelock`]: SHELL, pipelock as the engine that keeps the allowlist: its config delivered, its starts
//! - [`prepare`]: the role that lays the lock (`prepare::lock` is CORE) and shares `seal`
//! - [`seal`]: the first process of the agent's container (`seal::file`, `::document`, `::merge`, `::attempts` are CORE)
//! - [`supervise`]: SHELL, the MCP server over a queue directory or Kubernetes, and the reporter to the Bottle
//! - [`demo`]: SHELL, `bottle demo`: the road with real roles and a scripted agent
//! - [`local`]: SHELL, bottles on this machine: a directory of YAML objects, the runtimes `sandbox`, `docker` and `process`
//! - [`pull`]: SHELL, pulls an image that a build is based on
//! - [`push`]: SHELL, pushes a built image to a registry
//! - [`registry`]: SHELL, what both ask of an image registry
//! - [`render`]: SHELL, `bottle render`: an agent's settings files, shown or compared
//! - [`roles`]: the sidecars as subcommands
//! - [`failpoint`]: where the kill tests stop a program
//! - [`open_files`]: SHELL, how many files a program may have open
//! - [`signals`]: SHELL, what ends a program of ours, with its exit code
//! - [`telemetry`], [`yaml`]: one place each for logs, and for the YAML library

pub mod agents;
pub mod api;
pub mod cli;
pub mod cluster;
pub mod config;
pub mod config_directory;
pub mod cred_proxy;
pub mod demo;
pub mod egress;
pub mod failpoint;
pub mod local;
pub mod names;
pub mod open_files;
pub mod pipelock;
pub mod plan;
pub mod prepare;
pub mod proposal;
pub mod pull;
pub mod push;
pub mod registry;
pub mod render;
pub mod roles;
pub mod seal;
pub mod signals;
pub mod supervise;
pub mod telemetry;
pub mod yaml;
