//! Tests of `plan`: what is done, in which order, and that planning again finds nothing to do.

mod bottles;
mod builds;
mod builds_declared;
mod builds_here;
mod denials;
mod flood;
mod lifetimes;
mod pipelock;
mod proposals;
mod remarks;
mod roll;
mod routes;
mod routes_declared;
mod routes_review;
mod sealed;
mod workspace;
pub mod world;
