//! Flags, and the role around [`super::pull`].

use super::{Name, PullError, pull, save::Directory};
use crate::registry::{Credentials, Registry, Way};
use crate::telemetry::chain;
use crate::{cred_proxy::Tls, egress::Dns};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// Flags of `supervise pull`.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// The image
    #[arg(long)]
    pub image: String,
    /// Directory that it is pulled into, in the OCI layout
    #[arg(long, value_name = "DIR")]
    pub layout: PathBuf,
    /// The registry speaks plain HTTP
    #[arg(long)]
    pub insecure: bool,
    /// File with credentials, as docker login writes it
    #[arg(long, value_name = "FILE")]
    pub credentials: Option<PathBuf>,
    /// File with certificates that the registry is trusted by, besides the web's own
    #[arg(long, value_name = "FILE")]
    pub ca_bundle: Option<PathBuf>,
    /// A proxy that everything has to take
    #[arg(long, value_name = "http://HOST:PORT")]
    pub proxy: Option<String>,
    /// Where the reason of a failure goes
    #[arg(long, value_name = "FILE", default_value = "/dev/termination-log")]
    pub termination_log: PathBuf,
}

/// Pulls; why it could not is the last word.
pub async fn main(options: Options) -> ExitCode {
    let name = Name::read(&options.image);
    let pulled = match set_up(&options, &name) {
        Ok(mut registry) => pull(&name, &mut registry, &Directory(options.layout.clone())).await,
        Err(error) => Err(error),
    };
    match pulled {
        Ok(digest) => {
            tracing::info!(image = options.image, digest, "Pulled");
            ExitCode::SUCCESS
        }
        Err(error) => {
            let word = format!("{}: {}", options.image, chain(&error));
            tracing::error!(word, "Not pulled");
            // Best effort: it stands in the log, too.
            let _ = std::fs::write(&options.termination_log, &word);
            ExitCode::FAILURE
        }
    }
}

fn set_up(options: &Options, name: &Name) -> Result<Registry, PullError> {
    let credentials = match &options.credentials {
        // A Secret that is not there is mounted as no file: then the registry is asked as anybody.
        Some(path) if path.exists() => {
            let text = std::fs::read_to_string(path).map_err(PullError::Credentials)?;
            Credentials::find(&text, &name.login())
        }
        _ => None,
    };
    let setup = |error: &dyn std::error::Error| PullError::Setup(chain(error));
    let authority = options.ca_bundle.as_deref().filter(|path| path.exists());
    let tls = Tls::new(authority).map_err(|error| setup(&error))?;
    let dns = Dns::marked(&[], [], None).map_err(|error| setup(&error))?;
    let proxy = options.proxy.as_deref().map(proxy).transpose()?;
    let place = (name.server(), &*name.repository);
    let way = Way {
        tls: tls.http1,
        dns: Arc::new(dns),
        mark: None,
        proxy,
    };
    Ok(Registry::new(place, options.insecure, credentials, way).to_read())
}

fn proxy(text: &str) -> Result<(String, u16), PullError> {
    let uri: Option<http::Uri> = text.parse().ok();
    let host = uri.as_ref().and_then(http::Uri::host);
    let port = uri.as_ref().and_then(http::Uri::port_u16).unwrap_or(80);
    host.map(|host| (host.to_owned(), port))
        .ok_or_else(|| PullError::Setup(format!("{text:?} is no proxy's address")))
}
