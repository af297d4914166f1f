//! Bottles on a real cluster: real API server, kubelet, containerd, name server; the agent's side is the official
//! MCP SDK's client and curl in the agent's container.

mod bad_input;
mod escape;
mod kill;
mod rest;
mod road;
mod support;
mod token;
