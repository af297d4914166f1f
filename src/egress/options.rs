//! Flags, and the program around [`run`].

use super::{Dns, Fixed, Limits, PolicyError, Setup, run};
use crate::config_directory;
use crate::names::{path, port};
use crate::open_files;
use crate::signals;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use thiserror::Error;
use tokio::net::TcpListener;

/// `supervise egress`.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Directory of the config, read-only.
    #[arg(long, env = "SUPERVISE_CONFIG_DIR", default_value = path::CONFIG)]
    pub config: PathBuf,
    /// Directory for the hash of the config that is enforced.
    #[arg(long, env = "SUPERVISE_STATE_DIR", default_value = path::STATE)]
    pub state: PathBuf,
    /// Address to serve on; in a pod the loopback, which only the pod's containers reach.
    #[arg(long, default_value = "127.0.0.1")]
    pub bind: IpAddr,
    /// Port to serve on.
    #[arg(long, default_value_t = port::EGRESS)]
    pub port: u16,
    /// DNS server as IP or IP:PORT, instead of those of the system; may be repeated.
    #[arg(long, value_name = "IP[:PORT]", value_parser = nameserver)]
    pub nameserver: Vec<SocketAddr>,
    /// Static answer for a host, instead of DNS; may be repeated. The address is checked like any other; a port is
    /// dialled instead of the one that was asked for.
    #[arg(long, value_name = "HOST=IP[:PORT]", value_parser = fixed)]
    pub resolve: Vec<(String, Fixed)>,
    /// Mark of every packet that leaves, for a lock that goes by it; takes the capability NET_ADMIN.
    #[arg(long)]
    pub mark: Option<u32>,
}

pub(crate) fn nameserver(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .or_else(|_| text.parse().map(|ip: IpAddr| SocketAddr::new(ip, 53)))
        .map_err(|_| "write an IP address, or IP:PORT".to_owned())
}

pub(crate) fn fixed(text: &str) -> Result<(String, Fixed), String> {
    let parsed = text.split_once('=').and_then(|(host, address)| {
        let fixed = match address.parse::<SocketAddr>() {
            Ok(at) => Fixed {
                ip: at.ip(),
                port: Some(at.port()),
            },
            Err(_) => Fixed {
                ip: address.parse().ok()?,
                port: None,
            },
        };
        Some((host.to_ascii_lowercase(), fixed))
    });
    parsed.ok_or_else(|| "write HOST=IP, or HOST=IP:PORT".to_owned())
}

/// Why egress doesn't start.
#[derive(Debug, Error)]
pub enum Error {
    /// The config or the state directory can't be used.
    #[error("the config or state directory can't be used")]
    Directory(#[from] config_directory::Error),
    /// The config can't be enforced.
    #[error("the config can't be enforced")]
    Policy(#[from] PolicyError),
    /// The port is taken, or not ours.
    #[error("can't listen on {address}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// Neither the system's DNS configuration nor the flags are usable.
    #[error("can't set DNS up")]
    Dns(#[source] hickory_resolver::net::NetError),
    /// Signals can't be received.
    #[error("can't receive signals")]
    Signals(#[source] io::Error),
}

/// Runs until SIGTERM (exit code 143) or SIGINT (130).
pub async fn main(options: Options) -> Result<ExitCode, Error> {
    let ended = signals::ended().map_err(Error::Signals)?;
    let resolver =
        Dns::marked(&options.nameserver, options.resolve, options.mark).map_err(Error::Dns)?;
    let setup = Setup {
        snapshots: config_directory::watch(&options.config)?,
        state: options.state,
        resolver: Arc::new(resolver),
        limits: Limits::default().within(open_files::raise()),
        mark: options.mark,
    };
    let address = SocketAddr::new(options.bind, options.port);
    let listener = TcpListener::bind(address)
        .await
        .map_err(|source| Error::Listen { address, source })?;
    tracing::info!(%address, "Serving");
    let mut code = 143;
    let shutdown = async {
        code = ended.await;
        tracing::info!("Ending");
    };
    run(listener, setup, shutdown).await?;
    Ok(ExitCode::from(code))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        options: Options,
    }

    fn parse(flags: &[&str]) -> Result<Options, clap::Error> {
        let words = std::iter::once("egress").chain(flags.iter().copied());
        Program::try_parse_from(words).map(|program| program.options)
    }

    #[test]
    fn flags_have_the_pods_defaults_and_take_static_answers() {
        let plain = parse(&[]).unwrap();
        assert_eq!(
            (plain.bind.to_string().as_str(), plain.port),
            ("127.0.0.1", 8888)
        );
        let flags = [
            "--resolve",
            "A.example=192.0.2.1",
            "--resolve",
            "a.example=[2001:db8::1]:81",
        ];
        let options = parse(&[&flags[..], &["--nameserver", "192.0.2.53"]].concat()).unwrap();
        assert_eq!(options.nameserver, ["192.0.2.53:53".parse().unwrap()]);
        assert_eq!(options.resolve[0].0, "a.example");
        assert_eq!(options.resolve[1].1.port, Some(81));
        for wrong in [
            ["--resolve", "a.example"],
            ["--resolve", "a=b"],
            ["--nameserver", "dns"],
        ] {
            assert!(parse(&wrong).is_err(), "{wrong:?}");
        }
    }
}
