//! The few requests of the OCI distribution protocol that a push needs.

use super::credentials::Credentials;
use super::layout::LayoutError;
use super::wire::{Body, Way};
use bytes::Bytes;
use futures::stream;
use http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, LOCATION, WWW_AUTHENTICATE,
};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited, StreamBody};
use hyper::body::Frame;
use serde_json::Value;
use std::fs::File;
use std::io::Read as _;

/// Of an answer that is read: tokens and errors.
const BODY_MAX: usize = 64 * 1024;
const CHUNK: usize = 256 * 1024;
/// From a registry to where it keeps its layers.
const REDIRECTS_MAX: usize = 5;

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
    /// The image itself.
    #[error("the image can't be read")]
    Layout(#[from] LayoutError),
}

impl RegistryError {
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
            Self::Distrusted { .. } | Self::Odd(_) | Self::Layout(_) => false,
        }
    }

    /// Whether the registry would not take it from us, whatever we sent.
    pub fn is_refusal(&self) -> bool {
        let refused = matches!(self, Self::Refused { .. } | Self::Distrusted { .. });
        refused && !self.may_pass()
    }
}

/// One repository of a registry.
pub struct Registry {
    base: String,
    repository: String,
    credentials: Option<Credentials>,
    authorization: Option<String>,
    actions: &'static str,
    way: Way,
}

impl Registry {
    /// `place` is host, port and path, and the repository below it.
    pub fn new(
        (place, repository): (&str, &str),
        insecure: bool,
        credentials: Option<Credentials>,
        way: Way,
    ) -> Self {
        let (host, path) = place
            .trim_end_matches('/')
            .split_once('/')
            .unwrap_or((place, ""));
        let scheme = if insecure { "http" } else { "https" };
        let repository = format!("{path}/{repository}")
            .trim_start_matches('/')
            .to_owned();
        Self {
            base: format!("{scheme}://{host}"),
            repository,
            credentials,
            authorization: None,
            actions: "pull,push",
            way,
        }
    }

    /// The same, which asks for no right to write.
    #[must_use]
    pub fn to_read(self) -> Self {
        Self {
            actions: "pull",
            ..self
        }
    }

    /// Whether a blob is there.
    pub async fn has(&mut self, digest: &str) -> Result<bool, RegistryError> {
        let url = format!("{}/v2/{}/blobs/{digest}", self.base, self.repository);
        let answer = self
            .ask("look for a layer", Method::HEAD, &url, None, || Ok(empty()))
            .await?;
        match answer.status() {
            StatusCode::OK => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            _ => Err(refused("look for a layer", answer).await),
        }
    }

    /// Uploads a blob.
    pub async fn upload(
        &mut self,
        digest: &str,
        open: impl Fn() -> Result<(File, u64), LayoutError>,
    ) -> Result<(), RegistryError> {
        const WHAT: &str = "upload a layer";
        let url = format!("{}/v2/{}/blobs/uploads/", self.base, self.repository);
        let answer = self
            .ask(WHAT, Method::POST, &url, None, || Ok(empty()))
            .await?;
        if answer.status() != StatusCode::ACCEPTED {
            return Err(refused(WHAT, answer).await);
        }
        let location = answer
            .headers()
            .get(LOCATION)
            .and_then(|value| value.to_str().ok());
        let location = location.ok_or(RegistryError::Odd(
            "the registry names no place for an upload",
        ))?;
        let mut url = if location.starts_with('/') {
            format!("{}{location}", self.base)
        } else {
            location.to_owned()
        };
        // The credential goes nowhere else.
        if !url.starts_with(&format!("{}/", self.base)) {
            return Err(RegistryError::Odd(
                "the registry sends an upload to another host",
            ));
        }
        url.push(if url.contains('?') { '&' } else { '?' });
        url.push_str("digest=");
        url.push_str(&digest.replace(':', "%3A"));
        let body = || open().map(|(file, length)| (from_file(file, length), length));
        let answer = self
            .ask(
                WHAT,
                Method::PUT,
                &url,
                Some("application/octet-stream"),
                body,
            )
            .await?;
        if answer.status() == StatusCode::CREATED {
            Ok(())
        } else {
            Err(refused(WHAT, answer).await)
        }
    }

    /// Puts the manifest: from then on the image is there.
    pub async fn manifest(
        &mut self,
        tag: &str,
        media_type: &str,
        text: &[u8],
    ) -> Result<(), RegistryError> {
        const WHAT: &str = "put the manifest";
        let url = format!("{}/v2/{}/manifests/{tag}", self.base, self.repository);
        let body = || {
            let full = Full::new(Bytes::copy_from_slice(text));
            Ok((
                full.map_err(|never| match never {}).boxed_unsync(),
                text.len() as u64,
            ))
        };
        let answer = self
            .ask(WHAT, Method::PUT, &url, Some(media_type), body)
            .await?;
        if answer.status() == StatusCode::CREATED {
            Ok(())
        } else {
            Err(refused(WHAT, answer).await)
        }
    }

    /// Gets a manifest, by tag or digest.
    pub async fn get_manifest(
        &mut self,
        reference: &str,
        accept: &str,
        most: usize,
    ) -> Result<Vec<u8>, RegistryError> {
        const WHAT: &str = "get the manifest";
        let url = format!("{}/v2/{}/manifests/{reference}", self.base, self.repository);
        let answer = self.get(WHAT, &url, Some(accept)).await?;
        let body = Limited::new(answer.into_body(), most).collect().await;
        body.map(|body| body.to_bytes().into())
            .map_err(RegistryError::Cut)
    }

    /// Gets a blob, wherever the registry keeps it.
    pub async fn blob(&mut self, digest: &str) -> Result<hyper::body::Incoming, RegistryError> {
        const WHAT: &str = "get a layer";
        let url = format!("{}/v2/{}/blobs/{digest}", self.base, self.repository);
        self.get(WHAT, &url, None).await.map(Response::into_body)
    }

    async fn get(
        &mut self,
        what: &'static str,
        url: &str,
        accept: Option<&str>,
    ) -> Result<Response<hyper::body::Incoming>, RegistryError> {
        let mut answer = self
            .ask_for(what, Method::GET, url, (ACCEPT, accept), || Ok(empty()))
            .await?;
        for _ in 0..REDIRECTS_MAX {
            if !answer.status().is_redirection() {
                break;
            }
            let location = answer.headers().get(LOCATION).cloned();
            let location = location.as_ref().and_then(|value| value.to_str().ok());
            let location = location.ok_or(RegistryError::Odd("a redirection leads nowhere"))?;
            let to = if location.starts_with('/') {
                format!("{}{location}", self.base)
            } else {
                location.to_owned()
            };
            if !to.starts_with("https://") && !self.base.starts_with("http://") {
                return Err(RegistryError::Odd("a redirection leads into the open"));
            }
            // Whoever it is there, the credential is not for them.
            let request = Request::get(&to).header(CONTENT_LENGTH, 0).body(empty().0);
            let request = request.map_err(|_| RegistryError::Odd("a redirection is broken"))?;
            answer = self.way.send(request).await?;
        }
        if answer.status() == StatusCode::OK {
            Ok(answer)
        } else {
            Err(refused(what, answer).await)
        }
    }

    /// One request; once more with what the registry asks for, when it asks who we are.
    async fn ask(
        &mut self,
        what: &'static str,
        method: Method,
        url: &str,
        content_type: Option<&str>,
        body: impl Fn() -> Result<(Body, u64), LayoutError>,
    ) -> Result<Response<hyper::body::Incoming>, RegistryError> {
        self.ask_for(what, method, url, (CONTENT_TYPE, content_type), body)
            .await
    }

    async fn ask_for(
        &mut self,
        what: &'static str,
        method: Method,
        url: &str,
        (header, value): (HeaderName, Option<&str>),
        body: impl Fn() -> Result<(Body, u64), LayoutError>,
    ) -> Result<Response<hyper::body::Incoming>, RegistryError> {
        for attempt in 0..2 {
            let (body, length) = body()?;
            let mut request = Request::builder()
                .method(method.clone())
                .uri(url)
                .header(CONTENT_LENGTH, length);
            if let Some(value) = value {
                request = request.header(header.clone(), value);
            }
            if let Some(authorization) = &self.authorization {
                request = request.header(AUTHORIZATION, authorization);
            }
            let request = request
                .body(body)
                .map_err(|_| RegistryError::Odd("an address is broken"))?;
            let answer = self.way.send(request).await?;
            if answer.status() != StatusCode::UNAUTHORIZED || attempt == 1 {
                return Ok(answer);
            }
            let challenge = answer
                .headers()
                .get(WWW_AUTHENTICATE)
                .and_then(|value| value.to_str().ok());
            let challenge = challenge.unwrap_or_default().to_owned();
            if !self.authorize(&challenge).await? {
                return Err(refused(what, answer).await);
            }
        }
        Err(RegistryError::Odd(
            "the registry asks who we are again and again",
        ))
    }

    /// What the registry wants to see; false: there is nothing that we could show.
    async fn authorize(&mut self, challenge: &str) -> Result<bool, RegistryError> {
        let basic = self
            .credentials
            .as_ref()
            .map(|one| format!("Basic {}", one.0));
        let (scheme, rest) = challenge.split_once(' ').unwrap_or((challenge, ""));
        if scheme.eq_ignore_ascii_case("basic") {
            let new = basic.is_some() && self.authorization != basic;
            self.authorization = basic;
            return Ok(new);
        }
        let parameter = |name: &str| {
            let rest = rest.split_once(&format!("{name}=\""))?.1;
            rest.split_once('"').map(|(value, _)| value)
        };
        let Some(realm) = parameter("realm").filter(|_| scheme.eq_ignore_ascii_case("bearer"))
        else {
            return Ok(false);
        };
        if !self.base.starts_with("http://") && !realm.starts_with("https://") {
            return Err(RegistryError::Odd(
                "the registry would have its credential sent in the open",
            ));
        }
        let scope = format!("repository:{}:{}", self.repository, self.actions);
        let url = format!(
            "{realm}?service={}&scope={scope}",
            parameter("service").unwrap_or_default()
        );
        let url = url.replace(' ', "%20");
        let mut request = Request::get(&url);
        if let Some(basic) = basic {
            request = request.header(AUTHORIZATION, basic);
        }
        let request = request
            .body(empty().0)
            .map_err(|_| RegistryError::Odd("the realm is broken"))?;
        let answer = self.way.send(request).await?;
        if answer.status() != StatusCode::OK {
            return Err(refused("ask for a token", answer).await);
        }
        let body = Limited::new(answer.into_body(), BODY_MAX).collect().await;
        let body = body
            .map_err(|_| RegistryError::Odd("the token could not be read"))?
            .to_bytes();
        let value: Value = serde_json::from_slice(&body).unwrap_or_default();
        let token = value["token"].as_str().or(value["access_token"].as_str());
        let token = token.ok_or(RegistryError::Odd("the answer holds no token"))?;
        self.authorization = Some(format!("Bearer {token}"));
        Ok(true)
    }
}

fn empty() -> (Body, u64) {
    (
        Full::default()
            .map_err(|never| match never {})
            .boxed_unsync(),
        0,
    )
}

/// The file in pieces. It is read as fast as it is sent, and in between there is nothing else to do.
fn from_file(file: File, length: u64) -> Body {
    let pieces = stream::unfold(file.take(length), |mut file| async move {
        let mut piece = vec![0; CHUNK];
        match file.read(&mut piece) {
            Ok(0) => None,
            Ok(read) => {
                piece.truncate(read);
                Some((Ok(Frame::data(Bytes::from(piece))), file))
            }
            Err(error) => Some((Err(error), file)),
        }
    });
    StreamBody::new(Box::pin(pieces)).boxed_unsync()
}

async fn refused(what: &'static str, answer: Response<hyper::body::Incoming>) -> RegistryError {
    const SHOWN: usize = 200;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), BODY_MAX).collect().await;
    let text = body
        .map(|body| String::from_utf8_lossy(&body.to_bytes()).into_owned())
        .unwrap_or_default();
    let said = text
        .chars()
        .filter(|one| !one.is_control())
        .take(SHOWN)
        .collect();
    RegistryError::Refused { what, status, said }
}
