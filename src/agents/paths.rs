//! Paths of a program's files: always below HOME, and moved as a whole by `agent.settingsPath`.

use super::RenderError;
use crate::api::{Program, SettingsPath};

/// Every path of a program is one below HOME (or, for project files, below the working directory).
pub(super) fn check(program: &Program) -> Result<(), RenderError> {
    let files = program.files.iter().map(|file| &file.path);
    let model = program.model.iter().flat_map(|model| &model.files);
    let paths = files
        .chain(model.map(|file| &file.path))
        .chain(program.servers.iter().map(|servers| &servers.file))
        .chain(program.plugins.iter().map(|plugins| &plugins.file))
        .chain(program.flag.iter().filter_map(|flag| flag.path.as_ref()))
        .chain(
            program
                .variable
                .iter()
                .filter_map(|variable| variable.path.as_ref()),
        )
        .chain(program.project.iter().map(|file| &file.path))
        .chain(&program.skills)
        .chain(&program.conversation);
    for path in paths {
        if !is_below(path) {
            return Err(RenderError::Path(path.clone()));
        }
    }
    Ok(())
}

/// Whether it names something below the directory that it is joined to.
pub(super) fn is_below(path: &str) -> bool {
    !path.is_empty()
        && path.len() <= 1024
        && !path.contains('\0')
        && path
            .split('/')
            .all(|part| !part.is_empty() && part != "." && part != "..")
}

/// Where the files of a program lie.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    moved: Option<(&'a SettingsPath, &'a str)>,
}

impl<'a> Place<'a> {
    /// At the program's own place, or at `settings_path` below HOME.
    pub(super) fn new(
        program: &'a Program,
        settings_path: Option<&'a str>,
        kind: &str,
    ) -> Result<Self, RenderError> {
        let moved = match (settings_path, &program.settings_path) {
            (None, _) => None,
            (Some(path), _) if !is_below(path) => {
                return Err(RenderError::SettingsPath(path.to_owned()));
            }
            (Some(path), Some(how)) => Some((how, path)),
            (Some(_), None) => return Err(RenderError::NoSettingsPath(kind.to_owned())),
        };
        Ok(Self { moved })
    }

    /// A path below HOME.
    pub(super) fn path(&self, path: &str) -> String {
        let Some((how, place)) = self.moved else {
            return path.to_owned();
        };
        let below = path
            .strip_prefix(how.replaces.as_str())
            .and_then(|rest| rest.strip_prefix('/'))
            .unwrap_or(path);
        format!("{place}/{below}")
    }

    /// The variable that tells the program.
    pub(super) fn variable(&self, home: &str) -> Option<(String, String)> {
        let (how, place) = self.moved?;
        Some((how.variable.clone(), format!("{home}/{place}")))
    }
}
