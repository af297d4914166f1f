//! Attempts to get through a lock, and what became of them.

use crate::netns::{PYTHON, World};

/// Prints `ok` when an answer came back, else the name of the error.
pub const TRY: &str = r"
import sys, socket, errno, struct
how, host, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
source = int(sys.argv[4]) if len(sys.argv) > 4 else 0
six = ':' in host
family = socket.AF_INET6 if six else socket.AF_INET
any = '::' if six else '0.0.0.0'
def echo(code):
    body = struct.pack('!BBHHH', code, 0, 0, 7, 1)
    total = sum(struct.unpack('!4H', body))
    return struct.pack('!BBHHH', code, 0, ~(total + (total >> 16)) & 0xffff, 7, 1)
try:
    if how == 'tcp':
        s = socket.socket(family, socket.SOCK_STREAM)
        s.settimeout(3)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if source: s.bind((any, source))
        s.connect((host, port))
        answer = s.recv(16)
    elif how == 'udp':
        s = socket.socket(family, socket.SOCK_DGRAM)
        s.settimeout(3)
        if source: s.bind((any, source))
        s.sendto(b'ping', (host, port))
        answer = s.recv(16)
    else:
        kind = socket.SOCK_RAW if how == 'raw' else socket.SOCK_DGRAM
        s = socket.socket(family, kind, socket.IPPROTO_ICMPV6 if six else socket.IPPROTO_ICMP)
        s.settimeout(3)
        s.sendto(echo(128 if six else 8), (host, 0))
        answer = s.recv(128)
    print('ok' if answer else 'closed')
except socket.timeout:
    print('timeout')
except OSError as e:
    print(errno.errorcode.get(e.errno, str(e)))
";

/// Serves `tcp:HOST:PORT` and `udp:HOST:PORT`: a greeting with its uid, or the datagram back.
pub const SERVE: &str = r"
import sys, socket, threading, os
def tcp(s):
    while True:
        c, _ = s.accept()
        c.sendall(b'hello %d' % os.getuid())
        c.close()
def udp(s):
    while True:
        data, peer = s.recvfrom(2048)
        s.sendto(data, peer)
for item in sys.argv[1:]:
    how, rest = item.split(':', 1)
    host, port = rest.rsplit(':', 1)
    s = socket.socket(socket.AF_INET6 if ':' in host else socket.AF_INET,
                      socket.SOCK_STREAM if how == 'tcp' else socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if ':' in host: s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    s.bind((host, int(port)))
    if how == 'tcp': s.listen(64)
    threading.Thread(target=tcp if how == 'tcp' else udp, args=(s,), daemon=True).start()
print('ready', flush=True)
threading.Event().wait()
";

/// Counts outside what arrives, but for what keeps a link alive.
pub const COUNT: &str = "table inet count {
  counter arrived { }
  chain in {
    type filter hook input priority -300;
    icmpv6 type { 133-136, 143 } accept
    counter name arrived
  }
}";

/// Refused at once: neither an answer nor silence.
pub fn refused(outcome: &str) -> bool {
    ["ECONNREFUSED", "EPERM", "EACCES", "EHOSTUNREACH"].contains(&outcome)
}

impl World {
    /// As `uid`, without capabilities.
    pub fn attempt(&self, uid: i64, attempt: &str) -> String {
        let arguments: Vec<&str> = attempt.split(' ').collect();
        self.inside.python(uid, TRY, &arguments)
    }

    /// As root with all its capabilities.
    pub fn attempt_as_root(&self, attempt: &str) -> String {
        let output = self
            .inside
            .command(PYTHON)
            .args(["-I", "-S", "-c", TRY])
            .args(attempt.split(' '))
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Begins to count what arrives outside, once the last packets of what was open have arrived: its `packets N`.
    pub fn begin_to_count(&self) -> String {
        self.outside.nft(COUNT);
        let mut before = self.counted();
        loop {
            std::thread::sleep(std::time::Duration::from_millis(500));
            let now = self.counted();
            if now == before {
                return now;
            }
            before = now;
        }
    }

    /// `packets N` of what [`COUNT`] has seen.
    pub fn counted(&self) -> String {
        let output = self
            .outside
            .command("/usr/sbin/nft")
            .args(["list", "counter", "inet", "count", "arrived"])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let words: Vec<&str> = text.split_whitespace().collect();
        let at = words.iter().position(|word| *word == "packets").unwrap();
        words[at..=at + 1].join(" ")
    }
}
