//! The `prepare` role: root with NET_ADMIN and nothing else, once, before any other container of the pod runs.
//!
//! It lays the lock and checks that it holds, resolves the secrets in `seal`'s instructions, and shares `seal` itself.
//! Whatever fails ends it with one sentence as termination message, and the pod has no agent.

pub mod build;
pub mod hold;
mod lay;
pub mod lock;
mod share;

use crate::agents::secrets::ResolveError;
use crate::names::path;
use crate::telemetry::chain;
use std::io::Error;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

/// Flags of `supervise prepare`.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Directory with the bottle's config files
    #[arg(long, value_name = "DIR", env = "SUPERVISE_CONFIG_DIR", default_value = path::CONFIG)]
    pub config: PathBuf,
    /// Directory with one file for each secret
    #[arg(long, value_name = "DIR", env = "SUPERVISE_SECRETS_DIR", default_value = path::SECRETS)]
    pub secrets: PathBuf,
    /// Directory that the agent's container reads: seal and its instructions
    #[arg(long, value_name = "DIR", default_value = path::SEAL)]
    pub out: PathBuf,
    /// Directory that pipelock's container reads, when it keeps the allowlist: supervise, as its keeper
    #[arg(long, value_name = "DIR")]
    pub pipelock: Option<PathBuf>,
    /// The supervise program in this image
    #[arg(long, value_name = "FILE", default_value = "/supervise")]
    pub supervise_program: PathBuf,
    /// The seal program in this image
    #[arg(long, value_name = "FILE", default_value = "/seal")]
    pub seal_program: PathBuf,
    /// The nft program in this image
    #[arg(long, value_name = "FILE", default_value = "/usr/sbin/nft")]
    pub nft: PathBuf,
    /// Address of the API server, the only one that supervise may reach; none in a local runtime
    #[arg(long, value_name = "IP", env = "KUBERNETES_SERVICE_HOST")]
    pub api_host: Option<String>,
    /// Port of the API server
    #[arg(
        long,
        value_name = "PORT",
        env = "KUBERNETES_SERVICE_PORT",
        default_value_t = 443
    )]
    pub api_port: u16,
    /// Another address of the API server (IP:PORT), where the network plugin rewrites the first one; repeatable
    #[arg(long, value_name = "ADDRESS")]
    pub api_address: Vec<SocketAddr>,
    /// Stay when all is done, without any capability: where containers share the network of one of them, this one is
    /// it. The line `held` on standard output says that the lock stands
    #[arg(long)]
    pub hold: bool,
    /// Where the sentence goes that says why this failed
    #[arg(long, value_name = "FILE", default_value = "/dev/termination-log")]
    pub termination_log: PathBuf,
}

/// Why there will be no agent.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The API server's address is a name, and nobody here may ask for names.
    #[error(
        "the API server's address {0:?} is no IP address: set KUBERNETES_SERVICE_HOST or --api-host to one"
    )]
    ApiHost(String),
    /// The program is missing or can't run.
    #[error("the lock could not be laid: {program} could not be run")]
    RunNft {
        /// Which program.
        program: String,
        /// Why.
        source: Error,
    },
    /// The kernel or the runtime refused the rules.
    #[error(
        "the lock could not be laid: nft said {0:?}; prepare needs the capability NET_ADMIN and a runtime whose pods \
         have nftables (runc and crun do): check the namespace's Pod Security level and spec.runtimeClassName"
    )]
    NftRefused(String),
    /// The rules were taken but are not there.
    #[error("the lock was laid but does not stand: {0}; choose another spec.runtimeClassName")]
    NotStanding(String),
    /// The instructions can't be read.
    #[error("could not read {path}")]
    Read {
        /// Which file.
        path: String,
        /// Why.
        source: Error,
    },
    /// The instructions aren't instructions.
    #[error("{path} is not what seal expects: operator and sidecar image must be of one version")]
    Parse {
        /// Which file.
        path: String,
        /// Why.
        source: serde_json::Error,
    },
    /// A secret is missing, or a reference is malformed.
    #[error(transparent)]
    Secret(#[from] ResolveError),
    /// A secret that can't be put into a settings file.
    #[error("the secret {0} is not UTF-8 text of at most 1 MiB: store another value in its Secret")]
    SecretValue(String),
    /// The shared volume can't be written.
    #[error("could not write {path}")]
    Write {
        /// Which file.
        path: String,
        /// Why.
        source: Error,
    },
}

/// Runs the role to its end, which is far away with `--hold`.
pub async fn role(options: &Options) -> ExitCode {
    let prepared = main(options);
    if options.hold && prepared == ExitCode::SUCCESS {
        return hold::hold().await;
    }
    prepared
}

/// Does all that there is to do.
pub fn main(options: &Options) -> ExitCode {
    match prepare(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let sentence = chain(&error);
            tracing::error!(error = sentence, "No agent will start");
            // Best effort: where there is no such file, the log has it.
            let _ = std::fs::write(&options.termination_log, &sentence);
            ExitCode::FAILURE
        }
    }
}

fn prepare(options: &Options) -> Result<(), PrepareError> {
    let api = lay::lay(options)?;
    tracing::info!("The lock stands");
    share::share(options, &api)
}
