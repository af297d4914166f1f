//! `bottle doctor`: what works here, and what to do about the rest.

mod nodes;

use super::{Error, Where, apply, on_cluster::Cluster, output, places};
use crate::{
    local::{docker, sandbox::Bubblewrap},
    telemetry::chain,
};
use std::{env, path::Path};

/// `bottle doctor`.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {}

enum Finding {
    Good(String),
    Bad(String),
}

/// Prints what was found. The exit code says whether bottles can be isolated anywhere.
pub async fn run(place: &Where, _: &Options) -> Result<u8, Error> {
    let sandbox = sandbox();
    let (cluster, nodes) = cluster(place).await;
    let docker = docker().await;
    let usable = [&sandbox, &docker, &cluster]
        .iter()
        .any(|one| matches!(one, Finding::Good(_)));
    for (name, finding) in [
        ("kernel", kernel()),
        ("sandbox", sandbox),
        ("state directory", state(place)),
        ("cgroups", cgroups()),
        (
            "nftables",
            program(
                "nft",
                "nftables",
                "the test cluster lays bottles' locks with it",
            ),
        ),
        ("docker", docker),
        (
            "kubectl",
            program("kubectl", "kubectl", "`bottle exec` in a cluster needs it"),
        ),
        ("cluster", cluster),
        ("nodes", nodes),
    ] {
        let line = match finding {
            Finding::Good(text) => format!("\x1b[32mok\x1b[0m    {name:<17}{text}"),
            Finding::Bad(text) => format!("\x1b[33mno\x1b[0m    {name:<17}{text}"),
        };
        output::line(&line)?;
    }
    if usable {
        return Ok(0);
    }
    output::line(
        "\nNo agent can be isolated here: only `--runtime process` is left, which isolates nothing.",
    )?;
    Ok(1)
}

fn kernel() -> Finding {
    match nix::sys::utsname::uname() {
        Ok(name) => Finding::Good(format!(
            "{} {}",
            name.sysname().to_string_lossy(),
            name.release().to_string_lossy()
        )),
        Err(error) => Finding::Bad(error.to_string()),
    }
}

fn sandbox() -> Finding {
    match Bubblewrap::find(env::var_os("PATH").as_deref()) {
        Ok(_) => Finding::Good("bubblewrap makes namespaces: bottles run here, isolated".into()),
        Err(error) => Finding::Bad(chain(&error)),
    }
}

fn state(place: &Where) -> Finding {
    match places::state(place) {
        Ok(state) => Finding::Good(state.root().display().to_string()),
        Err(error) => Finding::Bad(chain(&error)),
    }
}

fn cgroups() -> Finding {
    if Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
        Finding::Good("version 2".into())
    } else {
        Finding::Bad(
            "no unified hierarchy: a Kubernetes on this machine may want it; bottles here don't"
                .into(),
        )
    }
}

/// A daemon that filters system calls, with our image at it.
async fn docker() -> Finding {
    let found = async {
        let socket = docker::daemon::find(&apply::hints())?;
        let daemon = docker::daemon::Daemon::connect(&socket).await?;
        let version = daemon.check().await?;
        daemon.own_image(apply::SUPERVISE_IMAGE).await?;
        Ok::<_, docker::DockerError>((socket, version))
    };
    match found.await {
        Ok((socket, version)) => Finding::Good(format!(
            "{version} at {}: bottles run there with `--runtime docker`",
            socket.display()
        )),
        Err(error) => Finding::Bad(chain(&error)),
    }
}

fn program(name: &str, package: &str, what: &str) -> Finding {
    match crate::seal::probe::find(name, env::var_os("PATH").as_deref()) {
        Some(path) => Finding::Good(path.display().to_string()),
        None => Finding::Bad(format!("not on PATH: {what}; install {package}")),
    }
}

/// What the person may do besides, by RBAC.
async fn rights(cluster: &Cluster) -> String {
    let mut said = Vec::new();
    for (what, verb, resource) in [
        ("decide", "patch", "proposals"),
        ("make bottles", "create", "bottles"),
    ] {
        said.push(match cluster.may(verb, resource).await {
            Ok(true) => format!("you may {what}"),
            Ok(false) => format!("you may not {what} ({verb} {resource}: docs/install.md, roles)"),
            Err(error) => chain(&error),
        });
    }
    said.join("; ")
}

/// The cluster, and what is known of its nodes.
async fn cluster(place: &Where) -> (Finding, Finding) {
    let unknown = || Finding::Bad(format!("not asked; recommended: {}", nodes::RECOMMENDED));
    let cluster = match Cluster::connect(place).await {
        Ok(Some(cluster)) => cluster,
        Ok(None) => {
            let none = "none is configured: no kubeconfig with a current context";
            return (Finding::Bad(none.into()), unknown());
        }
        Err(error) => return (Finding::Bad(chain(&error)), unknown()),
    };
    let proposals = match cluster.proposals(false).await {
        Ok(_) => Finding::Good(format!(
            "proposals of namespace {} can be read; {}",
            cluster.namespace(),
            rights(&cluster).await
        )),
        Err(error) => Finding::Bad(format!(
            "{}; is the chart installed, and may you list proposals?",
            chain(&error)
        )),
    };
    let nodes = match cluster.kubelets().await {
        Ok(kubelets) => nodes::judge(&kubelets),
        Err(error) => Finding::Bad(format!(
            "{}; recommended: {}",
            chain(&error),
            nodes::RECOMMENDED
        )),
    };
    (proposals, nodes)
}
