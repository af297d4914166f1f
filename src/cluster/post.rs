//! One request to a server outside the cluster's API, over a connection of its own.

use crate::cred_proxy::{Tls, TlsError};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, Uri, header};
use http_body_util::Full;
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

/// A request got no answer. The URL may be a secret and is not repeated.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    /// What is asked for.
    #[error("the URL is not one of http or https with a host")]
    Url,
    /// The roots of TLS.
    #[error("set TLS up")]
    Tls(#[source] TlsError),
    /// No connection.
    #[error("connect")]
    Connect(#[source] std::io::Error),
    /// No answer.
    #[error("send")]
    Send(#[source] hyper::Error),
}

/// Sends `request` to the whole URL that it bears. The caller sets a limit of time.
pub async fn post(mut request: Request<Full<Bytes>>) -> Result<Response<Incoming>, PostError> {
    let uri = request.uri().clone();
    let (Some(host), Some(authority)) = (uri.host(), uri.authority()) else {
        return Err(PostError::Url);
    };
    let secure = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        _ => return Err(PostError::Url),
    };
    let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let named = HeaderValue::from_str(authority.as_str()).map_err(|_| PostError::Url)?;
    request.headers_mut().insert(header::HOST, named);
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = path.parse::<Uri>().map_err(|_| PostError::Url)?;
    let stream = TcpStream::connect((bare, port))
        .await
        .map_err(PostError::Connect)?;
    if !secure {
        return send(stream, request).await;
    }
    let tls = Tls::new(None).map_err(PostError::Tls)?;
    let name = ServerName::try_from(bare.to_owned()).map_err(|_| PostError::Url)?;
    let stream = tokio_rustls::TlsConnector::from(tls.http1)
        .connect(name, stream)
        .await
        .map_err(PostError::Connect)?;
    send(stream, request).await
}

async fn send<S>(stream: S, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, PostError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(PostError::Send)?;
    // It ends with the answer's body, read or not.
    tokio::spawn(connection);
    sender.send_request(request).await.map_err(PostError::Send)
}
