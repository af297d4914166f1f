//! The `prepare` role.

pub mod lock;
