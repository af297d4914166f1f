//! Against a registry of a few lines.

use super::{Directory, Name, PullError, manifest, pull};
use crate::registry::{Credentials, Registry, Way};
use crate::{cred_proxy::Tls, egress::Dns};
use axum::Router;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use http::StatusCode;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// Everything by its digest, the list of platforms as `tag`; layers are kept elsewhere.
#[derive(Clone, Default)]
struct Served {
    things: Arc<BTreeMap<String, Vec<u8>>>,
    elsewhere: String,
    /// Request line and Authorization of every request.
    asked: Arc<Mutex<Vec<(String, String)>>>,
}

impl Served {
    fn image() -> (Self, String) {
        let mut things = BTreeMap::new();
        let mut keep = |content: Vec<u8>| {
            let digest = manifest::digest(&content);
            things.insert(digest.clone(), content);
            digest
        };
        let (config, layer) = (keep(b"{}".to_vec()), keep(b"layer".to_vec()));
        let image =
            json!({"config": {"digest": config}, "layers": [{"digest": layer}, {"digest": layer}]});
        let image = keep(image.to_string().into_bytes());
        let platform = |architecture: &str| json!({"digest": image, "platform": {"os": "linux", "architecture": architecture}});
        let list = json!({"manifests": [platform("amd64"), platform("arm64")]});
        things.insert("tag".into(), list.to_string().into_bytes());
        let served = Self {
            things: Arc::new(things),
            ..Self::default()
        };
        (served, image)
    }

    async fn start(self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let router = Router::new()
            .route("/v2/base/tool/{kind}/{what}", axum::routing::get(answer))
            .route("/kept/{what}", axum::routing::get(kept))
            .with_state(self);
        tokio::spawn(async { axum::serve(listener, router).await.unwrap() });
        address
    }

    fn note(&self, request: &Request) -> String {
        let authorization = request.headers().get(AUTHORIZATION);
        let authorization = authorization.map_or("", |value| value.to_str().unwrap());
        let line = request.uri().to_string();
        let mut asked = self.asked.lock().unwrap();
        asked.push((line, authorization.to_owned()));
        authorization.to_owned()
    }
}

async fn answer(
    State(served): State<Served>,
    Path((kind, what)): Path<(String, String)>,
    request: Request,
) -> Response {
    let login = served.note(&request);
    if login != "Basic dTpw" {
        let asks = [(WWW_AUTHENTICATE, "Basic realm=\"here\"")];
        return (StatusCode::UNAUTHORIZED, asks).into_response();
    }
    if kind == "blobs" && !served.elsewhere.is_empty() {
        let to = format!("http://{}/kept/{what}", served.elsewhere);
        return Redirect::temporary(&to).into_response();
    }
    kept(State(served), Path(what), request).await
}

async fn kept(
    State(served): State<Served>,
    Path(what): Path<String>,
    request: Request,
) -> Response {
    served.note(&request);
    match served.things.get(&what) {
        Some(thing) => thing.clone().into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn registry(host: &str, proxy: Option<(String, u16)>) -> Registry {
    let login = json!({"auths": {host: {"username": "u", "password": "p"}}});
    let way = Way {
        tls: Tls::new(None).unwrap().http1,
        dns: Arc::new(Dns::marked(&[], [], None).unwrap()),
        mark: None,
        proxy,
    };
    let login = Credentials::find(&login.to_string(), host);
    Registry::new((host, "base/tool"), true, login, way).to_read()
}

async fn pulled(
    host: &str,
    proxy: Option<(String, u16)>,
) -> (Result<String, PullError>, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let name = Name::read(&format!("{host}/base/tool:tag"));
    let mut registry = registry(host, proxy);
    let to = Directory(directory.path().join("0"));
    (pull(&name, &mut registry, &to).await, directory)
}

#[tokio::test]
async fn the_image_of_this_platform_is_pulled_and_the_login_goes_to_the_registry_only() {
    let (elsewhere, _) = Served::image();
    let (mut served, image) = Served::image();
    served.elsewhere = elsewhere.clone().start().await;
    let host = served.clone().start().await;
    let (digest, directory) = pulled(&host, None).await;
    assert_eq!(digest.unwrap(), image);
    let layout = directory.path().join("0");
    let index = std::fs::read_to_string(layout.join("index.json")).unwrap();
    assert!(index.contains(&image), "{index}");
    for (digest, content) in served.things.iter().filter(|(name, _)| *name != "tag") {
        let file = layout
            .join("blobs/sha256")
            .join(digest.trim_start_matches("sha256:"));
        assert_eq!(&std::fs::read(file).unwrap(), content);
    }
    let asked = elsewhere.asked.lock().unwrap();
    assert!(
        asked.len() >= 2 && asked.iter().all(|(_, login)| login.is_empty()),
        "{asked:?}"
    );
}

#[tokio::test]
async fn what_is_not_what_its_digest_says_is_not_kept_as_an_image() {
    for wrong in ["layer", "image"] {
        let (served, image) = Served::image();
        let mut things = (*served.things).clone();
        let spoilt = match wrong {
            "layer" => manifest::digest(b"layer"),
            _ => image,
        };
        things.insert(spoilt, b"{\"config\": {}, \"layers\": []} ".to_vec());
        let served = Served {
            things: Arc::new(things),
            ..Served::default()
        };
        let host = served.start().await;
        let (said, directory) = pulled(&host, None).await;
        let said = crate::telemetry::chain(&said.unwrap_err());
        assert!(said.contains("not the one with the digest"), "{said}");
        assert!(!directory.path().join("0/index.json").exists(), "{wrong}");
    }
}

#[tokio::test]
async fn a_proxy_is_given_the_whole_address() {
    let (served, image) = Served::image();
    let proxy = served.clone().start().await;
    let (proxy, port) = proxy.rsplit_once(':').unwrap();
    // Nobody looks this name up, here.
    let host = "registry.example.com:5000";
    let way = Some((proxy.to_owned(), port.parse().unwrap()));
    let (digest, _directory) = pulled(host, way).await;
    assert_eq!(digest.unwrap(), image);
    let asked = served.asked.lock().unwrap();
    assert!(
        asked
            .iter()
            .all(|(line, _)| line.starts_with("http://registry.example.com:5000/v2/")),
        "{asked:?}"
    );
}

#[tokio::test]
async fn an_image_that_is_not_there_is_said() {
    let (served, _) = Served::image();
    let mut things = (*served.things).clone();
    things.remove("tag");
    let served = Served {
        things: Arc::new(things),
        ..Served::default()
    };
    let host = served.start().await;
    let (said, _directory) = pulled(&host, None).await;
    let said = crate::telemetry::chain(&said.unwrap_err());
    assert!(said.contains("404"), "{said}");
}
