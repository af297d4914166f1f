//! What the agent's container gets: `seal`, and its instructions with the secrets in place.
//!
//! Root has NET_ADMIN only here, so nothing is given away or opened against its mode: the volume's set-group-id bit
//! (fsGroup) makes each new file the agent's group's, and the modes do the rest.

use super::{Options, PrepareError};
use crate::agents::secrets::{resolve, secrets_used};
use crate::config::seal::{Fragment, Instructions};
use crate::names::{file, path};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Largest secret: what a Secret object can hold.
const SECRET_MAX: u64 = 1024 * 1024;

/// Writes both files; without all secrets, neither. `wall` is what would answer if there were no lock.
pub(super) fn share(options: &Options, wall: &[SocketAddr]) -> Result<(), PrepareError> {
    let instructions_out = options.out.join(base_name(path::SEAL_INSTRUCTIONS));
    // What an earlier run left must not be taken for this one's.
    if let Err(source) = fs::remove_file(&instructions_out)
        && source.kind() != ErrorKind::NotFound
    {
        return Err(write_error(&instructions_out, source));
    }
    let mut instructions = read(&options.config.join(file::SEAL))?;
    let here = wall.iter().map(ToString::to_string);
    instructions.wall = here.chain(instructions.wall).collect();
    let values = secrets(&options.secrets, &instructions.fragments)?;
    instructions.fragments = resolve(&instructions.fragments, &values)?;

    copy(
        &options.seal_program,
        &options.out.join(base_name(path::SEAL_PROGRAM)),
    )?;
    if let Some(directory) = &options.pipelock {
        let keeper = directory.join(base_name(path::PIPELOCK_KEEPER));
        copy(&options.supervise_program, &keeper)?;
    }
    place(&instructions_out, 0o440, |out| {
        serde_json::to_writer(&mut *out, &instructions)?;
        out.write_all(b"\n")
    })
    .map_err(|source| write_error(&instructions_out, source))
}

/// A program for another container.
pub(super) fn copy(from: &Path, to: &Path) -> Result<(), PrepareError> {
    let mut program = File::open(from).map_err(|source| PrepareError::Read {
        path: from.display().to_string(),
        source,
    })?;
    place(to, 0o555, |out| io::copy(&mut program, out).map(drop))
        .map_err(|source| write_error(to, source))
}

fn base_name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

fn write_error(path: &Path, source: io::Error) -> PrepareError {
    PrepareError::Write {
        path: path.display().to_string(),
        source,
    }
}

fn read(path: &Path) -> Result<Instructions, PrepareError> {
    let text = fs::read(path).map_err(|source| PrepareError::Read {
        path: path.display().to_string(),
        source,
    })?;
    serde_json::from_slice(&text).map_err(|source| PrepareError::Parse {
        path: path.display().to_string(),
        source,
    })
}

/// The values of all secrets that the fragments use; a missing or blank one is left out, for `resolve` to name.
fn secrets(
    directory: &Path,
    fragments: &[Fragment],
) -> Result<BTreeMap<String, String>, PrepareError> {
    let mut values = BTreeMap::new();
    for name in secrets_used(fragments).into_keys() {
        // A NAME is a plain file name: `secrets_used` lists no other.
        let file = directory.join(&name);
        let mut bytes = Vec::new();
        match File::open(&file).and_then(|file| file.take(SECRET_MAX + 1).read_to_end(&mut bytes)) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(source) => {
                return Err(PrepareError::Read {
                    path: file.display().to_string(),
                    source,
                });
            }
        }
        let text = String::from_utf8(bytes)
            .ok()
            .filter(|text| text.len() as u64 <= SECRET_MAX)
            .ok_or_else(|| PrepareError::SecretValue(name.clone()))?;
        let value = text.strip_suffix('\n').unwrap_or(&text);
        let value = value.strip_suffix('\r').unwrap_or(value);
        if !value.trim().is_empty() {
            values.insert(name, value.to_owned());
        }
    }
    Ok(values)
}

/// A whole file of that mode, or none: written beside its place and moved there.
fn place(
    path: &Path,
    mode: u32,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    let beside = path.with_extension("new");
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut out = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&beside)?;
    write(&mut out)?;
    // Set after the fact: the mode given to open is cut by the umask.
    out.set_permissions(Permissions::from_mode(mode))?;
    drop(out);
    fs::rename(&beside, path)
}
