//! What the demo puts up and takes down: a directory, and two processes.

use super::Error;
use super::temporary::Temporary;
use crate::config::Files;
use crate::config::egress::Egress;
use crate::config_directory;
use crate::config_directory::watcher::Changes;
use crate::names::{container, file};
use crate::supervise::store::queue::{DecisionFile, Directory, Place, ProposalFile};
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// How long a role may take to start, and to end after SIGTERM.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks whether a role serves.
const PAUSE: Duration = Duration::from_millis(20);
/// How much of a role's log is shown when it fails.
const LOG_LINES: usize = 8;

/// Directory and processes; gone after [`Stage::clean`].
pub struct Stage {
    root: Temporary,
    versions: u32,
    children: Vec<Child>,
}

/// Where the roles serve.
pub struct Ports {
    /// The role `mcp`.
    pub supervise: u16,
    /// The role `egress`.
    pub egress: u16,
}

fn failed(operation: &'static str) -> impl Fn(io::Error) -> Error {
    move |source| Error::Stage { operation, source }
}

impl Stage {
    /// An empty directory below the system's place for temporary files, for this user only.
    pub fn new() -> Result<Self, Error> {
        let make = || {
            let root = Temporary::directory()?;
            for name in ["config", "state", "queue"] {
                fs::create_dir(root.0.join(name))?;
            }
            Ok(root)
        };
        let root = make().map_err(failed("make a temporary directory"))?;
        Ok(Self {
            root,
            versions: 0,
            children: Vec::new(),
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.0.join(name)
    }

    /// Replaces the whole config at once, as a kubelet does: a new directory, and the link `..data` renamed over.
    /// Returns its hash.
    pub fn write_config(&mut self, allowlist: &str) -> Result<String, Error> {
        // The stand-ins of the web are on this machine.
        let egress = Egress {
            allow_internal: vec![ipnet::IpNet::from(loopback())],
            ..Egress::default()
        };
        let files = Files {
            routes: "{\"routes\": []}\n".to_owned(),
            allowlist: allowlist.to_owned(),
            dockerfile: "FROM scratch\n".to_owned(),
            egress: serde_json::to_string(&egress).unwrap_or_default(),
        };
        let hash = files.hash();
        self.versions += 1;
        let (config, version) = (self.path("config"), format!("..{}", self.versions));
        let write = || {
            let directory = config.join(&version);
            fs::create_dir(&directory)?;
            let Files {
                routes,
                allowlist,
                dockerfile,
                egress,
            } = &files;
            for (name, text) in [
                (file::ROUTES, routes),
                (file::ALLOWLIST, allowlist),
                (file::DOCKERFILE, dockerfile),
                (file::EGRESS, egress),
                (file::HASH, &hash),
            ] {
                fs::write(directory.join(name), text)?;
                if self.versions == 1 {
                    symlink(Path::new("..data").join(name), config.join(name))?;
                }
            }
            symlink(&version, config.join("..data_tmp"))?;
            fs::rename(config.join("..data_tmp"), config.join("..data"))
        };
        write().map_err(failed("write the config"))?;
        Ok(hash)
    }

    /// Writes the allowlist, and waits until egress enforces it.
    pub async fn apply(&mut self, allowlist: &str) -> Result<(), Error> {
        let hash = self.write_config(allowlist)?;
        let mut hashes = config_directory::watch_state(&self.path("state"))?;
        let enforced = hashes.wait_for(|hashes| hashes.get(container::EGRESS) == Some(&hash));
        match tokio::time::timeout(PATIENCE, enforced).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(self.role_failed(container::EGRESS)),
        }
    }

    /// Starts both roles, with the hosts' stand-in at `web`.
    pub async fn start_roles(&mut self, hosts: &[&str], web: SocketAddr) -> Result<Ports, Error> {
        let ports = Ports {
            supervise: free_port()?,
            egress: free_port()?,
        };
        let mut egress = self.role(container::EGRESS, ports.egress)?;
        for host in hosts {
            egress.arg("--resolve").arg(format!("{host}={web}"));
        }
        let mut supervise = self.role("mcp", ports.supervise)?;
        supervise.args([
            "--bind",
            "127.0.0.1",
            "--bottle",
            "demo",
            "--enforcers",
            container::EGRESS,
        ]);
        supervise.arg("--queue-dir").arg(self.path("queue"));
        for mut command in [egress, supervise] {
            self.children
                .push(command.spawn().map_err(failed("start a role"))?);
        }
        self.serving(container::EGRESS, ports.egress).await?;
        self.serving("mcp", ports.supervise).await?;
        Ok(ports)
    }

    /// The role as this same program, without the environment of the user's own bottles.
    fn role(&self, role: &'static str, port: u16) -> Result<Command, Error> {
        let failed = failed("start a role");
        let program = std::env::current_exe().map_err(&failed)?;
        let log = fs::File::create(self.path(&format!("{role}.log"))).map_err(&failed)?;
        let mut command = Command::new(program);
        command
            .arg("role")
            .arg(role)
            .arg("--port")
            .arg(port.to_string());
        command
            .arg("--config")
            .arg(self.path("config"))
            .arg("--state")
            .arg(self.path("state"));
        for name in [
            crate::names::env::BOTTLE_UID,
            crate::names::env::NAMESPACE,
            "SUPERVISE_DEBUG",
            "RUST_LOG",
        ] {
            command.env_remove(name);
        }
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true);
        // Out of the terminal's foreground group: Ctrl-C reaches the demo, and the demo ends its roles in order.
        command.process_group(0);
        Ok(command)
    }

    async fn serving(&mut self, role: &'static str, port: u16) -> Result<(), Error> {
        let until = tokio::time::Instant::now() + PATIENCE;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port))
            .await
            .is_err()
        {
            let ended = self
                .children
                .iter_mut()
                .any(|child| !matches!(child.try_wait(), Ok(None)));
            if ended || tokio::time::Instant::now() > until {
                return Err(self.role_failed(role));
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    fn role_failed(&self, role: &'static str) -> Error {
        let log = fs::read_to_string(self.path(&format!("{role}.log"))).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        Error::Role {
            role,
            log: lines[lines.len().saturating_sub(LOG_LINES)..].join("\n"),
        }
    }

    /// The first proposal, as soon as there is one.
    pub async fn proposal(&self) -> Result<ProposalFile, Error> {
        let mut changes = Changes::of(&self.path("queue"))?;
        let queue = Directory::open(&self.path("queue"))?;
        let wait = async {
            loop {
                for entry in fs::read_dir(self.path("queue"))
                    .map_err(failed("read the queue"))?
                    .flatten()
                {
                    let name = entry.file_name().into_string().unwrap_or_default();
                    let Some(name) = name
                        .strip_suffix(".json")
                        .filter(|name| !name.starts_with('.'))
                    else {
                        continue;
                    };
                    if let Some((proposal, Place::Open)) = queue.proposal(name)? {
                        return Ok(proposal);
                    }
                }
                changes.next().await;
            }
        };
        match tokio::time::timeout(PATIENCE, wait).await {
            Ok(found) => found,
            Err(_) => Err(self.role_failed("mcp")),
        }
    }

    /// Writes the decision: the word that the change is in force.
    pub fn decide(&self, name: &str, decision: &DecisionFile) -> Result<(), Error> {
        let queue = self.path("queue");
        let draft = queue.join(".decision");
        let write = || {
            fs::write(&draft, serde_json::to_vec_pretty(decision)?)?;
            fs::rename(&draft, queue.join(format!("{name}.decision.json")))
        };
        write().map_err(failed("write the decision"))
    }

    /// Ends the processes, then removes the directory.
    pub async fn clean(mut self) {
        for child in &mut self.children {
            let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
            if let Some(pid) = pid {
                let _ = nix::sys::signal::kill(
                    nix::unistd::Pid::from_raw(pid),
                    nix::sys::signal::SIGTERM,
                );
            }
        }
        for child in &mut self.children {
            if tokio::time::timeout(PATIENCE, child.wait()).await.is_err() {
                let _ = child.kill().await;
            }
        }
    }
}

fn loopback() -> ipnet::Ipv4Net {
    ipnet::Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8)
}

/// A port that was free a moment ago; a role that finds it taken says so and the demo ends.
fn free_port() -> Result<u16, Error> {
    let find = || std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr();
    find()
        .map(|address| address.port())
        .map_err(failed("find a free port"))
}
