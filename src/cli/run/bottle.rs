//! The Bottle that `bottle run` makes of a command.

use super::model::Access;
use crate::{
    agents,
    api::{Agent, AgentKind, Bottle, BottleSpec, Egress, Workspace},
    cli::Error,
    local::identity::plain,
    names,
    seal::probe,
};
use std::{
    env,
    path::{Path, PathBuf},
};

/// Characters of the program's name that stand in the bottle's.
const WORD: usize = 24;

/// What goes into the Bottle.
pub struct Request<'a> {
    /// Its name.
    pub name: &'a str,
    /// The program.
    pub program: &'a Path,
    /// Its arguments.
    pub arguments: &'a [String],
    /// The image, or the word for this machine's own programs.
    pub image: &'a str,
    /// The agent's uid, where it must be the directory's owner.
    pub user: Option<i64>,
    /// Where the workspace is, inside.
    pub at: &'a Path,
    /// Hosts.
    pub allow: &'a [String],
    /// Internal ranges.
    pub allow_internal: &'a [String],
    /// Its model.
    pub access: Option<&'a Access>,
}

/// A name for this run.
pub fn name(command: &[String]) -> String {
    let program = command.first().map(Path::new).and_then(Path::file_name);
    let word = plain(&program.unwrap_or_default().to_string_lossy(), WORD);
    let word = if word.is_empty() { "run" } else { &word };
    format!("{word}-{}", std::process::id())
}

/// The program, found as a shell would.
pub fn program(command: &[String]) -> Result<PathBuf, Error> {
    let name = command.first().map_or("", String::as_str);
    let found = probe::find(name, env::var_os("PATH").as_deref()).ok_or_else(|| {
        Error::Refused(format!(
            "{name}: no such program on PATH: install it, or write its path"
        ))
    })?;
    std::path::absolute(&found).map_err(Error::io(format!("find {name}")))
}

/// What the agent must be able to read for its program to run, when that is no part of the system.
pub fn readable(program: &Path) -> Vec<PathBuf> {
    let system = |path: &Path| {
        ["/usr", "/bin", "/sbin", "/opt", "/lib"]
            .iter()
            .any(|top| path.starts_with(top))
    };
    let mut all = Vec::new();
    let real = std::fs::canonicalize(program).unwrap_or_else(|_| program.to_owned());
    for path in [program.to_owned(), real] {
        if !system(&path) && !all.contains(&path) {
            all.push(path.clone());
        }
        all.extend(prefix(&path).filter(|path| !system(path)));
    }
    all.dedup();
    all
}

/// The installation that a program belongs to: of `…/node/v22/bin/claude` it is `…/node/v22`. A home's own `bin` or
/// `.local/bin` is none: it would be the home.
fn prefix(program: &Path) -> Option<PathBuf> {
    let bin = program.parent().filter(|bin| bin.ends_with("bin"))?;
    let prefix = bin.parent()?;
    let home = env::home_dir();
    let too_much =
        home.is_some_and(|home| home.starts_with(prefix) || prefix == home.join(".local"));
    (!too_much && prefix.parent().is_some()).then(|| prefix.to_owned())
}

/// Whose the directory is, when that may be an agent's uid.
pub fn owner(directory: &Path) -> Option<i64> {
    use std::os::unix::fs::MetadataExt as _;
    let uid = i64::from(std::fs::metadata(directory).ok()?.uid());
    let legal = uid >= names::uid::AGENT_MIN && !names::uid::RESERVED.contains(&uid);
    legal.then_some(uid)
}

/// A program that is known by its name gets its settings; any other is run as it is.
pub fn kind(program: &Path) -> AgentKind {
    program
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .filter(|name| agents::kind(name).is_ok())
        .and_then(|name| serde_json::from_value(name.into()).ok())
        .unwrap_or(AgentKind::Custom)
}

/// The Bottle.
pub fn render(request: &Request<'_>) -> Bottle {
    let at = request.at.display().to_string();
    let mut spec = BottleSpec {
        agent: Agent {
            kind: Some(kind(request.program)),
            image: Some(request.image.into()),
            user: request.user,
            command: vec![request.program.display().to_string()],
            args: request.arguments.to_vec(),
            working_dir: Some(at.clone()),
            // One try: the person is there and sees how it ended.
            max_restarts: Some(0),
            ..Agent::default()
        },
        allowlist: request.allow.to_vec(),
        egress: Egress {
            allow_internal: request.allow_internal.to_vec(),
            ..Egress::default()
        },
        workspace: Some(Workspace {
            mount_path: Some(at),
            ..Workspace::default()
        }),
        ..BottleSpec::default()
    };
    if let Some(access) = request.access {
        access.enter(request.name, &mut spec.agent, &mut spec.secrets);
    }
    Bottle::new(request.name, spec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_programs_installation_is_shown_and_never_a_whole_home() {
        let home = env::home_dir().unwrap();
        assert_eq!(
            prefix(&home.join(".nvm/versions/node/v22/bin/claude")),
            Some(home.join(".nvm/versions/node/v22"))
        );
        for program in ["bin/tool", ".local/bin/tool"] {
            assert_eq!(prefix(&home.join(program)), None, "{program}");
        }
        assert_eq!(prefix(Path::new("/bin/sh")), None);
    }

    #[test]
    fn any_command_has_a_legal_name() {
        for command in ["claude", "/usr/bin/Python3.11", "…", ""] {
            let name = name(&[command.to_owned()]);
            assert!(
                crate::local::identity::Key::new("p", &name).is_ok(),
                "{command}: {name}"
            );
        }
    }
}
