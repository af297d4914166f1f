//! `spec.podTemplate` merged into the pod, under our own values, and into the pods that build and try its image.

use crate::{api::PodTemplate, names};
use k8s_openapi::api::core::v1::{Affinity, Pod, PodSpec, Volume, VolumeMount};
use std::collections::BTreeMap;

/// Prefix of a user's volumes, so that none can take the name of ours.
const VOLUME_PREFIX: &str = "user-";

/// Adds what a Bottle may say about its pod. Ours win where both speak.
pub fn merge(pod: &mut Pod, template: &PodTemplate) {
    let PodTemplate {
        labels,
        annotations,
        node_selector,
        tolerations,
        affinity,
        topology_spread_constraints,
        priority_class_name,
        volumes,
    } = template;
    under(pod.metadata.labels.get_or_insert_default(), labels);
    under(
        pod.metadata.annotations.get_or_insert_default(),
        annotations,
    );
    let Some(spec) = &mut pod.spec else { return };
    spec.node_selector = (!node_selector.is_empty()).then(|| node_selector.clone());
    spec.tolerations = (!tolerations.is_empty()).then(|| tolerations.clone());
    spec.affinity.clone_from(affinity);
    spec.topology_spread_constraints =
        (!topology_spread_constraints.is_empty()).then(|| topology_spread_constraints.clone());
    spec.priority_class_name.clone_from(priority_class_name);
    for volume in volumes {
        let name = format!("{VOLUME_PREFIX}{}", volume.name);
        spec.volumes.get_or_insert_default().push(Volume {
            name: name.clone(),
            config_map: volume.config_map.clone(),
            empty_dir: volume.empty_dir.clone(),
            persistent_volume_claim: volume.persistent_volume_claim.clone(),
            ..Volume::default()
        });
        for container in &mut spec.containers {
            if container.name == names::container::AGENT {
                container
                    .volume_mounts
                    .get_or_insert_default()
                    .push(VolumeMount {
                        name: name.clone(),
                        mount_path: volume.mount_path.clone(),
                        read_only: Some(volume.read_only),
                        ..VolumeMount::default()
                    });
            }
        }
    }
}

/// Where a pod that builds the bottle's image may run: on the nodes that the bottle's own may. What it says of other
/// pods is not for this one, which would hold itself off the nodes that run bottles.
pub fn place(spec: &mut PodSpec, template: &PodTemplate) {
    tolerate(spec, template);
    let selector = &template.node_selector;
    spec.node_selector = (!selector.is_empty()).then(|| selector.clone());
    let nodes = template
        .affinity
        .as_ref()
        .and_then(|affinity| affinity.node_affinity.clone());
    spec.affinity = nodes.map(|nodes| Affinity {
        node_affinity: Some(nodes),
        ..Affinity::default()
    });
}

/// What a pod tolerates that must run where the bottle's own runs already.
pub fn tolerate(spec: &mut PodSpec, template: &PodTemplate) {
    let tolerations = &template.tolerations;
    spec.tolerations = (!tolerations.is_empty()).then(|| tolerations.clone());
}

fn under(ours: &mut BTreeMap<String, String>, theirs: &BTreeMap<String, String>) {
    for (key, value) in theirs {
        ours.entry(key.clone()).or_insert_with(|| value.clone());
    }
}
