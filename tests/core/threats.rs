//! Each row of the threat tables names tests; they must exist.

use std::{fs, path::Path};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every `file::function` of a text; `::function` goes on with the file before.
fn named(text: &str) -> Vec<(String, String)> {
    let mut file = String::new();
    let mut found = Vec::new();
    for word in text.split('`') {
        let Some((path, function)) = word.split_once("::") else {
            continue;
        };
        let is_name = |text: &str| {
            text.chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        };
        if function.is_empty() || !is_name(function) {
            continue;
        }
        let is_file = Path::new(path).extension().is_some_and(|end| end == "rs");
        if is_file {
            path.clone_into(&mut file);
        } else if !path.is_empty() {
            continue;
        }
        found.push((file.clone(), function.to_owned()));
    }
    found
}

#[test]
fn every_test_that_a_threat_table_names_exists() {
    let mut seen = 0;
    for document in ["SECURITY.md", "docs/security.md"] {
        let text = fs::read_to_string(root().join(document)).unwrap();
        for (file, function) in named(&text) {
            seen += 1;
            // Below `tests`, or a module's own.
            let home = if file.starts_with("src/") {
                "."
            } else {
                "tests"
            };
            let code = fs::read_to_string(root().join(home).join(&file))
                .unwrap_or_else(|error| panic!("{document} names {file}: {error}"));
            let is_test = code.contains(&format!("fn {function}("));
            assert!(is_test, "{document}: {file} has no test {function}");
        }
    }
    assert!(seen > 60, "only {seen} tests are named");
}

#[test]
fn every_row_of_a_threat_table_names_a_test() {
    for document in ["SECURITY.md", "docs/security.md"] {
        let text = fs::read_to_string(root().join(document)).unwrap();
        let mut in_table = false;
        for line in text.lines() {
            if line.starts_with("| threat |")
                || (line.starts_with("| attempt") && line.ends_with("shown by |"))
            {
                in_table = true;
            } else if !line.starts_with('|') {
                in_table = false;
            } else if in_table && !line.starts_with("| ---") {
                let shown = line
                    .trim_end_matches('|')
                    .rsplit_once("| ")
                    .map_or("", |(_, last)| last);
                assert!(
                    shown.contains("::") || shown.contains(".rs`") || shown.contains("tests of"),
                    "{document}: {line}"
                );
            }
        }
    }
}

/// An alert without a runbook is noise.
#[test]
fn every_alert_has_a_runbook() {
    let alerts =
        fs::read_to_string(root().join("charts/bottle-operator/files/alerts.yaml")).unwrap();
    let runbooks = fs::read_to_string(root().join("docs/operations.md")).unwrap();
    let mut seen = 0;
    for name in alerts
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
    {
        seen += 1;
        assert!(
            runbooks.contains(&format!("### {name}\n")),
            "no runbook of {name}"
        );
        let anchor = format!("docs/operations.md#{}", name.to_lowercase());
        assert!(alerts.contains(&anchor), "{name} does not name its runbook");
    }
    assert!(seen > 5);
}
