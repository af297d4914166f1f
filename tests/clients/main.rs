//! MCP clients that nobody here wrote, against the program `supervise mcp` with a queue directory.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy.toml allows them in test functions; helpers are tests too"
)]

mod bench;
mod conformance;
mod sdks;
