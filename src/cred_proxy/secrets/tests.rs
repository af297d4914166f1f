//! Files that change under the reader, and content that is no credential.

use super::*;
use std::fs;

#[test]
fn one_line_end_is_cut_and_bad_content_is_named_without_being_shown() {
    for (content, expected) in [
        ("s3cret", Ok("s3cret")),
        ("s3cret\n", Ok("s3cret")),
        ("s3cret\r\n", Ok("s3cret")),
        (" a b ", Ok(" a b ")),
        ("", Err(Unusable::Empty)),
        ("\n", Err(Unusable::Empty)),
        ("  \n", Err(Unusable::Empty)),
        ("s3cret\n\n", Err(Unusable::Control)),
        ("s3\ncret", Err(Unusable::Control)),
        ("s3\tcret", Err(Unusable::Control)),
        ("s3\r\nX: y", Err(Unusable::Control)),
        ("s3\0", Err(Unusable::Control)),
        ("s3\u{85}", Err(Unusable::Control)),
    ] {
        let secret = check(content.as_bytes());
        let text = secret.as_ref().map(Secret::reveal).map_err(|error| *error);
        assert_eq!(text, expected, "{content:?}");
        assert!(!format!("{secret:?}").contains("s3"));
    }
    assert_eq!(check(b"\xff"), Err(Unusable::NotText));
    assert_eq!(check(&vec![b'a'; 40_000]), Err(Unusable::TooLarge));
}

#[test]
fn a_change_is_seen_by_the_next_request_however_it_was_made() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("TOKEN");
    let secrets = Secrets::new(directory.path());
    let now = || {
        secrets
            .get("TOKEN")
            .map(|secret| secret.reveal().to_owned())
    };
    assert_eq!(now(), Err(Unusable::Missing));
    for round in 0..200 {
        // The same length each time, far faster than a clock tick of the file system.
        let text = format!("value-{round:04}");
        if round % 2 == 0 {
            fs::write(&file, &text).unwrap();
        } else {
            fs::write(directory.path().join("new"), &text).unwrap();
            fs::rename(directory.path().join("new"), &file).unwrap();
        }
        assert_eq!(now(), Ok(text.clone()));
        assert_eq!(now(), Ok(text));
    }
    fs::remove_file(&file).unwrap();
    assert_eq!(now(), Err(Unusable::Missing));
}

#[test]
fn a_swapped_mount_is_followed() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    for (name, value) in [("..one", "first"), ("..two", "second")] {
        fs::create_dir(at(name)).unwrap();
        fs::write(at(name).join("TOKEN"), value).unwrap();
    }
    let swap = |to: &str| {
        std::os::unix::fs::symlink(to, at("..new")).unwrap();
        fs::rename(at("..new"), at("..data")).unwrap();
    };
    swap("..one");
    std::os::unix::fs::symlink("..data/TOKEN", at("TOKEN")).unwrap();
    let secrets = Secrets::new(directory.path());
    assert_eq!(secrets.get("TOKEN").unwrap().reveal(), "first");
    // Until it is kept instead of read each time.
    std::thread::sleep(SETTLED * 2);
    assert_eq!(secrets.get("TOKEN").unwrap().reveal(), "first");
    swap("..two");
    assert_eq!(secrets.get("TOKEN").unwrap().reveal(), "second");
}
