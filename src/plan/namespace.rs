//! What every namespace with bottles has once: the sidecars' account, its right to ask, the second wall.

use crate::names;
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::networking::v1::{NetworkPolicy, NetworkPolicySpec};
use k8s_openapi::api::rbac::v1::{RoleBinding, RoleRef, Subject};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};

/// The objects.
#[derive(Clone, Debug, PartialEq)]
pub struct Shared {
    /// Account of the `supervise` sidecars.
    pub service_account: ServiceAccount,
    /// Lets that account create Proposals and patch its own status fields; admission holds it to its own bottle.
    pub role_binding: RoleBinding,
    /// Nobody connects to a bottle. What a bottle reaches is the lock's and egress' matter: a NetworkPolicy can't
    /// tell the containers of one pod apart.
    pub network_policy: NetworkPolicy,
}

/// The objects of one namespace.
pub fn shared(namespace: &str) -> Shared {
    let metadata = |name: &str| ObjectMeta {
        name: Some(name.into()),
        namespace: Some(namespace.into()),
        labels: Some(
            [
                (names::LABEL_MANAGED_BY, names::PRODUCT),
                (names::LABEL_NAME, names::APP_NAME),
            ]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        ),
        ..ObjectMeta::default()
    };
    Shared {
        service_account: ServiceAccount {
            metadata: metadata(names::SERVICE_ACCOUNT),
            automount_service_account_token: Some(false),
            ..ServiceAccount::default()
        },
        role_binding: RoleBinding {
            metadata: metadata(names::SERVICE_ACCOUNT),
            role_ref: RoleRef {
                api_group: "rbac.authorization.k8s.io".into(),
                kind: "ClusterRole".into(),
                name: names::SIDECAR_CLUSTER_ROLE.into(),
            },
            subjects: Some(vec![Subject {
                kind: "ServiceAccount".into(),
                name: names::SERVICE_ACCOUNT.into(),
                namespace: Some(namespace.into()),
                api_group: None,
            }]),
        },
        network_policy: NetworkPolicy {
            metadata: metadata(names::NETWORK_POLICY),
            spec: Some(NetworkPolicySpec {
                pod_selector: Some(LabelSelector {
                    match_labels: Some(
                        [(
                            names::LABEL_MANAGED_BY.to_owned(),
                            names::PRODUCT.to_owned(),
                        )]
                        .into(),
                    ),
                    match_expressions: None,
                }),
                policy_types: Some(vec!["Ingress".into()]),
                ..NetworkPolicySpec::default()
            }),
        },
    }
}
