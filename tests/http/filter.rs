//! The seal's filter of system calls, on real processes. Each refusal has its control: the same call by the same uid,
//! without capabilities, but not under `seal`.

use crate::netns::PYTHON;
use crate::sealed::{AGENT, Sealed, code};
use serde_json::json;
use std::path::Path;
use std::process::Command;

/// Makes the calls that its arguments name, and prints for each `ok` or the name of the error.
pub const CALLS: &str = r"
import ctypes, errno, os, socket, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
ring = ctypes.create_string_buffer(256)
named = {
    'io_uring_setup': (425, 1, ctypes.addressof(ring)),
    'io_uring_enter': (426, -1, 0, 0, 0, 0, 0),
    'io_uring_register': (427, -1, 0, 0, 0),
    'x32_socket': (41 | 0x40000000, 40, 1, 0),
    'x32_io_uring_setup': (425 | 0x40000000, 1, 0),
    # The kernel reads an int: what stands above it must not hide the family.
    'wide_vsock': (41, 40 | 1 << 32, 1, 0),
    'wide_netlink': (41, 16, 3, 15 | 1 << 32),
}
USER, CHILD = 0x10000000, 17
wanted = ctypes.create_string_buffer(struct.pack('8Q', USER, 0, 0, 0, CHILD, 0, 0, 0))
# Those that make a process, which ends at once.
forks = {
    'fork': (56, CHILD, 0, 0, 0, 0),
    'clone_user': (56, USER | CHILD, 0, 0, 0, 0),
    'clone_user_and_net': (56, USER | 0x40000000 | CHILD, 0, 0, 0, 0),
    'wide_clone_user': (56, USER | CHILD | 1 << 40, 0, 0, 0, 0),
    'x32_clone_user': (56 | 0x40000000, USER | CHILD, 0, 0, 0, 0),
    'clone3_user': (435, ctypes.addressof(wanted), 64),
}
# Those that change the process itself, so each has one of its own.
changes = {
    'unshare_user': (272, USER),
    'unshare_user_and_net': (272, USER | 0x40000000),
    'wide_unshare_user': (272, USER | 1 << 40),
    'x32_unshare_user': (272 | 0x40000000, USER),
    'unshare_files': (272, 0x400),
}
def made(words):
    result = libc.syscall(*[ctypes.c_long(x) for x in words])
    return result, errno.errorcode[ctypes.get_errno()] if result < 0 else 'ok'
def call(what):
    if what in forks:
        child, said = made(forks[what])
        if child == 0: os._exit(0)
        if child > 0: os.waitpid(child, 0)
        return said
    if what in changes:
        out, into = os.pipe()
        if (child := os.fork()) == 0:
            os.write(into, made(changes[what])[1].encode())
            os._exit(0)
        os.waitpid(child, 0)
        return os.read(out, 64).decode()
    if what in named:
        result = libc.syscall(*[ctypes.c_long(x) for x in named[what]])
        return 'ok' if result >= 0 else errno.errorcode[ctypes.get_errno()]
    how, *numbers = what.split(':')
    try:
        if how == 'pair': socket.socketpair(*[int(n) for n in numbers])
        else: socket.socket(*[int(n) for n in numbers])
        return 'ok'
    except OSError as e:
        return errno.errorcode[e.errno]
for what in sys.argv[1:]:
    print(what, call(what))
";

/// What each call came to: as root, as the agent's uid without the filter, and under it.
struct Outcomes {
    root: String,
    agent: String,
    sealed: String,
}

fn outcomes(bottle: &Sealed, calls: &[&str]) -> Outcomes {
    let python = ["-I", "-S", "-c", CALLS];
    let root = bottle
        .world
        .inside
        .command(PYTHON)
        .args(python)
        .args(calls)
        .output()
        .unwrap();
    let agent = bottle
        .world
        .inside
        .command_as(AGENT, PYTHON)
        .args(python)
        .args(calls)
        .output()
        .unwrap();
    let mut start = vec![PYTHON];
    start.extend(python);
    start.extend(calls);
    let (exit, sealed) = bottle.run(&json!({"start": start}));
    assert_eq!(exit, 0, "{sealed}");
    let text = |output: std::process::Output| String::from_utf8(output.stdout).unwrap();
    Outcomes {
        root: text(root),
        agent: text(agent),
        sealed,
    }
}

fn outcome<'a>(text: &'a str, call: &str) -> &'a str {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{call} ")));
    line.unwrap_or_else(|| panic!("{call} is missing: {text}"))
}

#[test]
fn sockets_that_no_ip_rule_sees_and_rings_are_refused() {
    // Family, type, protocol. The kernel of the machine has vsock, or this test can't show much: the other rows do.
    let refused = [
        ("socket:40:1:0", "EAFNOSUPPORT"),
        ("socket:16:3:15", "EAFNOSUPPORT"),
        ("socket:16:3:16", "EAFNOSUPPORT"),
        ("socket:16:2:12", "EAFNOSUPPORT"),
        ("wide_netlink", "EAFNOSUPPORT"),
        ("wide_vsock", "EAFNOSUPPORT"),
        ("io_uring_setup", "ENOSYS"),
        ("io_uring_enter", "ENOSYS"),
        ("io_uring_register", "ENOSYS"),
        ("socket:2:2:136", "EAFNOSUPPORT"),
    ];
    // Where no capability is needed the control is the agent's own uid, else root.
    let by_root = [
        ("socket:17:3:0", "EAFNOSUPPORT"),
        ("socket:17:2:768", "EAFNOSUPPORT"),
        ("socket:2:10:768", "EAFNOSUPPORT"),
        ("socket:2:3:255", "EAFNOSUPPORT"),
    ];
    // Kernels that have them are rare; the answer is the filter's all the same.
    let anyhow = [
        ("socket:38:5:0", "EAFNOSUPPORT"),
        ("socket:21:5:0", "EAFNOSUPPORT"),
        ("socket:29:3:1", "EAFNOSUPPORT"),
        ("socket:31:3:1", "EAFNOSUPPORT"),
        ("socket:43:1:0", "EAFNOSUPPORT"),
        ("socket:44:3:0", "EAFNOSUPPORT"),
        ("socket:2:1:256", "EAFNOSUPPORT"),
        ("pair:30:1:0", "EAFNOSUPPORT"),
        ("x32_socket", "EAFNOSUPPORT"),
        ("x32_io_uring_setup", "ENOSYS"),
    ];
    let rows = || refused.iter().chain(&by_root).chain(&anyhow);
    let bottle = Sealed::new();
    let calls: Vec<&str> = rows().map(|(call, _)| *call).collect();
    let outcomes = outcomes(&bottle, &calls);
    for (call, expected) in rows() {
        assert_eq!(outcome(&outcomes.sealed, call), *expected, "{call}");
    }
    for (call, expected) in &refused {
        assert_ne!(outcome(&outcomes.agent, call), *expected, "control: {call}");
    }
    for (call, _) in &by_root {
        let control = outcome(&outcomes.root, call);
        // Some kernels are built without packet sockets.
        assert!(
            control == "ok" || call.starts_with("socket:17"),
            "control: {call}: {control}"
        );
    }
}

#[test]
fn what_programs_need_stays() {
    let kept = [
        "socket:1:1:0",
        "socket:1:2:0",
        "socket:2:1:0",
        "socket:2:1:6",
        "socket:2:2:17",
        "socket:10:1:0",
        "socket:10:2:0",
        "socket:16:3:0",
        "pair:1:1:0",
        "pair:1:5:0",
    ];
    let bottle = Sealed::new();
    let outcomes = outcomes(&bottle, &kept);
    for call in kept {
        assert_eq!(outcome(&outcomes.sealed, call), "ok", "{call}");
    }
}

/// A user namespace of its own would make an agent root over much of the kernel. Its C library must not notice: threads
/// and processes are made by the calls that are left.
#[test]
fn user_namespaces_are_refused_and_processes_stay() {
    // What the kernel says to a bit that it doesn't know differs, so those have no control.
    let refused = [
        ("clone_user", "EPERM"),
        ("clone_user_and_net", "EPERM"),
        ("clone3_user", "ENOSYS"),
        ("unshare_user", "EPERM"),
        ("unshare_user_and_net", "EPERM"),
    ];
    let anyhow = [
        ("wide_clone_user", "EPERM"),
        ("wide_unshare_user", "EPERM"),
        ("x32_clone_user", "EPERM"),
        ("x32_unshare_user", "EPERM"),
    ];
    let kept = ["fork", "unshare_files"];
    let bottle = Sealed::new();
    let rows = || refused.iter().chain(&anyhow);
    let calls: Vec<&str> = rows().map(|(call, _)| *call).chain(kept).collect();
    let outcomes = outcomes(&bottle, &calls);
    for (call, expected) in rows() {
        assert_eq!(outcome(&outcomes.sealed, call), *expected, "{call}");
    }
    for call in kept {
        assert_eq!(outcome(&outcomes.sealed, call), "ok", "{call}");
    }
    for (call, _) in &refused {
        // Where the machine lets nobody else have one, root shows that the call is a right one.
        let controls = [&outcomes.agent, &outcomes.root].map(|text| outcome(text, call));
        assert!(controls.contains(&"ok"), "control: {call}: {controls:?}");
    }
}

/// A filter of its own, which answers every further `seccomp` call with "no such call", as an old kernel does; then
/// the rest of the arguments as a program.
const OLD_KERNEL: &str = r"
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
code = [(0x20, 0, 0, 0), (0x15, 0, 1, 317), (0x06, 0, 0, 0x50000 | 38), (0x06, 0, 0, 0x7fff0000)]
code = ctypes.create_string_buffer(b''.join(struct.pack('HBBI', *one) for one in code))
program = ctypes.create_string_buffer(struct.pack('HxxxxxxQ', 4, ctypes.addressof(code)))
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.byref(program), 0, 0) == 0
os.execv(sys.argv[1], sys.argv[1:])
";

#[test]
fn without_a_filter_there_is_no_agent() {
    let bottle = Sealed::new();
    let start = json!({"start": ["touch", "started"]});
    let mut old = bottle.world.inside.command_as(AGENT, PYTHON);
    old.args(["-I", "-S", "-c", OLD_KERNEL])
        .arg(bottle.path("seal"))
        .args(bottle.arguments(&start))
        .current_dir(bottle.path("out"));
    let (exit, said) = code(&old.output().unwrap());
    assert_eq!(exit, 125, "{said}");
    assert!(said.contains("filter of system calls"), "{said}");
    assert!(bottle.get("why").contains("filter of system calls"));
    assert!(!bottle.path("out/started").exists());
    assert!(!bottle.path("home/.bottle").exists(), "HOME was touched");
    // Control: the same start, on the kernel as it is.
    let (exit, said) = bottle.run(&start);
    assert_eq!(exit, 0, "{said}");
    assert!(bottle.path("out/started").exists());
}

/// Programs that agents are made of; those that the machine lacks are named, and not counted.
#[test]
fn ordinary_programs_work_under_the_filter() {
    let bottle = Sealed::new();
    bottle.put(
        "out/main.go",
        "package main\nimport (\"fmt\"; \"net\")\nfunc main() {\n l, e := net.Listen(\"tcp\", \"127.0.0.1:0\")\n \
         if e != nil { panic(e) }\n go func() { c, _ := l.Accept(); c.Write([]byte(\"go ok\")); c.Close() }()\n \
         c, e := net.Dial(\"tcp\", l.Addr().String()); if e != nil { panic(e) }\n b := make([]byte, 5); c.Read(b); \
         fmt.Println(string(b)); i, e := net.Interfaces(); if e != nil { panic(e) }; fmt.Println(len(i) > 0) }\n",
    );
    bottle.put(
        "out/Main.java",
        "public class Main { public static void main(String[] a) throws Exception { \
         var l = new java.net.ServerSocket(0, 1, java.net.InetAddress.getLoopbackAddress()); \
         var c = new java.net.Socket(l.getInetAddress(), l.getLocalPort()); \
         l.accept().getOutputStream().write(7); System.out.println(\"java \" + c.getInputStream().read() + \" \" \
         + java.net.NetworkInterface.networkInterfaces().count()); } }\n",
    );
    let node = "const net = require('net'), os = require('os'); \
        const s = net.createServer(c => c.end('node ok')).listen(0, '127.0.0.1', () => \
        net.connect(s.address().port, '127.0.0.1').on('data', d => { console.log(String(d), \
        Object.keys(os.networkInterfaces()).length > 0); s.close(); })); \
        new (require('worker_threads').Worker)('1', {eval: true}); require('child_process').execSync('true'); require('fs').promises.readFile('/etc/passwd');";
    let programs = [
        (PYTHON, vec!["-c".to_owned(), "import asyncio, socket, subprocess, threading, multiprocessing as m; m.Pipe(); asyncio.run(asyncio.sleep(0)); \
             t = threading.Thread(target=subprocess.run, args=(['true'],)); t.start(); t.join(); print('python', len(socket.if_nameindex()) > 0)".to_owned()], "python True"),
        ("/usr/bin/node", vec!["-e".to_owned(), node.to_owned()], "node ok true"),
        ("/usr/bin/git", vec!["-c".to_owned(), "init.defaultBranch=main".to_owned(), "init".to_owned(), "repository".to_owned()], "Initialized empty Git repository"),
        ("/usr/local/go/bin/go", vec!["run".to_owned(), "main.go".to_owned()], "go ok\ntrue"),
        ("/usr/bin/java", vec!["-Xmx64m".to_owned(), "Main.java".to_owned()], "java 7 "),
        ("/usr/bin/chromium", ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--dump-dom", "data:text/html,<p>chromium ok</p>"].map(str::to_owned).to_vec(), "<p>chromium ok</p>"),
    ];
    let mut tried = Vec::new();
    for (program, arguments, expected) in programs {
        if !works(program) {
            println!("{program} is not on this machine");
            continue;
        }
        let mut start = vec![program.to_owned()];
        start.extend(arguments);
        let (exit, said) = bottle.run(&json!({"start": start}));
        assert!(exit == 0 && said.contains(expected), "{program}: {said}");
        tried.push(program);
    }
    assert!(tried.contains(&PYTHON), "{tried:?}");
}

/// Whether it is there for everybody, not only for root.
fn works(program: &str) -> bool {
    Path::new(program).exists()
        && Command::new("/usr/bin/setpriv")
            .args(["--reuid", "1000", "--clear-groups", program, "--help"])
            .output()
            .is_ok_and(|output| output.status.code().is_some_and(|code| code < 126))
}
