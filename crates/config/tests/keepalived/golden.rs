//! What `keepalived -t` says of files, recorded from keepalived 2.2.7, by its exit codes.

use crate::files::{host, memory};
use relvs_config::keepalived::Keepalived;
use serde::Deserialize;
use std::{env, fs, path::Path};

#[derive(Deserialize)]
struct Recorded {
    id: String,
    /// None: the file that is named is not there.
    config: Option<String>,
    exit: u8,
}

#[test]
fn exit_codes_are_keepaliveds() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/golden");
    let others = env::var_os("RELVS_GOLDEN").map(std::path::PathBuf::from);
    let mut count = 0;
    let mut wrong = Vec::new();
    for folder in std::iter::once(own).chain(others) {
        let Ok(files) = fs::read_dir(&folder) else { continue };
        for path in files.map(|entry| entry.unwrap().path()) {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if !(name.starts_with("keepalived") && name.ends_with(".jsonl")) {
                continue;
            }
            for line in fs::read_to_string(&path).unwrap().lines() {
                let Recorded { id, config, exit: expected } = serde_json::from_str(line).unwrap();
                let files = config.as_deref().map(|text| ("k.conf", text));
                let read = Keepalived::read(&memory(files.as_slice()), "k.conf", &host());
                let lines: Vec<String> = read.diagnostics.iter().map(ToString::to_string).collect();
                count += 1;
                let found = read.verdict.exit_code();
                if found != expected {
                    wrong.push(format!("{id}: {found} in place of {expected}: {lines:#?}"));
                }
                // Whatever is wrong is told on a line that says what to do.
                if found != 0 && found == expected {
                    assert!(
                        lines.iter().any(|line| line.contains("error: ") && line.contains("; ")),
                        "{id}: {lines:?}"
                    );
                }
            }
        }
    }
    println!("{count} recorded files");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
