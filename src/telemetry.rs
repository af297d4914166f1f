//! Start-up of logs: a filter from `RUST_LOG` or `info`, one format layer, standard error.

mod flood;

use std::io::IsTerminal;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

/// Starts logging for a program; call it once, first. JSON lines unless standard error is a terminal.
pub fn start(default_filter: &str) {
    layers(default_filter).init();
}

/// The same for a program that an agent can make write: a bound on each kind of line.
pub fn start_bounded(default_filter: &str) {
    layers(default_filter).with(flood::Flood::new()).init();
}

fn layers(default_filter: &str) -> impl SubscriberExt + SubscriberInitExt {
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default_filter));
    let lines = fmt::layer().with_writer(std::io::stderr);
    let lines: Box<dyn Layer<Registry> + Send + Sync> = if std::io::stderr().is_terminal() {
        lines.compact().boxed()
    } else {
        lines.json().flatten_event(true).boxed()
    };
    tracing_subscriber::registry().with(lines).with(filter)
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
