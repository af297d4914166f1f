//! System calls that a pod's default profile refuses and a sandbox without a runtime would leave open.
//!
//! `seal` adds its own filter, which keeps the agent from sockets past the wall; this one is about the kernel's surface
//! and about what belongs to the person whose user this is: the keyring of their session, for one.

use nix::errno::Errno;
use nix::libc::{
    SYS_acct, SYS_add_key, SYS_bpf, SYS_delete_module, SYS_fanotify_init, SYS_finit_module,
    SYS_fsconfig, SYS_fsmount, SYS_fsopen, SYS_fspick, SYS_init_module, SYS_kcmp, SYS_kexec_load,
    SYS_keyctl, SYS_lookup_dcookie, SYS_mount, SYS_mount_setattr, SYS_move_mount,
    SYS_name_to_handle_at, SYS_nfsservctl, SYS_open_by_handle_at, SYS_open_tree,
    SYS_perf_event_open, SYS_pivot_root, SYS_quotactl, SYS_reboot, SYS_request_key, SYS_setns,
    SYS_settimeofday, SYS_swapoff, SYS_swapon, SYS_syslog, SYS_umount2, SYS_unshare,
    SYS_userfaultfd, SYS_vhangup,
};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};

const REFUSED: [i64; 36] = [
    SYS_acct,
    SYS_add_key,
    SYS_bpf,
    SYS_delete_module,
    SYS_fanotify_init,
    SYS_finit_module,
    SYS_fsconfig,
    SYS_fsmount,
    SYS_fsopen,
    SYS_fspick,
    SYS_init_module,
    SYS_kcmp,
    SYS_kexec_load,
    SYS_keyctl,
    SYS_lookup_dcookie,
    SYS_mount,
    SYS_mount_setattr,
    SYS_move_mount,
    SYS_name_to_handle_at,
    SYS_nfsservctl,
    SYS_open_by_handle_at,
    SYS_open_tree,
    SYS_perf_event_open,
    SYS_pivot_root,
    SYS_quotactl,
    SYS_reboot,
    SYS_request_key,
    SYS_setns,
    SYS_settimeofday,
    SYS_swapoff,
    SYS_swapon,
    SYS_syslog,
    SYS_umount2,
    SYS_unshare,
    SYS_userfaultfd,
    SYS_vhangup,
];

/// The filter can't be set.
#[derive(Debug, thiserror::Error)]
pub enum CallsError {
    /// A processor that it isn't written for.
    #[error("the filter of system calls can't be built for this processor")]
    Build(#[source] seccompiler::BackendError),
    /// The kernel refuses.
    #[error("the filter of system calls could not be set: the kernel needs CONFIG_SECCOMP_FILTER")]
    Apply(#[source] seccompiler::Error),
}

/// Refuses them to this program and to all that it starts.
pub fn refuse() -> Result<(), CallsError> {
    let program = program().map_err(CallsError::Build)?;
    seccompiler::apply_filter(&program).map_err(CallsError::Apply)
}

fn program() -> Result<BpfProgram, seccompiler::BackendError> {
    // x32 counts as the same instruction set on x86-64, and tells its calls apart by this bit.
    const X32: i64 = 0x4000_0000;
    let both = REFUSED.iter().flat_map(|call| [*call, *call | X32]);
    let rules = both.map(|call| (call, Vec::new())).collect();
    let refused = SeccompAction::Errno(Errno::EPERM as u32);
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    SeccompFilter::new(rules, SeccompAction::Allow, refused, arch)?.try_into()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_filter_can_be_built() {
        assert!(super::program().is_ok());
    }
}
