//! How long it takes to render an agent's settings, for each kind: `render` prints a Markdown row.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a benchmark prints, and has a clock"
)]

use bot_bottle::agents::{McpServer, Place, Settings, model::CRED_PROXY, names, render};
use std::{hint::black_box, time::Instant};

const ROUNDS: u32 = 2000;

fn main() {
    let place = Place {
        home: "/bottle/home",
        working_dir: "/bottle/workspace",
        cred_proxy: Some(CRED_PROXY),
        supervise: "http://supervise:9100/",
    };
    let mut slowest = (0.0, String::new());
    let (mut total, mut kinds) = (0.0, 0);
    for kind in names() {
        let mut settings = Settings {
            kind: Some(kind.to_owned()),
            ..Settings::default()
        };
        for number in 0..10 {
            let server = McpServer {
                url: Some(format!("https://mcp{number}.example.com/")),
                token: Some("TOKEN".to_owned()),
                ..McpServer::default()
            };
            settings.mcp_servers.insert(format!("s{number}"), server);
        }
        if render(&settings, &place).is_err() {
            // It takes no servers.
            continue;
        }
        let began = Instant::now();
        for _ in 0..ROUNDS {
            black_box(render(black_box(&settings), &place)).unwrap();
        }
        let each = began.elapsed().as_secs_f64() * 1e6 / f64::from(ROUNDS);
        total += each;
        kinds += 1;
        if each > slowest.0 {
            slowest = (each, kind.to_owned());
        }
    }
    let (mean, slowest, kind) = (total / f64::from(kinds), slowest.0, slowest.1);
    println!("| render, eleven servers, mean of {kinds} kinds, µs | {mean:.0} |");
    println!("| the slowest of them ({kind}), µs | {slowest:.0} |");
}
