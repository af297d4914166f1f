//! Package managers against registries of a company's own, through the proxy.

use super::programs::{Bottle, Site, said};
use crate::netns::PYTHON;
use bytes::Bytes;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

/// What a program makes of some files in a directory of its own.
fn packed(files: &[(&str, &str)], program: &str, arguments: &[&str], made: &str) -> Bytes {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let mut command = Command::new(program);
    command.args(arguments).current_dir(directory.path());
    assert!(command.status().unwrap().success());
    Bytes::from(fs::read(directory.path().join(made)).unwrap())
}

#[tokio::test]
async fn pip_installs_from_a_listed_index_and_no_other() {
    let files = [
        ("walled.py", "WORD = 'installed'\n"),
        (
            "walled-1.0.dist-info/METADATA",
            "Metadata-Version: 2.1\nName: walled\nVersion: 1.0\n",
        ),
        (
            "walled-1.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        ),
        (
            "walled-1.0.dist-info/RECORD",
            "walled.py,,\nwalled-1.0.dist-info/METADATA,,\nwalled-1.0.dist-info/WHEEL,,\nwalled-1.0.dist-info/RECORD,,\n",
        ),
    ];
    let name = "walled-1.0-py3-none-any.whl";
    let pack = [
        "-m",
        "zipfile",
        "-c",
        name,
        "walled.py",
        "walled-1.0.dist-info",
    ];
    let wheel = packed(&files, PYTHON, &pack, name);
    let index = format!("<!DOCTYPE html><a href=\"https://files.example/{name}\">{name}</a>");
    let bottle = Bottle::new(Site::from([
        ("index.example/simple/walled/".into(), index.into()),
        (format!("files.example/{name}"), wheel),
    ]))
    .await;
    let install = |host: &str| {
        let mut pip = bottle.command(PYTHON);
        pip.args([
            "-m",
            "pip",
            "install",
            "--disable-pip-version-check",
            "--no-cache-dir",
        ])
        .args([
            "--retries",
            "0",
            "--target",
            "installed",
            "walled",
            "--index-url",
        ])
        .arg(format!("https://{host}/simple"));
        pip
    };
    let (is_good, text) = said(&mut install("evil.example")).await;
    // pip doesn't say why it finds nothing.
    assert!(!is_good, "{text}");
    let denials = bottle.proxy.denials().await.to_string();
    assert!(denials.contains("evil.example"), "{denials}");
    let (is_good, text) = said(&mut install("index.example")).await;
    assert!(is_good, "{text}");
    let word = fs::read_to_string(bottle.path("installed/walled.py")).unwrap();
    assert_eq!(word, files[0].1);
}

#[tokio::test]
async fn npm_installs_from_a_listed_registry_and_no_other() {
    let npm = Path::new("/usr/bin/npm");
    let package = r#"{"name": "walled", "version": "1.0.0"}"#;
    let pack = ["-czf", "walled.tgz", "package"];
    let tarball = packed(
        &[("package/package.json", package)],
        "tar",
        &pack,
        "walled.tgz",
    );
    let described = json!({
        "name": "walled", "dist-tags": {"latest": "1.0.0"},
        "versions": {"1.0.0": {
            "name": "walled", "version": "1.0.0",
            "dist": {"tarball": "https://files.example/walled.tgz"},
        }},
    });
    let bottle = Bottle::new(Site::from([
        (
            "registry.example/walled".into(),
            described.to_string().into(),
        ),
        ("files.example/walled.tgz".into(), tarball),
    ]))
    .await;
    bottle.put("project/package.json", "{}");
    let install = |host: &str| {
        let mut command = bottle.command(npm);
        command
            .current_dir(bottle.path("project"))
            .args([
                "install",
                "walled",
                "--no-audit",
                "--no-fund",
                "--fetch-retries=0",
            ])
            .args(["--update-notifier=false", "--cafile", bottle.bundle()])
            .arg(format!("--registry=https://{host}/"));
        command
    };
    let (is_good, text) = said(&mut install("evil.example")).await;
    assert!(!is_good && text.contains("403"), "{text}");
    let (is_good, text) = said(&mut install("registry.example")).await;
    assert!(is_good, "{text}");
    let installed = bottle.path("project/node_modules/walled/package.json");
    assert_eq!(fs::read_to_string(installed).unwrap(), package);
}

#[tokio::test]
async fn cargo_fetches_from_a_listed_registry_and_no_other() {
    let files = [
        (
            "walled-1.0.0/Cargo.toml",
            "[package]\nname = \"walled\"\nversion = \"1.0.0\"\nedition = \"2021\"\n",
        ),
        ("walled-1.0.0/src/lib.rs", ""),
    ];
    let pack = ["-czf", "walled.crate", "walled-1.0.0"];
    let packed = packed(&files, "tar", &pack, "walled.crate");
    let sum = Sha256::digest(&packed)
        .iter()
        .fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        });
    let line = json!({
        "name": "walled", "vers": "1.0.0", "deps": [], "features": {}, "yanked": false, "cksum": sum,
    });
    let bottle = Bottle::new(Site::from([
        (
            "index.example/config.json".into(),
            r#"{"dl": "https://files.example/crates"}"#.into(),
        ),
        ("index.example/wa/ll/walled".into(), line.to_string().into()),
        ("files.example/crates/walled/1.0.0/download".into(), packed),
    ]))
    .await;
    bottle.put(
        "project/Cargo.toml",
        "[package]\nname = \"p\"\nversion = \"0.0.0\"\nedition = \"2021\"\n[dependencies]\nwalled = \"1\"\n",
    );
    bottle.put("project/src/lib.rs", "");
    let cargo = Path::new(env!("CARGO"));
    let fetch = |host: &str| {
        bottle.put(
            "project/.cargo/config.toml",
            &format!("[source.crates-io]\nreplace-with = \"w\"\n[source.w]\nregistry = \"sparse+https://{host}/\"\n[net]\nretry = 0\n"),
        );
        let mut command = bottle.command(cargo);
        command
            .current_dir(bottle.path("project"))
            .arg("fetch")
            .env("CARGO_HOME", bottle.path("cargo"))
            .env("RUSTC", cargo.with_file_name("rustc"));
        command
    };
    let (is_good, text) = said(&mut fetch("evil.example")).await;
    assert!(!is_good && text.contains("403"), "{text}");
    let (is_good, text) = said(&mut fetch("index.example")).await;
    assert!(is_good, "{text}");
    let lock = fs::read_to_string(bottle.path("project/Cargo.lock")).unwrap();
    assert!(lock.contains(&sum), "{lock}");
    let arrived = bottle.upstream.seen();
    assert!(
        arrived
            .iter()
            .any(|head| head.contains("/crates/walled/1.0.0/download")),
        "{arrived:?}"
    );
}
