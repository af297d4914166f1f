//! `seal build`: a build step's first process. It waits for the build's own proxy, looks whether the wall stands, and
//! filters what leads past it, as for an agent; then the program that builds takes its place.

use super::report::{one_line, say};
use super::{filter, sidecars, wall};
use crate::config::seal::Sidecar;
use crate::names::{container, port};
use crate::telemetry::chain;
use std::error::Error;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

/// The proxy starts beside us.
const PATIENCE: Duration = Duration::from_secs(60);
/// Documentation addresses: nobody answers there, and only a lock refuses.
const NOWHERE: &str = "192.0.2.1:443";
/// Our own failures, told apart from the build's.
pub(super) const FAILED: u8 = 125;

/// Runs `words` in our place; returns only when that fails.
pub fn run(words: &[&str]) -> u8 {
    match replace(words) {
        Ok(()) => 0,
        Err(error) => {
            say(one_line(&chain(&*error)));
            FAILED
        }
    }
}

fn replace(words: &[&str]) -> Result<(), Box<dyn Error>> {
    let (program, arguments) = words.split_first().ok_or("no program to run")?;
    guard()?;
    let error = Command::new(program).args(arguments).exec();
    Err(format!("{program} could not be run: {error}").into())
}

/// What has to be before a step runs, whoever builds.
pub(super) fn guard() -> Result<(), Box<dyn Error>> {
    let egress = Sidecar {
        name: container::EGRESS.into(),
        port: port::EGRESS,
    };
    sidecars::wait(&[egress], PATIENCE)?;
    filter::apply(filter::Tenant::Build)?;
    let mut wall = vec![NOWHERE.to_owned()];
    wall.extend(api_server());
    wall::check(&wall)?;
    Ok(())
}

/// What would answer if there were no lock. The kubelet tells every container.
fn api_server() -> Option<String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "seal reads its few flags itself, and these are the kubelet's"
    )]
    let read = |name: &str| std::env::var(name).ok();
    let host = read("KUBERNETES_SERVICE_HOST")?;
    let port = read("KUBERNETES_SERVICE_PORT")?;
    let address = format!("{host}:{port}");
    address
        .parse::<std::net::SocketAddr>()
        .is_ok()
        .then_some(address)
}
