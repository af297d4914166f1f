//! Traces of reconciles, sent to a collector by OTLP over HTTP where one is named.

use super::post;
use crate::{names, telemetry};
use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use opentelemetry::{KeyValue, trace::TracerProvider as _};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{
    ExporterBuildError, SpanExporter, WithExportConfig as _, WithHttpConfig as _,
};
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use std::time::Duration;
use tokio::runtime::{self, Runtime};
use tracing::{Metadata, level_filters::LevelFilter};
use tracing_subscriber::{Layer, Registry, filter::dynamic_filter_fn, layer::Context};

/// Longest wait for the collector, and for what is left at the end.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest answer that is read; one is a few bytes.
const LONGEST: usize = 64 * 1024;
/// kube's span around each reconcile.
const RECONCILE: &str = "reconciling object";

/// Traces can't be sent.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    /// A thread's own runtime.
    #[error("start what sends traces")]
    Runtime(#[source] std::io::Error),
    /// The exporter's settings: the URL, or variables of OpenTelemetry.
    #[error("set up the sending of traces")]
    Exporter(#[source] ExporterBuildError),
}

/// Gathers spans and sends them in batches, on a thread of its own.
#[derive(Debug)]
pub struct Traces(SdkTracerProvider);

impl Traces {
    /// Sends to the collector at `base`; OpenTelemetry's variables (`OTEL_TRACES_SAMPLER`, `OTEL_RESOURCE_ATTRIBUTES`,
    /// `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_BSP_*`) say the rest.
    pub fn to(base: &Uri, instance: &str) -> Result<Self, TracesError> {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(TracesError::Runtime)?;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Sender(runtime))
            .with_endpoint(endpoint(base))
            .build()
            .map_err(TracesError::Exporter)?;
        let resource = Resource::builder()
            .with_service_name(format!("{}-operator", names::PRODUCT))
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .with_attribute(KeyValue::new("service.instance.id", instance.to_owned()))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource)
            .build();
        Ok(Self(provider))
    }

    /// What hands spans over.
    pub fn layer(&self) -> Box<dyn Layer<Registry> + Send + Sync> {
        let filter = dynamic_filter_fn(wanted).with_max_level_hint(LevelFilter::DEBUG);
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer(names::PRODUCT))
            // Lines of our source, and threads that say nothing of async work.
            .with_location(false)
            .with_threads(false)
            .with_filter(filter)
            .boxed()
    }

    /// Sends what is left. Not to be called inside a runtime.
    pub fn end(self) {
        if let Err(error) = self.0.shutdown_with_timeout(PATIENCE) {
            tracing::warn!(error = %telemetry::chain(&error), "the last traces were not sent");
        }
    }
}

/// The URL as it is when it has a path; else that of the standard.
fn endpoint(base: &Uri) -> String {
    if base.path() == "/" {
        format!("{}/v1/traces", base.to_string().trim_end_matches('/'))
    } else {
        base.to_string()
    }
}

/// Reconciles, and below them the requests to the API server and what is logged: not the Lease, nor the watches. Debug
/// lines hold whole objects, so they stay out.
fn wanted(metadata: &Metadata<'_>, context: &Context<'_, Registry>) -> bool {
    let level = if metadata.is_span() {
        LevelFilter::DEBUG
    } else {
        LevelFilter::INFO
    };
    *metadata.level() <= level
        && (metadata.name() == RECONCILE || context.lookup_current().is_some())
}

/// Sends the exporter's requests. The exporter calls it on a thread of its own, which may be held up.
#[derive(Debug)]
struct Sender(Runtime);

impl HttpClient for Sender {
    fn send_bytes<'a, 'b>(
        &'a self,
        request: Request<Bytes>,
    ) -> BoxFuture<'b, Result<Response<Bytes>, HttpError>>
    where
        'a: 'b,
        Self: 'b,
    {
        let sent = self.0.block_on(async {
            tokio::time::timeout(PATIENCE, exchange(request))
                .await
                .unwrap_or_else(|late| Err(late.into()))
        });
        if let Err(error) = &sent {
            tracing::warn!(error = %telemetry::chain(&**error), "the collector of traces does not answer");
        }
        Box::pin(std::future::ready(sent))
    }
}

async fn exchange(request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
    let (parts, body) = post::post(request.map(Full::new)).await?.into_parts();
    let body = Limited::new(body, LONGEST).collect().await?.to_bytes();
    Ok(Response::from_parts(parts, body))
}

#[cfg(test)]
mod tests;
