//! A file in the person's editor.

use super::Error;
use std::{fs, io, os::unix::fs::DirBuilderExt as _, path::PathBuf};
use tokio::process::Command;

/// A directory that goes when it is dropped.
struct Draft(PathBuf);

impl Draft {
    fn new() -> io::Result<Self> {
        for attempt in 0..1000 {
            let name = format!("bottle-edit-{}-{attempt}", std::process::id());
            let path = std::env::temp_dir().join(name);
            // Fails when it is there already, whoever made it: nobody can prepare it for us.
            match fs::DirBuilder::new().mode(0o700).create(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                result => return result.map(|()| Self(path)),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The text as the person left it.
pub async fn edit(editor: &str, name: &str, text: &str) -> Result<String, Error> {
    let draft = Draft::new().map_err(Error::io("make a temporary directory"))?;
    let path = draft.0.join(name);
    fs::write(&path, text).map_err(Error::io("write the file to edit"))?;
    // An editor may come with flags, as in EDITOR="code --wait".
    let status = Command::new("sh")
        .arg("-c")
        .arg(format!("{editor} \"$1\""))
        .arg("sh")
        .arg(&path)
        .kill_on_drop(true)
        .status()
        .await
        .map_err(Error::io(format!("start the editor {editor}")))?;
    if !status.success() {
        return Err(Error::Refused(format!(
            "the editor {editor} failed ({status}); nothing was decided"
        )));
    }
    fs::read_to_string(&path).map_err(Error::io("read the edited file"))
}
