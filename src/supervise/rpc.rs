//! JSON-RPC 2.0: bytes to a request, and results to bytes; pure.

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
    /// A notification or a client's own response: taken note of, never answered.
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
}

impl RpcError {
    /// An error of this code.
    pub fn new(code: i32, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
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
        return Ok(Message::Silent);
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
mod tests {
    use super::*;

    fn request(body: &str) -> Request {
        match parse(body.as_bytes()) {
            Ok(Message::Request(request)) => request,
            other => panic!("{body}: {other:?}"),
        }
    }

    fn code(body: &[u8]) -> i32 {
        parse(body).expect_err("must be refused").code
    }

    #[test]
    fn what_is_not_json_is_a_parse_error() {
        for body in [
            &b""[..],
            b"nonsense",
            b"{",
            b"[1,",
            b"{} {}",
            b"\xff",
            b"{\"a\":\"\xff\"}",
            b"\xef\xbb\xbf{}",
        ] {
            assert_eq!(code(body), PARSE_ERROR, "{}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn what_is_no_request_is_invalid() {
        for body in [
            "1",
            "null",
            "[]",
            r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#,
            "{}",
            r#"{"id":1,"method":"ping"}"#,
            r#"{"jsonrpc":2.0,"id":1,"method":"ping"}"#,
            r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":1}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":7}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":null,"result":{}}"#,
        ] {
            assert_eq!(code(body.as_bytes()), INVALID_REQUEST, "{body}");
        }
    }

    #[test]
    fn params_are_an_object_or_null() {
        for params in ["[]", "1", "\"x\"", "true"] {
            let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{params}}}"#);
            assert_eq!(code(body.as_bytes()), INVALID_PARAMS, "{params}");
        }
        for params in ["{}", "null", " { } "] {
            request(&format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{params}}}"#
            ));
        }
    }

    #[test]
    fn an_id_is_echoed_digit_for_digit() {
        for id in [
            "1",
            "-0",
            "1.0",
            "1e2",
            "1E400",
            "123456789012345678901234567890",
            "0.1000",
            "\"a\"",
            r#""\u00e4""#,
            "null",
            "true",
        ] {
            let request = request(&format!(
                r#"{{"jsonrpc":"2.0","method":"ping","id": {id} }}"#
            ));
            let text = response(Some(&request.id), &Ok(serde_json::json!({})));
            assert_eq!(
                text,
                format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#)
            );
        }
    }

    #[test]
    fn without_an_id_nothing_is_answered_whatever_the_method_and_params() {
        for body in [
            r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#,
            r#"{"jsonrpc":"2.0","method":"tools/call","params":[1]}"#,
            r#"{"jsonrpc":"2.0","method":"no/such/thing"}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":""}}"#,
        ] {
            assert!(
                matches!(parse(body.as_bytes()), Ok(Message::Silent)),
                "{body}"
            );
        }
    }

    #[test]
    fn a_progress_token_is_a_string_or_a_number_kept_as_written() {
        let token = |token: &str| {
            let body = format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"m","params":{{"_meta":{{"progressToken":{token}}}}}}}"#
            );
            request(&body)
                .progress_token()
                .map(|raw| raw.get().to_owned())
        };
        for kept in ["7", "-1", "12345678901234567890123", "\"a\""] {
            assert_eq!(token(kept).as_deref(), Some(kept));
        }
        for other in ["null", "{}", "[]", "true"] {
            assert_eq!(token(other), None);
        }
    }

    #[test]
    fn a_key_that_stands_twice_counts_as_its_last() {
        assert_eq!(
            request(r#"{"jsonrpc":"2.0","id":1,"method":"a","id":2,"method":"b"}"#).method,
            "b"
        );
    }

    #[test]
    fn params_that_are_too_deep_are_refused_with_the_id() {
        let deep = format!("{}1{}", r#"{"a":"#.repeat(500), "}".repeat(500));
        let request = request(&format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"m","params":{deep}}}"#
        ));
        assert_eq!(request.params().unwrap_err().code, INVALID_PARAMS);
    }
}
