//! Whether there is a conversation to go on with.

use std::fs;
use std::path::Path;

/// Deepest directory that is looked into.
const DEPTH: usize = 8;

/// Whether one of the paths below `home` is a file with content, or a directory with one in it.
pub fn exists(home: &Path, paths: &[String]) -> bool {
    paths.iter().any(|path| holds(&home.join(path), 0))
}

/// Symlinks are not followed: a conversation is what the agent program has written itself.
fn holds(path: &Path, depth: usize) -> bool {
    let Ok(meta) = fs::symlink_metadata(path) else {
        return false;
    };
    if meta.is_file() {
        return meta.len() > 0;
    }
    meta.is_dir()
        && depth < DEPTH
        && fs::read_dir(path).is_ok_and(|entries| {
            entries
                .flatten()
                .any(|entry| holds(&entry.path(), depth + 1))
        })
}
