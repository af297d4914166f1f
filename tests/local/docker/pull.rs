//! An image that is not there is pulled while a person looks on: from a registry of one image.

use super::docker;
use crate::world::{Place as _, Runtime, World, text};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;

/// Large enough to be on its way for a moment.
const SIZE: usize = 24 << 20;

/// A registry with the image `tool:1` of one file; a daemon speaks plain HTTP with the loopback.
fn registry() -> SocketAddr {
    let layer = layer();
    let digest = |bytes: &[u8]| {
        let hash: Vec<String> = Sha256::digest(bytes)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!("sha256:{}", hash.concat())
    };
    let config = json!({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": [digest(&layer)]}});
    let config = serde_json::to_vec(&config).unwrap();
    let part = |kind: &str, bytes: &[u8]| json!({"mediaType": kind, "digest": digest(bytes), "size": bytes.len()});
    let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST,
        "config": part("application/vnd.docker.container.image.v1+json", &config),
        "layers": [part("application/vnd.docker.image.rootfs.diff.tar", &layer)]});
    let manifest = serde_json::to_vec(&manifest).unwrap();
    let mut files = BTreeMap::new();
    for name in ["1".to_owned(), digest(&manifest)] {
        files.insert(format!("/v2/tool/manifests/{name}"), manifest.clone());
    }
    for blob in [config, layer] {
        files.insert(format!("/v2/tool/blobs/{}", digest(&blob)), blob);
    }
    files.insert("/v2/".to_owned(), b"{}".to_vec());
    let files = Arc::new(files);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let files = Arc::clone(&files);
            std::thread::spawn(move || answer(stream, &files));
        }
    });
    address
}

const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

fn answer(mut stream: TcpStream, files: &BTreeMap<String, Vec<u8>>) {
    let mut head = [0; 8192];
    let length = stream.read(&mut head).unwrap_or_default();
    let head = String::from_utf8_lossy(&head[..length]);
    let mut words = head.split(' ');
    let (method, path) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    let Some(content) = files.get(path) else {
        let _ = stream
            .write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        return;
    };
    let kind = if path.contains("/manifests/") {
        MANIFEST
    } else {
        "application/octet-stream"
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        content.len()
    );
    let _ = stream.write_all(head.as_bytes());
    if method == "HEAD" {
        return;
    }
    for part in content.chunks(1 << 20) {
        // As a network has it: a bar is drawn a few times a second.
        if content.len() > part.len() {
            std::thread::sleep(std::time::Duration::from_millis(40));
        }
        if stream.write_all(part).is_err() {
            return;
        }
    }
}

/// A tar with one file of random-looking bytes.
fn layer() -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let mut state = 1_u32;
    let bytes: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    })
    .take(SIZE)
    .collect();
    std::fs::write(directory.path().join("data"), bytes).unwrap();
    let output = Command::new("tar")
        .args(["-c", "data"])
        .current_dir(directory.path())
        .output()
        .unwrap();
    assert!(output.status.success());
    output.stdout
}

#[test]
fn a_pull_is_a_bar_on_a_terminal_and_lines_elsewhere() {
    let image = format!("{}/tool:1", registry());
    let world = World::of(Runtime::Docker);
    let run = || {
        let image = format!("--image={image}");
        let mut command = world.command(&["run", "--name=tool", "--runtime=docker", &image]);
        command
            .args(["--", "/nothing"])
            .current_dir(world.workspace());
        command
    };
    let said = text(&run().output().unwrap());
    assert!(
        said.contains(&format!("note: pulling image {image}")),
        "{said}"
    );
    assert!(!said.contains('\x1b'), "{said}");
    docker(&["image", "inspect", &image]);
    let said = text(&run().output().unwrap());
    assert!(!said.contains("pulling"), "it is there: {said}");

    docker(&["image", "rm", "-f", &image]);
    let inner = run();
    let words: Vec<String> = std::iter::once(inner.get_program())
        .chain(inner.get_args())
        .map(|word| format!("'{}'", word.to_str().unwrap()))
        .collect();
    let line = format!("stty cols 80; {}", words.join(" "));
    let output = Command::new("script")
        .args(["-qec", &line, "/dev/null"])
        .current_dir(world.workspace())
        .env("HOME", world.place.path())
        .env("TERM", "xterm")
        .env("BOTTLE_SUPERVISE_IMAGE", "bot-bottle/supervise:dev")
        .env_remove("KUBECONFIG")
        .output()
        .unwrap();
    let said = text(&output);
    let bar = |line: &&str| line.contains("tool:1 [") && line.contains("MiB/24.00 MiB");
    assert!(said.split('\r').any(|part| bar(&part)), "{said:?}");
    docker(&["image", "rm", "-f", &image]);

    // Nobody serves there: it is said at once, and what to do.
    let nowhere = "127.0.0.1:9/none:1";
    let output = world
        .command(&["run", "--name=tool", "--runtime=docker", "--image", nowhere])
        .args(["--", "true"])
        .current_dir(world.workspace())
        .output()
        .unwrap();
    let said = text(&output);
    assert!(!output.status.success());
    assert!(
        said.contains(&format!("can't pull the agent's image {nowhere}")),
        "{said}"
    );
    assert_eq!(world.verb(&["get", "-o", "name"]), "", "nothing is left");
}
