//! SHELL: Kubernetes. Watches, observes, asks [`crate::plan`], applies. It decides nothing.

mod apply;
mod caches;
mod context;
mod control;
mod gone;
pub mod health;
mod index;
pub mod lease;
pub mod metrics;
mod notify;
mod observe;
mod post;
mod roll;
mod scope;
mod shared;
pub mod tell;
mod thin;
pub mod traces;
mod visible;
mod wake;
pub mod webhook;

pub use context::Context;
pub use control::{Options, run};
pub use scope::Scope;

/// Something that the API server said no to, or did not say at all.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A write or a read failed.
    #[error("{operation} {object}")]
    Api {
        /// What was tried.
        operation: &'static str,
        /// On which object.
        object: String,
        /// Why it failed.
        #[source]
        source: Box<kube::Error>,
    },
    /// A cache ended before it was filled.
    #[error("fill the cache of {0}")]
    Cache(
        &'static str,
        #[source] kube::runtime::reflector::store::WriterDropped,
    ),
}

impl Error {
    fn api(operation: &'static str, object: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let object = object.into();
        move |source| Self::Api {
            operation,
            object,
            source: Box::new(source),
        }
    }

    /// Whether the object changed under us, or exists although the cache did not know: look again, nothing is wrong.
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Api { source, .. } if matches!(&**source, kube::Error::Api(status) if status.code == 409))
    }

    /// Whether the object, or its namespace, is gone or on its way out.
    fn is_gone(&self) -> bool {
        let Self::Api { source, .. } = self else {
            return false;
        };
        match &**source {
            kube::Error::Api(status) => {
                status.code == 404
                    || (status.code == 403 && status.message.contains("is being terminated"))
            }
            _ => false,
        }
    }
}
