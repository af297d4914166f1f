//! `bottle logs`.

use super::{Error, backend::Backend, complete, on_machine::Machine, output};
use crate::{
    config::text::sanitise,
    local::{
        self, docker,
        place::Place,
        record::{Record, Runtime},
    },
    names::{self, container},
};
use clap_complete::ArgValueCandidates;
use futures::{AsyncBufReadExt as _, TryStreamExt as _};
use std::{
    fs::File,
    io::{BufRead as _, BufReader},
    pin::pin,
    time::Duration,
};

/// `bottle logs`.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Name of the Bottle.
    #[arg(add = ArgValueCandidates::new(complete::bottles))]
    name: String,
    /// Whose log: agent, supervise, egress, cred-proxy, prepare; on this machine agent, keeper (all sidecars), events.
    #[arg(short, long, default_value = container::AGENT)]
    container: String,
    /// The log of the last image that was built for the bottle; in a cluster it is there for ten minutes after its end.
    #[arg(long, conflicts_with = "container")]
    build: bool,
    /// Stay, and print what comes.
    #[arg(short, long)]
    follow: bool,
    /// Only so many of the last lines.
    #[arg(long)]
    tail: Option<usize>,
}

/// Between two looks at a file that may grow.
const LOOK: Duration = Duration::from_millis(200);

/// Prints a log. An agent may write what it likes: what a terminal would act on is shown instead.
pub async fn logs(backend: &Backend, options: &Options) -> Result<(), Error> {
    match backend {
        Backend::Machine(machine) => file(machine, options).await,
        Backend::Cluster(cluster) => {
            let tail = options.tail.and_then(|lines| i64::try_from(lines).ok());
            let (pod, container) = if options.build {
                let pod = cluster.last_build(&options.name).await?;
                let none = || {
                    Error::Usage(format!(
                        "no image of {} is being built, or was lately",
                        options.name
                    ))
                };
                (pod.ok_or_else(none)?, container::BUILD)
            } else {
                (names::object_name(&options.name), &*options.container)
            };
            let log = cluster.log(&pod, container, options.follow, tail).await?;
            let mut lines = pin!(log.lines());
            while let Some(line) = lines.try_next().await.map_err(Error::io("read the log"))? {
                output::line(&sanitise(&line))?;
            }
            Ok(())
        }
    }
}

/// What a container of a daemon wrote, line by line.
async fn container(place: &Place, record: &Record, options: &Options) -> Result<(), Error> {
    let log = docker::log(
        place,
        record,
        &options.container,
        options.follow,
        options.tail,
    )
    .await;
    let mut parts = pin!(log.map_err(local::Error::from)?);
    let mut line = Vec::new();
    while let Some(part) = parts.try_next().await.map_err(local::Error::from)? {
        for byte in part {
            line.push(byte);
            if byte == b'\n' {
                print(&std::mem::take(&mut line))?;
            }
        }
    }
    if line.is_empty() {
        Ok(())
    } else {
        print(&line)
    }
}

async fn file(machine: &Machine, options: &Options) -> Result<(), Error> {
    let place = machine.place(&options.name)?;
    place.existing()?;
    let record = place.record()?;
    if options.build && record.runtime != Runtime::Docker {
        let runtime = record.runtime.as_str();
        return Err(Error::Usage(format!(
            "the runtime {runtime} builds no images"
        )));
    }
    let own = [
        container::PREPARE,
        container::SUPERVISE,
        container::EGRESS,
        container::CRED_PROXY,
    ];
    if record.runtime == Runtime::Docker && own.contains(&options.container.as_str()) {
        return container(&place, &record, options).await;
    }
    let name = match options.container.as_str() {
        _ if options.build => container::BUILD,
        container::AGENT => "agent",
        "keeper" | container::SUPERVISE | container::EGRESS | container::CRED_PROXY => "keeper",
        "events" => "events",
        other => {
            return Err(Error::Usage(format!(
                "there is no log of {other} here: agent, keeper or events"
            )));
        }
    };
    let path = place.path("log").join(name);
    let Ok(file) = File::open(&path) else {
        output::note("nothing was written yet");
        return Ok(());
    };
    let mut reader = BufReader::new(file);
    let mut lines = Vec::new();
    let mut line = Vec::new();
    let failed = || Error::io(format!("read {}", path.display()));
    while reader.read_until(b'\n', &mut line).map_err(failed())? > 0 {
        lines.push(std::mem::take(&mut line));
    }
    let skipped = options
        .tail
        .map_or(0, |tail| lines.len().saturating_sub(tail));
    lines
        .iter()
        .skip(skipped)
        .try_for_each(|line| print(line))?;
    if !options.follow {
        return Ok(());
    }
    loop {
        while reader.read_until(b'\n', &mut line).map_err(failed())? > 0 {
            if line.ends_with(b"\n") {
                print(&std::mem::take(&mut line))?;
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn print(line: &[u8]) -> Result<(), Error> {
    let text = String::from_utf8_lossy(line);
    output::line(&sanitise(text.trim_end_matches(['\n', '\r'])))
}
