//! SHELL: how many files and sockets this program may have open.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Raises the limit as far as it may be raised: each connection takes one or two, and the usual soft limit is 1,024.
/// Returns what there is now.
pub fn raise() -> usize {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return usize::MAX;
    };
    let files = match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
        Ok(()) => hard,
        Err(error) => {
            tracing::debug!(%error, "Can't raise the limit of open files");
            soft
        }
    };
    usize::try_from(files).unwrap_or(usize::MAX)
}
