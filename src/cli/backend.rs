//! One set of questions, asked of a cluster or of this machine.

use super::{Error, Where, on_cluster::Cluster, on_machine::Machine, output};
use crate::{
    api::{Bottle, BottleClass, Proposal},
    local::admit::Verdict,
};
use k8s_openapi::api::core::v1::ConfigMap;

/// Where the bottles are.
pub enum Backend {
    /// A Kubernetes cluster.
    Cluster(Cluster),
    /// This machine.
    Machine(Machine),
}

impl Backend {
    /// The one that the flags mean; the choice is said when nobody made it.
    pub async fn choose(place: &Where) -> Result<Self, Error> {
        if place.local {
            return Ok(Self::Machine(Machine::open(place)?));
        }
        if let Some(cluster) = Cluster::connect(place).await? {
            return Ok(Self::Cluster(cluster));
        }
        output::note("no cluster is configured: these are the bottles of this machine (--local)");
        Ok(Self::Machine(Machine::open(place)?))
    }

    /// Namespace or project.
    pub fn place(&self) -> &str {
        match self {
            Self::Cluster(cluster) => cluster.namespace(),
            Self::Machine(machine) => machine.project(),
        }
    }

    /// The Bottles, of all namespaces or of one.
    pub async fn bottles(&self, all: bool) -> Result<Vec<Bottle>, Error> {
        match self {
            Self::Cluster(cluster) => cluster.bottles(all).await,
            Self::Machine(machine) => machine.bottles(all),
        }
    }

    /// One Bottle.
    pub async fn bottle(&self, name: &str) -> Result<Bottle, Error> {
        let found = match self {
            Self::Cluster(cluster) => cluster.bottle(name).await?,
            Self::Machine(machine) => machine.bottle(name)?,
        };
        found.ok_or_else(|| self.missing("bottle", name, "get"))
    }

    /// The BottleClasses, which belong to no namespace.
    pub async fn classes(&self) -> Result<Vec<BottleClass>, Error> {
        match self {
            Self::Cluster(cluster) => cluster.classes().await,
            Self::Machine(machine) => machine.classes(),
        }
    }

    /// One BottleClass.
    pub async fn class(&self, name: &str) -> Result<BottleClass, Error> {
        let found = match self {
            Self::Cluster(cluster) => cluster.class(name).await?,
            Self::Machine(machine) => machine.class(name)?,
        };
        found.ok_or_else(|| Error::MissingShared {
            kind: "bottleclass",
            name: name.to_owned(),
            list: "get bottleclasses",
        })
    }

    /// The ConfigMaps, of all namespaces or of one.
    pub async fn config_maps(&self, all: bool) -> Result<Vec<ConfigMap>, Error> {
        match self {
            Self::Cluster(cluster) => cluster.config_maps(all).await,
            Self::Machine(machine) => machine.all_config_maps(all),
        }
    }

    /// One ConfigMap.
    pub async fn config_map(&self, name: &str) -> Result<ConfigMap, Error> {
        let found = match self {
            Self::Cluster(cluster) => cluster.config_map(name).await?,
            Self::Machine(machine) => machine.config_maps()?.get(name)?,
        };
        found.ok_or_else(|| self.missing("configmap", name, "get configmaps"))
    }

    /// The Proposals, of all namespaces or of one.
    pub async fn proposals(&self, all: bool) -> Result<Vec<Proposal>, Error> {
        match self {
            Self::Cluster(cluster) => cluster.proposals(all).await,
            Self::Machine(machine) => machine.proposals(all),
        }
    }

    /// The one Proposal that `name` means: its name, or the beginning of its last part.
    pub async fn proposal(&self, name: &str) -> Result<Proposal, Error> {
        let all = self.proposals(false).await?;
        let exact = all
            .iter()
            .find(|one| one.metadata.name.as_deref() == Some(name));
        if let Some(proposal) = exact {
            return Ok(proposal.clone());
        }
        let means = |one: &&Proposal| {
            let own = one.metadata.name.as_deref().unwrap_or_default();
            own.rsplit_once('-')
                .is_some_and(|(_, hash)| hash.starts_with(name))
                && name.len() >= 3
        };
        let mut found = all.iter().filter(means);
        match (found.next(), found.next()) {
            (Some(one), None) => Ok(one.clone()),
            (Some(_), Some(_)) => Err(Error::Usage(format!(
                "{name} may mean several proposals: write the whole name"
            ))),
            (None, _) => Err(self.missing("proposal", name, "proposals")),
        }
    }

    /// Writes a decision about this very Proposal; how it stands then.
    pub async fn decide(&self, proposal: &Proposal, verdict: Verdict) -> Result<Proposal, Error> {
        match self {
            Self::Cluster(cluster) => cluster.decide(proposal, verdict).await,
            Self::Machine(machine) => machine.decide(proposal, &verdict),
        }
    }

    /// Returns when something may have changed.
    pub async fn changed(&self) -> Result<(), Error> {
        match self {
            Self::Cluster(cluster) => cluster.changed().await,
            Self::Machine(machine) => machine.changed().await,
        }
    }

    fn missing(&self, kind: &'static str, name: &str, list: &'static str) -> Error {
        Error::Missing {
            kind,
            name: name.to_owned(),
            place: self.place().to_owned(),
            list,
        }
    }
}
