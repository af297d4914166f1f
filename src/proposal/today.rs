//! What is in force when a proposal is looked at, and whether a change of routes still fits it.

use super::{
    change::Change,
    images::{self, Bases},
};
use crate::config::{
    allowlist::Allowlist,
    routes::{Route, Routes, RoutesChange},
};
use std::collections::{BTreeMap, BTreeSet};

/// The effective config so far, and the secrets that the Bottle declares. Never read from the proposal's own base
/// file, which is the sidecar's word.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Today {
    /// The allowlist.
    pub allowlist: Allowlist,
    /// The routes.
    pub routes: Routes,
    /// Declared secrets by NAME.
    pub secrets: BTreeMap<String, Hosts>,
    /// The Dockerfile of the agent's image.
    pub dockerfile: String,
    /// What an image may be built on; none where no images are built.
    pub bases: Option<Bases>,
    /// The runtime, where the bottle is one of this machine.
    pub runtime: Option<&'static str>,
}

/// The upstream hosts that a secret may be sent to; none listed: any that a person approves.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hosts(pub Option<Allowlist>);

/// Why a change can't be made to what is in force.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// The same route was changed by another since.
    #[error("the route {0} has changed since; read the current routes.json again and ask anew")]
    Conflict(String),
    /// A secret that the Bottle doesn't declare.
    #[error(
        "the route {path} uses the secret {name}; declare spec.secrets.{name} in the Bottle first"
    )]
    UndeclaredSecret {
        /// The route.
        path: String,
        /// NAME.
        name: String,
    },
    /// A host that the secret may never be sent to.
    #[error(
        "the route {path} would send {name} to {host}, which spec.secrets.{name}.hosts does not list: no approval \
         can allow that"
    )]
    SecretHost {
        /// The route.
        path: String,
        /// NAME.
        name: String,
        /// The upstream's host and port.
        host: String,
    },
    /// Another Dockerfile is in force, or on its way.
    #[error(
        "the Dockerfile in force is not the one that this was asked on, or another one is on its way; read the current \
         Dockerfile again and ask anew"
    )]
    Dockerfile,
    /// The operator was not told where to push to, or there is none.
    #[error("{}", no_builds(*.0))]
    NoBuilds(Option<&'static str>),
    /// An image from where none may come.
    #[error(
        "the Dockerfile takes the image {0}, which may not be used: build on the image in force, or have it listed in \
         the chart's value builds.bases (without that list: its registry in the bottle's allowlist)"
    )]
    Base(String),
    /// What the daemon of this machine is not given.
    #[error("{0}")]
    Instruction(String),
}

fn no_builds(runtime: Option<&'static str>) -> String {
    match runtime {
        None => "this cluster builds no images: whoever runs it has to set the chart's value builds.registry, or put the \
                 tool into spec.agent.image"
            .into(),
        Some(runtime) => format!(
            "the runtime {runtime} of this machine builds no images: whoever runs the bottle can put the tool where the \
             agent's programs come from (this machine, or spec.agent.image), or run the bottle in a cluster that builds"
        ),
    }
}

impl Hosts {
    /// Whether a secret with these hosts may go where the route leads.
    pub fn allow(&self, route: &Route) -> bool {
        let Some(hosts) = &self.0 else { return true };
        route
            .authority()
            .is_some_and(|(host, port)| hosts.allows(&host, port).is_allowed())
    }
}

impl Today {
    /// The routes with the change made, if it fits: nothing changed under it, and every secret may go there.
    pub fn with_routes(&self, change: &RoutesChange) -> Result<Routes, Unfit> {
        let routes = self
            .routes
            .apply(change)
            .map_err(|conflict| Unfit::Conflict(conflict.path))?;
        // Added and changed: what stays as it is was judged when it came.
        let mut new = change
            .added
            .iter()
            .chain(change.changed.iter().map(|changed| &changed.to));
        new.try_for_each(|route| self.may_be_sent(route))?;
        Ok(routes)
    }

    /// Whether the route's secret is declared and may go there.
    pub fn may_be_sent(&self, route: &Route) -> Result<(), Unfit> {
        let Some(name) = route.auth.as_ref().map(|auth| auth.secret().to_owned()) else {
            return Ok(());
        };
        let path = route.path.clone();
        match self.secrets.get(&name) {
            None => Err(Unfit::UndeclaredSecret { path, name }),
            Some(hosts) if !hosts.allow(route) => Err(Unfit::SecretHost {
                path,
                name,
                host: shown_authority(route),
            }),
            Some(_) => Ok(()),
        }
    }

    /// Whether an applied or approved change still fits.
    pub fn fits(&self, change: &Change) -> Result<(), Unfit> {
        match change {
            Change::Hosts(_) => Ok(()),
            Change::Routes(change) => self.with_routes(change).map(drop),
            Change::Image(change) => images::fits(change, self),
        }
    }

    /// Makes the change, when it fits.
    pub fn make(&mut self, change: &Change) {
        match change {
            Change::Hosts(change) => self.allowlist = self.allowlist.apply(change),
            Change::Routes(change) => {
                if let Ok(routes) = self.with_routes(change) {
                    self.routes = routes;
                }
            }
            Change::Image(change) => {
                if images::same(&change.base, &self.dockerfile) {
                    self.dockerfile.clone_from(&change.dockerfile);
                }
            }
        }
    }

    /// Every host that the bottle knows: of the allowlist and of the routes.
    pub fn hosts(&self) -> BTreeSet<String> {
        let listed = self.allowlist.entries().iter();
        listed
            .map(|entry| entry.name().to_owned())
            .chain(self.routes.routes.iter().filter_map(Route::host))
            .collect()
    }
}

/// `host`, or `host:port` where the port isn't the scheme's own.
pub(super) fn shown_authority(route: &Route) -> String {
    match route.authority() {
        Some((host, port)) if port == if route.is_http() { 80 } else { 443 } => host,
        Some((host, port)) => format!("{host}:{port}"),
        None => route.upstream.clone(),
    }
}
