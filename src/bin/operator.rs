//! `operator`: reconciles Bottles and Proposals (`run`), prints its CRDs (`crds`).

use bot_bottle::{
    api, cluster, names,
    plan::settings::Settings,
    telemetry::{self, chain},
    yaml,
};
use clap::{Args, Parser, Subcommand};
use ipnet::IpNet;
use std::{
    error::Error,
    io::Write as _,
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::watch,
};

#[derive(Parser)]
#[command(version, about = "Operator of bot-bottle: seals coding agents in pods")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Reconcile Bottles and Proposals of the whole cluster.
    Run(Run),
    /// Print the CustomResourceDefinitions, or write each into a directory.
    Crds {
        /// Directories to write `<plural>.yaml` into instead of printing.
        #[arg(long)]
        out: Vec<PathBuf>,
    },
}

#[derive(Args)]
struct Run {
    /// Image of the sidecars.
    #[arg(long, default_value = "bot-bottle/supervise:dev")]
    supervise_image: String,
    /// `imagePullPolicy` of that image.
    #[arg(long, default_value = "IfNotPresent")]
    supervise_pull_policy: String,
    /// A range of the cluster's own addresses (pods, services, nodes) that no bottle may reach; repeat it.
    #[arg(long = "cluster-range")]
    cluster_ranges: Vec<IpNet>,
    /// YAML file with settings below every class, in the shape of a `BottleClass`' spec.
    #[arg(long)]
    builtin: Option<PathBuf>,
    /// Where `/healthz` and `/readyz` are served.
    #[arg(long, default_value = "0.0.0.0:8080")]
    health: SocketAddr,
}

fn main() -> ExitCode {
    let _failpoints = fail::FailScenario::setup();
    telemetry::start("info");
    let result = match Arguments::parse().command {
        Command::Crds { out } => crds(&out),
        Command::Run(arguments) => run(arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = %chain(&*error), "operator failed");
            ExitCode::FAILURE
        }
    }
}

fn crds(directories: &[PathBuf]) -> Result<(), Box<dyn Error>> {
    let mut printed = std::io::stdout().lock();
    for crd in api::crds() {
        let text = format!("---\n{}", yaml::to_string(&crd)?);
        if directories.is_empty() {
            printed.write_all(text.as_bytes())?;
        }
        for directory in directories {
            std::fs::create_dir_all(directory)?;
            std::fs::write(
                directory.join(format!("{}.yaml", crd.spec.names.plural)),
                &text,
            )?;
        }
    }
    Ok(())
}

#[tokio::main]
async fn run(arguments: Run) -> Result<(), Box<dyn Error>> {
    let settings = Settings {
        supervise_image: arguments.supervise_image,
        pull_policy: arguments.supervise_pull_policy,
        deny: arguments.cluster_ranges,
        builtin: match &arguments.builtin {
            Some(path) => yaml::from_str(&std::fs::read_to_string(path)?)?,
            None => api::BottleClassSpec::default(),
        },
    };
    let ready = Arc::new(AtomicBool::new(false));
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        ended().await;
        let _ = stop.send(true);
    });
    let listener = TcpListener::bind(arguments.health).await?;
    let server =
        axum::serve(listener, health(ready.clone())).with_graceful_shutdown(until(stopped.clone()));
    tokio::spawn(async move { server.await });
    let client = kube::Client::try_default().await?;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        reporter = names::REPORTER,
        "operator starts"
    );
    let when_ready = move || {
        ready.store(true, Ordering::Relaxed);
        tracing::info!("the caches are filled");
    };
    cluster::run(client, settings, when_ready, until(stopped)).await?;
    Ok(())
}

/// `/healthz` answers while the process serves at all, `/readyz` once the caches are filled.
fn health(ready: Arc<AtomicBool>) -> axum::Router {
    use axum::{http::StatusCode, routing::get};
    let is_ready = move || async move {
        if ready.load(Ordering::Relaxed) {
            (StatusCode::OK, "ok\n")
        } else {
            (
                StatusCode::SERVICE_UNAVAILABLE,
                "the caches are not filled yet\n",
            )
        }
    };
    axum::Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(is_ready))
}

async fn until(mut stopped: watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// SIGTERM or SIGINT; without handlers for them, the default action ends the process anyway.
async fn ended() {
    let (Ok(mut term), Ok(mut interrupt)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        return std::future::pending().await;
    };
    tokio::select! { _ = term.recv() => {}, _ = interrupt.recv() => {} }
}
