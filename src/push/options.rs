//! Flags, and the role around [`super::push`].

use super::{Layout, PushError, push};
use crate::registry::{Credentials, Registry, Way};
use crate::telemetry::chain;
use crate::{cred_proxy::Tls, egress::Dns};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// Flags of `supervise push`.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Directory with the image, in the OCI layout
    #[arg(long, value_name = "DIR")]
    pub layout: PathBuf,
    /// Host, port and path of the registry
    #[arg(long, value_name = "HOST[:PORT][/PATH]")]
    pub registry: String,
    /// The repository in it
    #[arg(long)]
    pub repository: String,
    /// The image's tag; nobody uses it, but a registry may remove what has none
    #[arg(long)]
    pub tag: String,
    /// The registry speaks plain HTTP
    #[arg(long)]
    pub insecure: bool,
    /// File with credentials, as docker login writes it
    #[arg(long, value_name = "FILE")]
    pub credentials: Option<PathBuf>,
    /// File with certificates that the registry is trusted by, besides the web's own
    #[arg(long, value_name = "FILE")]
    pub ca_bundle: Option<PathBuf>,
    /// Mark of every packet that leaves; takes the capability NET_ADMIN
    #[arg(long)]
    pub mark: Option<u32>,
    /// Where the image's digest goes
    #[arg(long, value_name = "FILE", default_value = "/dev/termination-log")]
    pub termination_log: PathBuf,
}

/// Pushes; the digest is the last word.
pub async fn main(options: Options) -> ExitCode {
    let pushed = match set_up(&options) {
        Ok(mut registry) => push(&Layout(options.layout), &mut registry, &options.tag).await,
        Err(error) => Err(error),
    };
    let (word, code) = match pushed {
        Ok(digest) => (digest, ExitCode::SUCCESS),
        Err(error) => (chain(&error), ExitCode::from(error.exit())),
    };
    tracing::info!(word, "Push ended");
    // Best effort: without it the operator finds no digest, and says so.
    let _ = std::fs::write(&options.termination_log, &word);
    code
}

fn set_up(options: &Options) -> Result<Registry, PushError> {
    let credentials = match &options.credentials {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(PushError::Credentials)?;
            Credentials::find(&text, &options.registry)
        }
        None => None,
    };
    let tls =
        Tls::new(options.ca_bundle.as_deref()).map_err(|error| PushError::Setup(chain(&error)))?;
    let dns =
        Dns::marked(&[], [], options.mark).map_err(|error| PushError::Setup(chain(&error)))?;
    Ok(Registry::new(
        (&options.registry, &options.repository),
        options.insecure,
        credentials,
        Way {
            tls: tls.http1,
            dns: Arc::new(dns),
            mark: options.mark,
            proxy: None,
        },
    ))
}
