//! Ways out of a bottle, each a piece of Python that prints `open` when it got out.

use super::Place;

/// One way.
pub struct Attempt {
    pub name: String,
    pub script: String,
}

/// A connection to an address.
pub fn tcp(name: &str, host: &str, port: u16) -> Attempt {
    let family = if host.contains(':') {
        "AF_INET6"
    } else {
        "AF_INET"
    };
    let script = format!(
        "import socket\ns=socket.socket(socket.{family})\ns.settimeout(3)\ns.connect((\"{host}\",{port}))\nprint('open')"
    );
    Attempt {
        name: name.into(),
        script,
    }
}

/// A datagram to a server that answers: a question for a name.
pub fn udp(name: &str, host: &str, port: u16) -> Attempt {
    let script = format!(
        "import socket\ns=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\ns.settimeout(3)\n\
         s.sendto(bytes.fromhex('12340100000100000000000003617069076578616d706c6503636f6d0000010001'),(\"{host}\",{port}))\n\
         s.recv(512)\nprint('open')"
    );
    Attempt {
        name: name.into(),
        script,
    }
}

/// A question for this name to a resolver.
pub fn dns(name: &str, host: &str, wanted: &str) -> Attempt {
    let script = format!(
        "import socket\ns=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\ns.settimeout(3)\nq=b'\\x124\\1\\0\\0\\1'+bytes(6)\n\
         for l in '{wanted}'.split('.'):\n  q+=bytes([len(l)])+l.encode()\n\
         s.sendto(q+b'\\0\\0\\1\\0\\1',('{host}',53))\ns.recv(512)\nprint('open')"
    );
    Attempt {
        name: name.into(),
        script,
    }
}

fn connect(target: &str) -> String {
    format!(
        "import socket\ns=socket.create_connection(('127.0.0.1',8888),3)\ns.sendall(b'CONNECT {target} HTTP/1.1\\r\\nHost: {target}\\r\\n\\r\\n')\nr=s.recv(4096)\nassert b' 200 ' in r.split(b'\\r\\n')[0],r\nprint('open')"
    )
}

/// Those that need nothing outside.
pub fn everywhere() -> Vec<Attempt> {
    let rows = [
        ("a raw socket", "import socket\nsocket.socket(socket.AF_INET,socket.SOCK_RAW,socket.IPPROTO_ICMP)\nprint('open')".to_owned()),
        ("a packet socket", "import socket\nsocket.socket(socket.AF_PACKET,socket.SOCK_RAW,3)\nprint('open')".into()),
        ("a socket of virtual machines", "import socket\nsocket.socket(socket.AF_VSOCK,socket.SOCK_STREAM)\nprint('open')".into()),
        ("the kernel's cipher sockets", "import socket\nsocket.socket(socket.AF_ALG,socket.SOCK_SEQPACKET)\nprint('open')".into()),
        ("a ring of system calls", "import ctypes\nlibc=ctypes.CDLL(None,use_errno=True)\nr=libc.syscall(425,8,ctypes.create_string_buffer(256))\nassert r>=0\nprint('open')".into()),
        ("a user namespace", "import ctypes\nassert ctypes.CDLL(None).unshare(0x10000000)==0\nprint('open')".into()),
        ("a process in a user namespace", "import ctypes,os\nr=ctypes.CDLL(None).syscall(56,0x10000011,0,0,0,0)\nif r==0: os._exit(0)\nassert r>0\nprint('open')".into()),
        ("the same by the call that hides its flags", "import ctypes,os,struct\na=ctypes.create_string_buffer(struct.pack('8Q',0x10000000,0,0,0,17,0,0,0))\nr=ctypes.CDLL(None).syscall(435,a,64)\nif r==0: os._exit(0)\nassert r>0\nprint('open')".into()),
        ("setuid to the egress proxy", "import os\nos.setuid(61002)\nprint('open')".into()),
        ("setuid to root", "import os\nos.setuid(0)\nprint('open')".into()),
        ("writing the mounted config", "open('/etc/claude-bottle/current-config/allowlist','a').write('x')\nprint('open')".into()),
        ("writing seal's instructions", "open('/run/bottle/seal/seal.json','a').write('x')\nprint('open')".into()),
        ("replacing seal", "import os\nos.unlink('/run/bottle/seal/seal.json')\nprint('open')".into()),
        ("the sidecars' config", "import os\nos.listdir('/run/bottle/config')\nprint('open')".into()),
        ("the sidecars' state", "import os\nos.listdir('/run/bottle/state')\nprint('open')".into()),
        ("the store of questions", "import os\nos.listdir('/run/bottle/store')\nprint('open')".into()),
        ("the secrets", "import os\nos.listdir('/run/bottle/secrets')\nprint('open')".into()),
        ("a daemon's socket", "import os\nassert any(os.path.exists(p) for p in ['/var/run/docker.sock','/run/docker.sock','/run/podman/podman.sock','/run/containerd/containerd.sock'])\nprint('open')".into()),
        ("another process' memory by /proc", "import os\nfor pid in os.listdir('/proc'):\n  if pid.isdigit() and b'supervise' in open(f'/proc/{pid}/cmdline','rb').read():\n    print('open')".into()),
        ("a capability", "assert any(int(l.split()[1],16) for l in open('/proc/self/status') if l.startswith('Cap'))\nprint('open')".into()),
        ("privileges by a set-uid program", "assert 'NoNewPrivs:\\t1' not in open('/proc/self/status').read()\nprint('open')".into()),
        ("the kernel's settings", "open('/proc/sys/kernel/core_pattern','a')\nprint('open')".into()),
        ("a name by the system's resolver", "import socket\nsocket.setdefaulttimeout(3)\nsocket.getaddrinfo('api.example.com',80)\nprint('open')".into()),
        ("CONNECT to an address", connect("203.0.113.10:443")),
        ("CONNECT to this machine by an address", connect("127.0.0.1:9100")),
        ("CONNECT to a host that is not on the list", connect("closed.example.com:443")),
        ("answering in egress' place", "import socket\ns=socket.socket()\ns.setsockopt(socket.SOL_SOCKET,socket.SO_REUSEADDR,1)\ns.setsockopt(socket.SOL_SOCKET,socket.SO_REUSEPORT,1)\ns.bind(('127.0.0.1',8888))\ns.listen()\nprint('open')".into()),
    ];
    let attempt = |(name, script): (&str, String)| Attempt {
        name: name.into(),
        script,
    };
    rows.into_iter().map(attempt).collect()
}

/// Makes every attempt as the agent; the names of those that got out.
pub fn got_out(place: &impl Place, attempts: &[Attempt]) -> Vec<String> {
    let mut out = Vec::new();
    for attempt in attempts {
        let answer = place.inside(&format!(
            "/usr/bin/python3 - <<'END' 2>&1\n{}\nEND",
            attempt.script
        ));
        // An attempt that could not be made is no proof.
        let made = answer.contains("rror") || answer.contains("timed out");
        if answer.contains("open\n") {
            out.push(attempt.name.clone());
        } else {
            assert!(
                made || answer.contains("exit 0"),
                "{}: {answer}",
                attempt.name
            );
        }
    }
    out
}
