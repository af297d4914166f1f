//! The place where the attempts are made, walled or open.

use super::programs::{self, Proxy, SECRET};
use super::row::Row;
use crate::netns::{PYTHON, Served};
use crate::sealed::{AGENT, Sealed};
use serde_json::json;
use std::process::Command;

const AGENT_PROGRAM: &str = include_str!("agent.py");
/// What is allowed: shows that the wall is one with a door.
const ALLOWED: [&str; 5] = [
    "get('http://good.example/' + M)",
    "tunnel('x.sub.example:443', *bytewise(tls(M, 'x.sub.example')))",
    "tunnel('port.example:8443', tls(M, 'port.example'))",
    "route('/x/' + M)",
    "route('/x/', 'Content-Length: 8\\r\\n', M.ljust(8), 'POST')",
];

/// What came of one run.
pub struct Results {
    /// By row.
    pub outcomes: Vec<String>,
    /// Everything that arrived anywhere: where, and what.
    pub seen: Vec<(String, String)>,
    /// Whether [`ALLOWED`] got through.
    pub allowed_works: bool,
}

pub struct Place {
    // End before the world that they run in.
    proxies: [Proxy; 2],
    _recorders: [Served; 2],
    is_walled: bool,
    bottle: Sealed,
}

impl Place {
    /// The lock, the two proxies, and the agent under `seal`.
    pub fn walled() -> Self {
        Self::new(Sealed::new(), true, programs::real)
    }

    /// Nothing of it, and proxies that check nothing.
    pub fn open() -> Self {
        Self::new(Sealed::unlocked(), false, programs::naive)
    }

    fn new(bottle: Sealed, is_walled: bool, proxies: fn(&Sealed) -> [Proxy; 2]) -> Self {
        let recorders = programs::recorders(&bottle);
        programs::configure(&bottle);
        Self {
            proxies: proxies(&bottle),
            _recorders: recorders,
            is_walled,
            bottle,
        }
    }

    /// As the agent.
    pub fn run(&self, rows: &[Row]) -> Results {
        let program = self.program(rows);
        let output = if self.is_walled {
            let start: Vec<&str> = [PYTHON]
                .into_iter()
                .chain(program.iter().map(String::as_str))
                .collect();
            self.bottle.run(&json!({"start": start})).1
        } else {
            let mut agent = self.bottle.world.inside.command_as(AGENT, PYTHON);
            output(agent.args(&program))
        };
        self.results(&output, rows)
    }

    /// As root with all capabilities, where that is the control.
    pub fn run_as_root(&self, rows: &[Row]) -> Results {
        let program = self.program(rows);
        let output = output(self.bottle.world.inside.command(PYTHON).args(&program));
        self.results(&output, rows)
    }

    fn program(&self, rows: &[Row]) -> Vec<String> {
        let attempts = rows.iter().map(|row| row.attempt).chain(ALLOWED);
        let numbered: Vec<_> = attempts.enumerate().collect();
        self.bottle.put("rows.json", &json!(numbered).to_string());
        let path = |name: &str| self.bottle.path(name).to_str().unwrap().to_owned();
        let pids = self.proxies.each_ref().map(|proxy| proxy.id().to_string());
        ["-I", "-S", "-c", AGENT_PROGRAM]
            .map(str::to_owned)
            .into_iter()
            .chain([path("rows.json")])
            .chain(pids)
            .chain([path("secrets/TOKEN"), SECRET.to_owned()])
            .collect()
    }

    fn results(&self, output: &str, rows: &[Row]) -> Results {
        let line = output
            .lines()
            .find_map(|line| line.strip_prefix("outcomes "));
        let line = line.unwrap_or_else(|| panic!("the agent did not end: {output}"));
        let mut outcomes: Vec<String> = serde_json::from_str(line).unwrap();
        let dump = "import socket
s = socket.create_connection(('127.0.0.1', 7))
while data := s.recv(65536): print(data.decode(), end='')";
        let mut seen: Vec<(String, String)> = Vec::new();
        for place in [&self.bottle.world.outside, &self.bottle.world.inside] {
            let dumped = place.python(0, dump, &[]);
            seen.extend(serde_json::from_str::<Vec<(String, String)>>(&dumped).unwrap());
        }
        let allowed_works = (rows.len()..outcomes.len()).all(|number| {
            let mark = format!("m{number}x");
            seen.iter().any(|(_, text)| text.contains(&mark))
        });
        outcomes.truncate(rows.len());
        Results {
            outcomes,
            seen,
            allowed_works,
        }
    }
}

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let (code, said) = crate::sealed::code(&output);
    assert_eq!(code, 0, "{:?}: {said}", output.status);
    said
}
