//! What a granted proposal changes.

use crate::config::{allowlist::AllowlistChange, routes::RoutesChange};

/// The change, by the file that it is made to.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Of the allowlist.
    Hosts(AllowlistChange),
    /// Of the routes.
    Routes(RoutesChange),
    /// Of the agent's image.
    Image(ImageChange),
}

/// One Dockerfile instead of another: it holds on that base only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageChange {
    /// The Dockerfile that was in force.
    pub base: String,
    /// The one that shall be.
    pub dockerfile: String,
    /// The images that it takes from elsewhere.
    pub bases: Vec<String>,
}
