//! `bottle up`: a place for bottles, made ready by the programs that are meant for it, each command shown first.

use super::{Error, apply, output};
use crate::{local, seal::probe};
use std::{
    env,
    ffi::OsStr,
    path::{Path, PathBuf},
};
use tokio::process::Command;

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
    let builder = program("docker").or_else(|missing| program("podman").map_err(|_| missing))?;
    if options.what.docker {
        return docker(options, &builder).await;
    }
    let (kind, helm) = (program("kind")?, program("helm")?);
    for step in steps(options, &builder, &kind, &helm) {
        step.run(options.dry_run).await?;
    }
    if !options.dry_run {
        output::note(&format!(
            "the cluster is there: `bottle apply --context kind-{} -f examples/bottle.yaml`",
            options.name
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

/// A command, and whether it is left out when another one says that its work is done.
#[derive(Debug, PartialEq, Eq)]
struct Step {
    words: Vec<String>,
    unless: Option<(Vec<String>, String)>,
}

impl Step {
    async fn run(&self, dry: bool) -> Result<(), Error> {
        if let Some((words, done)) = self.unless.as_ref().filter(|_| !dry)
            && let Ok(said) = command(words).output().await
            && String::from_utf8_lossy(&said.stdout)
                .lines()
                .any(|line| line == done)
        {
            return Ok(());
        }
        output::line(&format!("$ {}", self.words.join(" ")))?;
        if dry {
            return Ok(());
        }
        let what = self.words.join(" ");
        let status = command(&self.words).status().await;
        let status = status.map_err(Error::io(format!("run {what}")))?;
        if status.success() {
            return Ok(());
        }
        Err(Error::Refused(format!(
            "{what} failed: see what it said above"
        )))
    }
}

fn command(words: &[String]) -> Command {
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    command
}

fn words<S: AsRef<OsStr>>(program: &Path, rest: impl IntoIterator<Item = S>) -> Vec<String> {
    let rest = rest
        .into_iter()
        .map(|word| word.as_ref().to_string_lossy().into_owned());
    std::iter::once(program.display().to_string())
        .chain(rest)
        .collect()
}

fn build(options: &Options, builder: &Path, image: &str) -> Step {
    let recipe = options.source.join(format!("Dockerfile.{image}"));
    let tag = format!("bot-bottle/{image}:{VERSION}");
    let source = options.source.as_os_str();
    let line = [
        "build".as_ref(),
        "-f".as_ref(),
        recipe.as_os_str(),
        "-t".as_ref(),
        tag.as_ref(),
        source,
    ];
    Step {
        words: words(builder, line),
        unless: None,
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
            unless: Some((words(kind, ["get", "clusters"]), name.to_owned())),
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

    #[test]
    fn images_come_before_the_cluster_and_the_chart_last() {
        let options = Options {
            what: What {
                kind: true,
                docker: false,
            },
            source: "/source".into(),
            name: "green".into(),
            image: Some("node:1".into()),
            dry_run: true,
        };
        let [docker, kind, helm] = ["docker", "kind", "helm"].map(Path::new);
        let steps = steps(&options, docker, kind, helm);
        let lines: Vec<String> = steps.iter().map(|step| step.words.join(" ")).collect();
        let begins = [
            "docker build -f /source/Dockerfile.operator",
            "docker build -f /source/Dockerfile.supervise",
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
}
