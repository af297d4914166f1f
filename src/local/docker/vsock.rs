//! AF_VSOCK: sockets of a virtual machine to its host, and to the guests of this one. No namespace holds them, and a
//! daemon's own profile leaves ways to them: 32-bit calls, and `io_uring` before Docker 25.

use std::path::Path;

/// What a kernel shows that could carry them somewhere: as a guest of KVM, Hyper-V (WSL, too) and VMware; as a host.
const CARRIERS: [&str; 4] = [
    "/sys/bus/virtio/drivers/vmw_vsock_virtio_transport",
    "/sys/bus/vmbus/drivers/hv_sock",
    "/sys/module/vmw_vsock_vmci_transport",
    "/sys/module/vhost_vsock",
];
/// Calls by which a filter of `socket` alone is passed by.
const WAYS: [&str; 2] = ["socketcall", "io_uring_setup"];

/// Whether such a socket could lead anywhere from this machine.
pub(super) fn leads_out() -> bool {
    CARRIERS.iter().any(|path| Path::new(path).exists())
}

/// The file of the daemon's own profile, if its start names one.
pub(super) fn profile(option: &str) -> Option<&Path> {
    let named = option
        .split(',')
        .find_map(|part| part.strip_prefix("profile="))?;
    named.starts_with('/').then(|| Path::new(named))
}

/// Whether a profile leaves none of the ways.
pub(super) fn closes(profile: &str) -> bool {
    let list: serde_json::Value = serde_json::from_str(profile).unwrap_or_default();
    let refuses = matches!(
        list["defaultAction"].as_str(),
        Some("SCMP_ACT_ERRNO" | "SCMP_ACT_KILL" | "SCMP_ACT_KILL_PROCESS")
    );
    refuses && !WAYS.iter().any(|call| profile.contains(call))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_list_of_what_is_let_through_closes_every_way() {
        let ours = include_str!("../../../tests/docker/seccomp.json");
        assert!(closes(ours));
        for call in WAYS {
            assert!(!closes(&ours.replacen(
                "\"accept\"",
                &format!("\"accept\", \"{call}\""),
                1
            )));
        }
        assert!(!closes(
            &ours.replace("\"SCMP_ACT_ERRNO\"", "\"SCMP_ACT_ALLOW\"")
        ));
        assert!(!closes("") && !closes("{}"));
    }

    #[test]
    fn the_profile_s_file_is_found_where_one_is_named() {
        let path = profile("name=seccomp,profile=/etc/docker/seccomp.json");
        assert_eq!(path, Some(Path::new("/etc/docker/seccomp.json")));
        for own in [
            "name=seccomp,profile=default",
            "name=seccomp,profile=builtin",
            "name=seccomp",
        ] {
            assert_eq!(profile(own), None);
        }
    }
}
