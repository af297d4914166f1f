//! One request, and who asks: a registry says what it wants to see.

use super::body::{Body, empty};
use super::{ANSWER_MAX, Registry, RegistryError};
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, WWW_AUTHENTICATE};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use serde_json::Value;
use std::io;

impl Registry {
    /// One request; once more with what the registry asks for, when it asks who we are.
    pub(super) async fn ask(
        &mut self,
        what: &'static str,
        method: Method,
        url: &str,
        content_type: Option<&str>,
        body: impl Fn() -> Result<(Body, u64), io::Error>,
    ) -> Result<Response<Incoming>, RegistryError> {
        self.ask_for(what, method, url, (CONTENT_TYPE, content_type), body)
            .await
    }

    /// The same with another header, or none.
    pub(super) async fn ask_for(
        &mut self,
        what: &'static str,
        method: Method,
        url: &str,
        (header, value): (HeaderName, Option<&str>),
        body: impl Fn() -> Result<(Body, u64), io::Error>,
    ) -> Result<Response<Incoming>, RegistryError> {
        for attempt in 0..2 {
            let (body, length) = body().map_err(RegistryError::Unread)?;
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
                return Err(RegistryError::refused(what, answer).await);
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
            return Err(RegistryError::refused("ask for a token", answer).await);
        }
        let body = Limited::new(answer.into_body(), ANSWER_MAX).collect().await;
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
