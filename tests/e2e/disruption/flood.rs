//! A tenant floods: with the token of its bottle's sidecar through the API, and as an agent through the MCP server.
//! It is bounded, and other people's approvals go through meanwhile.

use super::{Question, Trail, in_order, work::decide};
use crate::{
    kill::SYSTEM,
    support::{Bottle, Namespace, PATIENCE, eventually, kubeconfig_with, run},
    token::token,
};
use bot_bottle::{
    api::{Proposal, ProposalSpec},
    proposal::surplus::UNSEEN,
};
use kube::{
    Api, Client, Config,
    api::PostParams,
    config::{KubeConfigOptions, Kubeconfig},
};
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

const DECLARED: &[&str] = &["api.example.com"];
/// Requests that the flood has under way at once.
const AT_ONCE: u32 = 16;

/// Creates as many Proposals as it may, with a bottle's own token.
struct Flood {
    made: Arc<AtomicU32>,
    over: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Flood {
    /// `count` questions of `size` bytes in the name of `bottle`, whose uid is `uid`.
    fn begin(kubeconfig: &Path, bottle: &Bottle<'_>, uid: &str, count: u32, size: usize) -> Self {
        let (made, over) = (
            Arc::new(AtomicU32::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let (counted, ended) = (made.clone(), over.clone());
        let (namespace, name, uid) = (
            bottle.namespace.name.clone(),
            bottle.name.clone(),
            uid.to_owned(),
        );
        let kubeconfig = kubeconfig.to_owned();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let file = Kubeconfig::read_from(kubeconfig).unwrap();
                let options = KubeConfigOptions::default();
                let config = Config::from_custom_kubeconfig(file, &options)
                    .await
                    .unwrap();
                let client = Client::try_from(config).unwrap();
                let next = AtomicU32::new(0);
                let workers = (0..AT_ONCE).map(|_| {
                    let proposals = Api::<Proposal>::namespaced(client.clone(), &namespace);
                    let (next, counted, name, uid) = (&next, &counted, &name, &uid);
                    async move {
                        loop {
                            let number = next.fetch_add(1, Ordering::Relaxed);
                            if number >= count {
                                return;
                            }
                            let object = question(name, uid, number, size);
                            // Refused or not: the flood goes on.
                            if proposals
                                .create(&PostParams::default(), &object)
                                .await
                                .is_ok()
                            {
                                counted.fetch_add(1, Ordering::Relaxed);
                            }
                        }
                    }
                });
                futures::future::join_all(workers).await;
            });
            ended.store(true, Ordering::Relaxed);
        });
        Self {
            made,
            over,
            thread: Some(thread),
        }
    }

    fn lasts(&self) -> bool {
        !self.over.load(Ordering::Relaxed)
    }

    /// How many were taken in, once it is over.
    fn end(mut self) -> u32 {
        self.thread.take().unwrap().join().unwrap();
        self.made.load(Ordering::Relaxed)
    }
}

fn question(bottle: &str, uid: &str, number: u32, size: usize) -> Proposal {
    let line = format!("h{number}.example.net\n");
    let filler = "# filler\n".repeat(size.saturating_sub(line.len()) / 9);
    let spec = serde_json::json!({
        "bottle": bottle, "bottleUID": uid, "tool": "pipelock-block", "justification": "flood",
        "proposedFile": format!("{line}{filler}"), "baseFile": filler,
    });
    let spec: ProposalSpec = serde_json::from_value(spec).unwrap();
    Proposal::new(&format!("{bottle}-{number:012x}"), spec)
}

/// Seconds from a person's decision to the agent's answer, as kubectl's user sees it.
fn approve(bottle: &Bottle<'_>, number: usize) -> f64 {
    let host = format!("a{number}.example.com");
    let call = bottle.ask_for(&host);
    let proposal = bottle.pending();
    let began = Instant::now();
    decide(bottle, &proposal, "Approved");
    assert!(call.answer().contains("status: approved"));
    began.elapsed().as_secs_f64()
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// How often the operators' containers were started, and as whom they run.
fn operators() -> String {
    let path = "jsonpath={range .items[*]}{.metadata.uid} {.status.containerStatuses[0].restartCount}{\"\\n\"}{end}";
    run("kubectl", ["-n", SYSTEM, "get", "pods", "-o", path], "").good()
}

fn flooded(count: u32, size: usize) {
    let (loud, quiet) = (Namespace::new(), Namespace::new());
    let flooder = loud.bottle("loud", DECLARED);
    let victim = quiet.bottle("quiet", DECLARED);
    let kubeconfig = kubeconfig_with(&token(&flooder));
    let uid = loud.field("bottle/loud", ".metadata.uid");
    let before_all = operators();
    let mut before: Vec<f64> = (0..5).map(|number| approve(&victim, number)).collect();

    // Half in its own bottle's name, half in that of one that never was: the token's owner chooses the uid.
    let mut meanwhile = Vec::new();
    let mut made = 0;
    for uid in [uid.as_str(), "never-was"] {
        let flood = Flood::begin(&kubeconfig, &flooder, uid, count / 2, size);
        // The first one counts however quick the flood is over; an hour has room for thirty.
        for _ in 0..11 {
            meanwhile.push(approve(&victim, 10 + meanwhile.len()));
            if !flood.lasts() {
                break;
            }
            thread::sleep(Duration::from_secs(1));
        }
        made += flood.end();
        let bound = if uid == "never-was" {
            2 * UNSEEN
        } else {
            UNSEEN
        } + 20;
        eventually("the flood is gone", PATIENCE * 8, || {
            let left = Trail::read(&flooder)?.len();
            if left <= bound {
                Ok(())
            } else {
                Err(left.to_string())
            }
        });
        // The names are free again for the second half.
        loud.kubectl(["delete", "proposals", "--all"]).good();
    }
    eprintln!(
        "{made} questions of {size} bytes were taken in; approved to answered in the other namespace: p50 {:.2} s before, \
         p50 {:.2} s, max {:.2} s of {} meanwhile",
        median(&mut before),
        median(&mut meanwhile),
        meanwhile.iter().copied().fold(0.0, f64::max),
        meanwhile.len(),
    );
    assert!(
        made > count / 2,
        "only {made} came through; that is no flood"
    );
    assert_eq!(before_all, operators(), "an operator was started again");
    let events = loud.kubectl([
        "get",
        "events.events.k8s.io",
        "-o",
        "jsonpath={.items[*].reason}",
    ]);
    assert!(events.all().contains("QuestionsRemoved"), "{events:?}");
    let shown = Trail::read(&flooder)
        .unwrap()
        .iter()
        .filter(|one| one.phase == "Pending")
        .count();
    assert!(shown <= 20, "{shown} are shown");
    // The quiet one's trail is whole.
    let trails = in_order(&victim, DECLARED);
    assert_eq!(trails.len(), 5 + meanwhile.len());
    // And the loud one's own questions are answered again.
    let call = Question::ask(&flooder, "files.example.com");
    let proposal = call.proposal();
    call.decide(&proposal, "Approved");
    assert!(call.answer().contains("status: approved"));
    std::fs::remove_file(kubeconfig).unwrap();
}

#[test]
fn a_flood_of_questions_is_bounded_and_others_are_answered_meanwhile() {
    flooded(600, 100);
}

#[test]
#[ignore = "ten thousand questions"]
fn a_flood_of_ten_thousand_questions_is_bounded_and_others_are_answered_meanwhile() {
    flooded(10_000, 2_000);
}

/// More than the operator's memory holds, were it to keep them.
#[test]
#[ignore = "hundreds of megabytes in etcd"]
fn a_flood_of_the_largest_questions_does_not_fill_the_operators_memory() {
    flooded(3_000, 120 * 1024);
}

/// What an agent can do itself: the MCP server keeps to the limits before the API server hears of it.
#[test]
fn an_agent_that_asks_a_thousand_times_makes_twenty_questions() {
    let (loud, quiet) = (Namespace::new(), Namespace::new());
    let flooder = loud.bottle("loud", DECLARED);
    let victim = quiet.bottle("quiet", DECLARED);
    flooder
        .exec_with(["sh", "-c", "cat > /tmp/flood.py"], FLOOD)
        .good();
    flooder
        .shell("setsid nohup python3 /tmp/flood.py 1000 > /tmp/flood 2>&1 < /dev/null &")
        .good();
    eventually("it has asked", PATIENCE, || {
        let asked = Trail::read(&flooder)?.len();
        if asked >= 20 {
            Ok(())
        } else {
            Err(asked.to_string())
        }
    });
    approve(&victim, 0);
    let said = eventually("it is over", PATIENCE * 3, || {
        let said = flooder.shell("tail -1 /tmp/flood").all();
        if said.contains("refused") {
            Ok(said)
        } else {
            Err(said)
        }
    });
    eprintln!("{}", said.trim());
    thread::sleep(Duration::from_secs(1));
    let asked = Trail::read(&flooder).unwrap();
    assert_eq!(asked.len(), 20, "{said}");
    assert!(said.contains("980 refused"), "{said}");
}

const FLOOD: &str = r#"
import concurrent.futures, json, sys, urllib.request

def ask(number):
    call = {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": {"name": "pipelock-block", "arguments": {
        "allowlist": f"h{number}.example.net\n", "justification": "flood"}}}
    request = urllib.request.Request("http://supervise:9100/", json.dumps(call).encode(), {"Content-Type": "application/json"})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=120) as answer:
        return "too many" in answer.read().decode()

with concurrent.futures.ThreadPoolExecutor(32) as pool:
    refused = sum(pool.map(ask, range(int(sys.argv[1]))))
print(f"{refused} refused", flush=True)
"#;
