//! `seal`: see [`bot_bottle::seal`]. Its flags are few, and a parser's library would be half of the program.

use bot_bottle::seal::{Options, build, build_kit, probe, run, say};
use std::env::{args, var_os};
use std::process::ExitCode;
use std::time::Duration;

const USAGE: &str =
    "usage: seal [--instructions FILE] [--patience SECONDS] [--termination-log FILE]
       seal probe --command PROGRAM
       seal build -- PROGRAM [ARGUMENT…]
       seal build-kit -- [IMAGE…]";

fn main() -> ExitCode {
    let arguments: Vec<String> = args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["probe", "--command", command] => found(command),
        ["build", "--", ref program @ ..] => ExitCode::from(build::run(program)),
        ["build-kit", "--", ref bases @ ..] => ExitCode::from(build_kit::run(bases)),
        // What it starts of itself.
        ["namespace", "--", ref program @ ..] => ExitCode::from(build_kit::enter(program)),
        ["--help"] => {
            eprintln!("{USAGE}");
            ExitCode::SUCCESS
        }
        _ => options(&words).map_or_else(
            || {
                eprintln!("{USAGE}");
                ExitCode::from(2)
            },
            |options| ExitCode::from(run(&options)),
        ),
    }
}

fn options(words: &[&str]) -> Option<Options> {
    let mut options = Options::default();
    for pair in words.chunks(2) {
        match *pair {
            ["--instructions", file] => options.instructions = file.into(),
            ["--termination-log", file] => options.termination_log = file.into(),
            ["--patience", seconds] => {
                options.patience = Duration::from_secs(seconds.parse().ok()?);
            }
            _ => return None,
        }
    }
    Some(options)
}

fn found(command: &str) -> ExitCode {
    if let Some(path) = probe::find(command, var_os("PATH").as_deref()) {
        say(path.display());
        return ExitCode::SUCCESS;
    }
    say(format_args!(
        "{command}: no such program that can be executed in this image"
    ));
    ExitCode::FAILURE
}
