//! An agent that works in the background, and questions that outlive the connection through which they were asked.

use super::machine;
use crate::support::{Bottle, PATIENCE, eventually, number, repository, state};
use std::time::Duration;

/// What an agent does all the time: a host that is open, and one that is not.
pub struct Work<'a> {
    bottle: &'a Bottle<'a>,
}

impl<'a> Work<'a> {
    /// Begins.
    pub fn start(bottle: &'a Bottle<'a>) -> Self {
        let open = "curl -sk -m 20 -o /dev/null -w \"%{http_code}\" https://api.example.com/";
        let closed =
            "curl -sk -m 20 -o /dev/null -w \"%{http_connect}\" https://closed.example.com/";
        let work = format!("while :; do echo $({open}) $({closed}); sleep 0.3; done");
        bottle
            .shell(&format!(
                "setsid nohup sh -c '{work}' > /tmp/work 2>&1 < /dev/null &"
            ))
            .good();
        Self { bottle }
    }

    /// Every look found the one open and the other closed; at least `looks` of them.
    #[track_caller]
    pub fn was_never_disturbed(&self, looks: usize) {
        let said = self.bottle.shell("cat /tmp/work").good();
        let wrong: Vec<&str> = said.lines().filter(|line| *line != "200 403").collect();
        assert!(wrong.is_empty(), "{wrong:?}");
        let seen = said.lines().count();
        assert!(seen >= looks, "only {seen} looks");
    }

    /// For tests that end the proxy itself: then nothing is reached, which is no hole.
    #[track_caller]
    pub fn never_reached_what_is_closed(&self) {
        let said = self.bottle.shell("cat /tmp/work").all();
        let open = |line: &&str| line.ends_with(" 200");
        let open: Vec<&str> = said.lines().filter(open).collect();
        assert!(open.is_empty(), "{open:?}");
    }
}

/// A call that goes on in the agent's container, whatever becomes of the way by which it was begun.
pub struct Question<'a> {
    bottle: &'a Bottle<'a>,
    /// The host that is asked for.
    pub host: String,
    number: u32,
}

impl<'a> Question<'a> {
    /// Asks for `host` besides what is in force.
    pub fn ask(bottle: &'a Bottle<'a>, host: &str) -> Self {
        Self::place_client(bottle);
        let question = Self {
            bottle,
            host: host.to_owned(),
            number: number(),
        };
        bottle.shell(&question.script()).good();
        question
    }

    /// The same while anything may be away: [`Self::again`] asks until it is asked.
    pub fn begin(bottle: &'a Bottle<'a>, host: &str) -> Self {
        let question = Self {
            bottle,
            host: host.to_owned(),
            number: number(),
        };
        question.again();
        question
    }

    /// Asks once more when nobody does in the container, after its restart for example. It may fail.
    pub fn again(&self) {
        let number = self.number;
        let client = std::fs::read_to_string(repository().join("tests/e2e/call.py")).unwrap();
        // The pattern is not what it finds, or grep would find itself.
        let asks = format!("grep -q 'answe[r]-{number} ' /proc/[0-9]*/cmdline 2>/dev/null");
        let script = format!(
            "cat > /tmp/call.py; grep -q '^status: [amr]' /tmp/answer-{number} 2>/dev/null || {asks} || {}",
            self.script()
        );
        // Its own shell has the name in its command line, so it is given as a file.
        let place = format!("/tmp/again-{number}");
        let said = self
            .bottle
            .exec_with(["sh", "-c", &format!("cat > {place}")], &script);
        if said.ok {
            self.bottle.exec_with(["sh", &place], &client);
        }
    }

    /// Puts the client into the container.
    pub fn place_client(bottle: &Bottle<'_>) {
        let script = std::fs::read_to_string(repository().join("tests/e2e/call.py")).unwrap();
        bottle
            .exec_with(["sh", "-c", "cat > /tmp/call.py"], &script)
            .good();
    }

    /// The same by the container runtime, while there is no API server; the client must be there already.
    pub fn ask_past_the_api(bottle: &'a Bottle<'a>, container: &str, host: &str) -> Self {
        let question = Self {
            bottle,
            host: host.to_owned(),
            number: number(),
        };
        inside(container, &question.script());
        question
    }

    fn script(&self) -> String {
        let Self { host, number, .. } = self;
        let current = "/etc/claude-bottle/current-config/allowlist";
        // A call that is lost with its container, or that gives up, is made again, as an agent does.
        let call = format!(
            "until grep -q ^status:.[amr] /tmp/answer-{number} 2>/dev/null; do \
             python3 /tmp/call.py pipelock-block \"$(cat {current}; echo {host})\" \"{host} is needed\" > /tmp/answer-{number} 2>/tmp/error-{number}; \
             sleep 0.5; done"
        );
        format!("setsid nohup sh -c '{call}' > /dev/null 2>&1 < /dev/null &")
    }

    /// Whether there is no answer yet.
    pub fn waits(&self) -> bool {
        !self.said().contains("status:")
    }

    fn said(&self) -> String {
        let number = self.number;
        self.bottle
            .shell(&format!(
                "cat /tmp/answer-{number}; tail -c 300 /tmp/error-{number} >&2"
            ))
            .all()
    }

    /// The answer's text.
    #[track_caller]
    pub fn answer(&self) -> String {
        self.answer_within(PATIENCE)
    }

    /// The same, when it takes longer.
    #[track_caller]
    pub fn answer_within(&self, limit: Duration) -> String {
        eventually(&format!("{} is answered", self.host), limit, || {
            let said = self.said();
            if said.contains("status:") {
                Ok(said)
            } else {
                Err(said)
            }
        })
    }

    /// The Proposal's name, once a person could see it.
    #[track_caller]
    pub fn proposal(&self) -> String {
        let path = format!(
            "{{.items[?(@.spec.justification==\"{} is needed\")].metadata.name}}",
            self.host
        );
        let name = eventually(&format!("{} is asked", self.host), PATIENCE, || {
            let said = self.bottle.namespace.kubectl([
                "get",
                "proposals",
                "-o",
                &format!("jsonpath={path}"),
            ]);
            if said.ok && !said.out.is_empty() {
                Ok(said.out)
            } else {
                Err(said.all())
            }
        });
        let name = format!("proposal/{name}");
        self.bottle.phase_is(&name, "Pending");
        name
    }

    /// A person decides.
    #[track_caller]
    pub fn decide(&self, proposal: &str, decision: &str) {
        decide(self.bottle, proposal, decision);
    }
}

/// A person decides about `proposal`, again and again while the API server does not answer.
#[track_caller]
pub fn decide(bottle: &Bottle<'_>, proposal: &str, decision: &str) {
    eventually(&format!("{proposal} is {decision}"), PATIENCE, || {
        try_to_decide(bottle, proposal, decision)
    });
}

/// The same, once.
pub fn try_to_decide(bottle: &Bottle<'_>, proposal: &str, decision: &str) -> Result<(), String> {
    let patch = format!("{{\"spec\":{{\"decision\":\"{decision}\"}}}}");
    let patch = [
        "patch",
        proposal,
        "--type=merge",
        "--request-timeout=20s",
        "-p",
        &patch,
    ];
    let said = bottle.namespace.kubectl(patch);
    // A write may have been taken in though its answer was lost.
    let done = said.ok || bottle.namespace.field(proposal, ".spec.decision") == decision;
    if done { Ok(()) } else { Err(said.all()) }
}

/// The id of the agent's container, as the runtime knows it.
pub fn container(bottle: &Bottle<'_>) -> String {
    let path = ".status.containerStatuses[?(@.name==\"agent\")].containerID";
    let id = bottle
        .namespace
        .field(&format!("pod/{}", bottle.pod()), path);
    id.trim_start_matches("containerd://").to_owned()
}

/// Runs a script in a container by the runtime alone, as the container's own user.
pub fn inside(container: &str, script: &str) -> String {
    let socket = state().join("containerd/containerd.sock");
    let exec = format!("test-{}-{}", std::process::id(), number());
    let file = state().join(format!("script-{exec}"));
    std::fs::write(&file, script).unwrap();
    let said = machine(&format!(
        "ctr --address {} -n k8s.io tasks exec --exec-id {exec} {container} sh -c \"$(cat {})\"",
        socket.display(),
        file.display()
    ));
    let _ = std::fs::remove_file(file);
    said.all()
}
