use super::{Traces, endpoint};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest, common::v1::any_value::Value,
};
use prost::Message as _;
use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    thread,
};
use tracing_subscriber::layer::SubscriberExt as _;

/// A fake collector: it takes one request, and gives its first line and body.
fn fake_collector() -> (http::Uri, thread::JoinHandle<(String, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let taken = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut got, mut buffer) = (Vec::new(), [0; 4096]);
        loop {
            let read = stream.read(&mut buffer).unwrap();
            got.extend_from_slice(&buffer[..read]);
            let Some(end) = got.windows(4).position(|four| four == b"\r\n\r\n") else {
                continue;
            };
            let head = String::from_utf8(got[..end].to_vec()).unwrap();
            let length = head
                .lines()
                .find_map(|line| {
                    line.to_lowercase()
                        .strip_prefix("content-length: ")?
                        .parse()
                        .ok()
                })
                .unwrap_or(0_usize);
            if got.len() >= end + 4 + length {
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
                stream.write_all(answer).unwrap();
                let first = head.lines().next().unwrap().to_owned();
                return (first, got[end + 4..].to_vec());
            }
        }
    });
    (base.parse().unwrap(), taken)
}

#[test]
fn a_collector_gets_reconciles_and_what_is_below_them_and_nothing_else() {
    let (base, taken) = fake_collector();
    let traces = Traces::to(&base, "operator-0").unwrap();
    let subscriber = tracing_subscriber::registry().with(traces.layer());
    tracing::subscriber::with_default(subscriber, || {
        // As the Lease's: no reconcile asked for it.
        tracing::debug_span!("HTTP", http.url = "/lease").in_scope(|| ());
        tracing::info_span!("reconciling object", object.r#ref = "Bottle blue").in_scope(|| {
            tracing::debug_span!("HTTP", http.url = "/pods").in_scope(|| ());
            tracing::trace_span!("detail").in_scope(|| ());
            tracing::debug!(file = "all of it", "apply");
            tracing::warn!("the pod is late");
        });
    });
    traces.end();

    let (first, body) = taken.join().unwrap();
    assert_eq!(first, "POST /v1/traces HTTP/1.1");
    let request = ExportTraceServiceRequest::decode(&*body).unwrap();
    let [resource] = &*request.resource_spans else {
        panic!("one operator: {request:?}");
    };
    let named = |key: &str| {
        let attributes = &resource.resource.as_ref().unwrap().attributes;
        let found = attributes.iter().find(|one| one.key == key).unwrap();
        found.value.clone().unwrap().value.unwrap()
    };
    assert_eq!(
        named("service.name"),
        Value::StringValue("bot-bottle-operator".into())
    );
    assert_eq!(
        named("service.instance.id"),
        Value::StringValue("operator-0".into())
    );
    let spans = &resource.scope_spans[0].spans;
    let [request, reconcile] = &**spans else {
        panic!("two spans: {spans:?}");
    };
    assert_eq!(
        (&*request.name, &*reconcile.name),
        ("HTTP", "reconciling object")
    );
    assert_eq!(request.parent_span_id, reconcile.span_id);
    assert_eq!(request.trace_id, reconcile.trace_id);
    let events: Vec<&str> = reconcile.events.iter().map(|event| &*event.name).collect();
    assert_eq!(events, ["the pod is late"]);
}

#[test]
fn a_url_without_a_path_gets_the_standards_own() {
    for (base, whole) in [
        ("http://collector:4318", "http://collector:4318/v1/traces"),
        ("http://collector:4318/", "http://collector:4318/v1/traces"),
        ("https://c.example/otlp/t", "https://c.example/otlp/t"),
    ] {
        assert_eq!(endpoint(&base.parse().unwrap()), whole);
    }
}
