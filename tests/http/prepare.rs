//! The role `prepare` in a network namespace, as root with NET_ADMIN alone.

use crate::netns::{World, text};
use bot_bottle::names::uid;
use bot_bottle::prepare::{self, Options};
use clap::Parser;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Output};
use tempfile::TempDir;

const ARGUMENTS: &str = "BOT_BOTTLE_TEST_PREPARE";

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    options: Options,
}

/// Not a test: this program runs itself as the role, see [`Pod::prepare`].
#[test]
fn role() {
    if let Some(arguments) = std::env::var_os(ARGUMENTS) {
        let arguments = arguments.into_string().unwrap();
        let cli = Cli::parse_from(std::iter::once("prepare").chain(arguments.split('\n')));
        let good = prepare::main(&cli.options) == ExitCode::SUCCESS;
        std::process::exit(i32::from(!good));
    }
}

/// A pod's volumes before any of its containers ran.
struct Pod {
    world: World,
    dir: TempDir,
}

impl Pod {
    fn new() -> Self {
        let pod = Self {
            world: World::new(),
            dir: TempDir::new().unwrap(),
        };
        fs::set_permissions(pod.dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
        for name in ["config", "secrets", "seal"] {
            fs::create_dir(pod.path(name)).unwrap();
        }
        // What a kubelet makes of an emptyDir under fsGroup 1000.
        chown(pod.path("seal"), Some(0), Some(1000)).unwrap();
        fs::set_permissions(pod.path("seal"), PermissionsExt::from_mode(0o2777)).unwrap();
        fs::write(pod.path("program"), "the seal").unwrap();
        fs::write(
            pod.path("config/seal.json"),
            json!({
                "start": ["true"], "home": "/bottle/home", "sidecars": [], "wall": [], "maxRestarts": 3,
                "fragments": [{
                    "path": ".claude.json", "format": "json",
                    "merge": {"mcpServers": {"db": {"env": {"URL": "db://${SECRET:DB}@x"}}}},
                }],
            })
            .to_string(),
        )
        .unwrap();
        pod
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn prepare(&self, capabilities: &str, extra: &[&str]) -> Output {
        let mut arguments: Vec<String> = ["config", "secrets"]
            .iter()
            .map(|name| format!("--{name}={}", self.path(name).display()))
            .collect();
        arguments.push(format!("--out={}", self.path("seal").display()));
        arguments.push(format!("--seal-program={}", self.path("program").display()));
        arguments.push(format!("--termination-log={}", self.path("why").display()));
        arguments.extend(extra.iter().map(|&argument| argument.to_owned()));
        self.world
            .inside
            .command("/usr/bin/setpriv")
            .args([
                "--inh-caps=-all",
                &format!("--bounding-set={capabilities}"),
                "--",
            ])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "prepare::role", "--nocapture"])
            .env(ARGUMENTS, arguments.join("\n"))
            .output()
            .unwrap()
    }

    fn why(&self) -> String {
        fs::read_to_string(self.path("why")).unwrap()
    }
}

const NET_ADMIN: &str = "-all,+net_admin";

fn mode(path: &Path) -> (u32, u32, u32) {
    let meta = fs::metadata(path).unwrap();
    (meta.mode() & 0o7777, meta.uid(), meta.gid())
}

#[test]
fn the_lock_stands_and_the_agent_gets_seal_with_its_secrets() {
    let pod = Pod::new();
    fs::write(pod.path("secrets/DB"), "s3cret\n").unwrap();
    // Twice: a pod's sandbox may be made anew over the same volumes.
    for _ in 0..2 {
        let output = pod.prepare(NET_ADMIN, &["--api-host=10.77.0.1", "--api-port=6443"]);
        assert!(output.status.success(), "{}", text(&output));
    }
    assert_eq!(mode(&pod.path("seal/seal")), (0o555, 0, 1000));
    assert_eq!(mode(&pod.path("seal/seal.json")), (0o440, 0, 1000));
    assert_eq!(
        fs::read_to_string(pod.path("seal/seal")).unwrap(),
        "the seal"
    );
    let resolved: Value =
        serde_json::from_slice(&fs::read(pod.path("seal/seal.json")).unwrap()).unwrap();
    let url = &resolved["fragments"][0]["merge"]["mcpServers"]["db"]["env"]["URL"];
    assert_eq!(url, "db://s3cret@x");
    assert_eq!(
        fs::read_dir(pod.path("seal")).unwrap().count(),
        2,
        "left-overs"
    );
    let connect = "import socket,sys\n\
        try: socket.create_connection(('10.77.0.1', 80), 2)\n\
        except ConnectionRefusedError: print('refused')";
    assert_eq!(
        pod.world.inside.python(uid::AGENT_DEFAULT, connect, &[]),
        "refused"
    );
    let listed = pod
        .world
        .inside
        .command("/usr/sbin/nft")
        .args(["list", "ruleset"])
        .output()
        .unwrap();
    assert!(text(&listed).contains("ip daddr 10.77.0.1 tcp dport 6443"));
}

#[test]
fn without_net_admin_there_is_no_seal_and_the_sentence_says_what_is_missing() {
    let pod = Pod::new();
    fs::write(pod.path("secrets/DB"), "s3cret").unwrap();
    let output = pod.prepare("-all", &[]);
    assert!(!output.status.success());
    assert!(pod.why().contains("NET_ADMIN"), "{}", pod.why());
    assert_eq!(pod.why().lines().count(), 1, "{}", pod.why());
    assert_eq!(fs::read_dir(pod.path("seal")).unwrap().count(), 0);
}

#[test]
fn a_lock_that_does_not_hold_is_noticed() {
    let pod = Pod::new();
    let liar = pod.path("nft");
    let rows = [
        ("#!/bin/sh\nexit 0\n", "lists no output chain"),
        (
            "#!/bin/sh\nfor h in output input forward; do echo hook $h priority filter\\; policy drop\\;; done\n",
            "was not refused",
        ),
        (
            "#!/bin/sh\necho bad line >&2\nexit 1\n",
            "nft said \"bad line\"",
        ),
    ];
    for (script, expected) in rows {
        fs::write(&liar, script).unwrap();
        fs::set_permissions(&liar, PermissionsExt::from_mode(0o755)).unwrap();
        let output = pod.prepare(NET_ADMIN, &[&format!("--nft={}", liar.display())]);
        assert!(!output.status.success());
        assert!(pod.why().contains(expected), "{}", pod.why());
    }
    let output = pod.prepare(NET_ADMIN, &["--nft=/nonexistent"]);
    assert!(!output.status.success());
    assert!(
        pod.why().contains("/nonexistent could not be run"),
        "{}",
        pod.why()
    );
    assert_eq!(fs::read_dir(pod.path("seal")).unwrap().count(), 0);
}

#[test]
fn a_missing_or_blank_secret_is_named_and_nothing_is_left_behind() {
    let pod = Pod::new();
    fs::write(pod.path("seal/seal.json"), "of an earlier run").unwrap();
    for blank in [None, Some("\n"), Some("")] {
        if let Some(value) = blank {
            fs::write(pod.path("secrets/DB"), value).unwrap();
        }
        let output = pod.prepare(NET_ADMIN, &[]);
        assert!(!output.status.success());
        assert_eq!(
            pod.why(),
            "MissingSecret: DB, used by mcpServers.db.env.URL"
        );
        assert_eq!(
            fs::read_dir(pod.path("seal")).unwrap().count(),
            0,
            "{blank:?}"
        );
    }
}

#[test]
fn an_api_server_given_by_name_is_refused() {
    let pod = Pod::new();
    let output = pod.prepare(NET_ADMIN, &["--api-host=kubernetes.default.svc"]);
    assert!(!output.status.success());
    assert!(pod.why().contains("no IP address"), "{}", pod.why());
}
