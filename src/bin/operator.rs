//! `operator`: reconciles Bottles and Proposals (`run`), prints its CRDs (`crds`).

use bot_bottle::{
    api,
    cluster::{
        self, Scope,
        health::Health,
        lease::{self, Election, Fence, Timing},
        metrics::{Counted, Metrics},
        tell::Teller,
        traces::Traces,
        webhook,
    },
    names,
    plan::settings::{Builds, Pipelock, Settings},
    signals,
    telemetry::{self, chain},
    yaml,
};
use clap::{Args, Parser, Subcommand};
use http::{HeaderValue, header::USER_AGENT};
use ipnet::IpNet;
use std::{
    error::Error,
    io::Write as _,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};
use tokio::{net::TcpListener, sync::watch};

const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Parser)]
#[command(version, about = "Operator of bot-bottle: seals coding agents in pods")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Reconcile Bottles and Proposals of the whole cluster.
    Run(Box<Run>),
    /// Print the CustomResourceDefinitions, or write each into a directory.
    Crds {
        /// Directories to write `<plural>.yaml` into instead of printing.
        #[arg(long)]
        out: Vec<PathBuf>,
    },
    /// Print every field of the API as Markdown.
    Reference,
}

#[derive(Args)]
struct Run {
    /// Image of the sidecars.
    #[arg(long, default_value = "bot-bottle/supervise:dev")]
    supervise_image: String,
    /// `imagePullPolicy` of that image.
    #[arg(long, default_value = "IfNotPresent")]
    supervise_pull_policy: String,
    /// Image of pipelock, for Bottles that name it as their engine.
    #[arg(long)]
    pipelock_image: Option<String>,
    /// The program in that image.
    #[arg(long, default_value = "/pipelock")]
    pipelock_program: String,
    /// A range of the cluster's own addresses (pods, services, nodes) that no bottle may reach; repeat it.
    #[arg(long = "cluster-range")]
    cluster_ranges: Vec<IpNet>,
    /// Image for agents of a kind whose Bottle and class name none, as `claude=IMAGE`; repeat it.
    #[arg(long = "agent-image", value_name = "KIND=IMAGE", value_parser = agent_image)]
    agent_images: Vec<(api::AgentKind, String)>,
    /// YAML file with settings below every class, in the shape of a `BottleClass`' spec.
    #[arg(long)]
    builtin: Option<PathBuf>,
    /// YAML file that says how images are built: the chart's value `builds`. Without a registry in it, none are.
    #[arg(long)]
    builds: Option<PathBuf>,
    /// Where `/healthz` and `/readyz` are served.
    #[arg(long, default_value = "0.0.0.0:8080")]
    health: SocketAddr,
    /// A namespace to look after; repeat it. Without: all of them.
    #[arg(long = "namespace")]
    namespaces: Vec<String>,
    /// ClusterRole that the sidecars' account gets.
    #[arg(long, default_value = names::SIDECAR_CLUSTER_ROLE)]
    sidecar_role: String,
    /// File with a URL to which each new question is posted, in the shape that Slack takes.
    #[arg(long)]
    notify_url_file: Option<PathBuf>,
    /// URL of an OTLP collector, by HTTP, to which traces of reconciles are sent. Variables of OpenTelemetry say the rest.
    #[arg(long, value_name = "URL")]
    traces: Option<http::Uri>,
    #[command(flatten)]
    lease: LeaseArguments,
    #[command(flatten)]
    webhook: WebhookArguments,
}

#[derive(Args)]
struct WebhookArguments {
    /// Where the admission webhook is served that fills in who decided; without it there is none.
    #[arg(long, requires = "webhook_configuration", requires = "webhook_host")]
    webhook: Option<SocketAddr>,
    /// MutatingWebhookConfiguration that gets this operator's certificate.
    #[arg(long)]
    webhook_configuration: Option<String>,
    /// Host by which the API server reaches the webhook.
    #[arg(long)]
    webhook_host: Option<String>,
}

#[derive(Args)]
struct LeaseArguments {
    /// Lease by which several operators agree who works; without it this one always does.
    #[arg(long)]
    lease: Option<String>,
    /// Namespace of the Lease.
    #[arg(long, env = "POD_NAMESPACE", default_value = "default")]
    lease_namespace: String,
    /// This operator's name in the Lease; each of its starts adds a number.
    #[arg(long, env = "POD_NAME", default_value = "operator")]
    identity: String,
    /// Seconds after which a silent operator is replaced; it stops writing after two thirds of them.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u16).range(1..=3600))]
    lease_seconds: u16,
}

fn main() -> ExitCode {
    let _failpoints = fail::FailScenario::setup();
    let command = Arguments::parse().command;
    let result = traces(&command).and_then(|traces| {
        match &traces {
            Some(traces) => telemetry::start_beside("info", traces.layer()),
            None => telemetry::start("info"),
        }
        let result = match command {
            Command::Crds { out } => crds(&out),
            Command::Reference => reference(),
            Command::Run(arguments) => run(*arguments),
        };
        traces.into_iter().for_each(Traces::end);
        result
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = %chain(&*error), "operator failed");
            ExitCode::FAILURE
        }
    }
}

/// What sends traces, where that is asked for.
fn traces(command: &Command) -> Result<Option<Traces>, Box<dyn Error>> {
    let Command::Run(run) = command else {
        return Ok(None);
    };
    let to = |base| Traces::to(base, &run.lease.identity);
    run.traces.as_ref().map(to).transpose().map_err(|error| {
        telemetry::start("info");
        error.into()
    })
}

fn agent_image(text: &str) -> Result<(api::AgentKind, String), String> {
    let (kind, image) = text
        .split_once('=')
        .filter(|(_, image)| !image.trim().is_empty())
        .ok_or("write KIND=IMAGE")?;
    let kind: api::AgentKind =
        serde_json::from_value(kind.into()).map_err(|error| error.to_string())?;
    Ok((kind, image.to_owned()))
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

fn reference() -> Result<(), Box<dyn Error>> {
    let page = api::reference();
    Ok(std::io::stdout().lock().write_all(page.as_bytes())?)
}

#[tokio::main]
async fn run(arguments: Run) -> Result<(), Box<dyn Error>> {
    let settings = Settings {
        supervise_image: arguments.supervise_image,
        pull_policy: arguments.supervise_pull_policy,
        deny: arguments.cluster_ranges,
        pipelock: arguments.pipelock_image.map(|image| Pipelock {
            image,
            program: arguments.pipelock_program,
        }),
        images: arguments.agent_images.into_iter().collect(),
        runtime: None,
        builds: read::<Builds>(arguments.builds.as_deref())?
            .filter(|builds| !builds.registry.is_empty() && !builds.image.is_empty()),
        builtin: read(arguments.builtin.as_deref())?.unwrap_or_default(),
    };
    let metrics = Arc::new(Metrics::default());
    let options = cluster::Options {
        settings,
        namespaces: arguments.namespaces,
        sidecar_role: arguments.sidecar_role,
        instance: Some(arguments.lease.identity.clone()),
        teller: arguments
            .notify_url_file
            .map(|file| Teller::start(file, metrics.clone())),
        metrics: metrics.clone(),
    };
    let scopes = Scope::of(&options.namespaces).len();
    let timing = Timing {
        duration: Duration::from_secs(arguments.lease.lease_seconds.into()),
    };
    let elects = arguments.lease.lease.is_some();
    let health = Arc::new(Health::new(scopes, elects.then_some(timing.duration)));
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        signals::ended_or_killed().await;
        let _ = stop.send(true);
    });
    let listener = TcpListener::bind(arguments.health).await?;
    let server = axum::serve(listener, pages(health.clone(), metrics))
        .with_graceful_shutdown(until(stopped.clone()));
    tokio::spawn(async move { server.await });
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        reporter = names::REPORTER,
        "operator starts"
    );
    let mut config = kube::Config::infer().await?;
    config
        .headers
        .push((USER_AGENT, HeaderValue::from_static(names::USER_AGENT)));
    serve_webhook(arguments.webhook, &arguments.lease.identity, &config).await?;
    let Some(lease) = &arguments.lease.lease else {
        return work(config, options, Fence::open(), &health, until(stopped)).await;
    };
    let fence = Fence::closed();
    let mut election = Election::new(
        kube::Client::try_from(config.clone())?,
        (&arguments.lease.lease_namespace, lease),
        format!("{}_{}", arguments.lease.identity, lease::start_number()),
        timing,
        fence.clone(),
        health.clone(),
    );
    tokio::select! {
        () = election.acquire() => {}
        () = until(stopped.clone()) => {
            election.give_back().await;
            return Ok(());
        }
    }
    // A task of its own: a plan that takes long must not hold up a renewal.
    let (finish, finished) = watch::channel(false);
    let mut kept = tokio::spawn(async move {
        let lost = tokio::select! {
            lost = election.keep() => Some(lost),
            () = until(finished) => None,
        };
        election.give_back().await;
        lost
    });
    tokio::select! {
        ended = work(config, options, fence, &health, until(stopped)) => {
            finish.send_replace(true);
            kept.await?;
            ended
        }
        // What it knows is of the past now: the next start begins anew.
        lost = &mut kept => lost?.map_or(Ok(()), |lost| Err(lost.into())),
    }
}

/// Serves the admission webhook beside the rest, where one is wanted.
async fn serve_webhook(
    arguments: WebhookArguments,
    identity: &str,
    config: &kube::Config,
) -> Result<(), Box<dyn Error>> {
    let (Some(address), Some(configuration), Some(host)) = (
        arguments.webhook,
        arguments.webhook_configuration,
        arguments.webhook_host,
    ) else {
        return Ok(());
    };
    let place = webhook::Where {
        configuration,
        host,
        identity: identity.to_owned(),
    };
    let listener = TcpListener::bind(address).await?;
    let client = kube::Client::try_from(config.clone())?;
    tokio::spawn(async move {
        if let Err(error) = webhook::run(client, listener, place).await {
            tracing::error!(error = %chain(&error), "the webhook ended; decisions may be refused");
        }
    });
    Ok(())
}

/// A YAML file, when one is named.
fn read<T: serde::de::DeserializeOwned>(path: Option<&Path>) -> Result<Option<T>, Box<dyn Error>> {
    let text = path.map(std::fs::read_to_string).transpose()?;
    Ok(text.map(|text| yaml::from_str_by_json(&text)).transpose()?)
}

/// Reconciles, as long as `fence` lets it.
async fn work(
    config: kube::Config,
    options: cluster::Options,
    fence: Fence,
    health: &Health,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Box<dyn Error>> {
    let client = kube::client::ClientBuilder::try_from(config)?
        .with_layer(&Counted(options.metrics.clone()))
        .with_layer(&fence)
        .build();
    let when_ready = || {
        if health.filled() {
            tracing::info!("the caches are filled");
        }
    };
    cluster::run(client, options, when_ready, shutdown).await?;
    Ok(())
}

/// `/healthz` answers while the process serves at all; `/readyz` says whether it works or could take over; `/metrics`
/// is for Prometheus.
fn pages(health: Arc<Health>, metrics: Arc<Metrics>) -> axum::Router {
    use axum::{
        http::{StatusCode, header::CONTENT_TYPE},
        response::IntoResponse as _,
        routing::get,
    };
    let leads = health.clone();
    let counted = move || async move {
        metrics.page(leads.is_leading()).map_or_else(
            |_| StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            |page| ([(CONTENT_TYPE, METRICS_TYPE)], page).into_response(),
        )
    };
    let is_ready = move || async move {
        match health.ready(lease::clock()) {
            Ok(role) => (StatusCode::OK, format!("ok: {role}\n")),
            Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
        }
    };
    axum::Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(is_ready))
        .route("/metrics", get(counted))
}

async fn until(mut stopped: watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stopped| *stopped).await;
}
