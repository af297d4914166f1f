//! What an agent asks and a person decides: one table for every place where a bottle can run. A place is anything
//! behind the program `bottle`, with a hand in its agent's container.

#[allow(dead_code, reason = "not every place has all of them")]
pub mod attempts;
pub mod same;

use std::time::{Duration, Instant};

/// A bound against hanging, not a measurement.
pub const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(20);

/// Hosts that a place leads to a web of one page, as far as its bottle lets it.
pub const OPEN: &str = "api.example.com";
pub const FIRST: &str = "files.example.com";
pub const SECOND: &str = "second.example.com";
pub const NEVER: &str = "closed.example.com";
#[allow(dead_code, reason = "not every place leads them itself")]
pub const HOSTS: [&str; 4] = [OPEN, FIRST, SECOND, NEVER];

/// The agent, where nothing else gets inside: it runs each `N.job` of the workspace, and writes `N.out` when that has ended.
const HAND: &str = r#"cd /bottle/workspace; while :; do for job in *.job; do [ -e "$job" ] || continue; name=${job%.job}; mv "$job" "$name.run"; ( bash "$name.run" > "$name.part" 2>&1; echo "exit $?" >> "$name.part"; mv "$name.part" "$name.out" ) & done; sleep 0.02; done"#;

/// Calls a tool as a client without event stream does: until it is decided, and through a restart of the server.
const CALL: &str = r#"import json, sys, time, urllib.request
argument = {"pipelock-block": "allowlist", "cred-proxy-block": "routes", "capability-block": "dockerfile"}[sys.argv[1]]
body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": sys.argv[1], "arguments": {argument: sys.argv[2], "justification": sys.argv[3]}}}).encode()
while True:
    request = urllib.request.Request("http://supervise:9100/", body, {"content-type": "application/json", "accept": "application/json"})
    try:
        answer = json.load(urllib.request.urlopen(request))
    except (OSError, ValueError):
        time.sleep(0.1)
        continue
    text = answer["result"]["content"][0]["text"] if "result" in answer else json.dumps(answer["error"])
    if not text.startswith("status: pending"):
        print(text)
        break
"#;

/// The Bottle, the same in every place; `more` stands in its spec.
pub fn manifest(more: &str) -> String {
    let hand = serde_json::to_string(HAND).unwrap();
    format!(
        "apiVersion: bot-bottle.dev/v1alpha1
kind: Bottle
metadata: {{name: blue}}
spec:
  agent:
    kind: claude
    image: bot-bottle/agent-example:dev
    command: [bash, -c, {hand}]
  allowlist: [{OPEN}]
  egress: {{allowInternal: [127.0.0.0/8, 10.201.0.0/16]}}
{more}"
    )
}

/// What comes of something that was begun inside.
pub type Later = Box<dyn FnOnce() -> String>;

/// Where a bottle named `blue` runs, whose spec allows [`OPEN`].
pub trait Place {
    /// A new one, whose agent is there.
    fn new() -> Self;
    /// `bottle` with these words; it must succeed. Its standard output.
    fn verb(&self, words: &[&str]) -> String;
    /// Begins a line of shell as the agent; its output and, as the last line, `exit N`.
    fn begin(&self, script: &str) -> Later;

    /// The same to its end.
    fn inside(&self, script: &str) -> String {
        self.begin(script)()
    }

    /// Begins to ask with a tool for this file.
    fn ask(&self, tool: &str, file: &str, why: &str) -> Later {
        self.begin(&question(tool, file, why))
    }

    /// The HTTP status of a page, as the agent sees it.
    fn fetch(&self, host: &str) -> String {
        let script = format!("curl -s -m 20 -o /dev/null -w '%{{http_code}}' http://{host}/");
        let answer = self.inside(&script);
        let status = answer.lines().next().unwrap_or_default();
        status.trim_end_matches("exit 0").to_owned()
    }

    /// The list in force, as the agent sees it.
    fn allowlist(&self) -> String {
        let text = self.inside("cat /etc/claude-bottle/current-config/allowlist");
        let lines = text.lines().filter(|line| !line.starts_with("exit "));
        let lines: Vec<&str> = lines.map(|line| line.trim_end_matches("exit 0")).collect();
        lines.join("\n") + "\n"
    }

    /// The proposals, as `bottle` shows them.
    fn proposals(&self) -> Vec<serde_json::Value> {
        let list: serde_json::Value =
            serde_json::from_str(&self.verb(&["proposals", "-o", "json"])).unwrap();
        list["items"].as_array().unwrap().clone()
    }

    /// The proposal with that justification, when it is in this phase.
    fn proposal(&self, why: &str, phase: &str) -> String {
        let found = within(PATIENCE, || {
            let all = self.proposals();
            let one = all.iter().find(|one| {
                one["spec"]["justification"] == why && one["status"]["phase"] == phase
            })?;
            Some(one["metadata"]["name"].as_str().unwrap().to_owned())
        });
        found.unwrap_or_else(|| panic!("no proposal {why:?} is {phase}: {:#?}", self.proposals()))
    }

    /// Waits until a host is refused.
    fn closes(&self, host: &str) {
        let shut = within(PATIENCE, || (self.fetch(host) == "403").then_some(()));
        assert!(shut.is_some(), "{host} stays open");
    }
}

/// A line of shell that asks with a tool.
pub fn question(tool: &str, file: &str, why: &str) -> String {
    let quoted = |text: &str| {
        let escaped = text.replace('\\', "\\\\").replace('\'', "\\'");
        format!("$'{}'", escaped.replace('\n', "\\n"))
    };
    let (file, why) = (quoted(file), quoted(why));
    format!("/usr/bin/python3 - {tool} {file} {why} <<'END'\n{CALL}END")
}

/// Asks until there is an answer, or the time is over.
pub fn within<T>(patience: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let until = Instant::now() + patience;
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if Instant::now() > until {
            return None;
        }
        std::thread::sleep(PAUSE);
    }
}

/// One question and its decision.
struct Scenario {
    name: &'static str,
    /// Hosts that are asked for, each by a question of its own, at the same time.
    asks: &'static [&'static str],
    /// The verb and its flags, for each question.
    verb: &'static [&'static str],
    /// What the answer begins with.
    answer: &'static str,
    /// Words of the answer.
    says: &'static [&'static str],
    /// What is open then.
    open: &'static [&'static str],
    /// What is closed then.
    closed: &'static [&'static str],
}

const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "reject",
        asks: &[FIRST],
        verb: &["reject", "-m", "use the mirror"],
        answer: "status: rejected",
        says: &["notes: use the mirror"],
        open: &[OPEN],
        closed: &[FIRST],
    },
    Scenario {
        name: "approve",
        asks: &[FIRST],
        verb: &["approve", "-m", "docs only, please"],
        answer: "status: approved",
        says: &["notes: docs only, please"],
        open: &[OPEN, FIRST],
        closed: &[SECOND, NEVER],
    },
    Scenario {
        name: "modify",
        asks: &[FIRST],
        verb: &[
            "approve",
            "--edit",
            "--editor",
            "sed -i s/^files[.]/second./",
        ],
        answer: "status: modified",
        says: &[SECOND],
        open: &[OPEN, SECOND],
        closed: &[FIRST],
    },
    Scenario {
        name: "two at once",
        asks: &[FIRST, SECOND],
        verb: &["approve"],
        answer: "status: approved",
        says: &[],
        open: &[OPEN, FIRST, SECOND],
        closed: &[NEVER],
    },
];

/// Each scenario of the table; what it granted is taken back before the next one.
pub fn what_a_person_decides_is_in_force_when_the_agent_has_its_answer<P: Place>() {
    let place = P::new();
    for scenario in SCENARIOS {
        let name = scenario.name;
        let closed = |host: &str| assert_eq!(place.fetch(host), "403", "{name}: {host}");
        let why = |host: &str| format!("{name}: {host} is needed");
        scenario.asks.iter().for_each(|host| closed(host));
        let ask =
            |host: &&str| place.ask("pipelock-block", &format!("{OPEN}\n{host}\n"), &why(host));
        let calls: Vec<_> = scenario.asks.iter().map(ask).collect();
        // All of them before a decision: a file that was asked for after one would take back what it granted.
        let asked = |host: &&str| place.proposal(&why(host), "Pending");
        let decided: Vec<_> = scenario.asks.iter().map(asked).collect();
        for proposal in &decided {
            let (verb, flags) = scenario.verb.split_first().unwrap();
            place.verb(&[&[*verb, proposal.as_str()], flags].concat());
        }
        for call in calls {
            let answer = call();
            assert!(answer.starts_with(scenario.answer), "{name}: {answer}");
            for word in scenario.says {
                assert!(answer.contains(word), "{name}: {answer}");
            }
        }
        let open = |host: &&str| assert_eq!(place.fetch(host), "200", "{name}: {host}");
        scenario.open.iter().for_each(open);
        scenario.closed.iter().for_each(|host| closed(host));
        if scenario.answer != "status: rejected" {
            for one in &decided {
                place.verb(&["revoke", one]);
            }
            for host in [FIRST, SECOND] {
                place.closes(host);
            }
        }
    }
}

/// Both ways in which a hole closes again.
pub fn a_revoked_grant_and_one_whose_time_is_over_are_closed<P: Place>() {
    let place = P::new();
    for (host, flags) in [(FIRST, &[][..]), (SECOND, &["--for", "2s"][..])] {
        let call = place.ask(
            "pipelock-block",
            &format!("{}{host}\n", place.allowlist()),
            host,
        );
        let proposal = place.proposal(host, "Pending");
        place.verb(&[&["approve", proposal.as_str()], flags].concat());
        let answer = call();
        assert!(answer.starts_with("status: approved"), "{answer}");
    }
    assert_eq!(place.fetch(FIRST), "200");
    place.verb(&["revoke", &place.proposal(FIRST, "Enforced"), "-m", "done"]);
    place.closes(FIRST);
    place.closes(SECOND);
    place.proposal(FIRST, "Revoked");
    place.proposal(SECOND, "Expired");
    assert_eq!(place.fetch(OPEN), "200");
}

/// Asking twice is asking once.
pub fn the_same_question_asked_again_has_the_same_answer_at_once<P: Place>() {
    let place = P::new();
    let list = format!("{OPEN}\n{FIRST}\n");
    let call = place.ask("pipelock-block", &list, "again");
    place.verb(&["reject", &place.proposal("again", "Pending"), "-m", "no"]);
    assert!(call().starts_with("status: rejected"));
    let answer = place.ask("pipelock-block", &list, "again")();
    assert!(
        answer.starts_with("status: rejected") && answer.contains("no"),
        "{answer}"
    );
    assert_eq!(place.verb(&["proposals", "-o", "name"]).lines().count(), 1);
}

/// The third tool, where this file can't become an image for the reason in `word`: a person's no is answered as a no, and
/// an approval by that reason, and the agent works on.
#[allow(dead_code, reason = "not every place refuses one")]
pub fn a_dockerfile_that_can_not_be_built_is_answered_with_the_reason<P: Place>(
    file: &str,
    word: &str,
) {
    let place = P::new();
    let shown = place.inside("cat /etc/claude-bottle/current-config/Dockerfile");
    assert!(shown.starts_with("FROM "), "{shown}");
    let ask = |why: &str, verb: &[&str]| {
        let call = place.ask("capability-block", file, why);
        let proposal = place.proposal(why, "Pending");
        place.verb(&[&[verb[0], proposal.as_str()], &verb[1..]].concat());
        call()
    };
    let answer = ask("jq is missing", &["reject", "-m", "use python"]);
    assert!(
        answer.starts_with("status: rejected") && answer.contains("use python"),
        "{answer}"
    );
    let answer = ask("jq is really missing", &["approve"]);
    assert!(
        answer.starts_with("status: rejected") && answer.contains(word),
        "{answer}"
    );
    place.proposal("jq is really missing", "Failed");
    assert_eq!(place.fetch(OPEN), "200");
}

/// The second tool: a route is proposed, granted, served, and gone with its grant.
pub fn a_route_is_there_as_long_as_its_grant<P: Place>() {
    let place = P::new();
    let routes = format!(r#"{{"routes":[{{"path":"/guide/","upstream":"https://{FIRST}"}}]}}"#);
    let status = || {
        place.inside("curl -s -m 20 -o /dev/null -w '%{http_code}' http://cred-proxy:9099/guide/")
    };
    assert!(status().starts_with("404"), "{}", status());
    let call = place.ask("cred-proxy-block", &routes, "the guide");
    let proposal = place.proposal("the guide", "Pending");
    let diff = place.verb(&["diff", &proposal]);
    assert!(diff.contains("/guide/"), "{diff}");
    place.verb(&["approve", &proposal]);
    assert!(call().starts_with("status: approved"));
    // The upstream's certificate is nobody's that the proxy knows: that is another answer than no route.
    assert!(!status().starts_with("404"), "{}", status());
    place.verb(&["revoke", &proposal]);
    let gone = within(PATIENCE, || status().starts_with("404").then_some(()));
    assert!(gone.is_some(), "the route stays: {}", status());
}
