//! The credential proxy, seen from a client and from upstreams.

mod credentials;
mod faults;
mod git;
mod paths;
mod process;
mod reload;
mod shapes;
mod streams;
mod support;
pub mod upstreams;
