//! The directory as kubernetes swaps it, and as a laptop writes it.

use super::*;
use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

/// A bound against hanging, not a measurement.
async fn changed<T>(receiver: &mut watch::Receiver<T>) {
    tokio::time::timeout(Duration::from_secs(20), receiver.changed())
        .await
        .expect("no change was seen")
        .expect("the watch ended");
}

fn fill(directory: &Path, allowlist: &str, hash: &str) {
    fs::create_dir_all(directory).unwrap();
    for (name, text) in [
        (file::ROUTES, "{\"routes\": []}"),
        (file::ALLOWLIST, allowlist),
        (file::DOCKERFILE, "FROM scratch\n"),
        (file::EGRESS, "{}"),
        (file::DECISIONS, "{}"),
        (file::HASH, hash),
    ] {
        fs::write(directory.join(name), text).unwrap();
    }
}

/// What the kubelet does: a new directory, and `..data` renamed over.
fn swap(mount: &Path, version: &str, allowlist: &str) {
    fill(&mount.join(version), allowlist, version);
    symlink(version, mount.join("..data_tmp")).unwrap();
    fs::rename(mount.join("..data_tmp"), mount.join("..data")).unwrap();
    for name in [
        file::ROUTES,
        file::ALLOWLIST,
        file::DOCKERFILE,
        file::EGRESS,
        file::HASH,
    ] {
        let link = mount.join(name);
        if !link.exists() {
            symlink(Path::new("..data").join(name), link).unwrap();
        }
    }
}

#[tokio::test]
async fn a_swapped_configmap_is_read_as_one_set() {
    let mount = tempfile::tempdir().unwrap();
    swap(mount.path(), "..1", "a.example\n");
    let mut receiver = watch(mount.path()).unwrap();
    assert_eq!(receiver.borrow_and_update().hash, "..1");
    for version in 2..30 {
        swap(
            mount.path(),
            &format!("..{version}"),
            &format!("v{version}.example\n"),
        );
        fs::remove_dir_all(mount.path().join(format!("..{}", version - 1))).unwrap();
        changed(&mut receiver).await;
        let snapshot = receiver.borrow_and_update().clone();
        assert_eq!(snapshot.hash, format!("..{version}"));
        assert_eq!(snapshot.files.allowlist, format!("v{version}.example\n"));
    }
}

#[tokio::test]
async fn plain_files_are_followed_and_a_missing_one_keeps_the_old_config() {
    let config = tempfile::tempdir().unwrap();
    fill(config.path(), "a.example\n", "one\n");
    let mut receiver = watch(config.path()).unwrap();
    let first = receiver.borrow_and_update().clone();
    assert_eq!(first.hash, "one");
    fs::remove_file(config.path().join(file::EGRESS)).unwrap();
    fs::write(config.path().join(file::ALLOWLIST), "b.example\n").unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(*receiver.borrow(), first);
    fs::write(config.path().join(file::EGRESS), "{}").unwrap();
    changed(&mut receiver).await;
    assert_eq!(receiver.borrow().files.allowlist, "b.example\n");
}

#[test]
fn a_missing_file_at_start_is_named() {
    let config = tempfile::tempdir().unwrap();
    fill(config.path(), "", "x");
    fs::remove_file(config.path().join(file::ALLOWLIST)).unwrap();
    let error = read(config.path()).unwrap_err();
    assert!(error.to_string().ends_with("/allowlist"), "{error}");
}

#[test]
fn without_a_hash_file_the_hash_is_computed_and_decisions_may_be_absent() {
    let config = tempfile::tempdir().unwrap();
    fill(config.path(), "a.example\n", "x");
    fs::remove_file(config.path().join(file::HASH)).unwrap();
    fs::remove_file(config.path().join(file::DECISIONS)).unwrap();
    let snapshot = read(config.path()).unwrap();
    assert_eq!(snapshot.hash, snapshot.files.hash());
    assert_eq!(snapshot.decisions, "");
}

#[test]
fn a_file_that_is_too_large_or_no_text_is_refused() {
    let config = tempfile::tempdir().unwrap();
    fill(config.path(), &"#".repeat(1 << 20), "x");
    assert!(read(config.path()).is_ok());
    fs::write(
        config.path().join(file::ALLOWLIST),
        "#".repeat((1 << 20) + 1),
    )
    .unwrap();
    assert!(matches!(read(config.path()), Err(Error::TooLarge { .. })));
    fs::write(config.path().join(file::ALLOWLIST), [0xff]).unwrap();
    assert!(matches!(read(config.path()), Err(Error::Read { .. })));
}

#[tokio::test]
async fn hashes_of_all_roles_are_seen_as_they_are_written() {
    let state = tempfile::tempdir().unwrap();
    write_hash(state.path(), "egress", "one").unwrap();
    let mut receiver = watch_state(state.path()).unwrap();
    assert_eq!(receiver.borrow_and_update()["egress"], "one");
    write_hash(state.path(), "cred-proxy", "one").unwrap();
    write_hash(state.path(), "egress", "two").unwrap();
    while receiver
        .borrow_and_update()
        .get("egress")
        .is_none_or(|hash| hash != "two")
    {
        changed(&mut receiver).await;
    }
    let hashes = receiver.borrow().clone();
    assert_eq!(hashes.len(), 2, "{hashes:?}");
    assert_eq!(hashes["cred-proxy"], "one");
}
