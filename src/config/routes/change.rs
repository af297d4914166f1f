//! What an approved proposal changes, route by route: the form in which a grant is stored and folded.

use super::{Route, Routes};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Routes added, changed and removed, by path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RoutesChange {
    /// In the order of the new file.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub added: Vec<Route>,
    /// In the order of the new file.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<Changed>,
    /// In the order of the old file.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<Route>,
}

/// A route with the same path before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// What the reviewer saw removed.
    pub from: Route,
    /// What the reviewer saw added.
    pub to: Route,
}

/// The same path was changed by another since.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the route {path} has changed since")]
pub struct Conflict {
    /// The route's path.
    pub path: String,
}

impl RoutesChange {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty()
    }
}

/// What leads from one file to the other.
pub fn change(from: &Routes, to: &Routes) -> RoutesChange {
    let (old, new) = (from.by_path(), to.by_path());
    let mut change = RoutesChange::default();
    for route in &to.routes {
        match old.get(route.path.as_str()) {
            None => change.added.push(route.clone()),
            Some(&before) if before != route => {
                change.changed.push(Changed {
                    from: before.clone(),
                    to: route.clone(),
                });
            }
            Some(_) => {}
        }
    }
    change.removed = from
        .routes
        .iter()
        .filter(|route| !new.contains_key(route.path.as_str()))
        .cloned()
        .collect();
    change
}

impl Routes {
    /// These routes with the change made. What is so already stays so: applying twice is applying once.
    pub fn apply(&self, change: &RoutesChange) -> Result<Self, Conflict> {
        let mut result = self.clone();
        for route in &change.added {
            result.set(None, route)?;
        }
        for Changed { from, to } in &change.changed {
            result.set(Some(from), to)?;
        }
        for route in &change.removed {
            match result.get(&route.path) {
                None => {}
                Some(current) if current == route => {
                    result.routes.retain(|kept| kept.path != route.path);
                }
                Some(_) => {
                    return Err(Conflict {
                        path: route.path.clone(),
                    });
                }
            }
        }
        Ok(result)
    }

    fn set(&mut self, expected: Option<&Route>, to: &Route) -> Result<(), Conflict> {
        let current = self.routes.iter_mut().find(|route| route.path == to.path);
        match (current, expected) {
            (Some(current), _) if current == to => {}
            (Some(current), Some(expected)) if current == expected => *current = to.clone(),
            (None, None) => self.routes.push(to.clone()),
            _ => {
                return Err(Conflict {
                    path: to.path.clone(),
                });
            }
        }
        Ok(())
    }
}
