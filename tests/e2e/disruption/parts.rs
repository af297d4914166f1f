//! Parts of the cluster that a test takes away and brings back, by their process ids in the cluster's own machine.

use crate::support::{PATIENCE, Said, cluster_name, eventually, repository, run, state};
use std::path::PathBuf;

/// Runs a bash script in the cluster's machine.
pub fn machine(script: &str) -> Said {
    let program = repository().join("tests/cluster/enter");
    let cluster = cluster_name();
    let arguments = ["--name", &cluster, "bash", "-euc", script];
    run(program.to_str().unwrap(), arguments, "")
}

/// A part that was killed; it runs again when this is dropped.
pub struct Away {
    program: &'static str,
    arguments: PathBuf,
}

/// Kills the one process of `program` in the cluster's machine.
pub fn take_away(program: &'static str) -> Away {
    let arguments = state().join(format!("arguments-{program}"));
    let kept = arguments.display();
    // The machine has process ids of its own, so that name is this cluster's part and nobody else's.
    machine(&format!(
        "id=$(pidof {program}); cat /proc/$id/cmdline > {kept}; kill -KILL $id; while [ -e /proc/$id/exe ]; do sleep 0.05; done"
    ))
    .good();
    Away { program, arguments }
}

impl Away {
    /// Brings it back and waits until the cluster answers again.
    pub fn back(self) {
        drop(self);
        eventually("the API server answers", PATIENCE, || {
            let said = run("kubectl", ["get", "--raw", "/readyz"], "");
            if said.ok { Ok(()) } else { Err(said.all()) }
        });
    }
}

impl Drop for Away {
    fn drop(&mut self) {
        let (arguments, log) = (
            self.arguments.display().to_string(),
            state().join(format!("log/{}-again.log", self.program)),
        );
        let log = log.display();
        let said = machine(&format!(
            "mapfile -d '' -t args < {arguments}; setsid nohup \"${{args[@]}}\" >> {log} 2>&1 < /dev/null &"
        ));
        // A second panic would hide the first.
        if !std::thread::panicking() {
            said.good();
        }
    }
}
