//! `bottle run`: a person's own directory, and what is left of it afterwards.

use crate::world::{World, processes, text};
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

struct Project {
    world: World,
    path: PathBuf,
}

impl Project {
    fn new() -> Self {
        let world = World::new();
        let path = world.place.path().join("project");
        fs::create_dir(&path).unwrap();
        Self { world, path }
    }

    fn with_git() -> Self {
        let project = Self::new();
        for words in [
            &["init", "-q"][..],
            &[
                "-c",
                "user.name=r",
                "-c",
                "user.email=r@example.com",
                "commit",
                "-q",
                "--allow-empty",
                "-m",
                "first",
            ],
        ] {
            let output = Command::new("git")
                .args(words)
                .current_dir(&project.path)
                .output()
                .unwrap();
            assert!(output.status.success(), "{}", text(&output));
        }
        project
    }

    fn command(&self, flags: &[&str], script: &str) -> Command {
        let mut command = self.world.command(&["run"]);
        // A home of its own: the test's directory is below the real one's only by chance.
        command
            .current_dir(&self.path)
            .env("HOME", "/nonexistent")
            .args(flags)
            .args(["--", "bash", "-c", script]);
        command
    }

    fn run(&self, flags: &[&str], script: &str) -> Output {
        let output = self.command(flags, script).output().unwrap();
        assert_eq!(processes(&self.world.state(), ""), Vec::<i32>::new());
        output
    }
}

#[test]
fn the_directory_is_the_workspace_and_the_exit_code_is_the_agents() {
    let project = Project::new();
    fs::write(project.path.join("in"), "from outside").unwrap();
    let output = project.run(&[], "pwd; cat in; echo made > out; exit 7");
    assert_eq!(output.status.code(), Some(7), "{}", text(&output));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        said.starts_with(project.path.to_str().unwrap()) && said.contains("from outside"),
        "{said}"
    );
    assert_eq!(
        fs::read_to_string(project.path.join("out")).unwrap(),
        "made\n"
    );
    assert!(
        !project
            .world
            .state()
            .join("garden")
            .read_dir()
            .unwrap()
            .flatten()
            .any(|entry| entry.path().join("bottle.yaml").exists())
    );
}

#[test]
fn standard_input_and_output_are_passed_on() {
    let project = Project::new();
    let mut command = project.command(&[], "tr a-z A-Z");
    let input = project.path.join("input");
    fs::write(&input, "hello").unwrap();
    let output = command
        .stdin(fs::File::open(input).unwrap())
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "HELLO",
        "{}",
        text(&output)
    );
}

#[test]
fn what_is_started_later_can_not_be_changed_inside() {
    let project = Project::with_git();
    let path = |name: &str| project.path.join(name);
    fs::write(path(".envrc"), "export A=1\n").unwrap();
    fs::create_dir(path(".vscode")).unwrap();
    fs::write(path(".profile"), "").unwrap();
    let script = "for f in .git/hooks/pre-commit .envrc .vscode/tasks.json .profile; do echo evil > $f && echo \"wrote $f\"; done; mv .git .git2 && echo moved; rm -rf .git/hooks .vscode && echo removed; touch code.rs; git status --short";
    let output = project.run(&[], script);
    let said = text(&output);
    for bad in ["wrote", "moved", "removed"] {
        assert!(
            !said.contains(&format!("{bad} .")) && !said.lines().any(|line| line == bad),
            "{said}"
        );
    }
    assert!(said.contains("?? code.rs"), "git works inside: {said}");
    assert_eq!(fs::read_to_string(path(".envrc")).unwrap(), "export A=1\n");
    assert!(!path(".git/hooks/pre-commit").exists() && path("code.rs").exists());
}

#[test]
fn what_appears_and_would_be_started_is_moved_away() {
    let project = Project::new();
    let output = project.run(&[], "echo evil > .envrc; mkdir -p .vscode .git/hooks; echo evil > .vscode/tasks.json; echo evil > .git/config; echo fine > code.rs");
    let said = text(&output);
    for name in [".envrc", ".vscode", ".git"] {
        assert!(
            !project.path.join(name).exists() && said.contains(&format!("the agent made {name}")),
            "{name}: {said}"
        );
    }
    assert!(project.path.join("code.rs").exists());
}

#[test]
fn gits_config_is_a_private_copy_that_is_shown_and_taken_over_only_on_a_yes() {
    let project = Project::with_git();
    let config = project.path.join(".git/config");
    let before = fs::read_to_string(&config).unwrap();
    let script = "printf '[core]\\n\\tfsmonitor = evil\\n' >> .git/config";
    let said = text(&project.run(&[], script));
    assert!(
        said.contains("fsmonitor = evil") && said.contains("left as it was"),
        "{said}"
    );
    assert_eq!(fs::read_to_string(&config).unwrap(), before);
    project.run(&["--yes"], script);
    assert!(
        fs::read_to_string(&config)
            .unwrap()
            .ends_with("fsmonitor = evil\n")
    );
}

#[test]
fn a_clone_leaves_the_repository_alone_and_runs_none_of_its_hooks() {
    let project = Project::with_git();
    let hook = project.path.join(".git/hooks/post-checkout");
    fs::write(
        &hook,
        format!("#!/bin/sh\ntouch {}\n", project.path.join("ran").display()),
    )
    .unwrap();
    fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let output = project.run(&["--clone"], "git log --oneline; echo x > new; ls");
    let said = text(&output);
    assert!(
        said.contains("first") && said.contains("git fetch"),
        "{said}"
    );
    assert!(!project.path.join("new").exists() && !project.path.join("ran").exists());
}

#[test]
fn homes_roots_and_directories_with_credentials_are_refused() {
    let project = Project::new();
    let refused = |command: &mut Command| {
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(4), "{}", text(&output));
        text(&output)
    };
    assert!(refused(project.command(&[], "true").env("HOME", &project.path)).contains("your home"));
    assert!(
        refused(project.command(&[], "true").current_dir("/")).contains("your home or your system")
    );
    let kubeconfig = project.path.join("kubeconfig");
    fs::write(&kubeconfig, "").unwrap();
    assert!(
        refused(project.command(&[], "true").env("KUBECONFIG", &kubeconfig)).contains("kubeconfig")
    );
    assert!(
        refused(
            project
                .command(&[], "true")
                .current_dir(project.world.place.path())
        )
        .contains("no agent may read")
    );
}

#[test]
fn with_a_terminal_the_agent_has_one_of_its_own() {
    let project = Project::new();
    let mut inner = project.command(
        &[],
        "tty; stty size; echo asked; read -r x; echo got $x; [ -t 0 ] && [ -t 1 ] && exit 5",
    );
    let words: Vec<String> = std::iter::once(inner.get_program())
        .chain(inner.get_args())
        .map(|word| format!("'{}'", word.to_str().unwrap().replace('\'', "'\\''")))
        .collect();
    inner.env_remove("none");
    let line = format!("stty rows 33 cols 99; {}", words.join(" "));
    let mut script = Command::new("script");
    script
        .args(["-qec", &line, "/dev/null"])
        .current_dir(&project.path)
        .env("HOME", "/nonexistent")
        .env_remove("KUBECONFIG");
    let answers = project.path.join("answers");
    fs::write(&answers, "word\n").unwrap();
    script.stdin(fs::File::open(answers).unwrap());
    let output = script.output().unwrap();
    let said = text(&output);
    assert!(
        said.contains("/dev/pts/") && said.contains("33 99") && said.contains("got word"),
        "{said}"
    );
    assert_eq!(output.status.code(), Some(5), "{said}");
}

#[test]
fn the_runtime_process_says_each_time_that_it_isolates_nothing() {
    let project = Project::new();
    let output = project.run(
        &["--runtime", "process"],
        "curl -s -o /dev/null -w '%{http_code}' http://docs.example.com/",
    );
    assert!(
        text(&output).contains("NOTHING IS ISOLATED"),
        "{}",
        text(&output)
    );
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("403"),
        "{}",
        text(&output)
    );
}
