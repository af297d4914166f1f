//! A tenant floods: with the token of its bottle's sidecar through the API, and as an agent through the MCP server.
//! It is bounded, and other people's approvals go through meanwhile.

mod cost;
mod storm;

use self::{cost::Cost, storm::Flood};
use super::{Question, Trail, in_order, work::decide};
use crate::{
    kill::SYSTEM,
    support::{Bottle, Namespace, PATIENCE, eventually, kubeconfig_with, run},
    token::token,
};
use bot_bottle::proposal::surplus::UNSEEN;
use std::{
    thread,
    time::{Duration, Instant},
};

const DECLARED: &[&str] = &["api.example.com"];
/// How long a flood lasts at most; shorter than the largest question stays.
const LASTS: Duration = Duration::from_secs(300);

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

/// `count` questions of `size` bytes, twice; `quota` is what docs/operations.md advises, if any.
fn flooded(count: u32, size: usize, quota: Option<usize>) {
    let (loud, quiet) = (Namespace::new(), Namespace::new());
    if let Some(quota) = quota {
        loud.apply(&format!(
            "{{apiVersion: v1, kind: ResourceQuota, metadata: {{name: proposals}}, \
             spec: {{hard: {{count/proposals.bot-bottle.dev: \"{quota}\"}}}}}}"
        ))
        .good();
    }
    let flooder = loud.bottle("loud", DECLARED);
    let victim = quiet.bottle("quiet", DECLARED);
    let kubeconfig = kubeconfig_with(&token(&flooder));
    let uid = loud.field("bottle/loud", ".metadata.uid");
    let before_all = operators();
    let mut before: Vec<f64> = (0..5).map(|number| approve(&victim, number)).collect();

    let cost = Cost::watch();
    // Half in its own bottle's name, half in that of one that never was: the token's owner chooses the uid.
    let mut meanwhile = Vec::new();
    let mut made = 0;
    // Large ones go slowly, so one half will do for those.
    let large = size == LARGEST;
    let halves = if large { 1 } else { 2 };
    for uid in ["never-was", uid.as_str()].into_iter().take(halves) {
        let flood = Flood::begin(&kubeconfig, &flooder, uid, (count / 2, size), LASTS);
        // The first one counts however quick the flood is over; an hour has room for thirty.
        for _ in 0..11 {
            meanwhile.push(approve(&victim, 10 + meanwhile.len()));
            if let Some(quota) = quota {
                let stored = Trail::read(&flooder).unwrap().len();
                assert!(stored <= quota, "{stored} are stored");
            }
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
        // The largest stay for ten minutes.
        let patience = PATIENCE * if large { 20 } else { 8 };
        eventually("the flood is gone", patience, || {
            let left = Trail::read(&flooder)?.len();
            if left <= bound {
                Ok(())
            } else {
                Err(left.to_string())
            }
        });
        // Also while it goes on.
        let told = loud.kubectl([
            "get",
            "events.events.k8s.io",
            "-o",
            "jsonpath={.items[*].reason}",
        ]);
        assert!(told.all().contains("QuestionsRemoved"), "{told:?}");
        // The names are free again for the second half.
        loud.kubectl(["delete", "proposals", "--all"]).good();
    }
    let (memory, first, disk) = cost.end();
    eprintln!("an operator took {memory} MiB at most; etcd grew from {first} to {disk} MiB");
    eprintln!(
        "{made} questions of {size} bytes were taken in; approved to answered in the other namespace: p50 {:.2} s before, \
         p50 {:.2} s, max {:.2} s of {} meanwhile",
        median(&mut before),
        median(&mut meanwhile),
        meanwhile.iter().copied().fold(0.0, f64::max),
        meanwhile.len(),
    );
    if let Some(quota) = quota {
        let room = u64::try_from(quota * 2 * size).unwrap() / (1 << 20);
        // What is stored, and once more what is gone and not forgotten yet; the rest is everybody else's.
        assert!(
            disk - first <= 3 * room,
            "etcd grew by {} MiB",
            disk - first
        );
        // In all that time no room became free; and were it made at once, as many would come as the API server takes.
        let quota = u32::try_from(quota).unwrap();
        assert!((quota..2 * quota).contains(&made), "{made} came through");
    } else {
        assert!(
            made > count / if large { 4 } else { 2 },
            "only {made} came through; that is no flood"
        );
    }
    // A quarter of the limit that the chart sets.
    assert!((1..256).contains(&memory), "{memory} MiB");
    assert_eq!(before_all, operators(), "an operator was started again");
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
    flooded(600, 100, None);
}

#[test]
#[ignore = "ten thousand questions"]
fn a_flood_of_ten_thousand_questions_is_bounded_and_others_are_answered_meanwhile() {
    flooded(10_000, 2_000, None);
}

/// Questions of the largest size: two files of 128 KiB.
const LARGEST: usize = 128 * 1024;

/// More than the operator's memory holds, were it to keep them.
#[test]
#[ignore = "hundreds of megabytes in etcd"]
fn a_flood_of_the_largest_questions_does_not_fill_the_operators_memory() {
    flooded(3_000, LARGEST, None);
}

/// The quota bounds what is stored at any moment, whatever is asked.
#[test]
#[ignore = "hundreds of megabytes in etcd"]
fn a_flood_of_the_largest_questions_is_held_by_a_quota() {
    flooded(1_000_000, LARGEST, Some(200));
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
