//! SHELL: the forward proxy that keeps the allowlist.
mod client_hello;
mod denials;
mod policy;
mod refusal;
mod target;
