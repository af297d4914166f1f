//! What a kubelet does with a ConfigMap: a directory whose content is replaced in one step.

use super::Error;
use std::{
    collections::BTreeMap,
    fs::{self, Permissions},
    io::{self, ErrorKind},
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
};

/// Makes `directory` hold exactly these files: a new version beside the old one, then the link `..data` renamed.
pub fn swap<T: AsRef<[u8]>>(directory: &Path, files: &BTreeMap<String, T>) -> Result<(), Error> {
    swap_files(directory, files).map_err(Error::file("write the config into", directory))
}

fn swap_files<T: AsRef<[u8]>>(directory: &Path, files: &BTreeMap<String, T>) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let data = directory.join("..data");
    let old = fs::read_link(&data).ok();
    if let Some(old) = &old
        && holds(&directory.join(old), files)
    {
        return Ok(());
    }
    // Two names take turns: what a killed writer left half-done is under the name that is not in use.
    let version = match old.as_deref().and_then(Path::to_str) {
        Some("..1") => "..2",
        _ => "..1",
    };
    let target = directory.join(version);
    gone(fs::remove_dir_all(&target))?;
    fs::create_dir(&target)?;
    for (name, content) in files {
        fs::write(target.join(name), content)?;
        fs::set_permissions(target.join(name), Permissions::from_mode(0o644))?;
    }
    // Readable for whom it is mounted, whatever the umask; the directories above are the person's alone.
    fs::set_permissions(&target, Permissions::from_mode(0o755))?;
    fs::set_permissions(directory, Permissions::from_mode(0o755))?;
    let draft = directory.join("..data_tmp");
    gone(fs::remove_file(&draft))?;
    symlink(version, &draft)?;
    fs::rename(&draft, &data)?;
    for name in files.keys() {
        let link = directory.join(name);
        if fs::symlink_metadata(&link).is_err() {
            symlink(Path::new("..data").join(name), &link)?;
        }
    }
    for entry in fs::read_dir(directory)?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with("..") && !files.contains_key(&name) {
            gone(fs::remove_file(entry.path()))?;
        }
    }
    Ok(())
}

fn holds<T: AsRef<[u8]>>(directory: &Path, files: &BTreeMap<String, T>) -> bool {
    let count = fs::read_dir(directory).map_or(0, Iterator::count);
    let same = |(name, content): (&String, &T)| {
        fs::read(directory.join(name)).is_ok_and(|there| there == content.as_ref())
    };
    count == files.len() && files.iter().all(same)
}

fn gone(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(name, text)| ((*name).into(), (*text).into()))
            .collect()
    }

    #[test]
    fn each_version_replaces_the_one_before_as_a_whole() {
        let place = tempfile::tempdir().unwrap();
        for (version, pairs) in [
            [("a", "1"), ("b", "1")],
            [("a", "2"), ("c", "2")],
            [("a", "3"), ("b", "3")],
        ]
        .iter()
        .enumerate()
        {
            swap(place.path(), &files(pairs)).unwrap();
            for (name, text) in pairs {
                assert_eq!(
                    fs::read_to_string(place.path().join(name)).unwrap(),
                    *text,
                    "{version}"
                );
            }
            let mut names: Vec<_> = fs::read_dir(place.path())
                .unwrap()
                .flatten()
                .map(|entry| entry.file_name().into_string().unwrap())
                .collect();
            names.retain(|name| !name.starts_with(".."));
            assert_eq!(names.len(), 2);
        }
    }

    #[test]
    fn the_same_content_changes_nothing() {
        let place = tempfile::tempdir().unwrap();
        swap(place.path(), &files(&[("a", "1")])).unwrap();
        let before = fs::read_link(place.path().join("..data")).unwrap();
        swap(place.path(), &files(&[("a", "1")])).unwrap();
        assert_eq!(fs::read_link(place.path().join("..data")).unwrap(), before);
    }

    #[test]
    fn what_a_killed_writer_left_does_no_harm() {
        let place = tempfile::tempdir().unwrap();
        swap(place.path(), &files(&[("a", "1")])).unwrap();
        fs::create_dir(place.path().join("..2")).unwrap();
        fs::write(place.path().join("..2/a"), "half").unwrap();
        symlink("..2", place.path().join("..data_tmp")).unwrap();
        swap(place.path(), &files(&[("a", "2")])).unwrap();
        assert_eq!(fs::read_to_string(place.path().join("a")).unwrap(), "2");
    }
}
