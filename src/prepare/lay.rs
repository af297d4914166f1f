//! Laying the lock, and the proof that it holds.

use super::lock::{Lock, TABLE, build_ruleset, ruleset};
use super::{Options, PrepareError};
use crate::seal::wall::{self, Outcome};
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, Stdio};

/// Documentation addresses of both families: nobody answers there, and only a lock refuses.
const NOWHERE: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
];

/// Loads the rules, reads them back and tries to get out. The API server's addresses, for the seal to try as well.
pub(super) fn lay(options: &Options) -> Result<Vec<SocketAddr>, PrepareError> {
    let lock = Lock {
        api: api_addresses(options)?,
    };
    load(&options.nft, &ruleset(&lock))?;
    refused_everywhere(&lock.api)?;
    Ok(lock.api)
}

/// The same for a build's pod. The API server is no way out of it either.
pub(super) fn lay_for_build(program: &Path, mark: u32) -> Result<(), PrepareError> {
    load(program, &build_ruleset(mark))?;
    refused_everywhere(&[])
}

fn load(program: &Path, rules: &str) -> Result<(), PrepareError> {
    nft(program, &["-f", "-"], rules)?;
    let listed = nft(program, &["list", "table", "inet", TABLE], "")?;
    for hook in ["output", "input", "forward"] {
        let chain = format!("hook {hook} priority filter; policy drop;");
        if !listed.contains(&chain) {
            let what = format!("nft lists no {hook} chain that drops");
            return Err(PrepareError::NotStanding(what));
        }
    }
    Ok(())
}

fn api_addresses(options: &Options) -> Result<Vec<SocketAddr>, PrepareError> {
    let mut api = options.api_address.clone();
    if let Some(host) = options.api_host.as_deref().filter(|host| !host.is_empty()) {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let ip: IpAddr = bare
            .parse()
            .map_err(|_| PrepareError::ApiHost(host.to_owned()))?;
        api.insert(0, SocketAddr::new(ip, options.api_port));
    }
    Ok(api)
}

/// Runs nft with `input` and returns what it prints.
fn nft(program: &Path, arguments: &[&str], input: &str) -> Result<String, PrepareError> {
    let failed = |source| PrepareError::RunNft {
        program: program.display().to_string(),
        source,
    };
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that stops reading says why itself.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(failed)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let first = said.lines().next().unwrap_or("nothing");
    Err(PrepareError::NftRefused(first.to_owned()))
}

/// As root, who is nobody's proxy: no address may answer or stay silent, and at least one must refuse.
fn refused_everywhere(api: &[SocketAddr]) -> Result<(), PrepareError> {
    let nowhere = NOWHERE.map(|ip| SocketAddr::new(ip, 443));
    let mut refused = false;
    for address in nowhere.iter().chain(api) {
        match wall::tcp(*address) {
            Outcome::Refused => refused = true,
            Outcome::Open(what) => {
                let what = format!("a direct connection to {address} {what}");
                return Err(PrepareError::NotStanding(what));
            }
            // A pod of one family has no route for the other.
            Outcome::Unknown(_) => {}
        }
    }
    if refused {
        return Ok(());
    }
    let what = "the pod has no route to try it on".to_owned();
    Err(PrepareError::NotStanding(what))
}
