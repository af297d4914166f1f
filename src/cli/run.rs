//! `bottle run`: an agent, with this directory, in a bottle.

use super::{Error, Where};
/// `bottle run`.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// The program and its arguments.
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

/// Runs it; the agent's exit code.
pub async fn run(_: &Where, _: Options) -> Result<u8, Error> {
    Err(Error::Refused("not yet".into()))
}
