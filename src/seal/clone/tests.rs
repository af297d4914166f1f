use super::*;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use tempfile::TempDir;

/// A HOME and a workspace.
struct Place {
    directory: TempDir,
    home: Home,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        for name in ["home", "workspace"] {
            fs::create_dir(directory.path().join(name)).unwrap();
        }
        let home = Home::open(&directory.path().join("home")).unwrap();
        Self { directory, home }
    }

    fn workspace(&self) -> std::path::PathBuf {
        self.directory.path().join("workspace")
    }

    fn wanted(&self) -> Repository {
        Repository {
            // Not among the protocols that are allowed, which makes a failure without any network.
            url: "ssh://nobody.invalid/repository".into(),
            reference: None,
            branch: None,
            directory: self.workspace().display().to_string(),
        }
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.workspace())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

#[test]
fn a_workspace_that_was_cloned_is_never_cloned_again_not_even_an_empty_one() {
    let place = Place::new();
    place.home.set_own(MARKER, DONE).unwrap();
    clone(&place.wanted(), &place.home).unwrap();
    assert_eq!(place.names(), [""; 0]);
}

#[test]
fn what_stands_in_the_workspace_stays() {
    let place = Place::new();
    fs::write(place.workspace().join("work"), "mine").unwrap();
    clone(&place.wanted(), &place.home).unwrap();
    assert_eq!(place.names(), ["work"]);
    assert_eq!(place.home.own(MARKER).as_deref(), Some(DONE));
}

#[test]
fn a_failed_clone_says_gits_last_line_and_is_tried_again() {
    let place = Place::new();
    for _ in 0..2 {
        let error = clone(&place.wanted(), &place.home).unwrap_err().to_string();
        assert!(error.starts_with("CloneFailed: "), "{error}");
        assert!(error.contains("transport 'ssh' not allowed"), "{error}");
        assert_eq!(place.home.own(MARKER).as_deref(), Some(BEGUN));
    }
}

#[test]
fn what_an_interrupted_clone_left_is_removed_and_links_are_not_followed() {
    let place = Place::new();
    let outside = place.directory.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("kept"), "").unwrap();
    fs::create_dir(place.workspace().join(".git")).unwrap();
    fs::write(place.workspace().join(".git/HEAD"), "").unwrap();
    fs::write(place.workspace().join("half"), "").unwrap();
    symlink(&outside, place.workspace().join("link")).unwrap();
    place.home.set_own(MARKER, BEGUN).unwrap();
    clone(&place.wanted(), &place.home).unwrap_err();
    assert_eq!(place.names(), [""; 0]);
    assert!(outside.join("kept").exists());
}

#[test]
fn the_last_line_is_short_and_plain() {
    let said = b"Cloning\nremote: no\nfatal: \x1b[31mno\x07 such\xff repository\n\n";
    let line = last_line(said, &["clone"]);
    assert!(
        line.starts_with("fatal: ") && !line.contains(['\x1b', '\x07', '\n']),
        "{line:?}"
    );
    let long = [b'x'; WORDS];
    assert_eq!(last_line(&long, &[]).len(), LINE);
    assert_eq!(
        last_line(b"\n", &["fetch"]),
        "git fetch failed without a word"
    );
}

/// Whatever HOME, the environment's templates or the repository name, none of it runs.
#[test]
fn commands_carry_no_settings_of_the_image() {
    let place = Place::new();
    let directory = place.workspace();
    let command = Git {
        directory: &directory,
    }
    .command(&["status"]);
    let words: Vec<_> = command
        .get_args()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    for setting in [
        "core.hooksPath=/dev/null",
        "core.fsmonitor=false",
        "credential.helper=",
    ] {
        assert!(words.contains(&setting.to_owned()), "{words:?}");
    }
    let value = |name: &str| {
        let found = command.get_envs().find(|(known, _)| *known == name);
        found.and_then(|(_, value)| value.map(|value| value.to_string_lossy().into_owned()))
    };
    assert_eq!(value("GIT_CONFIG_GLOBAL").as_deref(), Some("/dev/null"));
    assert_eq!(value("GIT_CONFIG_NOSYSTEM").as_deref(), Some("1"));
    assert_eq!(value("GIT_ALLOW_PROTOCOL").as_deref(), Some("http:https"));
    // A repository with a hook: checked out without it.
    let run = |arguments: &[&str]| {
        let git = Git {
            directory: &directory,
        };
        git.run(arguments).unwrap();
    };
    run(&["init", "--quiet", "--template="]);
    fs::write(directory.join("file"), "1").unwrap();
    run(&["add", "file"]);
    run(&[
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@b",
        "commit",
        "--quiet",
        "-m",
        "1",
    ]);
    fs::create_dir(directory.join(".git/hooks")).unwrap();
    let hook = directory.join(".git/hooks/post-checkout");
    fs::write(&hook, "#!/bin/sh\ntouch \"$PWD/hook-ran\"\n").unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    let wanted = Repository {
        branch: Some("agent/work".into()),
        ..place.wanted()
    };
    fs::remove_file(directory.join("file")).unwrap();
    check_out(
        &Git {
            directory: &directory,
        },
        &wanted,
    )
    .unwrap();
    assert_eq!(place.names(), [".git", "file"]);
    let head = fs::read_to_string(directory.join(".git/HEAD")).unwrap();
    assert_eq!(head, "ref: refs/heads/agent/work\n");
}
