//! What an agent in the sandbox tries. Each attempt has a control: outside, it succeeds.

use crate::world::{Place as _, World, text};
use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::UnixListener;
use std::process::Command;

/// A piece of Python that prints `done` when its attempt succeeds.
fn python(body: &str) -> String {
    format!("/usr/bin/python3 - <<'END'\n{body}\nprint('done')\nEND")
}

fn here(script: &str) -> String {
    text(&Command::new("bash").args(["-c", script]).output().unwrap())
}

#[test]
fn nothing_outside_can_be_reached_past_the_proxy() {
    let world = World::running();
    let service = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = service.local_addr().unwrap().port();
    let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
    let abstract_name = format!("bot-bottle-test-{}", std::process::id());
    let _abstract = UnixListener::bind_addr(
        &<std::os::unix::net::SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(&abstract_name).unwrap(),
    )
    .unwrap();
    let tcp = |address: &str, port: u16| {
        python(&format!(
            "import socket\nsocket.create_connection(('{address}', {port}), 2)"
        ))
    };
    let abstract_socket = python(&format!(
        "import socket\ns = socket.socket(socket.AF_UNIX)\ns.connect('\\0{abstract_name}')"
    ));
    for attempt in [&tcp("127.0.0.1", port), &abstract_socket] {
        assert!(
            here(attempt).contains("done"),
            "the control failed: {attempt}"
        );
    }
    for attempt in [
        tcp("127.0.0.1", port),
        tcp("192.0.2.1", 443),
        tcp("169.254.169.254", 80),
        tcp("127.0.0.11", 53),
        python("import socket\nsocket.create_connection(('2001:db8::1', 443), 2)"),
        python(
            "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.sendto(b'?', ('192.0.2.1', 53))",
        ),
        python("import socket\nsocket.getaddrinfo('example.com', 80)"),
        python(
            "import socket\nsocket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)",
        ),
        python("import socket\nsocket.socket(socket.AF_PACKET, socket.SOCK_RAW)"),
        abstract_socket,
    ] {
        let answer = world.inside(&attempt);
        assert!(!answer.contains("done"), "{attempt}: {answer}");
    }
    // A datagram to this machine's loopback goes to the sandbox's own.
    let to = datagrams.local_addr().unwrap().port();
    world.inside(&python(&format!("import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.sendto(b'?', ('127.0.0.1', {to}))")));
    datagrams.set_nonblocking(true).unwrap();
    assert!(datagrams.recv(&mut [0; 8]).is_err());
}

#[test]
fn families_past_ip_are_refused_and_unix_sockets_work() {
    let world = World::running();
    for family in ["AF_VSOCK", "AF_BLUETOOTH", "AF_ALG", "AF_TIPC"] {
        let answer = world.inside(&python(&format!("import socket\nsocket.socket(socket.{family}, socket.SOCK_SEQPACKET if '{family}' != 'AF_VSOCK' else socket.SOCK_STREAM)")));
        assert!(!answer.contains("done"), "{family}: {answer}");
    }
    let own = python(
        "import socket\na = socket.socket(socket.AF_UNIX)\na.bind('/tmp/s')\na.listen()\nb = socket.socket(socket.AF_UNIX)\nb.connect('/tmp/s')\nsocket.socketpair()",
    );
    assert!(world.inside(&own).contains("done"));
}

#[test]
fn this_machines_files_sockets_and_processes_are_not_there() {
    let world = World::running();
    let secret = world.place.path().join("secret");
    fs::write(&secret, "hush").unwrap();
    let socket = world.place.path().join("agent.sock");
    let _listener = UnixListener::bind(&socket).unwrap();
    let answer = world.inside(&format!(
        "ls {0} /root /home /var/lib /etc/shadow /etc/ssh /etc/ssl/private /run/docker.sock /var/run/docker.sock /run/dbus /run/user /sys/class 2>&1; echo; echo /tmp/*; echo /run/*; cat /proc/*/cmdline | tr '\\0' ' '",
        world.place.path().display()
    ));
    for line in answer.lines().filter(|line| line.starts_with("ls:")) {
        assert!(line.contains("No such file"), "{line}");
    }
    assert_eq!(
        answer
            .lines()
            .filter(|line| line.starts_with("ls:"))
            .count(),
        12,
        "{answer}"
    );
    assert!(answer.contains("/tmp/*\n/run/bottle\n"), "{answer}");
    assert!(
        !answer.contains("local keep") && !answer.contains("cargo"),
        "{answer}"
    );
    let pids = world.inside("ls -d /proc/[0-9]* 2>/dev/null | wc -l");
    let count: u32 = pids.lines().next().unwrap().trim().parse().unwrap();
    assert!(count < 20, "{pids}");
}

#[test]
fn only_home_and_workspace_can_be_written() {
    let world = World::running();
    for path in [
        "/x",
        "/usr/x",
        "/etc/x",
        "/etc/passwd",
        "/bottle/x",
        "/run/bottle/bottle",
        "/run/bottle/seal/seal.json",
        "/etc/claude-bottle/current-config/allowlist",
        "/proc/sys/kernel/core_pattern",
        "/proc/sysrq-trigger",
    ] {
        // Opened and not written: should it succeed, the machine that runs the tests takes no harm.
        let answer = world.inside(&format!(": >> {path} && echo done"));
        assert!(!answer.contains("done"), "{path}: {answer}");
    }
    for path in [
        "/bottle/home/x",
        "/bottle/workspace/x",
        "/tmp/x",
        "/dev/shm/x",
    ] {
        let answer = world.inside(&format!("echo 1 > {path} && echo done"));
        assert!(answer.contains("done"), "{path}: {answer}");
    }
    assert!(world.bottle().join("home/x").exists());
}

#[test]
fn the_agent_has_no_privilege_and_gets_none() {
    let world = World::running();
    let status = world
        .inside("grep -E '^(CapEff|CapPrm|CapBnd|CapAmb|NoNewPrivs|Seccomp):' /proc/self/status");
    for line in status.lines().filter(|line| line.starts_with("Cap")) {
        assert!(line.ends_with("0000000000000000"), "{status}");
    }
    assert!(
        status.contains("NoNewPrivs:\t1") && status.contains("Seccomp:\t2"),
        "{status}"
    );
    for attempt in [
        "unshare -Ur true",
        "unshare -m true",
        "mount -t tmpfs x /tmp",
        "umount /run",
        "nsenter -t 1 -m true",
        "mknod /tmp/d b 7 0",
    ] {
        let answer = world.inside(&format!("{attempt} && echo done"));
        assert!(!answer.contains("done"), "{attempt}: {answer}");
    }
}

#[test]
fn no_open_file_of_the_keeper_or_its_caller_is_left_to_the_agent() {
    let world = World::new();
    let output = std::fs::File::open("/etc/hostname").unwrap();
    // A descriptor that the caller's shell has open, as shells do.
    rustix::io::fcntl_setfd(&output, rustix::io::FdFlags::empty()).unwrap();
    world.apply("");
    // The shell that runs the jobs is the agent.
    let files = world.inside("ls -l /proc/$PPID/fd");
    let foreign = files.lines().filter(|line| {
        line.contains("->") && !line.contains("/dev/null") && !line.contains("log/agent")
    });
    // What a shell opens for itself stands at 255.
    let foreign: Vec<_> = foreign.filter(|line| !line.contains(" 255 ->")).collect();
    assert!(foreign.is_empty(), "{foreign:?}");
}

#[test]
fn calls_that_no_agent_needs_are_refused() {
    let world = World::running();
    // keyctl: the keyring of the person's session; bpf; perf_event_open; userfaultfd.
    for call in [
        "250, 0, -3, 0",
        "321, 0, 0, 0",
        "298, 0, 0, 0",
        "323, 0, 0, 0",
    ] {
        let answer = world.inside(&python(&format!("import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\nr = libc.syscall({call})\nassert not (r == -1 and ctypes.get_errno() == 1)")));
        assert!(!answer.contains("done"), "{call}: {answer}");
    }
}

#[test]
fn the_agent_can_not_answer_in_a_sidecars_place() {
    let world = World::running();
    let bind = python(
        "import socket\ns = socket.socket()\ns.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\ns.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)\ns.bind(('127.0.0.1', 9100))",
    );
    let answer = world.inside(&bind);
    assert!(!answer.contains("done"), "{answer}");
}
