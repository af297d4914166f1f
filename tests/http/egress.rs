//! The forward proxy, seen from a client.

mod closing;
mod denials;
mod dns;
mod kept;
mod limits;
mod parent;
mod plain;
mod reload;
mod tunnels;
