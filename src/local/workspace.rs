//! A person's own directory as the workspace: which may be one, and what the agent must not leave there.
//!
//! What lies in a directory is run later by the person who owns it: hooks by their git, `.envrc` by their shell, tasks
//! by their editor. Those that are there are read-only inside; those that appear are moved away when the agent ends.

use super::sandbox::layout::Mount;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// What programs of a person run or obey without being asked, at the top of a directory.
const STARTED: [&str; 20] = [
    ".envrc",
    ".vscode",
    ".idea",
    ".zed",
    ".devcontainer",
    ".devcontainer.json",
    ".husky",
    ".mise.toml",
    "mise.toml",
    ".tool-versions",
    ".exrc",
    ".vimrc",
    ".nvimrc",
    ".nvim.lua",
    ".bashrc",
    ".bash_profile",
    ".profile",
    ".zshrc",
    ".mcp.json",
    ".git",
];

/// Parts of `.git` that run, or say what runs.
const GIT_STARTED: [&str; 3] = ["hooks", "config.worktree", "info/attributes"];

/// Why a directory can't be a workspace.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It holds everything, or the whole home.
    #[error(
        "{0} holds your home or your system: change into a project's directory, or use --clone in one"
    )]
    TooMuch(String),
    /// A system's directory.
    #[error("{0} is a part of the system: change into a project's directory")]
    System(String),
    /// It holds credentials or our own state.
    #[error("{directory} holds {what}, which no agent may read: change into a directory below it")]
    Holds {
        /// The directory.
        directory: String,
        /// What is in it.
        what: String,
    },
    /// A worktree or a submodule: its repository lies elsewhere.
    #[error(
        "{0} is a git worktree or submodule, whose repository lies elsewhere and is shared: use --clone, which gives the \
         agent a repository of its own"
    )]
    Worktree(String),
}

/// What is known of this machine.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// The person's home.
    pub home: Option<PathBuf>,
    /// Files and directories that no agent may read: kubeconfigs, our state.
    pub hidden: Vec<PathBuf>,
}

/// Whether the directory (a canonical path) may be a workspace.
pub fn check(directory: &Path, machine: &Machine) -> Result<(), Unfit> {
    let shown = || directory.display().to_string();
    let holds_home = machine
        .home
        .as_ref()
        .is_some_and(|home| home.starts_with(directory));
    if directory == Path::new("/") || holds_home {
        return Err(Unfit::TooMuch(shown()));
    }
    let system = [
        "/usr", "/etc", "/bin", "/sbin", "/lib", "/lib64", "/boot", "/dev", "/proc", "/sys",
        "/run", "/var/lib", "/var/run",
    ];
    let alone = ["/tmp", "/var", "/home", "/opt", "/srv", "/mnt", "/var/tmp"];
    if system.iter().any(|path| directory.starts_with(path))
        || alone.iter().any(|path| directory == Path::new(path))
    {
        return Err(Unfit::System(shown()));
    }
    let hidden = machine
        .hidden
        .iter()
        .find(|path| path.starts_with(directory) || directory.starts_with(path));
    if let Some(path) = hidden {
        return Err(Unfit::Holds {
            directory: shown(),
            what: path.display().to_string(),
        });
    }
    // Hidden dot directories of a home: keys, tokens, other programs' settings.
    let below_home = machine
        .home
        .as_ref()
        .and_then(|home| directory.strip_prefix(home).ok());
    let first = below_home.and_then(|rest| rest.components().next());
    if first.is_some_and(|first| first.as_os_str().as_encoded_bytes().starts_with(b".")) {
        return Err(Unfit::Holds {
            directory: shown(),
            what: "settings and keys of your other programs".into(),
        });
    }
    if fs::symlink_metadata(directory.join(".git")).is_ok_and(|meta| !meta.is_dir()) {
        return Err(Unfit::Worktree(shown()));
    }
    Ok(())
}

/// What is laid over the workspace, which the agent sees at `at`; `git_config` is the private copy.
pub fn over(directory: &Path, at: &Path, git_config: &Path) -> Vec<Mount> {
    let mut mounts = Vec::new();
    let there =
        |path: &Path| fs::symlink_metadata(path).is_ok_and(|meta| meta.is_file() || meta.is_dir());
    let git = directory.join(".git");
    if there(&git) {
        // Laid over itself: a directory that is a mount can't be renamed, and another one put in its place.
        mounts.push(Mount::Writable {
            from: git.clone(),
            at: at.join(".git"),
        });
        for name in GIT_STARTED.iter().filter(|name| there(&git.join(name))) {
            mounts.push(Mount::Readable {
                from: git.join(name),
                at: at.join(".git").join(name),
            });
        }
        if there(&git.join("config")) && git_config.exists() {
            mounts.push(Mount::Writable {
                from: git_config.to_owned(),
                at: at.join(".git/config"),
            });
        }
    }
    for name in STARTED
        .iter()
        .filter(|name| **name != ".git" && there(&directory.join(name)))
    {
        mounts.push(Mount::Readable {
            from: directory.join(name),
            at: at.join(name),
        });
    }
    mounts
}

/// What was not there when the agent began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Absent(Vec<PathBuf>);

/// Looks before the agent begins, and makes the private copy of git's config.
pub fn begin(directory: &Path, git_config: &Path) -> io::Result<Absent> {
    match fs::copy(directory.join(".git/config"), git_config) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let in_git = GIT_STARTED.iter().map(|name| Path::new(".git").join(name));
    let all = STARTED.iter().map(PathBuf::from).chain(in_git);
    Ok(Absent(
        all.filter(|name| fs::symlink_metadata(directory.join(name)).is_err())
            .collect(),
    ))
}

/// Moves what appeared since to `aside`; its names.
pub fn finish(directory: &Path, absent: &Absent, aside: &Path) -> io::Result<Vec<PathBuf>> {
    let mut moved = Vec::new();
    for name in &absent.0 {
        let from = directory.join(name);
        if fs::symlink_metadata(&from).is_err() {
            continue;
        }
        let to = aside.join(name);
        fs::create_dir_all(to.parent().unwrap_or(aside))?;
        match fs::rename(&from, &to) {
            // Another file system: a hidden name beside it is no start-up file any more.
            Err(error) if error.kind() == ErrorKind::CrossesDevices => {
                let plain = name.to_string_lossy().replace('/', "-");
                fs::rename(
                    &from,
                    directory.join(format!("{}.from-agent", plain.trim_start_matches('.'))),
                )?;
            }
            other => other?,
        }
        moved.push(name.clone());
    }
    Ok(moved)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> Machine {
        Machine {
            home: Some("/home/rosa".into()),
            hidden: vec![
                "/home/rosa/.kube/config".into(),
                "/srv/clusters/kubeconfig".into(),
                "/home/rosa/.local/state/bot-bottle".into(),
            ],
        }
    }

    #[test]
    fn homes_systems_and_directories_with_credentials_are_refused() {
        for path in [
            "/",
            "/home",
            "/home/rosa",
            "/usr/src",
            "/etc",
            "/tmp",
            "/srv/clusters",
            "/home/rosa/.kube",
            "/home/rosa/.ssh",
            "/home/rosa/.local/state/bot-bottle/p",
            "/run/user/1000",
        ] {
            assert!(check(Path::new(path), &machine()).is_err(), "{path}");
        }
        for path in ["/home/rosa/src/app", "/srv/app", "/tmp/app"] {
            assert_eq!(check(Path::new(path), &machine()), Ok(()), "{path}");
        }
    }

    #[test]
    fn what_appears_is_moved_away_and_what_was_there_stays() {
        let place = tempfile::tempdir().unwrap();
        let (work, aside) = (place.path().join("work"), place.path().join("aside"));
        fs::create_dir_all(work.join(".git/hooks")).unwrap();
        fs::write(work.join(".git/config"), "[core]\n").unwrap();
        fs::write(work.join(".profile"), "mine").unwrap();
        let copy = place.path().join("copy");
        let absent = begin(&work, &copy).unwrap();
        assert_eq!(fs::read_to_string(&copy).unwrap(), "[core]\n");
        fs::write(work.join(".envrc"), "evil").unwrap();
        fs::create_dir(work.join(".vscode")).unwrap();
        fs::write(work.join("main.rs"), "").unwrap();
        let mut moved = finish(&work, &absent, &aside).unwrap();
        moved.sort();
        assert_eq!(moved, [PathBuf::from(".envrc"), PathBuf::from(".vscode")]);
        assert!(
            !work.join(".envrc").exists()
                && work.join("main.rs").exists()
                && work.join(".profile").exists()
        );
        assert_eq!(fs::read_to_string(aside.join(".envrc")).unwrap(), "evil");
    }

    #[test]
    fn a_worktree_is_refused_since_its_repository_is_shared() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join(".git"), "gitdir: /elsewhere\n").unwrap();
        assert!(matches!(
            check(place.path(), &machine()),
            Err(Unfit::Worktree(_))
        ));
    }
}
