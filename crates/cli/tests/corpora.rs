//! Every file that a fuzzer found worth keeping, through the function that it was found for.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what tests share is a test too")]

#[path = "../../../fuzz/src/targets/mod.rs"]
mod targets;

use std::{fs, panic::catch_unwind, path::Path};

#[test]
fn what_was_found_once_does_not_come_back() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    let mut failing = Vec::new();
    for target in &targets::TARGETS {
        let folder = corpus.join(target.name);
        let mut files = 0;
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.unwrap().path();
            let data = fs::read(&path).unwrap();
            if catch_unwind(|| (target.run)(&data)).is_err() {
                failing.push(path.display().to_string());
            }
            files += 1;
        }
        println!("{}: {files} files", target.name);
        assert!(files >= 3, "{}: {files} files", target.name);
    }
    assert!(failing.is_empty(), "{failing:#?}");
    // Each corpus is a target's.
    let folders = fs::read_dir(&corpus).unwrap().count();
    assert_eq!(folders, targets::TARGETS.len());
}
