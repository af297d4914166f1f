//! CORE: a pod's volumes on this machine, and where each container sees them.

use super::{Place, refuse};
use crate::{
    local::{docker::DockerError, sandbox::layout::Mount as Laid},
    names::path,
    plan::volumes,
};
use bollard::models::{Mount, MountBindOptions, MountType, VolumeCreateRequest};
use k8s_openapi::api::core::v1::VolumeMount;
use std::{collections::HashMap, path::Path};

/// Volumes in memory.
const MEMORY: [&str; 2] = [volumes::STATE, volumes::SEAL];

/// Whether it is a volume of the daemon that begins as root's.
pub(super) fn is_volume(name: &str, place: &Place) -> bool {
    name == volumes::HOME || name == volumes::WORKSPACE && place.workspace.is_none()
}

/// Where a pod's volume comes from on this machine.
pub(super) fn mounted(mount: &VolumeMount, place: &Place) -> Result<Mount, DockerError> {
    let read_only = mount.read_only == Some(true);
    let plain = VolumeMount {
        name: mount.name.clone(),
        mount_path: mount.mount_path.clone(),
        read_only: mount.read_only,
        ..VolumeMount::default()
    };
    if *mount != plain {
        return Err(refuse(&format!("the mount {}", mount.mount_path)));
    }
    let at = mount.mount_path.as_str();
    let name = mount.name.as_str();
    if let (volumes::WORKSPACE, Some(directory)) = (name, &place.workspace) {
        return Ok(bind(directory.display().to_string(), at, read_only));
    }
    Ok(match name {
        volumes::CONFIG | volumes::CURRENT_CONFIG => bind(place.bind(name), at, true),
        volumes::SECRETS | volumes::SETTINGS_SECRETS => {
            bind(place.bind(&format!("volumes/{name}")), at, true)
        }
        _ if volumes::is_a_persons(name) => bind(place.bind(&format!("volumes/{name}")), at, true),
        // In place of the token for an API server.
        volumes::TOKEN => bind(place.bind("store"), path::STORE, false),
        volumes::STATE | volumes::SEAL | volumes::HOME | volumes::WORKSPACE => Mount {
            typ: Some(MountType::VOLUME),
            source: Some(place.volume(name)),
            target: Some(at.to_owned()),
            read_only: Some(read_only),
            ..Mount::default()
        },
        _ => return Err(refuse(&format!("the volume {name}"))),
    })
}

pub(in crate::local::docker) fn bind(source: String, target: &str, read_only: bool) -> Mount {
    Mount {
        typ: Some(MountType::BIND),
        source: Some(source),
        target: Some(target.to_owned()),
        read_only: Some(read_only),
        bind_options: Some(MountBindOptions::default()),
        ..Mount::default()
    }
}

pub(super) fn laid(mount: &Laid) -> Option<Mount> {
    let bound = |from: &Path, at: &Path, read_only| {
        let target = at.to_string_lossy();
        Some(bind(from.display().to_string(), &target, read_only))
    };
    match mount {
        Laid::Readable { from, at } => bound(from, at, true),
        Laid::Writable { from, at } => bound(from, at, false),
        Laid::Link { .. } => None,
    }
}

pub(super) fn all_volumes(place: &Place, group: i64) -> Vec<VolumeCreateRequest> {
    let volume = |name: &str, options: Option<HashMap<String, String>>| VolumeCreateRequest {
        name: Some(place.volume(name)),
        driver: Some("local".into()),
        driver_opts: options,
        labels: Some(place.labels()),
        ..VolumeCreateRequest::default()
    };
    // As a pod's volumes are with fsGroup: what is made in them belongs to the agent's group.
    // The bound in pages: Podman takes `size` for a quota of the disk.
    let options = format!("mode=2777,gid={group},nr_blocks=16384");
    let memory = [("type", "tmpfs"), ("device", "tmpfs"), ("o", &options)]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut all: Vec<_> = MEMORY
        .iter()
        .map(|name| volume(name, Some(memory.clone().into())))
        .collect();
    let kept = [volumes::HOME, volumes::WORKSPACE];
    all.extend(
        kept.iter()
            .filter(|name| is_volume(name, place))
            .map(|name| volume(name, None)),
    );
    all
}
