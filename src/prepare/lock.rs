//! CORE: the lock, nftables rules for a bottle's network namespace, as the text that `nft -f -` reads.
//!
//! What a packet needs to leave the pod:
//! - UDP: an owner that is one of the two proxies, for every single packet. A connection mark would not do: the mark
//!   stays for a minute or more after a proxy has closed its socket, and an agent that binds the same port again would
//!   inherit it, which is a way to talk to the cluster's DNS.
//! - TCP: the first packet (a SYN, whatever the connection is taken for) needs such an owner, or `supervise` for one of
//!   the API server's addresses. All later ones need the mark that the first one set: a closing socket has no owner
//!   any more, and its last packets carry data.
//! - ICMP errors: only about a marked connection. Neighbour discovery: only from the kernel itself.

use crate::names::{port, uid};
use std::fmt::Write as _;
use std::net::SocketAddr;

/// Name of the table, family `inet`.
pub const TABLE: &str = "bottle";

/// What the rules depend on besides [`crate::names`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lock {
    /// Addresses of the API server, the only ones that `supervise` may reach; none in a local runtime.
    pub api: Vec<SocketAddr>,
}

/// The rules, as one transaction: an older table of the same name is replaced without a moment in between.
pub fn ruleset(lock: &Lock) -> String {
    RULESET
        .replace("@TABLE@", TABLE)
        .replace("@API@", &api_rules(&lock.api))
        .replace("@ANSWERS@", &answer_rules())
        .replace(
            "@PROXIES@",
            &format!("{{ {}, {} }}", uid::EGRESS, uid::CRED_PROXY),
        )
        .replace(
            "@PORTS@",
            &format!(
                "{{ {}, {}, {} }}",
                port::EGRESS,
                port::CRED_PROXY,
                port::SUPERVISE
            ),
        )
}

/// The rules of a build's pod: what carries the mark may leave, whoever sent it, and nothing else. A build step is root
/// and can take any uid; it has neither NET_ADMIN nor NET_RAW, without which no socket gets a mark.
pub fn build_ruleset(mark: u32) -> String {
    let own_port = "    # Nobody answers in a sidecar's place. A closing socket has no owner and passes.\n@ANSWERS@    tcp sport @PORTS@ \
                    meta skuid 0-4294967294 reject with tcp reset\n\n";
    RULESET
        .replace("@TABLE@", TABLE)
        .replace("@API@", "")
        .replace(own_port, "")
        .replace("meta skuid @PROXIES@", &format!("meta mark {mark:#x}"))
}

/// One line for each address of the API server.
fn api_rules(api: &[SocketAddr]) -> String {
    api.iter().fold(String::new(), |mut text, address| {
        let family = if address.is_ipv4() { "ip" } else { "ip6" };
        let _ = writeln!(
            text,
            "    meta skuid {} {family} daddr {} tcp dport {} ct mark set 1 accept",
            uid::SUPERVISE,
            address.ip(),
            address.port()
        );
        text
    })
}

/// One line for each sidecar: its port may be answered from by its uid.
fn answer_rules() -> String {
    [
        (port::EGRESS, uid::EGRESS),
        (port::CRED_PROXY, uid::CRED_PROXY),
        (port::SUPERVISE, uid::SUPERVISE),
    ]
    .iter()
    .fold(String::new(), |mut text, (port, uid)| {
        let _ = writeln!(text, "    tcp sport {port} meta skuid {uid} accept");
        text
    })
}

/// A packet has "an owner" when `meta skuid` can be read: then, and only then, it lies in the range of all uids.
const RULESET: &str = "\
# Replaces an older table in one transaction.
add table inet @TABLE@
delete table inet @TABLE@
table inet @TABLE@ {
  chain out {
    type filter hook output priority 0; policy drop;
    oifname \"lo\" goto loopback

    # IPv6 needs its neighbours. The kernel asks for them itself, without an owner.
    icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert, mld2-listener-report } meta skuid 0-4294967294 goto refuse
    icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert, mld2-listener-report } accept
    meta l4proto { 1, 58 } ct state related ct mark 1 accept

    # Later packets of a connection that was let out below; the last ones of a closing socket have no owner.
    tcp flags & (fin | syn | rst | ack) != syn ct state established ct mark 1 accept

    meta l4proto { 6, 17 } meta skuid @PROXIES@ ct mark set 1 accept
@API@    goto refuse
  }
  chain loopback {
    # What we refuse ourselves is answered by a reset or an ICMP error on this way: without these it would time out.
    tcp flags & rst == rst accept
    meta l4proto { 1, 58 } ct state related accept

    # Nobody answers in a sidecar's place. A closing socket has no owner and passes.
@ANSWERS@    tcp sport @PORTS@ meta skuid 0-4294967294 reject with tcp reset

    # All of 127.0.0.0/8 but one address stays shut: 127.0.0.11 is a resolver in some runtimes, and a way out.
    ip daddr 127.0.0.1 accept
    ip6 daddr ::1 accept
    goto refuse
  }
  chain refuse {
    meta l4proto 6 reject with tcp reset
    reject with icmpx admin-prohibited
  }
  chain in {
    type filter hook input priority 0; policy drop;
    iifname \"lo\" accept
    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } ip6 hoplimit 255 accept
    ct state established ct mark 1 accept
    meta l4proto { 1, 58 } ct state related ct mark 1 accept
  }
  chain forward {
    type filter hook forward priority 0; policy drop;
  }
}
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_placeholder_is_left() {
        let text = ruleset(&Lock {
            api: vec!["10.96.0.1:443".parse().unwrap()],
        });
        assert!(!text.contains('@'), "{text}");
    }

    #[test]
    fn a_builds_lock_knows_no_uid() {
        let text = build_ruleset(0x77);
        assert!(!text.contains('@'), "{text}");
        assert!(
            text.contains("meta mark 0x77 ct mark set 1 accept"),
            "{text}"
        );
        let by_uid: Vec<&str> = text.lines().filter(|line| line.contains("skuid")).collect();
        // Only the kernel's own neighbour discovery, which has no owner.
        assert!(
            by_uid
                .iter()
                .all(|line| line.contains("icmpv6") && line.ends_with("goto refuse")),
            "{by_uid:?}"
        );
    }

    #[test]
    fn without_an_api_server_supervise_is_let_out_nowhere() {
        let text = ruleset(&Lock::default());
        let out = text.split("chain loopback").next().unwrap();
        assert!(!out.contains(&uid::SUPERVISE.to_string()), "{out}");
    }
}
