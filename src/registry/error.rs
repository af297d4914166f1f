//! What comes of a registry that says no, or nothing.

use super::ANSWER_MAX;
use http::{Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;

/// Why a registry did not take something.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// Nobody answers.
    #[error("{host} can't be reached")]
    Unreachable {
        /// Where.
        host: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Who answers is not the one that we look for.
    #[error("{host} is not trusted")]
    Distrusted {
        /// Where.
        host: String,
        /// Why.
        source: std::io::Error,
    },
    /// It answered no.
    #[error("{what}: the registry answered {status} {said}")]
    Refused {
        /// What was asked.
        what: &'static str,
        /// Its answer.
        status: StatusCode,
        /// The first words of it.
        said: String,
    },
    /// It answered what can't be gone on with.
    #[error("{0}")]
    Odd(&'static str),
    /// It broke off.
    #[error("the registry's answer broke off")]
    Cut(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What is sent.
    #[error("the image can't be read")]
    Unread(#[source] std::io::Error),
}

impl RegistryError {
    /// What an answer says that is no yes.
    pub(super) async fn refused(what: &'static str, answer: Response<Incoming>) -> Self {
        const SHOWN: usize = 200;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_MAX).collect().await;
        let text = body
            .map(|body| String::from_utf8_lossy(&body.to_bytes()).into_owned())
            .unwrap_or_default();
        let said = text
            .chars()
            .filter(|one| !one.is_control())
            .take(SHOWN)
            .collect();
        Self::Refused { what, status, said }
    }

    /// An answer that broke off.
    pub(crate) fn cut(source: Box<dyn std::error::Error + Send + Sync>) -> Self {
        Self::Cut(source)
    }

    /// Whether the same may go better a little later.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Cut(_) => true,
            Self::Refused { status, .. } => {
                status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS
            }
            Self::Distrusted { .. } | Self::Odd(_) | Self::Unread(_) => false,
        }
    }

    /// Whether the registry would not take it from us, whatever we sent.
    pub fn is_refusal(&self) -> bool {
        let refused = matches!(self, Self::Refused { .. } | Self::Distrusted { .. });
        refused && !self.may_pass()
    }
}
