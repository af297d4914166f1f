//! `operator`: reconciles Bottles and Proposals (`run`), prints its CRDs (`crds`).

mod arguments;
mod pages;

use arguments::{Arguments, Command, Run, WebhookArguments};
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
use clap::Parser as _;
use http::{HeaderValue, header::USER_AGENT};
use pages::pages;
use std::{
    error::Error,
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};
use tokio::{net::TcpListener, sync::watch};

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

async fn until(mut stopped: watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stopped| *stopped).await;
}
