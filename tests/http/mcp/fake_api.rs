//! A fake API server: keeps objects, counts versions, remembers what it was asked. It knows no schema and no rules.

use bot_bottle::supervise::store::kubernetes::Kubernetes;
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

/// Where the objects of the tests' namespace are.
pub const BASE: &str = "/apis/bot-bottle.dev/v1alpha1/namespaces/ns";

/// Objects by path, the requests that came, and the answers to give instead (the first one first).
#[derive(Default)]
pub struct FakeApi {
    pub objects: Mutex<BTreeMap<String, Value>>,
    pub requests: Mutex<Vec<(String, Value)>>,
    pub instead: Mutex<Vec<(u16, &'static str)>>,
    version: Mutex<u64>,
}

impl FakeApi {
    fn answer(&self, method: &Method, path: &str, body: &Value) -> (u16, Value) {
        self.requests.lock().unwrap().push((
            format!("{method} {}", path.trim_start_matches(BASE)),
            body.clone(),
        ));
        let failure = |code: u16, reason: &str, message: &str| {
            (
                code,
                json!({"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message}),
            )
        };
        if !self.instead.lock().unwrap().is_empty() {
            let (code, message) = self.instead.lock().unwrap().remove(0);
            return failure(
                code,
                if code == 409 { "Conflict" } else { "Other" },
                message,
            );
        }
        let mut objects = self.objects.lock().unwrap();
        let mut version = self.version.lock().unwrap();
        *version += 1;
        match *method {
            Method::POST => {
                let path = format!("{path}/{}", body["metadata"]["name"].as_str().unwrap());
                if objects.contains_key(&path) {
                    return failure(409, "AlreadyExists", "it is there");
                }
                let mut object = body.clone();
                object["metadata"]["resourceVersion"] = json!(version.to_string());
                objects.insert(path, object.clone());
                (201, object)
            }
            Method::PATCH => {
                let Some(object) = objects.get_mut(path.trim_end_matches("/status")) else {
                    return failure(404, "NotFound", "it isn't there");
                };
                let wanted = &body["metadata"]["resourceVersion"];
                if !wanted.is_null() && *wanted != object["metadata"]["resourceVersion"] {
                    return failure(409, "Conflict", "it has been modified");
                }
                let mut changed = json!({"metadata": {"resourceVersion": version.to_string()}});
                if let Some(status) = body.get("status") {
                    changed["status"] = status.clone();
                }
                merge(object, &changed);
                (200, object.clone())
            }
            _ => failure(403, "Forbidden", "the sidecar may not"),
        }
    }

    pub fn seen(&self) -> Vec<String> {
        self.requests
            .lock()
            .unwrap()
            .iter()
            .map(|(line, _)| line.clone())
            .collect()
    }

    pub fn set_status(&self, name: &str, status: &Value) {
        let mut objects = self.objects.lock().unwrap();
        merge(
            objects
                .get_mut(&format!("{BASE}/proposals/{name}"))
                .unwrap(),
            &json!({"status": status}),
        );
    }

    pub fn asked_and_answered(&self, name: &str) -> (Value, Value) {
        let objects = self.objects.lock().unwrap();
        let sidecar = &objects[&format!("{BASE}/proposals/{name}")]["status"]["sidecar"];
        (sidecar["asked"].clone(), sidecar["answered"].clone())
    }
}

/// A JSON merge patch.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (key, value) in fields {
        if value.is_null() {
            target.as_object_mut().unwrap().remove(key);
        } else {
            merge(&mut target[key], value);
        }
    }
}

pub async fn start() -> (Arc<FakeApi>, Kubernetes) {
    let api = Arc::new(FakeApi::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = Arc::clone(&api);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let api = Arc::clone(&served);
            let service = service_fn(move |request: Request<Incoming>| {
                let api = Arc::clone(&api);
                async move {
                    let (parts, body) = request.into_parts();
                    let body = body.collect().await.unwrap().to_bytes();
                    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
                    let (code, value) = api.answer(&parts.method, parts.uri.path(), &body);
                    let response = Response::builder()
                        .status(code)
                        .header("content-type", "application/json");
                    Ok::<_, Infallible>(
                        response
                            .body(Full::new(Bytes::from(value.to_string())))
                            .unwrap(),
                    )
                }
            });
            tokio::spawn(
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service),
            );
        }
    });
    let config = kube::Config::new(format!("http://{address}").parse().unwrap());
    let client = kube::Client::try_from(config).unwrap();
    (api, Kubernetes::new(client, "ns", "demo", "uid-1"))
}
