//! SHELL: the `supervise` program's roles `mcp` and `report`.

pub mod answer;
pub mod call;
mod registry;
pub mod rpc;
pub mod store;
pub mod tools;
pub mod view;
