//! The same for an image: the role that lays the lock of a build's pod, and the one that only hands `seal` over.

use super::{PrepareError, lay, share};
use crate::names::{self, path};
use crate::telemetry::chain;
use std::path::PathBuf;
use std::process::ExitCode;

/// Flags of `supervise build-lock` and `supervise share`.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Directory that another container reads: seal
    #[arg(long, value_name = "DIR", default_value = path::SEAL)]
    pub out: PathBuf,
    /// The seal program in this image
    #[arg(long, value_name = "FILE", default_value = "/seal")]
    pub seal_program: PathBuf,
    /// The nft program in this image
    #[arg(long, value_name = "FILE", default_value = "/usr/sbin/nft")]
    pub nft: PathBuf,
}

/// Lays the lock of a build's pod, and hands `seal` over.
pub fn lock(options: &Options) -> ExitCode {
    let laid = lay::lay_for_build(&options.nft, names::BUILD_MARK);
    ended(laid.and_then(|()| hand_over(options)))
}

/// Hands `seal` over.
pub fn share(options: &Options) -> ExitCode {
    ended(hand_over(options))
}

fn hand_over(options: &Options) -> Result<(), PrepareError> {
    share::copy(&options.seal_program, &options.out.join("seal"))
}

fn ended(result: Result<(), PrepareError>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = chain(&error), "Nothing of an image will run");
            ExitCode::FAILURE
        }
    }
}
