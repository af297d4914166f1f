//! `operator`: reconciles Bottles and Proposals (`run`), prints its CRDs (`crds`).

use bot_bottle::{api, telemetry, yaml};
use clap::{Parser, Subcommand};
use std::{io::Write as _, path::PathBuf, process::ExitCode};

#[derive(Parser)]
#[command(version, about = "Operator of bot-bottle: seals coding agents in pods")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Print the CustomResourceDefinitions, or write each into a directory.
    Crds {
        /// Directories to write `<plural>.yaml` into instead of printing.
        #[arg(long)]
        out: Vec<PathBuf>,
    },
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Crds { out } => crds(&out),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = %telemetry::chain(&*error), "operator failed");
            ExitCode::FAILURE
        }
    }
}

fn crds(directories: &[PathBuf]) -> Result<(), Box<dyn std::error::Error>> {
    let mut printed = std::io::stdout().lock();
    for crd in api::crds() {
        let text = format!("---\n{}", yaml::to_string(&crd)?);
        if directories.is_empty() {
            printed.write_all(text.as_bytes())?;
        }
        for directory in directories {
            std::fs::create_dir_all(directory)?;
            std::fs::write(directory.join(format!("{}.yaml", crd.spec.names.plural)), &text)?;
        }
    }
    Ok(())
}
