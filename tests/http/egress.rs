//! The forward proxy, seen from a client.

mod closing;
mod denials;
mod dns;
mod faults;
mod kept;
mod limits;
mod packages;
mod parent;
mod plain;
mod programs;
mod reload;
mod tunnels;
