//! API server tests: every CEL rule and admission policy, accepted and refused.

mod schema;
#[path = "../support/mod.rs"]
mod support;
