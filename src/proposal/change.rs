//! What a granted proposal changes.

use crate::config::{allowlist::AllowlistChange, routes::RoutesChange};

/// The change, by the file that it is made to.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Of the allowlist.
    Hosts(AllowlistChange),
    /// Of the routes.
    Routes(RoutesChange),
}
