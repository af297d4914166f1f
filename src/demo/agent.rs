//! The scripted agent: an HTTP client that goes through the proxy, and speaks MCP.

use super::Error;
use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr};
use tokio::net::TcpStream;

/// Where an agent's two ways out are.
#[derive(Clone, Copy, Debug)]
pub struct Agent {
    /// Port of the MCP server.
    pub supervise: u16,
    /// Port of the proxy.
    pub egress: u16,
}

/// An answer of the web, or of the proxy in its place.
#[derive(Debug)]
pub struct Page {
    /// HTTP status.
    pub status: u16,
    /// The whole body.
    pub body: String,
}

impl Page {
    /// An error unless it has this status.
    pub fn expect(&self, status: u16, expected: &'static str) -> Result<(), Error> {
        if self.status == status {
            return Ok(());
        }
        Err(Error::Unexpected {
            expected,
            got: format!("{} {}", self.status, self.body),
        })
    }
}

type Cause = Box<dyn std::error::Error + Send + Sync>;

impl Agent {
    /// Fetches a page through the proxy, as `http_proxy` makes programs do.
    pub async fn get(self, url: &str) -> Result<Page, Error> {
        self.fetch(url)
            .await
            .map_err(|cause| Error::Request(url.to_owned(), cause))
    }

    async fn fetch(self, url: &str) -> Result<Page, Cause> {
        let uri: Uri = url.parse()?;
        let host = uri.authority().map(ToString::to_string).unwrap_or_default();
        let request = Request::get(uri)
            .header("host", host)
            .header("accept", "*/*")
            .body(Full::default())?;
        let response = send(self.egress, request).await?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await?.to_bytes();
        Ok(Page {
            status,
            body: String::from_utf8_lossy(&body).into_owned(),
        })
    }

    /// Says hello to the MCP server; the names of its tools.
    pub async fn connect(self) -> Result<Vec<String>, Error> {
        let hello = json!({
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "bot-bottle-demo", "version": env!("CARGO_PKG_VERSION")},
        });
        self.call("initialize", hello).await?;
        let tools = self.call("tools/list", json!({})).await?;
        let names = tools["tools"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default()
            .iter();
        Ok(names
            .filter_map(|tool| tool["name"].as_str().map(str::to_owned))
            .collect())
    }

    /// Calls `pipelock-block` and waits for its text, for as long as it takes.
    pub async fn propose(self, allowlist: String, why: &'static str) -> Result<String, Error> {
        let params = json!({
            "name": "pipelock-block",
            "arguments": {"allowlist": allowlist, "justification": why},
            "_meta": {"progressToken": 1},
        });
        let result = self.call("tools/call", params).await?;
        Ok(result["content"][0]["text"]
            .as_str()
            .unwrap_or_default()
            .to_owned())
    }

    /// The `result` of a request.
    async fn call(self, method: &str, params: Value) -> Result<Value, Error> {
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let mut answer = self
            .post(&message)
            .await
            .map_err(|cause| Error::Request("supervise".to_owned(), cause))?;
        match answer.get_mut("result") {
            Some(result) => Ok(result.take()),
            None => Err(Error::Unexpected {
                expected: "a result",
                got: answer.to_string(),
            }),
        }
    }

    async fn post(self, message: &Value) -> Result<Value, Cause> {
        let request = Request::post("/")
            .header("host", "supervise")
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .body(Full::new(Bytes::from(message.to_string())))?;
        let response = send(self.supervise, request).await?;
        let streams = response
            .headers()
            .get("content-type")
            .is_some_and(|kind| kind == "text/event-stream");
        let mut body = response.into_body();
        let mut text = String::new();
        while let Some(frame) = body.frame().await {
            if let Ok(data) = frame?.into_data() {
                text.push_str(std::str::from_utf8(&data)?);
            }
            if streams && let Some(answer) = answer(&text) {
                return Ok(answer);
            }
        }
        Ok(serde_json::from_str(&text)?)
    }
}

/// The first event that is a response; the others are signs of life.
fn answer(events: &str) -> Option<Value> {
    events
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .filter_map(|data| serde_json::from_str::<Value>(data).ok())
        .find(|message| message.get("id").is_some())
}

async fn send(port: u16, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Cause> {
    let stream = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender.send_request(request).await?)
}
