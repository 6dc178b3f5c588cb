//! What docs/ says beside the key by key reference: its examples are read without a complaint, its lists are whole, its
//! links lead somewhere. The reference's own examples are tested where the parser is.

#![allow(clippy::unwrap_used, reason = "what tests share is a test too")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use relvs_model::Scheduler;

const SCHEDULERS: &str = include_str!("../../../docs/schedulers.md");
const PERSISTENCE: &str = include_str!("../../../docs/persistence-and-marks.md");
const DIFFERENCES: &str = include_str!("../../../docs/differences.md");

/// The TOML blocks of a page, with the line that each begins on.
fn examples(page: &str) -> Vec<(usize, String)> {
    let mut examples = Vec::new();
    let mut lines = page.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        if line == "```toml" {
            let text: Vec<&str> = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```").collect();
            examples.push((at + 1, text.join("\n")));
        }
    }
    examples
}

#[test]
fn every_example_is_read_without_a_complaint() {
    for (name, page, least) in [("schedulers.md", SCHEDULERS, 2), ("persistence-and-marks.md", PERSISTENCE, 5)] {
        let examples = examples(page);
        assert!(examples.len() >= least, "{name}: {}", examples.len());
        for (line, text) in examples {
            let parsed = relvs_config::parse_toml("relvs.toml", &text);
            assert_eq!(parsed.diagnostics, [], "{name}, the example on line {line}");
        }
    }
}

#[test]
fn the_packages_configuration_is_right_with_and_without_its_example() {
    const PACKAGED: &str = include_str!("../../../packaging/relvs.toml");
    // Words follow "# ", what is to be used follows "#".
    let used = |line: &str| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line).to_owned();
    let example: Vec<String> = PACKAGED.lines().map(used).collect();
    for (text, services) in [(PACKAGED.to_owned(), 0), (example.join("\n"), 1)] {
        let parsed = relvs_config::parse_toml("relvs.toml", &text);
        assert_eq!((parsed.diagnostics, parsed.state.services.len()), (Vec::new(), services), "{text}");
    }
}

#[test]
fn every_scheduler_and_flag_is_explained() {
    for scheduler in Scheduler::ALL {
        let row = SCHEDULERS.lines().find(|line| line.starts_with(&format!("| `{scheduler}` | ")));
        let row = row.unwrap_or_else(|| panic!("{scheduler} has no row"));
        assert_eq!(row.split(" | ").filter(|cell| cell.contains('.')).count(), 2, "{row}");
    }
    for flag in ["sh-port", "mh-port", "sh-fallback", "mh-fallback"] {
        assert!(SCHEDULERS.contains(&format!("`{flag}`")), "{flag}");
    }
}

/// Tests refer to these names, so each stands for one thing.
#[test]
fn every_difference_has_a_name_of_its_own() {
    let entries: Vec<&str> = DIFFERENCES.lines().filter(|line| line.starts_with("* ")).collect();
    let mut seen = BTreeSet::new();
    for entry in &entries {
        let name = entry.strip_prefix("* `").and_then(|rest| rest.split_once("`: "));
        let (name, _) = name.unwrap_or_else(|| panic!("no name: {entry}"));
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'), "{name}");
        assert!(seen.insert(name), "{name} twice");
    }
    assert!(entries.len() > 20, "{}", entries.len());
}

#[test]
fn every_link_between_pages_leads_to_one() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let mut links = 0;
    let pages: Vec<PathBuf> = std::fs::read_dir(&docs).unwrap().map(|entry| entry.unwrap().path()).collect();
    for page in pages.iter().filter(|page| page.extension().is_some_and(|extension| extension == "md")) {
        let text = std::fs::read_to_string(page).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link) {
            let file = link.split('#').next().unwrap_or_default();
            if !file.is_empty() && !file.contains("://") {
                assert!(docs.join(file).exists(), "{}: {link}", page.display());
                links += 1;
            }
        }
    }
    assert!(links >= 5, "{links}");
}
