//! Network namespaces for tests: real kernels, real rules, nothing of the machine's own network is touched.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

/// Python of the distribution: a version manager's own may lie where other uids can't read.
pub const PYTHON: &str = "/usr/bin/python3";

/// Fails with one sentence when the machine can't run these tests.
pub fn require() {
    assert!(
        nix::unistd::geteuid().is_root(),
        "these tests make network namespaces: run them as root"
    );
    for (program, package) in [
        ("/usr/sbin/nft", "nftables"),
        ("/usr/bin/setpriv", "util-linux"),
        ("/usr/bin/unshare", "util-linux"),
        (PYTHON, "python3"),
    ] {
        assert!(
            Path::new(program).exists(),
            "{program} is missing: apt-get install {package}"
        );
    }
    assert!(
        ["/usr/sbin/ip", "/sbin/ip"]
            .iter()
            .any(|path| Path::new(path).exists()),
        "ip is missing: apt-get install iproute2"
    );
}

/// A namespace that lives as long as this value: its holder ends when our end of the pipe closes.
pub struct Netns {
    holder: Child,
}

impl Netns {
    /// A new namespace with its loopback up.
    pub fn new() -> Self {
        require();
        let mut holder = Command::new("/usr/bin/unshare")
            .args(["--net", "sh", "-c", "ip link set lo up && echo 0 > /proc/sys/net/ipv4/ip_unprivileged_port_start && echo ready && exec cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        wait_for_line(holder.stdout.as_mut().unwrap());
        Self { holder }
    }

    /// Process whose namespace it is, as `ip link … netns` wants it.
    pub fn pid(&self) -> u32 {
        self.holder.id()
    }

    /// A command inside, as root with everything.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("/usr/bin/nsenter");
        command
            .arg(format!("--net=/proc/{}/ns/net", self.pid()))
            .arg("--")
            .arg(program);
        command
    }

    /// A command inside as `uid`, without capabilities and unable to gain any: what a sealed container gives.
    pub fn command_as(&self, uid: i64, program: &str) -> Command {
        let mut command = self.command("/usr/bin/setpriv");
        command
            .args(["--reuid", &uid.to_string(), "--regid", &uid.to_string()])
            .args(["--clear-groups", "--inh-caps=-all", "--bounding-set=-all"])
            .args(["--no-new-privs", "--", program]);
        command
    }

    /// Runs a line of shell as root; it must succeed.
    pub fn sh(&self, script: &str) {
        let output = self.command("sh").args(["-ec", script]).output().unwrap();
        assert!(output.status.success(), "{script}: {}", text(&output));
    }

    /// Loads rules, as `prepare` does.
    pub fn nft(&self, rules: &str) {
        let mut nft = self
            .command("/usr/sbin/nft")
            .args(["-f", "-"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        nft.stdin
            .take()
            .unwrap()
            .write_all(rules.as_bytes())
            .unwrap();
        let output = nft.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", text(&output));
    }

    /// Starts a Python program as `uid` and waits until it prints `ready`.
    pub fn serve(&self, uid: i64, script: &str, arguments: &[&str]) -> Served {
        let mut child = self
            .command_as(uid, PYTHON)
            .args(["-I", "-S", "-u", "-c", script])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "ready", "the server did not start");
        Served { child, output }
    }

    /// Runs a Python program as `uid` and returns what it prints.
    pub fn python(&self, uid: i64, script: &str, arguments: &[&str]) -> String {
        let output = self
            .command_as(uid, PYTHON)
            .args(["-I", "-S", "-c", script])
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", text(&output));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}

/// A server inside a namespace; killed on drop.
pub struct Served {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Served {
    /// Its process: everything before it was replaced by it.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next line that it prints.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A pod's place in the world: `inside` has one link, at whose other end `outside` plays everyone else.
pub struct World {
    /// 10.77.0.2 and fd77::2.
    pub inside: Netns,
    /// 10.77.0.1, 10.77.0.3, fd77::1; also the default route.
    pub outside: Netns,
}

impl World {
    /// Both namespaces and the link.
    pub fn new() -> Self {
        let (inside, outside) = (Netns::new(), Netns::new());
        inside.sh(&format!(
            "ip link add eth0 type veth peer name eth0 netns {}
             ip addr add 10.77.0.2/24 dev eth0; ip addr add fd77::2/64 dev eth0 nodad
             ip link set eth0 up
             echo 0 2147483647 > /proc/sys/net/ipv4/ping_group_range",
            outside.pid()
        ));
        outside.sh(
            "ip addr add 10.77.0.1/24 dev eth0; ip addr add 10.77.0.3/24 dev eth0
             ip addr add fd77::1/64 dev eth0 nodad; ip link set eth0 up",
        );
        inside.sh("ip route add default via 10.77.0.1; ip -6 route add default via fd77::1");
        Self { inside, outside }
    }
}

/// Both streams of a finished command.
pub fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn wait_for_line(stdout: &mut ChildStdout) {
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    assert_eq!(line.trim(), "ready", "the namespace could not be made");
}
