//! Where this machine's bottles are, from flags and environment.

use super::{Error, Where};
use crate::local::{identity, state::State};
use std::{env, path::PathBuf};

/// The state directory that the flags mean.
pub fn state_directory(place: &Where) -> Result<PathBuf, Error> {
    if let Some(path) = &place.state {
        return Ok(path.clone());
    }
    let home = env::home_dir()
        .ok_or_else(|| Error::Usage("there is no home directory: say --state DIR".into()))?;
    let xdg = env::var_os("XDG_STATE_HOME").map(PathBuf::from);
    Ok(State::default_root(xdg.as_deref(), &home))
}

/// The state directory, opened.
pub fn state(place: &Where) -> Result<State, Error> {
    Ok(State::open(&state_directory(place)?)?)
}

/// The project that the flags mean: that of the repository around the current directory, or of the directory itself.
pub fn project(place: &Where) -> Result<String, Error> {
    if let Some(project) = &place.namespace {
        return Ok(project.clone());
    }
    let current = env::current_dir().map_err(Error::io("find the current directory"))?;
    let root = current.ancestors().find(|path| path.join(".git").exists());
    Ok(identity::project(root.unwrap_or(&current)))
}

/// Who decides here. From the file itself: the system's own look-up loads libraries, which a static program can't.
pub fn user() -> String {
    let uid = nix::unistd::getuid().to_string();
    let known = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = known.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid).then(|| name.to_owned())
    });
    name.unwrap_or_else(|| format!("uid {uid}"))
}
