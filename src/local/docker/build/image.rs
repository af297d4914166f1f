//! One image: its bases, its network, the daemon's builder.

use super::{
    super::{DockerError, archive, daemon::Daemon, running},
    Failed, bases, containers, network, repository,
    tell::Tell,
};
use crate::{
    local::{place::Place, record::Record},
    names::{self, container},
};
use bollard::{body_full, errors::Error as Bollard, query_parameters::BuildImageOptionsBuilder};
use futures::TryStreamExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use std::{collections::BTreeMap, fs::File, io::Write as _};

/// The log's name.
const LOG: &str = "log/build";
/// What of it is kept for a failure's reason.
const SAID: usize = 4096;
/// Memory of a step: 2 GiB, but for a byte that the client's type has no room for.
const MEMORY: i32 = i32::MAX;

/// Builds; the container that ends last, and the image's id.
pub(super) async fn build(
    daemon: &Daemon,
    place: &Place,
    record: &Record,
    pod: &Pod,
    tell: &Tell<'_>,
) -> Result<(String, String), Failed> {
    let built = |error: DockerError| Failed::asked(container::BUILD, &error);
    bases::pull(daemon, pod, tell).await?;
    tell.began(container::LOCK);
    let own = containers(pod).find(|one| one.name == container::LOCK);
    let own = own.and_then(|one| one.image.clone()).unwrap_or_default();
    let network = network::hold(daemon, place, record, &own).await?;
    tell.ended(container::LOCK);

    tell.began(container::BUILD);
    let annotations = pod.annotations();
    let dockerfile = annotations.get(names::ANNOTATION_DOCKERFILE);
    let id = running::id(place);
    let key = pod.name_any();
    let tag = format!("{}:{key}", repository(&id));
    let options = BuildImageOptionsBuilder::new()
        .dockerfile("Dockerfile")
        .t(&tag)
        .networkmode(&network.mode)
        .buildargs(&network::proxies())
        .memory(MEMORY)
        .memswap(MEMORY)
        .nocache(true)
        .rm(true)
        .forcerm(true)
        .build();
    let context = archive::file("Dockerfile", dockerfile.map_or("", String::as_str));
    let ran = run(daemon, place, options, context).await;
    network.end(daemon).await;
    ran?;
    let image = daemon.docker.inspect_image(&tag).await;
    let image = image
        .map_err(DockerError::asked("look at the image"))
        .map_err(built)?;
    Ok((container::BUILD.into(), image.id.unwrap_or_default()))
}

async fn run(
    daemon: &Daemon,
    place: &Place,
    options: bollard::query_parameters::BuildImageOptions,
    context: Vec<u8>,
) -> Result<(), Failed> {
    let path = place.path(LOG);
    let failed = |said: String, lost| Failed {
        container: container::BUILD.into(),
        code: 1,
        said,
        lost,
    };
    let mut log = File::create(&path).map_err(|error| failed(error.to_string(), false))?;
    let mut end = String::new();
    let mut parts = Box::pin(daemon.docker.build_image(
        options,
        None,
        Some(body_full(context.into())),
    ));
    loop {
        match parts.try_next().await {
            Ok(None) => return Ok(()),
            Ok(Some(part)) => {
                let text = plain(&part.stream.unwrap_or_default());
                let _ = log.write_all(text.as_bytes());
                end.push_str(&text);
                end = last(&end);
            }
            Err(Bollard::DockerStreamError { error }) => {
                let _ = writeln!(log, "{error}");
                return Err(failed(format!("{}\n{error}", last(&end)), false));
            }
            Err(error) => {
                let lost = !matches!(error, Bollard::DockerResponseServerError { .. });
                let error = DockerError::asked("build the image")(error);
                return Err(failed(crate::telemetry::chain(&error), lost));
            }
        }
    }
}

/// Without the red in which the daemon shows what a step writes to its standard error.
fn plain(text: &str) -> String {
    text.replace("\u{1b}[91m", "").replace("\u{1b}[0m", "")
}

fn last(text: &str) -> String {
    let skipped = text.chars().count().saturating_sub(SAID);
    text.chars().skip(skipped).collect()
}

/// Of these images, those that the daemon has.
pub async fn there(record: &Record, all: BTreeMap<String, String>) -> BTreeMap<String, String> {
    let Ok(daemon) = Daemon::of(record).await else {
        return BTreeMap::new();
    };
    let mut there = BTreeMap::new();
    for (pod, image) in all {
        if daemon.has(&image).await.unwrap_or_default() {
            there.insert(pod, image);
        }
    }
    there
}
