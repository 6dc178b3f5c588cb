//! docs/configuration.md, docs/health-checks.md and docs/high-availability.md tell the truth: their examples are read as they say.

#![allow(clippy::panic, reason = "a test ends at what it did not expect")]

use relvs_config::parse_toml;

const DOCUMENT: &str = include_str!("../../../docs/configuration.md");
const HEALTH: &str = include_str!("../../../docs/health-checks.md");
const AVAILABILITY: &str = include_str!("../../../docs/high-availability.md");

/// The code blocks: their line, what stands after the opening backticks, their text.
fn blocks(document: &str) -> Vec<(usize, String, String)> {
    let mut blocks: Vec<(usize, String, String)> = Vec::new();
    let mut open = false;
    for (index, line) in document.lines().enumerate() {
        match (line.strip_prefix("```"), open) {
            (Some(kind), false) => {
                blocks.push((index + 1, kind.to_owned(), String::new()));
                open = true;
            }
            (Some(_), true) => open = false,
            (None, true) => {
                let (_, _, text) = blocks.last_mut().expect("a block is open");
                text.push_str(line);
                text.push('\n');
            }
            (None, false) => {}
        }
    }
    assert!(!open, "the last block is closed");
    blocks
}

#[test]
fn every_example_is_read_as_the_document_says() {
    for (document, least, wrong) in [(DOCUMENT, 5, 1), (HEALTH, 5, 1), (AVAILABILITY, 3, 0)] {
        let (good, bad) = examples(document);
        assert!(good >= least && bad >= wrong, "{good} good and {bad} bad examples");
    }
}

/// How many are good, and how many bad as they say.
fn examples(document: &str) -> (usize, usize) {
    let blocks = blocks(document);
    let (mut good, mut bad) = (0, 0);
    for (index, (line, kind, text)) in blocks.iter().enumerate() {
        let parsed = parse_toml("relvs.toml", text);
        let said: String = parsed.diagnostics.iter().map(|diagnostic| format!("{diagnostic}\n")).collect();
        match kind.as_str() {
            "toml" => {
                assert_eq!(said, "", "the example on line {line}");
                good += 1;
            }
            "toml,error" => {
                let (_, kind, quoted) = blocks.get(index + 1).expect("its diagnostics follow");
                assert_eq!(kind, "text", "after line {line}");
                assert_eq!(&said, quoted, "the example on line {line}");
                assert!(!said.is_empty());
                bad += 1;
            }
            "text" | "sh" | "json" => {}
            other => panic!("line {line}: a block of the unknown kind {other:?}"),
        }
    }
    (good, bad)
}

#[test]
fn every_section_is_explained_and_leads_to_its_keys() {
    let reference = include_str!("../../../docs/relvs.toml.md");
    for table in relvs_config::keys::ROOT.all() {
        let title = format!("\n## `{}`\n", table.title);
        // Sections are headed by their names; what is written within one has an example.
        if table.title.starts_with('[') {
            let anchor: String = table.title.chars().filter(char::is_ascii_alphanumeric).collect();
            let (_, text) = DOCUMENT.split_once(&title).unwrap_or_else(|| panic!("{} is not explained", table.title));
            let text = text.split("\n## ").next().unwrap_or_default();
            assert!(text.contains(&format!("(relvs.toml.md#{anchor})")), "{}", table.title);
            assert!(reference.contains(&title), "{}", table.title);
        }
    }
}

#[test]
fn every_setting_and_scheduler_is_documented() {
    for setting in relvs_config::keys::settings() {
        let name = setting.name;
        let set = parse_toml("f", &format!("[ipvs]\n{name} = {}\n", other(name)));
        assert!(!set.has_errors(), "{name}: {:?}", set.diagnostics);
        assert_eq!(set.diagnostics.is_empty(), setting.does_nothing.is_none(), "{name}");
    }
    for scheduler in relvs_model::Scheduler::ALL {
        assert!(DOCUMENT.contains(&format!("\n| `\"{scheduler}\"` | ")), "{scheduler}");
    }
}

/// Another value than the default.
fn other(name: &str) -> &'static str {
    match name {
        "est_cpulist" => "\"1\"",
        "sync_threshold" => "[1, 2]",
        "conn_reuse_mode" | "run_estimation" | "pmtu_disc" | "snat_reroute" | "sync_version" => "0",
        "sync_ports" => "2",
        _ => "1",
    }
}
