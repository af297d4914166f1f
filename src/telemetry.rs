//! Start-up of logs: a filter from `RUST_LOG` or `info`, one format layer, standard error.

mod flood;

use std::io::IsTerminal;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, filter::Targets, fmt};

/// A boxed layer, next to the registry.
pub type BoxedLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// Starts logging for a program; call it once, first. JSON lines unless standard error is a terminal.
pub fn start(default_filter: &str) {
    tracing_subscriber::registry()
        .with(lines())
        .with(filter(default_filter))
        .init();
}

/// The same for a program that an agent can make write: a bound on each kind of line.
pub fn start_bounded(default_filter: &str) {
    tracing_subscriber::registry()
        .with(lines())
        .with(filter(default_filter))
        .with(flood::Flood::new())
        .init();
}

/// The same with a layer beside the log, which the log's filter does not bind.
pub fn start_beside(default_filter: &str, beside: BoxedLayer) {
    let lines = lines().with_filter(filter(default_filter)).boxed();
    tracing_subscriber::registry()
        .with(vec![lines, beside])
        .init();
}

/// `RUST_LOG`, where it is one: levels, each for all or for a target, as `info,kube=debug`.
#[expect(
    clippy::disallowed_methods,
    reason = "the one variable that is read before the command line"
)]
fn filter(default: &str) -> Targets {
    let asked = std::env::var("RUST_LOG").unwrap_or_default();
    let asked = Some(asked.trim()).filter(|asked| !asked.is_empty());
    asked
        .and_then(|asked| asked.parse().ok())
        .or_else(|| default.parse().ok())
        .unwrap_or_default()
}

fn lines() -> BoxedLayer {
    let lines = fmt::layer().with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        lines.compact().boxed()
    } else {
        lines.json().flatten_event(true).boxed()
    }
}

/// An error and its causes, joined by `: `, for the one place that prints it.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
