//! Sockets of the keeper in directories that a container has.

use crate::local::Error;
use std::{
    fs::{self, File, Permissions},
    io,
    os::{fd::AsRawFd as _, unix::fs::PermissionsExt as _},
    path::Path,
};
use tokio::net::UnixListener;

/// Binds it, over one that an earlier keeper left.
pub(super) fn bind(directory: &Path, name: &str) -> Result<UnixListener, Error> {
    let bound = || {
        fs::create_dir_all(directory)?;
        // Another uid must get in; the directories above are the person's alone.
        fs::set_permissions(directory, Permissions::from_mode(0o755))?;
        match fs::remove_file(directory.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // By way of the open directory: a socket's path has at most 107 bytes, and a state directory may be deep.
        let opened = File::open(directory)?;
        let short = format!("/proc/self/fd/{}/{name}", opened.as_raw_fd());
        let listener = UnixListener::bind(short)?;
        fs::set_permissions(directory.join(name), Permissions::from_mode(0o666))?;
        Ok(listener)
    };
    bound().map_err(Error::file("listen in", directory))
}
