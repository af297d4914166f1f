//! The state directory: `<state>/<project>/<bottle>/`, one lock, YAML objects that a person can read.

use super::{
    Error,
    identity::{self, Key},
    place::Place,
    write,
};
use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

/// All bottles of this user.
#[derive(Clone, Debug)]
pub struct State {
    root: PathBuf,
}

/// The one lock, held until this is dropped or its process ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl State {
    /// Opens or makes the directory.
    pub fn open(root: &Path) -> Result<Self, Error> {
        write::directory(root).map_err(Error::file("make", root))?;
        let root = fs::canonicalize(root).map_err(Error::file("open", root))?;
        Ok(Self { root })
    }

    /// `$XDG_STATE_HOME/bot-bottle`, or the place that it stands for below `home`.
    pub fn default_root(xdg_state_home: Option<&Path>, home: &Path) -> PathBuf {
        // The specification: a relative path there is invalid, and to be ignored.
        let base = xdg_state_home
            .filter(|path| path.is_absolute())
            .map_or_else(|| home.join(".local/state"), Path::to_owned);
        base.join("bot-bottle")
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Takes the lock, waiting for whoever has it.
    pub fn lock(&self) -> Result<Lock, Error> {
        let path = self.root.join("lock");
        let file = open_lock(&path)?;
        file.lock().map_err(Error::file("lock", &path))?;
        Ok(Lock { _file: file })
    }

    /// The bottle's place; it may be empty.
    pub fn place(&self, key: Key) -> Place {
        Place::new(self.clone(), key)
    }

    /// Every bottle that has a directory, of one project or of all.
    pub fn places(&self, project: Option<&str>) -> Result<Vec<Place>, Error> {
        let mut places = Vec::new();
        let projects = match project {
            Some(project) => vec![project.to_owned()],
            None => self.projects()?,
        };
        for project in projects {
            for name in directories(&self.root.join(&project))? {
                if let Ok(key) = Key::new(&project, &name) {
                    places.push(self.place(key));
                }
            }
        }
        places.sort_by(|one, other| one.key().cmp(other.key()));
        Ok(places)
    }

    /// Every project that has a directory.
    pub fn projects(&self) -> Result<Vec<String>, Error> {
        let mut all = directories(&self.root)?;
        all.retain(|name| identity::check_project(name).is_ok());
        all.sort();
        Ok(all)
    }

    /// The file that holds a key of a Secret.
    pub fn secret(&self, project: &str, name: &str, key: &str) -> PathBuf {
        self.secret_directory(project, name).join(key)
    }

    fn secret_directory(&self, project: &str, name: &str) -> PathBuf {
        // A leading dot can't be a bottle's name.
        self.root.join(project).join(".secrets").join(name)
    }

    /// Writes a key of a Secret, for this user's eyes alone.
    pub fn put_secret(
        &self,
        project: &str,
        name: &str,
        key: &str,
        value: &str,
    ) -> Result<(), Error> {
        let path = self.secret(project, name, key);
        let put = || {
            write::directory(path.parent().unwrap_or(&path))?;
            write::replace(&path, value.as_bytes())
        };
        put().map_err(Error::file("write", &path))
    }

    /// Removes a Secret; one that is not there is removed.
    pub fn remove_secret(&self, project: &str, name: &str) -> Result<(), Error> {
        let path = self.secret_directory(project, name);
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::file("remove", &path)(error))
            }
            _ => Ok(()),
        }
    }
}

pub(super) fn open_lock(path: &Path) -> Result<File, Error> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(Error::file("open", path))
}

fn directories(path: &Path) -> Result<Vec<String>, Error> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(Error::file("read", path))?,
    };
    Ok(entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect())
}
