//! The listener, and the certificate's way into the webhook's configuration.

use super::{
    bundle::{self, Entry},
    certificate::{self, Certificate, CertificateError, LASTS, seconds},
    review,
};
use crate::{cluster::Error, names, telemetry};
use axum::{
    Json, Router,
    extract::DefaultBodyLimit,
    http::StatusCode,
    response::{IntoResponse as _, Response},
    routing::post,
};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use jiff::Timestamp;
use k8s_openapi::{ByteString, api::admissionregistration::v1::MutatingWebhookConfiguration};
use kube::{Api, Client, api::PostParams};
use rustls::ServerConfig;
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

/// An object and its old version, each with two files of 128 KiB at most, and a diff.
const LARGEST: usize = 4 << 20;
const CONNECTIONS: usize = 256;
/// The API server itself waits no longer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often the configuration is looked at: somebody may have put another one in its place.
const LOOK: Duration = Duration::from_secs(60);
/// How soon to try again.
const RETRY: Duration = Duration::from_secs(2);

/// Where the webhook is, and what it is called.
#[derive(Clone, Debug)]
pub struct Where {
    /// The object that names us to the API server.
    pub configuration: String,
    /// The host that the API server connects to.
    pub host: String,
    /// This operator.
    pub identity: String,
}

/// The webhook can't work.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// No certificate.
    #[error("prepare the webhook's certificate")]
    Certificate(#[from] CertificateError),
}

/// Answers the API server on `listener`, for ever. Each operator does, whoever leads.
pub async fn run(client: Client, listener: TcpListener, place: Where) -> Result<(), WebhookError> {
    let first = certificate::make(&place.host, now())?;
    let (server, current) = watch::channel(first.server.clone());
    let answers = serve(listener, current);
    let certificates = publish(client, place, first, server);
    tokio::select! {
        () = answers => Ok(()),
        ended = certificates => ended,
    }
}

async fn serve(listener: TcpListener, current: watch::Receiver<Arc<ServerConfig>>) {
    let router = Router::new()
        .route("/decision", post(decide))
        .layer(DefaultBodyLimit::max(LARGEST));
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = room.clone().acquire_owned().await else {
            return;
        };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "the webhook can't take a connection");
                sleep(RETRY).await;
                continue;
            }
        };
        let (acceptor, router) = (TlsAcceptor::from(current.borrow().clone()), router.clone());
        tokio::spawn(async move {
            connection(acceptor, stream, router).await;
            drop(place);
        });
    }
}

async fn connection(acceptor: TlsAcceptor, stream: TcpStream, router: Router) {
    let Ok(Ok(stream)) = timeout(PATIENCE, acceptor.accept(stream)).await else {
        tracing::debug!("a connection to the webhook had no TLS");
        return;
    };
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(LOOK)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    if let Err(error) = served.await {
        tracing::debug!(%error, "a connection to the webhook broke");
    }
}

async fn decide(Json(review): Json<Value>) -> Response {
    match review::answer(&review) {
        Some(answer) => Json(answer).into_response(),
        None => (StatusCode::BAD_REQUEST, "this is no AdmissionReview\n").into_response(),
    }
}

/// Keeps our certificate in the configuration, and renews it at half of its time.
async fn publish(
    client: Client,
    place: Where,
    mut certificate: Certificate,
    server: watch::Sender<Arc<ServerConfig>>,
) -> Result<(), WebhookError> {
    let api = Api::<MutatingWebhookConfiguration>::all(client);
    let mut made = now();
    loop {
        if now() - made > seconds(LASTS / 2) {
            made = now();
            certificate = certificate::make(&place.host, made)?;
            // The API server knows it a moment later; until then it can't decide, and people try again.
            server.send_replace(certificate.server.clone());
            tracing::info!("the webhook's certificate is renewed");
        }
        let ours = Entry {
            identity: place.identity.clone(),
            until: made + seconds(LASTS),
            pem: certificate.pem.clone(),
        };
        let pause = match add(&api, &place.configuration, &ours).await {
            Ok(()) => LOOK,
            Err(error) => {
                tracing::warn!(error = %telemetry::chain(&error), "the webhook's certificate is not published; trying again");
                RETRY
            }
        };
        sleep(pause).await;
    }
}

async fn add(
    api: &Api<MutatingWebhookConfiguration>,
    name: &str,
    ours: &Entry,
) -> Result<(), Error> {
    let mut object = api
        .get(name)
        .await
        .map_err(Error::api("read MutatingWebhookConfiguration", name))?;
    let before = object.webhooks.clone();
    for webhook in object.webhooks.iter_mut().flatten() {
        let old = webhook.client_config.ca_bundle.take().unwrap_or_default();
        let new = bundle::with(&String::from_utf8_lossy(&old.0), ours, now());
        webhook.client_config.ca_bundle = Some(ByteString(new.into_bytes()));
    }
    if object.webhooks == before {
        return Ok(());
    }
    let params = PostParams {
        field_manager: Some(names::FIELD_MANAGER.into()),
        ..PostParams::default()
    };
    // It names the version that was read: two operators don't overwrite each other's.
    api.replace(name, &params, &object)
        .await
        .map_err(Error::api("write MutatingWebhookConfiguration", name))?;
    tracing::info!(
        configuration = name,
        "the webhook's certificate is published"
    );
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "a certificate has a beginning and an end"
)]
fn now() -> i64 {
    Timestamp::now().as_second()
}
