//! What a build needs goes away for a while: the registry, or the node's programs with everything of the build.

use super::place::{
    agent_runs, approved, ask, at, becomes, bottle, container, decide, log, message, with,
};
use crate::support::{Namespace, PATIENCE, eventually, in_machine, run, state};
use std::thread::sleep;
use std::time::Duration;

/// Refuses connections to the registry until it is dropped.
struct Away;

impl Away {
    fn new() -> Self {
        let (_, port) = at("registry").rsplit_once(':').map(own).unwrap();
        // Both ways there: of pods by the bridge, of the node by itself.
        in_machine(&format!(
            "nft 'add table inet away; add chain inet away in {{ type filter hook input priority 0; }}; \
             add rule inet away in tcp dport {port} reject with tcp reset'"
        ))
        .good();
        Self
    }
}

impl Drop for Away {
    fn drop(&mut self) {
        in_machine("nft delete table inet away");
    }
}

fn own((host, port): (&str, &str)) -> (String, String) {
    (host.to_owned(), port.to_owned())
}

#[test]
#[ignore = "takes four minutes"]
fn a_registry_that_is_away_for_two_minutes_is_waited_for() {
    let namespace = Namespace::new();
    let bottle = bottle(&namespace);
    let before = container(&bottle);
    let _call = ask(&bottle, &with("RUN busybox touch /later"));
    let proposal = bottle.pending();
    let away = Away::new();
    decide(&bottle, &proposal, r#"{"decision":"Approved"}"#);
    eventually("the first try fails", Duration::from_secs(60), || {
        let said = message(&bottle, &proposal);
        if said.contains("it is tried again at") {
            Ok(())
        } else {
            Err(said)
        }
    });
    sleep(Duration::from_secs(120));
    assert_eq!(namespace.field(&proposal, ".status.phase"), "Applying");
    assert_eq!(container(&bottle), before);
    drop(away);
    becomes(&bottle, &proposal, "Enforced");
    agent_runs(&bottle);
    bottle.shell("busybox ls /later").good();
}

#[test]
#[ignore = "takes a minute, and restarts the node's programs"]
fn a_build_goes_on_when_its_node_restarts_in_the_middle() {
    let namespace = Namespace::new();
    let bottle = bottle(&namespace);
    let before = container(&bottle);
    // The second try finds what the first has left outside of its pod: nothing. So it is as slow, but for the wait.
    let proposal = approved(
        &bottle,
        &with("RUN echo the step runs; busybox sleep 15; busybox touch /later"),
    );
    eventually("the step runs", Duration::from_secs(60), || {
        let said = log(&bottle, &proposal);
        if said.contains("the step runs\n") {
            Ok(())
        } else {
            Err(said)
        }
    });
    let pod = namespace.field(&proposal, ".status.build.pod");
    // As a node that lost its power: kubelet, containerd, and all of this pod with what looks after it. The other pods of
    // the cluster, the operator's among them, stay, so that it is the build that is tried and nothing else.
    let socket = state().join("containerd/containerd.sock");
    let script = format!(
        "ctr() {{ command ctr --address {} --namespace k8s.io \"$@\"; }}
         ids=$(ctr containers ls --quiet 'labels.\"io.kubernetes.pod.name\"=={pod}')
         pids=$(ctr tasks ls | while read -r id pid _; do case \" $(echo $ids) \" in *\" $id \"*) echo $pid ;; esac; done)
         shims=$(for id in $ids; do pgrep -f -- \"-id $id \"; done)
         bash -c '
           for part in containerd kubelet; do
             pid=$(pidof $part); mapfile -d \"\" -t \"${{part}}\" < /proc/$pid/cmdline; kill -KILL $pid
           done
           kill -KILL $@; sleep 1
           setsid nohup \"${{containerd[@]}}\" > /dev/null 2>&1 < /dev/null &
           sleep 2
           setsid nohup \"${{kubelet[@]}}\" > /dev/null 2>&1 < /dev/null &
         ' restart $shims $pids",
        socket.display()
    );
    in_machine(&script).good();
    eventually("the node serves again", PATIENCE, || {
        let said = bottle.shell("echo here");
        if said.ok { Ok(()) } else { Err(said.all()) }
    });
    eventually(
        "the build is known to be lost",
        Duration::from_secs(60),
        || {
            let tries = namespace.field(&proposal, ".status.build.retries");
            if tries == "1" {
                Ok(())
            } else {
                let seen = run(
                    "kubectl",
                    ["-n", &namespace.name, "get", "pod", &pod, "-o", "yaml"],
                    "",
                );
                Err(format!("{}\n{}", message(&bottle, &proposal), seen.all()))
            }
        },
    );
    assert_eq!(container(&bottle), before);
    becomes(&bottle, &proposal, "Enforced");
    agent_runs(&bottle);
    bottle.shell("busybox ls /later").good();
}
