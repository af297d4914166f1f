//! `seal`: the first process of the agent's container, with the agent's uid and nothing more.
//!
//! At every start, restarts in place included, it filters socket families and `io_uring`, checks the wall, waits for
//! the sidecars, fills HOME, clones into an empty workspace, merges the settings, and runs the agent. No Kubernetes, no TLS, no threads: it is copied
//! into every bottle.

pub mod agent;
mod answers;
pub mod attempts;
mod authorities;
pub mod build;
pub mod build_kit;
mod clone;
mod conversation;
pub mod document;
mod exec;
pub mod file;
pub mod filter;
pub mod home;
mod manifest;
pub mod merge;
mod namespace;
mod passwd;
pub mod probe;
mod project;
mod report;
pub mod seed;
pub mod settings;
mod sidecars;
mod skills;
mod steps;
mod tell;
pub mod wall;

pub use report::say;
pub use steps::{Options, run};
