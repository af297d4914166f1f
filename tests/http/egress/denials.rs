//! What was refused, on its road to the Bottle's status.

use crate::mcp::fake_api::{self, BASE};
use crate::support::proxy::{Proxy, SOON};
use bot_bottle::config_directory::watch_denials;
use bot_bottle::supervise::denials;
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn a_refused_host_is_in_the_bottles_status_and_an_allowed_one_is_not() {
    let proxy = Proxy::start("a.example\n").await;
    let (api, status) = fake_api::start().await;
    let bottle = json!({"metadata": {"name": "demo"}, "status": {"phase": "Running"}});
    let path = format!("{BASE}/bottles/demo");
    api.objects.lock().unwrap().insert(path.clone(), bottle);
    let refused = watch_denials(proxy.state()).unwrap();
    tokio::spawn(async move { denials::run(&status, refused).await });
    for target in [
        "b.example:443",
        "a.example:25",
        "b.example:443",
        "127.0.0.1:80",
    ] {
        let (head, _) = proxy.connect(target).await;
        assert!(head.starts_with("HTTP/1.1 403 "), "{head}");
    }
    // Allowed, but no name server knows it: not the policy's word.
    let (head, _) = proxy.connect("a.example:443").await;
    assert!(head.starts_with("HTTP/1.1 502 "), "{head}");
    let reported = async {
        loop {
            let status = api.objects.lock().unwrap()[&path]["status"].clone();
            if !status["sidecar"]["denials"].is_null() {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let status = tokio::time::timeout(SOON, reported).await.unwrap();
    assert_eq!(status["phase"], "Running");
    let list = status["sidecar"]["denials"].as_array().unwrap();
    let short = list.iter().map(|denial| {
        assert!(denial["lastAt"].is_string());
        json!([
            denial["host"],
            denial["port"],
            denial["reason"],
            denial["count"]
        ])
    });
    assert_eq!(
        json!(short.collect::<Vec<_>>()),
        json!([
            ["127.0.0.1", 80, "AddressLiteral", 1],
            ["b.example", 443, "HostNotListed", 2],
            ["a.example", 25, "PortNotListed", 1],
        ])
    );
}
