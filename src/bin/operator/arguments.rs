//! What the operator is told on its command line.

use bot_bottle::{api, names};
use clap::{Args, Parser, Subcommand};
use ipnet::IpNet;
use std::{net::SocketAddr, path::PathBuf};

#[derive(Parser)]
#[command(version, about = "Operator of bot-bottle: seals coding agents in pods")]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
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
pub struct Run {
    /// Image of the sidecars.
    #[arg(long, default_value = "bot-bottle/supervise:dev")]
    pub supervise_image: String,
    /// `imagePullPolicy` of that image.
    #[arg(long, default_value = "IfNotPresent")]
    pub supervise_pull_policy: String,
    /// Image of pipelock, for Bottles that name it as their engine.
    #[arg(long)]
    pub pipelock_image: Option<String>,
    /// The program in that image.
    #[arg(long, default_value = "/pipelock")]
    pub pipelock_program: String,
    /// A range of the cluster's own addresses (pods, services, nodes) that no bottle may reach; repeat it.
    #[arg(long = "cluster-range")]
    pub cluster_ranges: Vec<IpNet>,
    /// Image for agents of a kind whose Bottle and class name none, as `claude=IMAGE`; repeat it.
    #[arg(long = "agent-image", value_name = "KIND=IMAGE", value_parser = agent_image)]
    pub agent_images: Vec<(api::AgentKind, String)>,
    /// YAML file with settings below every class, in the shape of a `BottleClass`' spec.
    #[arg(long)]
    pub builtin: Option<PathBuf>,
    /// YAML file that says how images are built: the chart's value `builds`. Without a registry in it, none are.
    #[arg(long)]
    pub builds: Option<PathBuf>,
    /// Where `/healthz` and `/readyz` are served.
    #[arg(long, default_value = "0.0.0.0:8080")]
    pub health: SocketAddr,
    /// A namespace to look after; repeat it. Without: all of them.
    #[arg(long = "namespace")]
    pub namespaces: Vec<String>,
    /// ClusterRole that the sidecars' account gets.
    #[arg(long, default_value = names::SIDECAR_CLUSTER_ROLE)]
    pub sidecar_role: String,
    /// File with a URL to which each new question is posted, in the shape that Slack takes.
    #[arg(long)]
    pub notify_url_file: Option<PathBuf>,
    /// URL of an OTLP collector, by HTTP, to which traces of reconciles are sent. Variables of OpenTelemetry say the rest.
    #[arg(long, value_name = "URL")]
    pub traces: Option<http::Uri>,
    #[command(flatten)]
    pub lease: LeaseArguments,
    #[command(flatten)]
    pub webhook: WebhookArguments,
}

#[derive(Args)]
pub struct WebhookArguments {
    /// Where the admission webhook is served that fills in who decided; without it there is none.
    #[arg(long, requires = "webhook_configuration", requires = "webhook_host")]
    pub webhook: Option<SocketAddr>,
    /// MutatingWebhookConfiguration that gets this operator's certificate.
    #[arg(long)]
    pub webhook_configuration: Option<String>,
    /// Host by which the API server reaches the webhook.
    #[arg(long)]
    pub webhook_host: Option<String>,
}

#[derive(Args)]
pub struct LeaseArguments {
    /// Lease by which several operators agree who works; without it this one always does.
    #[arg(long)]
    pub lease: Option<String>,
    /// Namespace of the Lease.
    #[arg(long, env = "POD_NAMESPACE", default_value = "default")]
    pub lease_namespace: String,
    /// This operator's name in the Lease; each of its starts adds a number.
    #[arg(long, env = "POD_NAME", default_value = "operator")]
    pub identity: String,
    /// Seconds after which a silent operator is replaced; it stops writing after two thirds of them.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u16).range(1..=3600))]
    pub lease_seconds: u16,
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
