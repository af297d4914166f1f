//! Lets writes through to the API server only while this operator holds the lease.

use futures::future::BoxFuture;
use http::{Method, Request};
use nix::time::{ClockId, clock_gettime};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};
use tower::{BoxError, Layer, Service};

/// Value of an operator that shares its cluster with no other.
const ALWAYS: u64 = u64::MAX;

/// Until when this operator may write. Clones share it.
///
/// It stands below everything that can write, as a layer of the client, so that no write can forget to ask; and it
/// is asked when the request is sent: a process that was stopped for a minute finds it closed as soon as it goes on.
#[derive(Clone, Debug)]
pub struct Fence {
    /// Milliseconds of [`clock`].
    until: Arc<AtomicU64>,
}

/// A write was not sent, or not waited for: another operator may hold the lease.
#[derive(Debug, thiserror::Error)]
#[error("this operator does not hold the lease (any more)")]
pub struct NotLeading;

impl Fence {
    /// Lets everything through.
    pub fn open() -> Self {
        Self {
            until: Arc::new(AtomicU64::new(ALWAYS)),
        }
    }

    /// Lets no write through until it is opened.
    pub fn closed() -> Self {
        Self {
            until: Arc::new(AtomicU64::new(0)),
        }
    }

    /// Opens it until `until`, by [`clock`].
    pub fn hold_until(&self, until: Duration) {
        self.until.store(milliseconds(until), Ordering::SeqCst);
    }

    /// Closes it.
    pub fn close(&self) {
        self.until.store(0, Ordering::SeqCst);
    }

    /// How long it stays open, `now` by [`clock`]; none when it is closed.
    pub fn left(&self, now: Duration) -> Option<Duration> {
        let until = Duration::from_millis(self.until.load(Ordering::SeqCst));
        until.checked_sub(now).filter(|left| !left.is_zero())
    }
}

/// Time since the machine started, its sleep included; without a clock the end of all time, when nothing is held.
pub fn clock() -> Duration {
    clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::MAX, Duration::from)
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(0)
}

impl<S> Layer<S> for Fence {
    type Service = Fenced<S>;

    fn layer(&self, inner: S) -> Fenced<S> {
        Fenced {
            inner,
            fence: self.clone(),
        }
    }
}

/// A client behind a [`Fence`].
#[derive(Clone, Debug)]
pub struct Fenced<S> {
    inner: S,
    fence: Fence,
}

impl<S, B> Service<Request<B>> for Fenced<S>
where
    S: Service<Request<B>>,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<S::Response, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if matches!(*request.method(), Method::GET | Method::HEAD) {
            let answer = self.inner.call(request);
            return Box::pin(async { answer.await.map_err(Into::into) });
        }
        if self.fence.left(clock()).is_none() {
            return Box::pin(async { Err(NotLeading.into()) });
        }
        let answer = self.inner.call(request);
        let fence = self.fence.clone();
        Box::pin(async move {
            // Asked again: what was called waits for its first poll, and this process may have been stopped.
            let left = fence.left(clock()).ok_or(NotLeading)?;
            // A request that hangs, or that the client repeats by itself, must not arrive in a successor's time.
            match tokio::time::timeout(left, answer).await {
                Ok(answer) => answer.map_err(Into::into),
                Err(_) => Err(NotLeading.into()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Fence, clock};
    use http::{Method, Request};
    use std::{
        convert::Infallible,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        time::Duration,
    };
    use tower::{Layer as _, Service as _, service_fn};

    async fn sent(fence: &Fence, method: &Method) -> bool {
        let count = Arc::new(AtomicUsize::new(0));
        let counted = count.clone();
        let mut client = fence.layer(service_fn(move |_: Request<()>| {
            let counted = counted.clone();
            async move {
                counted.fetch_add(1, Ordering::SeqCst);
                Ok::<_, Infallible>(())
            }
        }));
        let request = Request::builder().method(method).body(()).unwrap();
        let answer = client.call(request).await;
        assert_eq!(answer.is_ok(), count.load(Ordering::SeqCst) == 1);
        answer.is_ok()
    }

    #[tokio::test]
    async fn a_closed_fence_lets_reads_through_and_no_write() {
        let fence = Fence::closed();
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            assert!(!sent(&fence, &method).await, "{method}");
            fence.hold_until(clock() + Duration::from_secs(60));
            assert!(sent(&fence, &method).await, "{method}");
            fence.close();
        }
        assert!(sent(&fence, &Method::GET).await);
        assert!(sent(&Fence::open(), &Method::PATCH).await);
    }

    #[tokio::test]
    async fn time_closes_it() {
        let fence = Fence::closed();
        let now = clock();
        fence.hold_until(now);
        assert!(!sent(&fence, &Method::PATCH).await);
        assert_eq!(
            fence
                .left(now.saturating_sub(Duration::from_secs(1)))
                .map(|left| left.as_secs()),
            Some(0)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_that_hangs_ends_with_the_lease() {
        let fence = Fence::closed();
        fence.hold_until(clock() + Duration::from_secs(10));
        let mut client = fence.layer(service_fn(|_: Request<()>| {
            std::future::pending::<Result<(), Infallible>>()
        }));
        let request = Request::builder().method(Method::PATCH).body(()).unwrap();
        assert!(client.call(request).await.is_err());
    }
}
