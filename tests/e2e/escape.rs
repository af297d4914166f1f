//! From inside the agent's container: every way out that we know, each refused, most with a control that shows that
//! the attempt would have worked without the wall.

use crate::support::{Bottle, Namespace, run};

/// A python one-liner that prints `open` when it got out.
struct Attempt {
    name: &'static str,
    script: String,
    /// Whether a pod without the lock gets through: then the row can fail.
    control: bool,
}

fn tcp(name: &'static str, host: &str, port: u16, control: bool) -> Attempt {
    let family = if host.contains(':') {
        "AF_INET6"
    } else {
        "AF_INET"
    };
    let script = format!(
        "import socket\ns=socket.socket(socket.{family})\ns.settimeout(3)\ns.connect((\"{host}\",{port}))\nprint('open')"
    );
    Attempt {
        name,
        script,
        control,
    }
}

fn udp(name: &'static str, host: &str, port: u16, control: bool) -> Attempt {
    let family = if host.contains(':') {
        "AF_INET6"
    } else {
        "AF_INET"
    };
    // A question for api.example.com; an echo server sends it back, a name server answers it.
    let script = format!(
        "import socket\ns=socket.socket(socket.{family},socket.SOCK_DGRAM)\ns.settimeout(3)\n\
         s.sendto(bytes.fromhex('12340100000100000000000003617069076578616d706c6503636f6d0000010001'),(\"{host}\",{port}))\n\
         s.recv(512)\nprint('open')"
    );
    Attempt {
        name,
        script,
        control,
    }
}

fn attempts(node: &str, other_pod: &str, api: &str, dns: &str) -> Vec<Attempt> {
    let plain = |name, script: &str, control| Attempt {
        name,
        script: script.to_owned(),
        control,
    };
    vec![
        tcp("TCP to the internet side", "203.0.113.10", 80, true),
        tcp(
            "TCP to the internet side over IPv6",
            "2001:db8:113::10",
            80,
            true,
        ),
        tcp(
            "TCP to an allowed host's own address",
            "203.0.113.10",
            443,
            true,
        ),
        tcp("TCP to the node", node, 10250, true),
        tcp("TCP to another pod", other_pod, 8000, true),
        tcp("TCP to the API server's service", api, 443, true),
        tcp("TCP to the API server itself", node, 6443, false),
        tcp("TCP to the metadata address", "169.254.169.254", 80, false),
        tcp("TCP to another loopback address", "127.0.0.11", 53, false),
        udp("DNS over UDP to the cluster's name server", dns, 53, true),
        udp("UDP to the internet side", "203.0.113.10", 53, true),
        udp(
            "UDP to the internet side over IPv6",
            "2001:db8:113::10",
            53,
            true,
        ),
        tcp("DNS over TCP", dns, 53, true),
        plain(
            "a name by the system's resolver",
            "import socket\nsocket.setdefaulttimeout(3)\nsocket.getaddrinfo('api.example.com',80)\nprint('open')",
            true,
        ),
        plain(
            "ICMP",
            "import subprocess\nassert subprocess.run(['ping','-c1','-W2','203.0.113.10'],capture_output=True).returncode==0\nprint('open')",
            true,
        ),
        plain(
            "a raw socket",
            "import socket\nsocket.socket(socket.AF_INET,socket.SOCK_RAW,socket.IPPROTO_ICMP)\nprint('open')",
            false,
        ),
        plain(
            "a packet socket",
            "import socket\nsocket.socket(socket.AF_PACKET,socket.SOCK_RAW,3)\nprint('open')",
            false,
        ),
        plain(
            "setuid to the egress proxy",
            "import os\nos.setuid(61002)\nprint('open')",
            false,
        ),
        plain(
            "setuid to root",
            "import os\nos.setuid(0)\nprint('open')",
            false,
        ),
        plain(
            "writing the mounted config",
            "open('/etc/claude-bottle/current-config/allowlist','a').write('x')\nprint('open')",
            false,
        ),
        plain(
            "writing seal's instructions",
            "open('/run/bottle/seal/seal.json','a').write('x')\nprint('open')",
            false,
        ),
        plain(
            "reading the sidecar's token",
            "open('/var/run/secrets/kubernetes.io/serviceaccount/token').read()\nprint('open')",
            false,
        ),
        plain(
            "reading the sidecars' state",
            "import os\nos.listdir('/run/bottle/state')\nprint('open')",
            false,
        ),
        plain(
            "reading another process' memory by /proc",
            "import os\nfor pid in os.listdir('/proc'):\n  if pid.isdigit() and b'supervise' in open(f'/proc/{pid}/cmdline','rb').read():\n    print('open')",
            false,
        ),
        plain("CONNECT to an address", &connect("203.0.113.10:443"), false),
        plain(
            "CONNECT to a name that resolves to the API server",
            &connect("internal.example.com:443"),
            false,
        ),
        plain(
            "CONNECT to a name that resolves to loopback",
            &connect("loopback.example.com:9100"),
            false,
        ),
        plain(
            "CONNECT to a host that is not on the list",
            &connect("closed.example.com:443"),
            false,
        ),
        plain(
            "another server name inside the tunnel",
            "import socket,ssl\ns=socket.create_connection(('127.0.0.1',8888),3)\ns.sendall(b'CONNECT api.example.com:443 HTTP/1.1\\r\\nHost: api.example.com:443\\r\\n\\r\\n')\ns.recv(4096)\nc=ssl.create_default_context()\nc.check_hostname=False\nc.verify_mode=ssl.CERT_NONE\nt=c.wrap_socket(s,server_hostname='closed.example.com')\nprint('open')",
            false,
        ),
        plain(
            "answering in egress' place",
            "import socket\ns=socket.socket()\ns.setsockopt(socket.SOL_SOCKET,socket.SO_REUSEADDR,1)\ns.setsockopt(socket.SOL_SOCKET,socket.SO_REUSEPORT,1)\ns.bind(('127.0.0.1',8888))\ns.listen()\nprint('open')",
            false,
        ),
    ]
}

fn connect(target: &str) -> String {
    format!(
        "import socket\ns=socket.create_connection(('127.0.0.1',8888),3)\ns.sendall(b'CONNECT {target} HTTP/1.1\\r\\nHost: {target}\\r\\n\\r\\n')\nr=s.recv(4096)\nassert b' 200 ' in r.split(b'\\r\\n')[0],r\nprint('open')"
    )
}

#[test]
fn nothing_gets_out_past_the_proxy() {
    let namespace = Namespace::new();
    // The names that resolve to internal addresses are on the list, so that only the address check can refuse them.
    let bottle = namespace.bottle(
        "demo",
        &[
            "api.example.com",
            "internal.example.com",
            "loopback.example.com",
        ],
    );
    namespace.apply(PLAIN_PODS).good();
    namespace
        .kubectl([
            "wait",
            "--for=condition=Ready",
            "pod/plain",
            "pod/other",
            "--timeout=60s",
        ])
        .good();
    let node = run(
        "kubectl",
        [
            "get",
            "nodes",
            "-o",
            "jsonpath={.items[0].status.addresses[0].address}",
        ],
        "",
    )
    .good();
    let other = namespace.field("pod/other", ".status.podIP");
    let api = run(
        "kubectl",
        [
            "get",
            "service",
            "kubernetes",
            "-n",
            "default",
            "-o",
            "jsonpath={.spec.clusterIP}",
        ],
        "",
    )
    .good();
    let dns = bottle
        .shell("sed -n 's/^nameserver //p' /etc/resolv.conf | head -1")
        .good();
    let mut wrong = Vec::new();
    for attempt in attempts(&node, &other, &api, dns.trim()) {
        let said = bottle.python(&attempt.script, &[]);
        if said.out.contains("open") {
            wrong.push(format!("{} got through", attempt.name));
        }
        if attempt.control {
            let mut arguments = vec!["exec", "-i", "plain", "--", "python3", "-"];
            arguments.dedup();
            let control = namespace.kubectl_with(arguments, &attempt.script);
            if !control.out.contains("open") {
                wrong.push(format!(
                    "{} proves nothing: a plain pod fails too: {}",
                    attempt.name,
                    control.all()
                ));
            }
        }
    }
    assert_eq!(wrong, [""; 0]);
    bottle.reaches("api.example.com");
    no_query_for_a_refused_name(&bottle);
}

fn no_query_for_a_refused_name(bottle: &Bottle<'_>) {
    let name = "never-asked.example.com";
    bottle.does_not_reach(name);
    let log = std::fs::read_to_string(crate::support::state().join("log/dns-queries.log")).unwrap();
    assert!(
        log.contains("api.example.com"),
        "the log shows queries at all"
    );
    assert!(
        !log.contains(name),
        "a refused name reached the name server"
    );
}

/// The same image without a bottle around it, as the control; and a neighbour that serves.
const PLAIN_PODS: &str = "
apiVersion: v1
kind: Pod
metadata: {name: plain}
spec:
  containers:
    - {name: main, image: bot-bottle/agent-example:dev, command: [sleep, infinity]}
---
apiVersion: v1
kind: Pod
metadata: {name: other}
spec:
  containers:
    - {name: main, image: bot-bottle/agent-example:dev, command: [python3, -m, http.server, \"8000\", --bind, \"::\"]}
";
