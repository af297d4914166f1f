//! Which namespaces one reconcile loop looks after.

use kube::{Api, Client, Resource, core::NamespaceResourceScope};
use std::fmt::Debug;

/// All namespaces, or one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The whole cluster.
    Cluster,
    /// One namespace; several are as many loops, for a watch knows one or all.
    Namespace(String),
}

impl Scope {
    /// One for each of `namespaces`; none of them means all.
    pub fn of(namespaces: &[String]) -> Vec<Self> {
        if namespaces.is_empty() {
            return vec![Self::Cluster];
        }
        let mut names = namespaces.to_vec();
        names.sort();
        names.dedup();
        names.into_iter().map(Self::Namespace).collect()
    }

    /// The objects of this scope.
    pub fn api<K>(&self, client: &Client) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        match self {
            Self::Cluster => Api::all(client.clone()),
            Self::Namespace(namespace) => Api::namespaced(client.clone(), namespace),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Scope;

    #[test]
    fn no_namespace_is_the_cluster_and_a_name_counts_once() {
        assert_eq!(Scope::of(&[]), [Scope::Cluster]);
        let names = ["b", "a", "b"].map(str::to_owned);
        let namespace = |name: &str| Scope::Namespace(name.to_owned());
        assert_eq!(Scope::of(&names), [namespace("a"), namespace("b")]);
    }
}
