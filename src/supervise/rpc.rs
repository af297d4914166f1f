//! JSON-RPC 2.0: bytes to a request, and results to bytes; pure.

use crate::names::mcp::REMARKS;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::HashMap;

/// Not JSON.
pub const PARSE_ERROR: i32 = -32700;
/// JSON, but no request.
pub const INVALID_REQUEST: i32 = -32600;
/// No such method.
pub const METHOD_NOT_FOUND: i32 = -32601;
/// Arguments that can't be used.
pub const INVALID_PARAMS: i32 = -32602;
/// Something failed on this side.
pub const INTERNAL_ERROR: i32 = -32603;
/// No such resource (MCP).
pub const RESOURCE_NOT_FOUND: i32 = -32002;

/// What a client sent.
#[derive(Debug)]
pub enum Message {
    /// Wants an answer.
    Request(Request),
    /// What `seal` has to say about the agent's settings; never answered.
    Remarks(Vec<String>),
    /// Another notification, or a client's own response: taken note of, never answered.
    Silent,
}

/// A request, its id kept as it was written.
#[derive(Debug)]
pub struct Request {
    /// Echoed digit for digit: parsed and printed again, a large number would change.
    pub id: Box<RawValue>,
    /// The method's name.
    pub method: String,
    /// An object, as it was written.
    pub params: Option<Box<RawValue>>,
}

/// An error of the protocol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RpcError {
    /// One of this module's constants.
    pub code: i32,
    /// What to do about it.
    pub message: String,
    /// Its kind, for counters: unlike the message it never holds what the client sent.
    #[serde(skip)]
    pub reason: &'static str,
}

impl RpcError {
    /// An error of this code.
    pub fn new(code: i32, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            reason: match code {
                PARSE_ERROR => "not-json",
                INVALID_REQUEST => "invalid-request",
                METHOD_NOT_FOUND => "unknown-method",
                INVALID_PARAMS => "params",
                RESOURCE_NOT_FOUND => "unknown-resource",
                _ => "internal",
            },
        }
    }

    /// With a narrower reason.
    #[must_use]
    pub fn because(self, reason: &'static str) -> Self {
        Self { reason, ..self }
    }
}

/// Reads one message. An error here is answered with `id: null`.
pub fn parse(body: &[u8]) -> Result<Message, RpcError> {
    let not_json = |why: &dyn std::fmt::Display| {
        RpcError::new(PARSE_ERROR, format!("the body is not JSON: {why}"))
    };
    let text = std::str::from_utf8(body).map_err(|error| not_json(&error))?;
    let whole: &RawValue = serde_json::from_str(text).map_err(|error| not_json(&error))?;
    // A map and no struct: of a key that stands twice the last one counts, as in most parsers.
    let fields: HashMap<Cow<str>, &RawValue> = serde_json::from_str(whole.get()).map_err(|_| {
        RpcError::new(
            INVALID_REQUEST,
            "the body must be one JSON object; batches are not supported",
        )
    })?;
    if string(fields.get("jsonrpc")).as_deref() != Some("2.0") {
        return Err(RpcError::new(INVALID_REQUEST, "`jsonrpc` must be \"2.0\""));
    }
    let Some(method) = string(fields.get("method")) else {
        let is_response = fields.contains_key("result") || fields.contains_key("error");
        if is_response && !fields.contains_key("method") {
            return Ok(Message::Silent);
        }
        return Err(RpcError::new(INVALID_REQUEST, "`method` must be a string"));
    };
    let Some(&id) = fields.get("id") else {
        return Ok(note(&method, fields.get("params").copied()));
    };
    let params = match fields.get("params") {
        None => None,
        Some(raw) if raw.get() == "null" => None,
        Some(&raw) if raw.get().starts_with('{') => Some(raw.to_owned()),
        Some(_) => return Err(RpcError::new(INVALID_PARAMS, "`params` must be an object")),
    };
    Ok(Message::Request(Request {
        id: id.to_owned(),
        method,
        params,
    }))
}

fn note(method: &str, params: Option<&RawValue>) -> Message {
    #[derive(Deserialize)]
    struct Params {
        lines: Vec<String>,
    }
    let read = |raw: &RawValue| serde_json::from_str::<Params>(raw.get()).ok();
    match params.filter(|_| method == REMARKS).and_then(read) {
        Some(params) => Message::Remarks(params.lines),
        None => Message::Silent,
    }
}

fn string(raw: Option<&&RawValue>) -> Option<String> {
    serde_json::from_str(raw?.get()).ok()
}

impl Request {
    /// The params as a value; an empty object when there are none.
    pub fn params(&self) -> Result<Value, RpcError> {
        match &self.params {
            None => Ok(Value::Object(serde_json::Map::new())),
            Some(raw) => serde_json::from_str(raw.get()).map_err(|error| {
                RpcError::new(INVALID_PARAMS, format!("`params` can't be read: {error}"))
            }),
        }
    }

    /// `params._meta.progressToken` as it was written, when it is a string or a number.
    pub fn progress_token(&self) -> Option<Box<RawValue>> {
        #[derive(Deserialize)]
        struct Params<'a> {
            #[serde(borrow, rename = "_meta")]
            meta: Meta<'a>,
        }
        #[derive(Deserialize)]
        struct Meta<'a> {
            #[serde(borrow, rename = "progressToken")]
            token: &'a RawValue,
        }
        let params: Params = serde_json::from_str(self.params.as_ref()?.get()).ok()?;
        let token = params.meta.token;
        let first = token.get().chars().next()?;
        (first == '"' || first == '-' || first.is_ascii_digit()).then(|| token.to_owned())
    }
}

/// A response's bytes. `id: None` is `null`.
pub fn response(id: Option<&RawValue>, outcome: &Result<Value, RpcError>) -> String {
    #[derive(Serialize)]
    struct Response<'a> {
        jsonrpc: &'static str,
        id: Option<&'a RawValue>,
        #[serde(skip_serializing_if = "Option::is_none")]
        result: Option<&'a Value>,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<&'a RpcError>,
    }
    text(&Response {
        jsonrpc: "2.0",
        id,
        result: outcome.as_ref().ok(),
        error: outcome.as_ref().err(),
    })
}

/// A `notifications/progress` message's bytes.
pub fn progress(token: &RawValue, progress: u64, message: &str) -> String {
    #[derive(Serialize)]
    struct Notification<'a> {
        jsonrpc: &'static str,
        method: &'static str,
        params: Params<'a>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Params<'a> {
        progress_token: &'a RawValue,
        progress: u64,
        message: &'a str,
    }
    text(&Notification {
        jsonrpc: "2.0",
        method: "notifications/progress",
        params: Params {
            progress_token: token,
            progress,
            message,
        },
    })
}

fn text(message: &impl Serialize) -> String {
    // Maps with string keys, strings and numbers only: nothing in it can fail to serialise.
    serde_json::to_string(message).unwrap_or_default()
}

#[cfg(test)]
mod tests;
