//! `spec.podTemplate` merged into the pod, under our own values.

use crate::{api::PodTemplate, names};
use k8s_openapi::api::core::v1::{Pod, Volume, VolumeMount};
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

fn under(ours: &mut BTreeMap<String, String>, theirs: &BTreeMap<String, String>) {
    for (key, value) in theirs {
        ours.entry(key.clone()).or_insert_with(|| value.clone());
    }
}
