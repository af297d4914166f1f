//! A company's certificates, which cred-proxy trusts besides the web's own.

use super::arguments;
use crate::{
    cred_proxy::{self, Setup, Tls},
    local::place::Place,
    names::{container, path},
    plan::volumes,
    telemetry::chain,
};
use k8s_openapi::api::core::v1::Pod;
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Between two looks for certificates that are not there.
const AGAIN: Duration = Duration::from_secs(1);

/// Serves as soon as it can trust whom it has to. Without that there is no cred-proxy, and so no agent: it is tried again
/// and again, as a kubelet starts a container.
pub(super) async fn serve(
    listener: TcpListener,
    setup: impl FnOnce(Tls) -> Setup,
    bundle: Option<PathBuf>,
    stop: CancellationToken,
) {
    let trusted = stop.run_until_cancelled(read(bundle.as_deref())).await;
    let Some(tls) = trusted else { return };
    if let Err(error) = cred_proxy::run(listener, setup(tls), stop.cancelled_owned()).await {
        tracing::error!(error = chain(&error), "cred-proxy ended");
    }
}

async fn read(bundle: Option<&Path>) -> Tls {
    loop {
        match Tls::new(bundle) {
            Ok(tls) => return tls,
            Err(error) => tracing::error!(error = chain(&error), "cred-proxy can't start"),
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// A company's certificates, where the plan has them.
pub(super) fn bundle(place: &Place, pod: &Pod) -> Option<PathBuf> {
    let told = arguments(pod, container::CRED_PROXY);
    let path = told
        .iter()
        .skip_while(|word| *word != "--ca-bundle")
        .nth(1)?;
    let file = Path::new(path).strip_prefix(path::CA).ok()?;
    Some(place.path("run/volumes").join(volumes::CA).join(file))
}
