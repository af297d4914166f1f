//! The `sandbox` runtime: the agent in its own user, mount, pid and network namespace, which has only a loopback.
//!
//! The sidecars stay outside. The first process inside ([`inside`]) binds the sidecars' ports in the sandbox's own
//! network and hands the listening sockets over: there is no route, so there is nothing to go around.
//!
//! Bubblewrap makes the namespaces. It is what distributions ship, profile and confine (Ubuntu's AppArmor lets it make
//! user namespaces and refuses them to unknown programs), and its mount code has been read by many: ours would have
//! been read by few.

mod calls;
pub mod inside;
pub mod layout;

use crate::names::path;
use layout::{ETC, LAST_WORD, Layout, Mount, PROGRAM, SYSTEM, etc};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The sandbox can't be made.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// Not Linux.
    #[error(
        "the runtime sandbox needs Linux: use --runtime process, which isolates nothing, or a cluster"
    )]
    Platform,
    /// No bubblewrap.
    #[error(
        "the runtime sandbox needs bubblewrap (bwrap), which is not on PATH: install it (apt-get install bubblewrap, \
         dnf install bubblewrap, apk add bubblewrap), or use --runtime process, which isolates nothing"
    )]
    Missing,
    /// The kernel or a policy forbids it.
    #[error("this machine refuses sandboxes (bwrap said {said:?}): {hint}")]
    Forbidden {
        /// Bubblewrap's words.
        said: String,
        /// What to change.
        hint: &'static str,
    },
    /// The sandbox ended before it had handed over its sockets.
    #[error("the sandbox did not start; its log ends with: {0}")]
    NotStarted(String),
    /// A file or process.
    #[error("can't {operation} for the sandbox")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// Why.
        source: io::Error,
    },
}

impl SandboxError {
    pub(super) fn io(operation: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { operation, source }
    }
}

/// Bubblewrap as it is here.
#[derive(Clone, Debug)]
pub struct Bubblewrap {
    program: PathBuf,
    disable_userns: bool,
}

impl Bubblewrap {
    /// Looks for it, and tries whether it may do its work.
    pub fn find(search: Option<&std::ffi::OsStr>) -> Result<Self, SandboxError> {
        if !cfg!(target_os = "linux") {
            return Err(SandboxError::Platform);
        }
        let program = crate::seal::probe::find("bwrap", search).ok_or(SandboxError::Missing)?;
        let output = |arguments: &[&str]| {
            Command::new(&program)
                .args(arguments)
                .stdin(Stdio::null())
                .output()
                .map_err(SandboxError::io("run bwrap"))
        };
        let base = [
            "--unshare-user",
            "--unshare-net",
            "--unshare-pid",
            "--ro-bind",
            "/",
            "/",
            "--proc",
            "/proc",
        ];
        let with = |more: &[&'static str]| [&base[..], more, &["true"]].concat();
        // One attempt serves both questions where the answer is yes, as it nearly always is.
        if output(&with(&["--disable-userns"]))?.status.success() {
            return Ok(Self {
                program,
                disable_userns: true,
            });
        }
        let plain = output(&with(&[]))?;
        if plain.status.success() {
            return Ok(Self {
                program,
                disable_userns: false,
            });
        }
        let said = String::from_utf8_lossy(&plain.stderr).trim().to_owned();
        let hint = hint(&said);
        Err(SandboxError::Forbidden { said, hint })
    }

    /// A command that runs what follows in a sandbox of this layout.
    pub fn command(&self, layout: &Layout) -> Command {
        let layout = Layout {
            disable_userns: self.disable_userns,
            ..layout.clone()
        };
        let mut command = Command::new(&self.program);
        command.args(layout.arguments());
        command
    }
}

/// What to change, by what bubblewrap says.
fn hint(said: &str) -> &'static str {
    if said.contains("proc") {
        "it may not mount /proc, as in most containers: run it outside of the container, or start that one with \
         --security-opt systempaths=unconfined"
    } else if said.contains("loopback") || said.contains("uid map") {
        "AppArmor denies it what it needs: install the profile for bwrap (apparmor-profiles: bwrap-userns-restrict), or \
         set kernel.apparmor_restrict_unprivileged_userns=0 by sysctl"
    } else {
        "allow user namespaces: sysctl user.max_user_namespaces above 0 and, where it exists, \
         kernel.unprivileged_userns_clone=1; in a container they need --security-opt seccomp=unconfined"
    }
}

/// What differs from bottle to bottle.
#[derive(Clone, Debug)]
pub struct Needs {
    /// The agent's uid inside.
    pub user: i64,
    /// The bottle's name.
    pub hostname: String,
    /// The bottle's directory: `home`, `run/…`.
    pub directory: PathBuf,
    /// The workspace on this machine.
    pub workspace: PathBuf,
    /// Where the agent sees it.
    pub workspace_at: PathBuf,
    /// Where the agent starts.
    pub working_dir: PathBuf,
    /// Further places that the agent may read.
    pub readable: Vec<PathBuf>,
    /// Over the workspace: what must not be changed in it.
    pub over: Vec<Mount>,
    /// ConfigMaps: where the agent sees each, and where it is on this machine.
    pub shared: Vec<(PathBuf, PathBuf)>,
}

/// Looks at this machine, writes the files of `/etc`, and says what the agent will see.
pub fn prepare(needs: &Needs) -> Result<Layout, SandboxError> {
    let program = std::env::current_exe().map_err(SandboxError::io("find our own program"))?;
    let run = needs.directory.join("run");
    let own_etc = run.join("etc");
    let last_word = run.join("last-word");
    let write = || {
        fs::create_dir_all(&own_etc)?;
        for (name, text) in etc(needs.user, &needs.hostname) {
            fs::write(own_etc.join(name), text)?;
        }
        fs::write(&last_word, "")
    };
    write().map_err(SandboxError::io("write the files of /etc"))?;
    let readable = |from: &Path, at: &str| Mount::Readable {
        from: from.to_owned(),
        at: at.into(),
    };
    let writable = |from: PathBuf, at: &Path| Mount::Writable {
        from,
        at: at.to_owned(),
    };
    let mut own = vec![
        readable(&program, PROGRAM),
        readable(&run.join("seal"), path::SEAL),
        readable(&run.join("current-config"), path::CURRENT_CONFIG),
        writable(last_word, Path::new(LAST_WORD)),
    ];
    own.extend(
        etc(needs.user, "").map(|(name, _)| readable(&own_etc.join(name), &format!("/etc/{name}"))),
    );
    own.extend(
        needs
            .readable
            .iter()
            .filter(|path| path.exists())
            .map(Mount::same),
    );
    own.extend(needs.shared.iter().map(|(at, from)| Mount::Readable {
        from: from.clone(),
        at: at.clone(),
    }));
    own.push(writable(
        needs.directory.join("home"),
        Path::new(path::HOME),
    ));
    own.push(writable(needs.workspace.clone(), &needs.workspace_at));
    own.extend(needs.over.iter().cloned());
    Ok(Layout {
        user: needs.user,
        hostname: needs.hostname.clone(),
        system: system(),
        own,
        disable_userns: false,
        working_dir: needs.working_dir.clone(),
    })
}

/// Programs and libraries of this machine.
fn system() -> Vec<Mount> {
    let whole = SYSTEM.iter().map(PathBuf::from);
    let parts = ETC.iter().map(|name| Path::new("/etc").join(name));
    whole
        .chain(parts)
        .filter_map(|at| {
            let meta = fs::symlink_metadata(&at).ok()?;
            if meta.is_symlink() && at.parent() == Some(Path::new("/")) {
                let target = fs::read_link(&at).ok()?;
                return Some(Mount::Link { target, at });
            }
            // A link that leads nowhere is not there.
            at.exists().then(|| Mount::same(at))
        })
        .collect()
}
