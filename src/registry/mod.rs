//! SHELL: the few requests of the OCI distribution protocol that pushing and pulling an image need.

mod ask;
mod body;
mod credentials;
mod error;
mod wire;

pub(crate) use credentials::Credentials;
pub use error::RegistryError;
pub(crate) use wire::Way;

use body::{empty, from_file, words};
use http::header::{ACCEPT, CONTENT_LENGTH, LOCATION};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use std::fs::File;
use std::io;

/// Of an answer that is read: tokens and errors.
const ANSWER_MAX: usize = 64 * 1024;
/// From a registry to where it keeps its layers.
const REDIRECTS_MAX: usize = 5;

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
            _ => Err(RegistryError::refused("look for a layer", answer).await),
        }
    }

    /// Uploads a blob.
    pub async fn upload(
        &mut self,
        digest: &str,
        open: impl Fn() -> Result<(File, u64), io::Error>,
    ) -> Result<(), RegistryError> {
        const WHAT: &str = "upload a layer";
        let url = format!("{}/v2/{}/blobs/uploads/", self.base, self.repository);
        let answer = self
            .ask(WHAT, Method::POST, &url, None, || Ok(empty()))
            .await?;
        if answer.status() != StatusCode::ACCEPTED {
            return Err(RegistryError::refused(WHAT, answer).await);
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
            Err(RegistryError::refused(WHAT, answer).await)
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
        let body = || Ok(words(text));
        let answer = self
            .ask(WHAT, Method::PUT, &url, Some(media_type), body)
            .await?;
        if answer.status() == StatusCode::CREATED {
            Ok(())
        } else {
            Err(RegistryError::refused(WHAT, answer).await)
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
    pub async fn blob(&mut self, digest: &str) -> Result<Incoming, RegistryError> {
        const WHAT: &str = "get a layer";
        let url = format!("{}/v2/{}/blobs/{digest}", self.base, self.repository);
        self.get(WHAT, &url, None).await.map(Response::into_body)
    }

    async fn get(
        &mut self,
        what: &'static str,
        url: &str,
        accept: Option<&str>,
    ) -> Result<Response<Incoming>, RegistryError> {
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
            Err(RegistryError::refused(what, answer).await)
        }
    }
}
