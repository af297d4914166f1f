//! The directory that `bottle run` gives to an agent, before and after.

use crate::{
    cli::{Error, on_machine::Machine, output},
    config::text,
    local::{
        place::Place,
        workspace::{self, Absent},
    },
};
use std::{
    env, fs,
    io::{self, IsTerminal as _, Write as _},
    path::{Path, PathBuf},
    process::Command,
};

/// A workspace.
pub struct Directory {
    /// On this machine.
    pub path: PathBuf,
    /// Where the agent sees it: where the person has it, so that both say the same.
    pub at: PathBuf,
    absent: Absent,
    cloned: bool,
}

impl Directory {
    /// The current directory, or a clone of its repository.
    pub fn prepare(place: &Place, clone: bool, machine: &Machine) -> Result<Self, Error> {
        let here = env::current_dir()
            .and_then(fs::canonicalize)
            .map_err(Error::io("find the current directory"))?;
        place.make()?;
        let path = if clone {
            let to = clones(machine)
                .join(&place.key().project)
                .join(&place.key().name);
            clone_into(&here, &to)?;
            to
        } else {
            let known = workspace::Machine {
                home: env::home_dir().and_then(|home| fs::canonicalize(home).ok()),
                hidden: hidden(machine),
            };
            workspace::check(&here, &known)?;
            here.clone()
        };
        let absent = workspace::begin(&path, &place.path("run/git-config"))
            .map_err(Error::io("read the workspace"))?;
        Ok(Self {
            path,
            at: here,
            absent,
            cloned: clone,
        })
    }

    /// Shows what the agent left that a program would start, and takes over its git config on a yes.
    pub fn finish(&self, place: &Place, yes: bool) -> Result<(), Error> {
        let aside = place
            .state()
            .root()
            .join(&place.key().project)
            .join(".aside")
            .join(&place.key().name);
        let moved = workspace::finish(&self.path, &self.absent, &aside)
            .map_err(Error::io("look through the workspace"))?;
        for name in moved {
            output::note(&format!(
                "the agent made {}, which programs of yours would start: moved to {}",
                name.display(),
                aside.display()
            ));
        }
        self.git_config(&place.path("run/git-config"), yes)?;
        if self.cloned {
            let path = self.path.display();
            output::note(&format!(
                "the agent's repository is {path}: `git fetch {path}` brings its commits, `rm -rf` removes it"
            ));
        }
        Ok(())
    }

    fn git_config(&self, copy: &Path, yes: bool) -> Result<(), Error> {
        let own = self.path.join(".git/config");
        let (Ok(before), Ok(after)) = (fs::read_to_string(&own), fs::read_to_string(copy)) else {
            return Ok(());
        };
        if before == after {
            return Ok(());
        }
        output::note(
            "the agent changed its copy of .git/config, which can name programs that your git starts:",
        );
        for line in text::diff(&before, &after) {
            output::line(&output::diff_line(&line))?;
        }
        if yes || agreed("take these changes over? [y/N] ")? {
            fs::write(&own, after).map_err(Error::io("write .git/config"))?;
        } else {
            output::note("left as it was");
        }
        Ok(())
    }
}

/// A yes from a person; without one there is none.
fn agreed(question: &str) -> Result<bool, Error> {
    if !io::stdin().is_terminal() {
        return Ok(false);
    }
    let mut answer = String::new();
    write!(io::stderr(), "{question}")
        .and_then(|()| io::stdin().read_line(&mut answer))
        .map_err(Error::io("ask"))?;
    Ok(["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()))
}

/// Kubeconfigs, and our own state.
fn hidden(machine: &Machine) -> Vec<PathBuf> {
    let named = env::var_os("KUBECONFIG").unwrap_or_default();
    let mut all: Vec<PathBuf> = env::split_paths(&named)
        .filter(|path| !path.as_os_str().is_empty())
        .collect();
    all.extend(env::home_dir().map(|home| home.join(".kube/config")));
    all.push(machine.state().root().to_owned());
    // One that is not there hides nothing; a link counts where it leads.
    all.into_iter()
        .filter_map(|path| fs::canonicalize(path).ok())
        .collect()
}

fn clones(machine: &Machine) -> PathBuf {
    let state = machine.state().root();
    state.parent().unwrap_or(state).join("bot-bottle-clones")
}

/// Without hooks, templates or a file system monitor: nothing that the repository names is run.
fn clone_into(from: &Path, to: &Path) -> Result<(), Error> {
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent).map_err(Error::io("make the directory of clones"))?;
    }
    let output = Command::new("git")
        .args([
            "-c",
            "core.hooksPath=/dev/null",
            "-c",
            "core.fsmonitor=false",
            "clone",
            "--quiet",
            "--no-hardlinks",
            "--template=",
        ])
        .arg("--")
        .arg(from)
        .arg(to)
        .output()
        .map_err(Error::io("run git"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Error::Refused(format!(
        "this directory can't be cloned: {said}"
    )))
}
