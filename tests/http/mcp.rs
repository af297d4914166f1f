//! The role `mcp` over real sockets and a real queue directory.

mod bench;
mod broken_text;
mod calls;
pub mod fake_api;
mod hostile;
mod kubernetes;
mod limits;
mod many;
mod process;
mod refusals;
mod stream;
mod transport;
