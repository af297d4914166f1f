//! A bottle of one test, and what is done in its agent's container.

use super::{Call, Namespace, PATIENCE, Said, eventually, repository};
use std::{
    ffi::OsStr,
    process::{Command, Stdio},
};

pub fn bottle_yaml(name: &str, allowlist: &[&str]) -> String {
    format!(
        "apiVersion: bot-bottle.dev/v1alpha1
kind: Bottle
metadata: {{name: {name}}}
spec:
  agent:
    kind: claude
    image: bot-bottle/agent-example:dev
    command: [sleep, infinity]
  allowlist: [{}]
  workspace: {{acceptLoss: true}}
",
        allowlist.join(", ")
    )
}

/// A bottle of one test.
pub struct Bottle<'a> {
    pub namespace: &'a Namespace,
    pub name: String,
}

impl Bottle<'_> {
    pub fn object(&self) -> String {
        format!("bottle/{}", self.name)
    }

    pub fn pod(&self) -> String {
        format!("{}-bottle", self.name)
    }

    #[track_caller]
    pub fn ready(&self) {
        eventually("the bottle becomes Ready", PATIENCE, || {
            let path = ".status.conditions[?(@.type==\"Ready\")]";
            let ready = self.namespace.field(&self.object(), path);
            if ready.contains("\"status\":\"True\"") {
                Ok(())
            } else {
                Err(ready)
            }
        });
        // The agent itself starts when the seal has seen the sidecars.
        eventually("the agent starts", PATIENCE, || {
            let processes = self.exec(["sh", "-c", "cat /proc/[0-9]*/comm"]).all();
            if processes.contains("sleep") {
                Ok(())
            } else {
                Err(processes)
            }
        });
    }

    /// Runs a command in the agent's container, as the agent's user.
    pub fn exec<S: AsRef<OsStr>>(&self, command: impl IntoIterator<Item = S>) -> Said {
        self.exec_with(command, "")
    }

    pub fn exec_with<S: AsRef<OsStr>>(
        &self,
        command: impl IntoIterator<Item = S>,
        input: &str,
    ) -> Said {
        let pod = self.pod();
        let mut all: Vec<_> = ["exec", "-i", &pod, "-c", "agent", "--"]
            .iter()
            .map(|one| OsStr::new(one).to_owned())
            .collect();
        all.extend(command.into_iter().map(|one| one.as_ref().to_owned()));
        self.namespace.kubectl_with(all, input)
    }

    pub fn shell(&self, script: &str) -> Said {
        self.exec(["sh", "-c", script])
    }

    pub fn python(&self, script: &str, arguments: &[&str]) -> Said {
        let mut command = vec!["python3", "-"];
        command.extend(arguments);
        self.exec_with(command, script)
    }

    /// Body and, at the end, `<status of the answer>/<status of CONNECT>` of a GET through the proxy.
    pub fn get(&self, url: &str) -> String {
        self.exec([
            "curl",
            "-sk",
            "-m",
            "10",
            "-w",
            " %{http_code}/%{http_connect}",
            url,
        ])
        .out
    }

    #[track_caller]
    pub fn reaches(&self, host: &str) {
        let body = self.get(&format!("https://{host}/"));
        assert!(
            body.contains(&format!("hello from {host}")),
            "{host} should answer: {body}"
        );
    }

    #[track_caller]
    pub fn does_not_reach(&self, host: &str) {
        let said = self.get(&format!("https://{host}/"));
        assert!(
            said.ends_with("000/403"),
            "{host} should be refused: {said}"
        );
    }

    /// Waits until a host that was open is refused.
    #[track_caller]
    pub fn closes(&self, host: &str) {
        eventually(&format!("{host} is closed"), PATIENCE, || {
            let said = self.get(&format!("https://{host}/"));
            if said.ends_with("000/403") {
                Ok(())
            } else {
                Err(said)
            }
        });
    }

    /// The file in force, as the agent sees it.
    pub fn allowlist(&self) -> String {
        self.shell("cat /etc/claude-bottle/current-config/allowlist")
            .good()
    }

    /// Calls a tool with the official SDK's client, in the agent's container, and goes on.
    pub fn call(&self, tool: &str, file: &str, justification: &str) -> Call {
        let script = std::fs::read_to_string(repository().join("tests/e2e/call.py")).unwrap();
        let child = Command::new("kubectl")
            .args([
                "-n",
                &self.namespace.name,
                "exec",
                "-i",
                &self.pod(),
                "-c",
                "agent",
                "--",
            ])
            .args(["python3", "-c", &script, tool, file, justification])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Call::of(child)
    }

    /// Waits until the MCP server answers again.
    #[track_caller]
    pub fn sidecar_is_back(&self) {
        eventually("the sidecar is back", PATIENCE, || {
            let said = self
                .shell("curl -s -m 2 http://supervise:9100/health")
                .all();
            if said.contains("ok") {
                Ok(())
            } else {
                Err(said)
            }
        });
    }

    /// Asks for one more host than is in force.
    pub fn ask_for(&self, host: &str) -> Call {
        self.call(
            "pipelock-block",
            &format!("{}{host}\n", self.allowlist()),
            &format!("{host} is needed"),
        )
    }

    /// The name of the one Proposal that is pending.
    #[track_caller]
    pub fn pending(&self) -> String {
        eventually("a proposal is pending", PATIENCE, || {
            let template = "{range .items[?(@.status.phase==\"Pending\")]}{.metadata.name} {end}";
            let said = self
                .namespace
                .kubectl(["get", "proposals", "-o", &format!("jsonpath={template}")])
                .all();
            match said.split_whitespace().collect::<Vec<_>>()[..] {
                [one] => Ok(format!("proposal/{one}")),
                _ => Err(said),
            }
        })
    }

    #[track_caller]
    pub fn phase_is(&self, proposal: &str, phase: &str) {
        eventually(&format!("{proposal} becomes {phase}"), PATIENCE, || {
            let now = self.namespace.field(proposal, ".status.phase");
            if now == phase { Ok(()) } else { Err(now) }
        });
    }
}
