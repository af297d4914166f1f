//! The runtime docker, on a real daemon: the shared scenarios, what an agent tries, and what dies in the midst of it.

mod builds;
mod pull;
mod resources;

use crate::kill::{daemon, power_cuts, start_daemon};
use crate::scenarios::{self, FIRST, OPEN, Place as _, attempts, same};
use crate::shared;
use crate::world::{Docker, PATIENCE, Runtime, World, gateway, text, within};
use nix::sys::signal::{SIGKILL, kill};
use nix::unistd::Pid;
use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::process::Command;

fn docker(words: &[&str]) -> String {
    let output = Command::new("docker").args(words).output().unwrap();
    assert!(
        output.status.success(),
        "docker {words:?}: {}",
        text(&output)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// Whether it is Podman's service that stands in for Docker's.
fn is_podman() -> bool {
    std::env::var_os("BOT_BOTTLE_ENGINE").is_some_and(|engine| engine == "podman")
}

/// Rows that say something of Docker alone: Podman has no resolver at that address.
fn is_otherwise_with_podman(row: &str) -> bool {
    is_podman() && row.starts_with("Docker's resolver")
}

/// A container of this world's bottle.
fn container(world: &World, role: &str) -> String {
    let prefix = world.containers.get_or_init(|| {
        // By what is mounted: other tests have bottles of the same name.
        let directory = format!("{}/run/config", world.bottle().display());
        let label = "label=bot-bottle.dev/container=egress";
        let all = docker(&["ps", "-aq", "--filter", label]);
        let found = all.lines().find_map(|id| {
            let seen = docker(&["inspect", "-f", "{{.Name}} {{json .Mounts}}", id]);
            let name = seen.split(' ').next()?.trim_start_matches('/').to_owned();
            seen.contains(&directory).then_some(name)
        });
        let name = found.unwrap_or_else(|| panic!("no container of {directory}"));
        name.strip_suffix("egress").unwrap().to_owned()
    });
    format!("{prefix}{role}")
}

#[test]
fn what_a_person_decides_is_in_force_when_the_agent_has_its_answer() {
    scenarios::what_a_person_decides_is_in_force_when_the_agent_has_its_answer::<Docker>();
}

#[test]
fn a_revoked_grant_and_one_whose_time_is_over_are_closed() {
    scenarios::a_revoked_grant_and_one_whose_time_is_over_are_closed::<Docker>();
}

#[test]
fn the_same_question_asked_again_has_the_same_answer_at_once() {
    scenarios::the_same_question_asked_again_has_the_same_answer_at_once::<Docker>();
}

#[test]
fn a_route_is_there_as_long_as_its_grant() {
    scenarios::a_route_is_there_as_long_as_its_grant::<Docker>();
}

#[test]
fn config_settings_and_answers_are_those_of_every_place() {
    let world = World::running_from(Runtime::Docker, &same::file());
    same::compare(&world, &world.config_map());
}

#[test]
fn no_way_out_is_open_that_would_be_open_without_the_wall() {
    let world = World::running_in(Runtime::Docker, "");
    let here = gateway().to_string();
    let service = TcpListener::bind((gateway(), 0)).unwrap();
    let tcp = service.local_addr().unwrap().port();
    let echo = UdpSocket::bind((gateway(), 0)).unwrap();
    let udp = echo.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((length, from)) = echo.recv_from(&mut buffer) {
            let _ = echo.send_to(&buffer[..length], from);
        }
    });
    // A network of its own with Docker's resolver at 127.0.0.11, which the bottle's network namespace gets as well.
    let network = format!("bot-bottle-test-{}", std::process::id());
    docker(&["network", "create", &network]);
    let plain = docker(&[
        "run",
        "-d",
        "--rm",
        "--network",
        &network,
        "--name",
        &network,
        "bot-bottle/agent-example:dev",
        "sleep",
        "600",
    ]);
    docker(&[
        "network",
        "connect",
        &network,
        &container(&world, "prepare"),
    ]);
    let other = docker(&[
        "inspect",
        "-f",
        "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}",
        &network,
    ]);
    docker(&[
        "exec",
        "-d",
        &network,
        "python3",
        "-m",
        "http.server",
        "8000",
    ]);

    let mut rows = vec![
        attempts::tcp("TCP to this machine", &here, tcp),
        attempts::udp("UDP to this machine", &here, udp),
        attempts::tcp("TCP to another container", other.trim(), 8000),
        attempts::tcp("Docker's resolver over TCP", "127.0.0.11", 53),
        attempts::dns("Docker's resolver over UDP", "127.0.0.11", &network),
    ];
    let control: Vec<_> = rows
        .iter()
        .map(|row| {
            let open = within(PATIENCE / 6, || {
                let output = Command::new("docker")
                    .args(["exec", plain.trim(), "python3", "-c", &row.script])
                    .output()
                    .unwrap();
                text(&output).contains("open\n").then_some(())
            });
            (row.name.clone(), open.is_some())
        })
        .collect();
    rows.push(attempts::tcp(
        "TCP to the metadata address",
        "169.254.169.254",
        80,
    ));
    rows.push(attempts::tcp("TCP to the internet", "192.0.2.1", 443));
    rows.push(attempts::tcp(
        "TCP to the internet over IPv6",
        "2001:db8::1",
        443,
    ));
    rows.extend(attempts::everywhere());
    let mut out = attempts::got_out(&world, &rows);
    out.retain(|name| !is_otherwise_with_podman(name));
    let _ = Command::new("docker")
        .args([
            "network",
            "disconnect",
            "-f",
            &network,
            &container(&world, "prepare"),
        ])
        .output();
    docker(&["rm", "-f", plain.trim()]);
    docker(&["network", "rm", &network]);
    assert!(out.is_empty(), "these got out: {out:?}");
    for (name, open) in control {
        assert!(
            open || is_otherwise_with_podman(&name),
            "the control of {name:?} failed: the row shows nothing"
        );
    }
}

#[test]
fn a_container_has_no_more_than_its_pod_says() {
    let world = World::running_in(Runtime::Docker, "");
    for (role, user, added) in [
        ("prepare", "0:0", "[NET_ADMIN]"),
        ("supervise", "61001:61001", "[]"),
        ("egress", "61002:61002", "[]"),
        ("cred-proxy", "61003:61003", "[]"),
        ("agent", "1000:1000", "[]"),
    ] {
        let format = "{{.Config.User}} {{.HostConfig.Privileged}} {{.HostConfig.CapDrop}} {{.HostConfig.CapAdd}} {{.HostConfig.SecurityOpt}} \
                      {{.HostConfig.PidMode}}{{.HostConfig.IpcMode}}{{.HostConfig.UTSMode}}{{.HostConfig.Devices}} {{.Config.Healthcheck.Test}}";
        let seen = docker(&["inspect", "-f", format, &container(&world, role)]);
        // Podman lists what it gives by default, and names each namespace; that for IPC is another container's to join
        // whatever one asks for, but only whoever may use the socket makes one.
        let (dropped, namespaces) = if is_podman() {
            let all = "AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE NET_RAW SETFCAP SETGID SETPCAP SETUID SYS_CHROOT";
            (all, "privateshareableprivate")
        } else {
            ("ALL", "private")
        };
        let expected =
            format!("{user} false [{dropped}] {added} [no-new-privileges] {namespaces}[] [NONE]");
        assert_eq!(seen.trim(), expected, "{role}");
    }
    // The lock's own process has given its capability up.
    let pid = docker(&[
        "inspect",
        "-f",
        "{{.State.Pid}}",
        &container(&world, "prepare"),
    ]);
    let status = fs::read_to_string(format!("/proc/{}/status", pid.trim())).unwrap();
    for line in ["CapEff:\t0000000000000000", "CapPrm:\t0000000000000000"] {
        assert!(status.contains(line), "{status}");
    }
    // Only the sidecar that asks can reach the store.
    let mounted = docker(&[
        "inspect",
        "-f",
        "{{json .Mounts}}",
        &container(&world, "agent"),
    ]);
    assert!(
        !mounted.contains("run/store") && !mounted.contains("run/volumes"),
        "{mounted}"
    );
}

#[test]
fn a_waiting_call_outlives_its_keeper_and_is_answered_by_the_next_one() {
    let world = World::running_in(Runtime::Docker, "");
    let before = docker(&[
        "inspect",
        "-f",
        "{{.State.Pid}}",
        &container(&world, "agent"),
    ]);
    let call = world.ask("pipelock-block", &format!("{OPEN}\n{FIRST}\n"), "keeper");
    let proposal = world.proposal("keeper", "Pending");
    kill(Pid::from_raw(world.keeper().unwrap()), SIGKILL).unwrap();
    let told = within(PATIENCE, || {
        world
            .verb(&["get", "-o", "wide"])
            .contains("NotRunning")
            .then_some(())
    });
    assert!(told.is_some());
    // Nobody applies it yet; the decision stands.
    world.verb(&["approve", &proposal]);
    world.apply("");
    assert!(call().starts_with("status: approved"));
    assert_eq!(world.fetch(FIRST), "200");
    let after = docker(&[
        "inspect",
        "-f",
        "{{.State.Pid}}",
        &container(&world, "agent"),
    ]);
    assert_eq!(before, after, "the agent was started again");
}

#[test]
fn a_sidecar_that_is_killed_comes_back_and_answers() {
    let world = World::running_in(Runtime::Docker, "");
    for (round, role) in ["supervise", "egress"].into_iter().enumerate() {
        let host = [FIRST, scenarios::SECOND][round];
        let list = format!("{}{host}\n", world.allowlist());
        let call = world.ask("pipelock-block", &list, role);
        let proposal = world.proposal(role, "Pending");
        docker(&["kill", &container(&world, role)]);
        world.verb(&["approve", &proposal]);
        assert!(call().starts_with("status: approved"), "{role}");
        assert_eq!(world.fetch(host), "200", "{role}");
    }
}

#[test]
fn when_the_lock_s_container_is_killed_nothing_runs_on_without_it() {
    let world = World::running_in(Runtime::Docker, "");
    container(&world, "agent");
    let before = agent_id(&world);
    docker(&["kill", &container(&world, "prepare")]);
    let anew = within(PATIENCE, || {
        agent_id(&world).filter(|id| Some(id) != before.as_ref())
    });
    assert!(anew.is_some(), "{}", world.logs());
    assert_eq!(world.fetch(OPEN), "200");
}

/// The agent's container, when it runs.
fn agent_id(world: &World) -> Option<String> {
    let words = ["ps", "--no-trunc", "--format", "{{.ID}} {{.Names}}"];
    let output = Command::new("docker").args(words).output().unwrap();
    let name = format!("{}agent", world.containers.get()?);
    let list = String::from_utf8(output.stdout).unwrap();
    let line = list.lines().find(|line| line.ends_with(&name))?;
    line.split(' ').next().map(str::to_owned)
}

#[test]
fn a_daemon_that_is_killed_takes_nothing_with_it_but_the_agents_run() {
    let world = World::running_in(Runtime::Docker, "");
    let list = format!("{OPEN}\n{FIRST}\n");
    container(&world, "agent");
    drop(world.ask("pipelock-block", &list, "daemon"));
    let proposal = world.proposal("daemon", "Pending");
    let before = agent_id(&world);
    restart_daemon();
    world.verb(&["approve", &proposal]);
    // It ends what it finds running; all of it begins anew.
    if is_podman() {
        // Its containers are no children of the service: the agent runs on.
        assert_eq!(agent_id(&world), before);
    } else {
        let anew = within(PATIENCE, || {
            agent_id(&world).filter(|id| Some(id) != before.as_ref())
        });
        assert!(anew.is_some(), "{}", world.logs());
    }
    assert!(world.inside("true").contains("exit 0"));
    let answer = world.ask("pipelock-block", &list, "daemon")();
    assert!(answer.starts_with("status: approved"), "{answer}");
    assert_eq!(world.fetch(FIRST), "200");
    assert_eq!(world.verb(&["proposals", "-o", "name"]).lines().count(), 1);
}

/// SIGKILL, and the same script that started it.
fn restart_daemon() {
    let pid = fs::read_to_string(daemon().join("dockerd.pid")).unwrap();
    let pid = pid.split_whitespace().next().unwrap().parse().unwrap();
    kill(Pid::from_raw(pid), SIGKILL).unwrap();
    start_daemon();
}

#[test]
fn after_five_power_cuts_everything_is_consistent() {
    power_cuts(Runtime::Docker, 5, 11);
}

/// In ten bottles: one may not ask more than thirty questions an hour.
#[test]
#[ignore = "tier long: half an hour and more"]
fn after_two_hundred_power_cuts_everything_is_consistent() {
    for seed in 0..10 {
        power_cuts(Runtime::Docker, 20, seed);
    }
}

#[test]
fn what_a_container_can_not_honour_is_named() {
    let world = World::of(Runtime::Docker);
    for (more, field) in [
        ("  runtimeClassName: gvisor\n", "spec.runtimeClassName"),
        (
            "  podTemplate: {nodeSelector: {a: b}}\n",
            "spec.podTemplate",
        ),
    ] {
        let output = world.try_apply(more, &[]);
        assert_eq!(output.status.code(), Some(4));
        let said = text(&output);
        assert!(said.contains(field) && said.contains("docker"), "{said}");
    }
    let output = world.try_apply("", &["--host-programs"]);
    assert!(text(&output).contains("container"), "{}", text(&output));
    let output = world.try_apply("", &["--supervise-image=bot-bottle/none:1"]);
    let said = text(&output);
    assert!(
        said.contains("docker build -f Dockerfile.supervise -t bot-bottle/none:1 ."),
        "{said}"
    );
    assert_eq!(world.verb(&["get", "-o", "name"]), "", "nothing was stored");
}

#[test]
fn a_deleted_bottle_leaves_no_container_and_no_volume() {
    let world = World::running_in(Runtime::Docker, "");
    let id = docker(&[
        "inspect",
        "-f",
        "{{index .Config.Labels \"bot-bottle.dev/place\"}}",
        &container(&world, "agent"),
    ]);
    let filter = format!("label=bot-bottle.dev/place={}", id.trim());
    assert_eq!(
        docker(&["ps", "-q", "--filter", &filter]).lines().count(),
        5
    );
    // Also when nobody keeps it.
    kill(Pid::from_raw(world.keeper().unwrap()), SIGKILL).unwrap();
    within(PATIENCE, || world.keeper().is_none().then_some(()));
    world.verb(&["delete", "blue"]);
    assert_eq!(docker(&["ps", "-aq", "--filter", &filter]), "");
    assert_eq!(docker(&["volume", "ls", "-q", "--filter", &filter]), "");
}

#[test]
fn a_secret_that_is_rotated_reaches_the_proxy_and_never_the_agent() {
    let world = World::of(Runtime::Docker);
    let secrets = world.state().join("garden/.secrets/tokens");
    fs::create_dir_all(&secrets).unwrap();
    fs::write(secrets.join("token"), "first-value\n").unwrap();
    world.apply("  secrets: {TOKEN: {secretName: tokens, key: token}}\n  routes: [{path: /guide/, upstream: 'http://api.example.com', auth: {scheme: Bearer, secret: TOKEN}}]\n");
    let told = |value: &str| {
        within(PATIENCE, || {
            let body = world.inside("curl -s -m 20 http://cred-proxy:9099/guide/authorization");
            body.contains(value).then_some(())
        })
    };
    assert!(told("Bearer first-value").is_some(), "{}", world.logs());
    fs::write(secrets.join("token"), "second-value\n").unwrap();
    assert!(told("Bearer second-value").is_some());
    let seen = world.inside("grep -rl -e first-value -e second-value / --include=* -s --exclude-dir=proc --exclude-dir=sys; env");
    assert!(!seen.contains("value"), "{seen}");
}

#[test]
fn a_missing_skill_is_named_and_comes_with_the_agent_s_next_start() {
    shared::a_missing_skill_is_named_and_comes_with_the_agents_next_start(Runtime::Docker);
}

#[test]
fn certificates_are_waited_for_and_trusted_in_containers() {
    shared::certificates_are_waited_for_and_trusted(Runtime::Docker);
}

#[test]
fn run_gives_a_directory_to_a_program_of_an_image() {
    let world = World::of(Runtime::Docker);
    fs::write(world.workspace().join("note"), "hello").unwrap();
    fs::create_dir(world.workspace().join(".vscode")).unwrap();
    let output = world
        .command(&[
            "run",
            "--name=gift",
            "--runtime=docker",
            "--supervise-image=bot-bottle/supervise:dev",
            "--image=bot-bottle/agent-example:dev",
        ])
        .args([
            "--",
            "bash",
            "-c",
            "cat note; echo made > new; touch .vscode/tasks.json; echo evil > .envrc; exit 7",
        ])
        .current_dir(world.workspace())
        .output()
        .unwrap();
    let said = text(&output);
    assert_eq!(output.status.code(), Some(7), "{said}");
    assert!(
        said.contains("hello") && said.contains("Read-only"),
        "{said}"
    );
    assert_eq!(
        fs::read_to_string(world.workspace().join("new")).unwrap(),
        "made\n"
    );
    assert!(!world.workspace().join(".envrc").exists(), "{said}");
    let left = docker(&["ps", "-aq", "--filter", "label=bot-bottle.dev/bottle=gift"]);
    assert_eq!(left, "");
}

#[test]
fn with_a_terminal_the_agent_has_one_of_its_own() {
    let world = World::of(Runtime::Docker);
    // What an agent writes first may look like a header of the daemon's protocol.
    let script = r"printf '\001\002\000bytes'; sleep 1; tty; stty size; echo asked; read -r x; echo got $x; [ -t 0 ] && [ -t 1 ] && exit 5";
    let inner = world.command(&[
        "run",
        "--name=term",
        "--runtime=docker",
        "--image=bot-bottle/agent-example:dev",
    ]);
    let words: Vec<String> = std::iter::once(inner.get_program())
        .chain(inner.get_args())
        .map(|word| word.to_str().unwrap().to_owned())
        .chain(["--", "bash", "-c", script].map(str::to_owned))
        .map(|word| format!("'{}'", word.replace('\'', "'\\''")))
        .collect();
    let line = format!("stty rows 33 cols 99; {}", words.join(" "));
    let answers = world.place.path().join("answers");
    fs::write(&answers, "word\n").unwrap();
    let output = Command::new("script")
        .args(["-qec", &line, "/dev/null"])
        .current_dir(world.workspace())
        .env("HOME", world.place.path())
        .env("BOTTLE_SUPERVISE_IMAGE", "bot-bottle/supervise:dev")
        .env_remove("KUBECONFIG")
        .stdin(fs::File::open(answers).unwrap())
        .output()
        .unwrap();
    let said = text(&output);
    for part in ["bytes", "/dev/pts/", "33 99", "got word"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(output.status.code(), Some(5), "{said}");
}

#[test]
fn a_person_gets_in_by_exec_and_attach_and_reads_each_containers_log() {
    let world = World::of(Runtime::Docker);
    world.apply("");
    assert!(world.inside("true").contains("exit 0"));
    let enter = |words: &[&str]| {
        let mut command = world.command(&["exec", "blue"]);
        command.arg("--").args(words).output().unwrap()
    };
    let output = enter(&["sh", "-c", "id -u; exit 9"]);
    assert_eq!(output.status.code(), Some(9), "{}", text(&output));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "1000\n");
    let attach = world.command(&["attach", "blue"]).output().unwrap();
    assert!(text(&attach).contains("spec.agent.tty"));
    for role in ["prepare", "supervise", "egress", "cred-proxy"] {
        let log = world.verb(&["logs", "blue", "-c", role]);
        assert!(log.contains('{') || log.contains("held"), "{role}: {log}");
    }
    assert!(world.verb(&["logs", "blue"]).contains("seal: HOME filled"));
    assert!(world.verb(&["resume", "blue"]).contains("blue runs"));
}
