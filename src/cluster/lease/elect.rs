//! Takes the Lease, renews it, gives it back.

use super::{Fence, Sighting, Timing, fence::clock, holder};
use crate::{cluster::health::Health, names, telemetry};
use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};
use std::{sync::Arc, time::Duration};
use tokio::time::sleep;

/// This operator no longer holds the lease: it has to end, for what it knows is of the past.
#[derive(Debug, thiserror::Error)]
#[error("lost the lease {lease}: {why}")]
pub struct Lost {
    lease: String,
    why: &'static str,
}

/// One candidate for one Lease.
///
/// Each write names the `resourceVersion` that it was decided on, so of two candidates one wins.
pub struct Election {
    api: Api<Lease>,
    name: String,
    identity: String,
    timing: Timing,
    fence: Fence,
    health: Arc<Health>,
    held: Option<Lease>,
}

impl Election {
    /// `client` must not stand behind `fence`, which this opens and closes.
    pub fn new(
        client: Client,
        (namespace, name): (&str, &str),
        identity: String,
        timing: Timing,
        fence: Fence,
        health: Arc<Health>,
    ) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            name: name.to_owned(),
            identity,
            timing,
            fence,
            health,
            held: None,
        }
    }

    /// Waits until the lease is ours.
    pub async fn acquire(&mut self) {
        let mut sighting = Sighting::default();
        tracing::info!(lease = self.name, identity = self.identity, "standing by");
        loop {
            let wait = match self.try_to_take(&mut sighting).await {
                Ok(None) => break,
                Ok(Some(wait)) => wait,
                Err(error) => {
                    tracing::warn!(lease = self.name, error = %telemetry::chain(&error), "the lease can't be read or taken; trying again");
                    self.timing.pause()
                }
            };
            sleep(wait.min(self.timing.pause())).await;
        }
        self.health.leads();
        tracing::info!(lease = self.name, identity = self.identity, "leading");
    }

    /// How long to wait, or none when the lease is ours now.
    async fn try_to_take(
        &mut self,
        sighting: &mut Sighting,
    ) -> Result<Option<Duration>, kube::Error> {
        let began = clock();
        let found = within(self.timing, self.api.get_opt(&self.name)).await?;
        self.health.heard(clock());
        let taken = match found {
            None => self.create().await?,
            Some(found) => {
                let version = found.metadata.resource_version.as_deref();
                let wait = sighting.wait(found.spec.as_ref(), version, self.timing, clock());
                if !wait.is_zero() {
                    return Ok(Some(wait));
                }
                self.replace(found, true).await?
            }
        };
        match taken {
            None => Ok(Some(self.timing.pause())),
            Some(lease) => {
                self.hold(lease, began);
                Ok(None)
            }
        }
    }

    /// Renews the lease until that fails; the fence is closed when this returns.
    pub async fn keep(&mut self) -> Lost {
        let why = self.renew_until_lost().await;
        self.fence.close();
        Lost {
            lease: self.name.clone(),
            why,
        }
    }

    async fn renew_until_lost(&mut self) -> &'static str {
        loop {
            sleep(self.timing.pause()).await;
            let began = clock();
            if self.fence.left(began).is_none() {
                // The tests let it linger here, so that what waits to be written has its try.
                fail::fail_point!("lease-lost");
                return "it was not renewed in time";
            }
            match self.renew().await {
                Ok(Some(lease)) => self.hold(lease, began),
                Ok(None) => return "somebody else holds it",
                Err(error) => {
                    tracing::warn!(lease = self.name, error = %telemetry::chain(&error), "the lease was not renewed; trying again");
                }
            }
        }
    }

    /// The renewed lease, or none when it is not ours any more.
    async fn renew(&mut self) -> Result<Option<Lease>, kube::Error> {
        if let Some(held) = self.held.clone()
            && let Some(lease) = self.replace(held, false).await?
        {
            return Ok(Some(lease));
        }
        // Somebody wrote to it: a person an annotation, or another candidate its name.
        match within(self.timing, self.api.get_opt(&self.name)).await? {
            Some(found) if holder(found.spec.as_ref()) == Some(&self.identity) => {
                self.replace(found, false).await
            }
            _ => Ok(None),
        }
    }

    /// Gives the lease back, so that another need not wait. What still wanted to write is stopped first.
    pub async fn give_back(&mut self) {
        self.fence.close();
        let Some(mut lease) = self.held.take() else {
            return;
        };
        let spec = lease.spec.get_or_insert_default();
        spec.holder_identity = None;
        spec.lease_duration_seconds = Some(1);
        let params = post();
        let written = self.api.replace(&self.name, &params, &lease);
        match within(self.timing, written).await {
            Ok(_) => tracing::info!(lease = self.name, "the lease is given back"),
            Err(error) => {
                tracing::warn!(lease = self.name, error = %telemetry::chain(&error), "the lease was not given back; it runs out by itself");
            }
        }
    }

    fn hold(&mut self, lease: Lease, began: Duration) {
        self.held = Some(lease);
        self.fence.hold_until(began + self.timing.held());
        self.health.heard(clock());
    }

    /// None when another one was faster.
    async fn create(&self) -> Result<Option<Lease>, kube::Error> {
        let now = wall_clock();
        let lease = Lease {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec {
                holder_identity: Some(self.identity.clone()),
                lease_duration_seconds: Some(self.timing.seconds()),
                acquire_time: Some(now.clone()),
                renew_time: Some(now),
                lease_transitions: Some(0),
                ..LeaseSpec::default()
            }),
        };
        unless_conflict(within(self.timing, self.api.create(&post(), &lease)).await)
    }

    /// None when the object is not the one that was read any more.
    async fn replace(&self, mut lease: Lease, take: bool) -> Result<Option<Lease>, kube::Error> {
        let now = wall_clock();
        let spec = lease.spec.get_or_insert_default();
        spec.holder_identity = Some(self.identity.clone());
        spec.lease_duration_seconds = Some(self.timing.seconds());
        spec.renew_time = Some(now.clone());
        if take {
            spec.acquire_time = Some(now);
            spec.lease_transitions = Some(spec.lease_transitions.unwrap_or(0).saturating_add(1));
        }
        let params = post();
        let written = self.api.replace(&self.name, &params, &lease);
        unless_conflict(within(self.timing, written).await)
    }
}

/// A request that hangs is given up, or the next one would come too late.
async fn within<T>(
    timing: Timing,
    request: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, kube::Error> {
    tokio::time::timeout(timing.held() / 2, request)
        .await
        .unwrap_or_else(|elapsed| Err(kube::Error::Service(elapsed.into())))
}

fn unless_conflict(written: Result<Lease, kube::Error>) -> Result<Option<Lease>, kube::Error> {
    match written {
        Ok(lease) => Ok(Some(lease)),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(None),
        Err(error) => Err(error),
    }
}

fn post() -> PostParams {
    PostParams {
        field_manager: Some(names::FIELD_MANAGER.into()),
        ..PostParams::default()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "for people who read the Lease; nothing is decided by it"
)]
fn wall_clock() -> MicroTime {
    MicroTime(Timestamp::now())
}
