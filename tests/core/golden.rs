//! Golden files: the expected bytes, reviewed as a diff. `BOT_BOTTLE_UPDATE_GOLDEN=1` rewrites them.

use std::path::Path;

/// Compares with `tests/core/golden/<name>`.
pub fn check(name: &str, actual: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/core/golden")
        .join(name);
    if std::env::var_os("BOT_BOTTLE_UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, actual).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        expected == actual,
        "{name} differs from what is rendered; BOT_BOTTLE_UPDATE_GOLDEN=1 rewrites it:\n{actual}"
    );
}
