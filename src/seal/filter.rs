//! The filter of system calls: what the agent could reach the network with besides what the lock sees.
//!
//! The lock is made of IP rules. AF_VSOCK leads to a virtual machine's host past all of them, and `io_uring` makes
//! sockets without the calls that are filtered here, so neither may be there, whatever the runtime's profile says.
//!
//! An agent makes no user namespace either: inside one it would be root, and much of the kernel that only root reaches
//! would be within its reach. Most runtimes' profiles refuse that, and not all.
//!
//! # Guarantees
//!
//! - It holds for every program that is started after [`apply`] returns, for ever: the kernel has no way back.
//! - Other instruction sets (32-bit calls, x32) are no way round.
//! - [`apply`] looks whether the filter really works: a kernel that takes it and ignores it starts no agent.

use nix::errno::Errno;
use nix::libc::{
    AF_INET, AF_INET6, AF_NETLINK, AF_UNIX, CLONE_NEWUSER, IPPROTO_ICMP, IPPROTO_ICMPV6,
    IPPROTO_MPTCP, IPPROTO_TCP, IPPROTO_UDP, SYS_clone, SYS_clone3, SYS_io_uring_enter,
    SYS_io_uring_register, SYS_io_uring_setup, SYS_socket, SYS_socketpair, SYS_unshare,
};
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch,
};
use std::env::consts::ARCH;

/// Why no agent may start here.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// A processor that the filter isn't written for.
    #[error("the filter of system calls can't be built for this processor")]
    Build(#[source] BackendError),
    /// The kernel, or what stands for it, refuses.
    #[error(
        "the filter of system calls could not be set, and without it the agent could pass by the wall: a kernel with \
         CONFIG_SECCOMP_FILTER is needed, and a runtime that leaves seccomp to its containers"
    )]
    Apply(#[source] seccompiler::Error),
    /// It was taken, and does nothing.
    #[error(
        "the filter of system calls was taken by the kernel and does not work here: {0}; use another runtime class"
    )]
    Idle(&'static str),
}

/// Who lives under it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tenant {
    /// An agent and all that it starts.
    Agent,
    /// A build: buildah itself makes a user namespace, and the lock of its pod reckons with that.
    Build,
}

/// Filters this program and all that it starts.
pub fn apply(tenant: Tenant) -> Result<(), FilterError> {
    let arch = TargetArch::try_from(ARCH).map_err(FilterError::Build)?;
    for program in programs(tenant, arch).map_err(FilterError::Build)? {
        seccompiler::apply_filter_all_threads(&program).map_err(FilterError::Apply)?;
    }
    works()
}

/// A socket of a family that every kernel has, and nobody needs: events of devices.
fn works() -> Result<(), FilterError> {
    let made = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkKObjectUEvent,
    );
    match made {
        Err(Errno::EAFNOSUPPORT) => Ok(()),
        Err(_) => Err(FilterError::Idle(
            "a refused socket family gives another error",
        )),
        Ok(_) => Err(FilterError::Idle("a refused socket family can be opened")),
    }
}

/// Several programs, because each answers with one error: what programs take as "this kernel doesn't have it", and for
/// namespaces as "not for you".
fn programs(tenant: Tenant, arch: TargetArch) -> Result<Vec<BpfProgram>, BackendError> {
    let sockets = [
        (SYS_socket, socket_rules()?),
        (SYS_socketpair, vec![rule(vec![differs(FAMILY, AF_UNIX)?])?]),
    ];
    let mut missing = vec![
        (SYS_io_uring_setup, vec![]),
        (SYS_io_uring_enter, vec![]),
        (SYS_io_uring_register, vec![]),
    ];
    let mut programs = vec![program(&sockets, Errno::EAFNOSUPPORT, arch)?];
    if tenant == Tenant::Agent {
        let makes = rule(vec![condition(
            FLAGS,
            SeccompCmpOp::MaskedEq(unsigned(CLONE_NEWUSER)),
            unsigned(CLONE_NEWUSER),
        )?])?;
        let namespaces = [(SYS_clone, vec![makes.clone()]), (SYS_unshare, vec![makes])];
        programs.push(program(&namespaces, Errno::EPERM, arch)?);
        // Its flags lie in memory, where no filter sees them. C libraries take `clone` where this one is missing.
        missing.push((SYS_clone3, vec![]));
    }
    programs.push(program(&missing, Errno::ENOSYS, arch)?);
    Ok(programs)
}

/// The calls of another instruction set end the process: [`seccompiler`] compares it first.
fn program(
    calls: &[(i64, Vec<SeccompRule>)],
    answer: Errno,
    arch: TargetArch,
) -> Result<BpfProgram, BackendError> {
    let numbers = calls.iter().flat_map(|(call, rules)| {
        numbers(*call)
            .into_iter()
            .map(move |number| (number, rules.clone()))
    });
    let answer = u32::try_from(answer as i32).expect("error numbers are positive");
    SeccompFilter::new(
        numbers.collect(),
        SeccompAction::Allow,
        SeccompAction::Errno(answer),
        arch,
    )?
    .try_into()
}

/// x32 counts as the same instruction set, and tells its calls apart by a bit of the number.
#[cfg(target_arch = "x86_64")]
fn numbers(call: i64) -> Vec<i64> {
    const X32: i64 = 0x4000_0000;
    vec![call, call | X32]
}

#[cfg(not(target_arch = "x86_64"))]
fn numbers(call: i64) -> Vec<i64> {
    vec![call]
}

/// The argument of `clone` and `unshare`.
const FLAGS: u8 = 0;
/// Arguments of `socket`.
const FAMILY: u8 = 0;
const TYPE: u8 = 1;
const PROTOCOL: u8 = 2;
/// A socket's type without its flags.
const TYPE_MASK: u64 = 0xf;
/// A type that turns any family into AF_PACKET, by an old custom of the kernel.
const SOCK_PACKET: u64 = 10;
/// What an IP socket may speak. Others (SMC, for one) leave IP behind, or are only there to be broken.
const PROTOCOLS: [i32; 6] = [
    0,
    IPPROTO_ICMP,
    IPPROTO_TCP,
    IPPROTO_UDP,
    IPPROTO_ICMPV6,
    IPPROTO_MPTCP,
];

/// Each describes sockets that are refused.
fn socket_rules() -> Result<Vec<SeccompRule>, BackendError> {
    let family = [AF_UNIX, AF_INET, AF_INET6, AF_NETLINK].map(|family| differs(FAMILY, family));
    let mut rules = vec![
        rule(family.into_iter().collect::<Result<_, _>>()?)?,
        rule(vec![condition(
            TYPE,
            SeccompCmpOp::MaskedEq(TYPE_MASK),
            SOCK_PACKET,
        )?])?,
        // NETLINK_ROUTE is 0: which addresses and links there are.
        rule(vec![equals(FAMILY, AF_NETLINK)?, differs(PROTOCOL, 0)?])?,
    ];
    for family in [AF_INET, AF_INET6] {
        let mut conditions = vec![equals(FAMILY, family)?];
        for protocol in PROTOCOLS {
            conditions.push(differs(PROTOCOL, protocol)?);
        }
        rules.push(rule(conditions)?);
    }
    Ok(rules)
}

fn rule(conditions: Vec<SeccompCondition>) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(conditions)
}

fn equals(argument: u8, value: i32) -> Result<SeccompCondition, BackendError> {
    condition(argument, SeccompCmpOp::Eq, unsigned(value))
}

fn differs(argument: u8, value: i32) -> Result<SeccompCondition, BackendError> {
    condition(argument, SeccompCmpOp::Ne, unsigned(value))
}

/// The kernel reads these arguments as `int`: of the register, the lower half.
fn condition(
    argument: u8,
    comparison: SeccompCmpOp,
    value: u64,
) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, comparison, value)
}

fn unsigned(value: i32) -> u64 {
    u64::from(value.cast_unsigned())
}
