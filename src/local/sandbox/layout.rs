//! CORE: what the agent sees of this machine, as arguments for bubblewrap.
//!
//! Nothing is there but what is named here: the root is empty and read-only, `/run` and `/tmp` are private, so no
//! named socket of this machine (D-Bus, docker, ssh-agent) can be reached.

use crate::names::path;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// One thing that the agent sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mount {
    /// A link, as this machine has it.
    Link {
        /// Where it leads.
        target: PathBuf,
        /// Where it is.
        at: PathBuf,
    },
    /// A file or directory, never to be written.
    Readable {
        /// On this machine.
        from: PathBuf,
        /// In the sandbox.
        at: PathBuf,
    },
    /// A file or directory that the agent may write.
    Writable {
        /// On this machine.
        from: PathBuf,
        /// In the sandbox.
        at: PathBuf,
    },
}

impl Mount {
    /// The same place inside and outside, read-only.
    pub fn same(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self::Readable {
            from: path.clone(),
            at: path,
        }
    }
}

/// A sandbox as it shall be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// The agent's uid and gid inside.
    pub user: i64,
    /// Its host name.
    pub hostname: String,
    /// The system's part: programs and libraries.
    pub system: Vec<Mount>,
    /// The bottle's part, over the system's.
    pub own: Vec<Mount>,
    /// Whether bubblewrap can forbid further user namespaces (0.8 and later).
    pub disable_userns: bool,
    /// Where the program starts.
    pub working_dir: PathBuf,
}

/// Where our own program is, inside.
pub const PROGRAM: &str = "/run/bottle/bottle";
/// Where `seal` writes its last word, inside.
pub const LAST_WORD: &str = "/run/bottle/last-word";

/// Directories of this machine that hold programs and libraries, where they exist.
pub const SYSTEM: [&str; 10] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/opt",
    "/nix/store",
    "/gnu/store",
];

/// What programs need of `/etc`, where it exists: nothing that holds a credential or leads to this machine's network.
pub const ETC: [&str; 37] = [
    "alternatives",
    "bash.bashrc",
    "ca-certificates",
    "ca-certificates.conf",
    "crypto-policies",
    "debian_version",
    "fonts",
    "inputrc",
    "java-17-openjdk",
    "java-21-openjdk",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "locale.alias",
    "locale.conf",
    "localtime",
    "login.defs",
    "lsb-release",
    "magic",
    "mime.types",
    "nanorc",
    "os-release",
    "perl",
    "pki/ca-trust",
    "pki/tls/cert.pem",
    "pki/tls/certs",
    "profile",
    "protocols",
    "python3",
    "services",
    "shells",
    "skel",
    "ssl/cert.pem",
    "ssl/certs",
    "ssl/openssl.cnf",
    "terminfo",
    "timezone",
];

impl Layout {
    /// The arguments that make it, up to the `--` before the program.
    pub fn arguments(&self) -> Vec<OsString> {
        let mut words: Vec<OsString> = Vec::new();
        let user = self.user.to_string();
        for word in [
            "--unshare-user",
            "--unshare-pid",
            "--unshare-net",
            "--unshare-ipc",
            "--unshare-uts",
            "--unshare-cgroup-try",
            "--die-with-parent",
            "--new-session",
            "--as-pid-1",
            "--cap-drop",
            "ALL",
            "--uid",
            &user,
            "--gid",
            &user,
            "--hostname",
            &self.hostname,
        ] {
            words.push(word.into());
        }
        if self.disable_userns {
            words.push("--disable-userns".into());
        }
        self.system.iter().for_each(|mount| push(&mut words, mount));
        for word in [
            "--proc",
            "/proc",
            "--dev",
            "/dev",
            "--perms",
            "1777",
            "--tmpfs",
            "/tmp",
            "--tmpfs",
            "/run",
            "--perms",
            "1777",
            "--tmpfs",
            "/var/tmp",
            "--symlink",
            "/run",
            "/var/run",
        ] {
            words.push(word.into());
        }
        self.own.iter().for_each(|mount| push(&mut words, mount));
        // Of a root user's agent the kernel sees root: without this it could write kernel.core_pattern.
        words.extend(["--remount-ro", "/proc", "--remount-ro", "/", "--chdir"].map(Into::into));
        words.push(self.working_dir.clone().into());
        words.push("--".into());
        words
    }
}

fn push(words: &mut Vec<OsString>, mount: &Mount) {
    let (flag, from, at): (_, &Path, &Path) = match mount {
        Mount::Link { target, at } => ("--symlink", target, at),
        Mount::Readable { from, at } => ("--ro-bind", from, at),
        Mount::Writable { from, at } => ("--bind", from, at),
    };
    words.extend([flag.into(), from.into(), at.into()]);
}

/// The files of `/etc` that are the sandbox's own.
pub fn etc(user: i64, hostname: &str) -> [(&'static str, String); 6] {
    let home = path::HOME;
    [
        (
            "passwd",
            format!(
                "agent:x:{user}:{user}:agent:{home}:/bin/bash\nnobody:x:65534:65534:nobody:/:/bin/false\n"
            ),
        ),
        ("group", format!("agent:x:{user}:\nnogroup:x:65534:\n")),
        (
            "hosts",
            format!("127.0.0.1 localhost {hostname} supervise cred-proxy egress\n::1 localhost\n"),
        ),
        ("hostname", format!("{hostname}\n")),
        (
            "nsswitch.conf",
            "passwd: files\ngroup: files\nhosts: files dns\n".into(),
        ),
        // No name is resolved inside: the proxy does it. The default would be a server on the loopback: none there.
        ("resolv.conf", "options timeout:1 attempts:1\n".into()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_the_machine_is_shared_but_what_is_named() {
        let layout = Layout {
            user: 1000,
            hostname: "demo".into(),
            system: vec![Mount::same("/usr")],
            own: vec![Mount::Writable {
                from: "/state/home".into(),
                at: "/bottle/home".into(),
            }],
            disable_userns: true,
            working_dir: "/bottle/workspace".into(),
        };
        let words: Vec<String> = layout
            .arguments()
            .into_iter()
            .map(|word| word.into_string().unwrap())
            .collect();
        let text = words.join(" ");
        for needed in [
            "--unshare-user",
            "--unshare-pid",
            "--unshare-net",
            "--unshare-ipc",
            "--die-with-parent",
            "--cap-drop ALL",
            "--disable-userns",
            "--ro-bind /usr /usr",
            "--tmpfs /run",
            "--tmpfs /tmp",
            "--bind /state/home /bottle/home --remount-ro /proc --remount-ro / --chdir /bottle/workspace --",
        ] {
            assert!(text.contains(needed), "{needed}: {text}");
        }
        assert!(!text.contains("--share-net") && !text.contains("--dev-bind"));
    }

    #[test]
    fn no_file_with_this_machines_names_or_credentials_is_shown() {
        for name in [
            "shadow",
            "gshadow",
            "passwd",
            "hosts",
            "resolv.conf",
            "gitconfig",
            "ssh",
            "krb5.conf",
            "environment",
            "sudoers",
            "machine-id",
            "ssl",
            "ssl/private",
            "pki",
        ] {
            assert!(!ETC.contains(&name), "{name}");
        }
    }
}
