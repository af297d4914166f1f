//! `bottle up`: a place for bottles, made ready by the programs that are meant for it, each command shown first.

mod step;

use super::{Error, apply, output};
use crate::{local, seal::probe};
use std::{
    env,
    path::{Path, PathBuf},
};
use step::{Done, Step, words};

/// `bottle up`.
#[derive(Clone, Debug, clap::Args)]
#[group(required = true, multiple = false, id = "what")]
pub struct What {
    /// A cluster in containers, by kind, with the operator in it.
    #[arg(long)]
    kind: bool,
    /// The Docker or Podman of this machine: the image that its bottles need.
    #[arg(long)]
    docker: bool,
}

/// `bottle up`.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    #[command(flatten)]
    what: What,
    /// This repository: what the images and the chart are made from.
    #[arg(long, value_name = "DIR", default_value = ".")]
    source: PathBuf,
    /// Name of the kind cluster.
    #[arg(long, default_value = "bot-bottle")]
    name: String,
    /// Image of the kind cluster's node, where kind's own can't be pulled.
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,
    /// Only show the commands.
    #[arg(long)]
    dry_run: bool,
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Makes the place.
pub async fn up(options: &Options) -> Result<u8, Error> {
    let recipe = options.source.join("Dockerfile.supervise");
    if !recipe.exists() {
        return Err(Error::Usage(format!(
            "there is no {}: say --source DIR, where this repository is",
            recipe.display()
        )));
    }
    let builder = program("docker");
    if options.what.docker {
        let builder = builder.or_else(|missing| program("podman").map_err(|_| missing))?;
        return docker(options, &builder).await;
    }
    // `kind load docker-image` calls docker, and nothing else.
    let (builder, kind, helm) = (builder?, program("kind")?, program("helm")?);
    for step in steps(options, &builder, &kind, &helm) {
        step.run(options.dry_run).await?;
    }
    if !options.dry_run {
        let name = options.name.as_str();
        output::note(&format!(
            "the operator runs: `bottle apply --context kind-{name} -f FILE`. An image that is only on this machine \
             is put into the cluster by `kind load docker-image IMAGE --name {name}`"
        ));
    }
    Ok(0)
}

async fn docker(options: &Options, builder: &Path) -> Result<u8, Error> {
    let image = apply::SUPERVISE_IMAGE;
    let found = async {
        let socket = local::docker::daemon::find(&apply::hints())?;
        let daemon = local::docker::daemon::Daemon::connect(&socket).await?;
        daemon.check().await?;
        daemon.has(image).await
    };
    if found.await.map_err(local::Error::from)? {
        output::note(&format!("{image} is there"));
    } else {
        build(options, builder, "supervise")
            .run(options.dry_run)
            .await?;
    }
    output::note("bottles run there by `bottle apply --local --runtime docker -f FILE`");
    Ok(0)
}

fn build(options: &Options, builder: &Path, image: &str) -> Step {
    let recipe = options.source.join(format!("Dockerfile.{image}"));
    let tag = format!("bot-bottle/{image}:{VERSION}");
    let source = options.source.as_os_str();
    let mut line = vec![
        builder.as_os_str(),
        "build".as_ref(),
        "-f".as_ref(),
        recipe.as_os_str(),
        "-t".as_ref(),
        tag.as_ref(),
        source,
    ];
    // Docker's older builder, the default of Debian's client, also builds the stage for tests, and fails at it.
    if builder.ends_with("docker") {
        line.splice(..0, ["env".as_ref(), "DOCKER_BUILDKIT=1".as_ref()]);
    }
    let look = ["images", "--format", "{{.Repository}}:{{.Tag}}", &tag];
    Step {
        words: words(Path::new(line[0]), &line[1..]),
        unless: Some(Done {
            words: words(builder, look),
            note: format!(
                "{tag} is there and not built again: `docker rmi {tag}` before this has it built"
            ),
            line: tag,
        }),
    }
}

/// From nothing to an operator that runs; done again, it does what is left.
fn steps(options: &Options, builder: &Path, kind: &Path, helm: &Path) -> Vec<Step> {
    let name = options.name.as_str();
    let mut create = words(
        kind,
        ["create", "cluster", "--name", name, "--wait", "180s"],
    );
    if let Some(image) = &options.image {
        create.extend(["--image".to_owned(), image.clone()]);
    }
    let load = |image: &str| Step {
        words: words(
            kind,
            [
                "load",
                "docker-image",
                &format!("bot-bottle/{image}:{VERSION}"),
                "--name",
                name,
            ],
        ),
        unless: None,
    };
    let chart = options
        .source
        .join("charts/bottle-operator")
        .display()
        .to_string();
    let install = [
        "upgrade",
        "--install",
        "bottle-operator",
        &chart,
        "--kube-context",
        &format!("kind-{name}"),
        "--namespace",
        "bot-bottle-system",
        "--create-namespace",
        "--set",
        &format!("image.tag={VERSION}"),
        "--set",
        &format!("supervise.image=bot-bottle/supervise:{VERSION}"),
        "--wait",
    ];
    vec![
        build(options, builder, "operator"),
        build(options, builder, "supervise"),
        Step {
            words: create,
            unless: Some(Done {
                words: words(kind, ["get", "clusters"]),
                line: name.to_owned(),
                note: format!("the cluster {name} is there"),
            }),
        },
        load("operator"),
        load("supervise"),
        Step {
            words: words(helm, install),
            unless: None,
        },
    ]
}

/// The program, or the line that installs it.
fn program(name: &str) -> Result<PathBuf, Error> {
    let line = match name {
        "kind" => "go install sigs.k8s.io/kind@latest",
        "helm" => "go install helm.sh/helm/v3/cmd/helm@latest",
        _ => "apt-get install docker.io",
    };
    probe::find(name, env::var_os("PATH").as_deref())
        .ok_or_else(|| Error::Refused(format!("{name} is not on PATH; install it: {line}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> Options {
        Options {
            what: What {
                kind: true,
                docker: false,
            },
            source: "/source".into(),
            name: "green".into(),
            image: Some("node:1".into()),
            dry_run: true,
        }
    }

    fn all() -> Vec<Step> {
        let [docker, kind, helm] = ["docker", "kind", "helm"].map(Path::new);
        steps(&options(), docker, kind, helm)
    }

    #[test]
    fn images_come_before_the_cluster_and_the_chart_last() {
        let steps = all();
        let lines: Vec<String> = steps.iter().map(|step| step.words.join(" ")).collect();
        let begins = [
            "env DOCKER_BUILDKIT=1 docker build -f /source/Dockerfile.operator",
            "env DOCKER_BUILDKIT=1 docker build -f /source/Dockerfile.supervise",
            "kind create cluster --name green --wait 180s --image node:1",
            "kind load docker-image bot-bottle/operator:",
            "kind load docker-image bot-bottle/supervise:",
            "helm upgrade --install bottle-operator /source/charts/bottle-operator --kube-context kind-green",
        ];
        assert_eq!(lines.len(), begins.len());
        for (line, begin) in lines.iter().zip(begins) {
            assert!(line.starts_with(begin), "{line}");
        }
    }

    #[test]
    fn what_is_there_is_neither_built_nor_made_again() {
        let looks: Vec<_> = all()
            .into_iter()
            .map(|step| {
                step.unless
                    .map(|done| (done.words.join(" "), done.line, done.note))
            })
            .collect();
        let image = |name: &str| {
            let tag = format!("bot-bottle/{name}:{VERSION}");
            Some((
                format!("docker images --format {{{{.Repository}}}}:{{{{.Tag}}}} {tag}"),
                tag.clone(),
                format!(
                    "{tag} is there and not built again: `docker rmi {tag}` before this has it built"
                ),
            ))
        };
        let cluster = (
            "kind get clusters".to_owned(),
            "green".to_owned(),
            "the cluster green is there".to_owned(),
        );
        let expected = [
            image("operator"),
            image("supervise"),
            Some(cluster),
            // kind looks by itself, and helm changes what has changed.
            None,
            None,
            None,
        ];
        assert_eq!(looks, expected);
    }
}
