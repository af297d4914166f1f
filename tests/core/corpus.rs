//! Every file of the fuzzers' corpus, through the functions that they call.

#[path = "../../fuzz/entries.rs"]
mod entries;

use std::fs;
use std::path::Path;

#[test]
fn what_the_fuzzers_keep_passes_on_this_compiler() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for (name, entry) in entries::ALL {
        let directory = corpus.join(name);
        let files = fs::read_dir(&directory).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut count = 0;
        for file in files {
            let path = file.unwrap().path();
            // The name of the file that fails is what one wants to know.
            let bytes = fs::read(&path).unwrap();
            if std::panic::catch_unwind(|| entry(&bytes)).is_err() {
                panic!("{} fails in {name}", path.display());
            }
            count += 1;
        }
        assert!(count > 2, "{name} has a corpus");
    }
}
