//! docs/configuration.md tells the truth: its examples are read as it says.

use relvs_config::parse_toml;

const DOCUMENT: &str = include_str!("../../../docs/configuration.md");

/// The code blocks: their line, what stands after the opening backticks, their text.
fn blocks() -> Vec<(usize, String, String)> {
    let mut blocks: Vec<(usize, String, String)> = Vec::new();
    let mut open = false;
    for (index, line) in DOCUMENT.lines().enumerate() {
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
    let blocks = blocks();
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
            "text" | "sh" => {}
            other => panic!("line {line}: a block of the unknown kind {other:?}"),
        }
    }
    assert!(good >= 5 && bad >= 1, "{good} good and {bad} bad examples");
}

#[test]
fn every_key_is_documented() {
    let director = ["interfaces", "flows", "xdp_mode", "on_exit", "tcp", "tcp_fin", "udp"];
    let service = ["listen", "mark", "family", "scheduler", "flags", "method", "persistence", "one_packet"];
    let server = ["address", "port", "weight", "upper_threshold", "lower_threshold"];
    let rule = ["source", "destination", "protocol", "ports"];
    for key in director.iter().chain(&service).chain(&server).chain(&rule) {
        assert!(DOCUMENT.contains(&format!("| `{key}` |")), "{key} has no row");
    }
}

#[test]
fn every_setting_and_scheduler_is_documented() {
    for name in relvs_model::Settings::NAMES {
        let does_nothing = parse_toml("f", &format!("[ipvs]\n{name} = {}\n", other(name)));
        assert!(!does_nothing.has_errors(), "{name}: {:?}", does_nothing.diagnostics);
        // Those that act have a row of their own, with their default.
        let acts = does_nothing.diagnostics.is_empty();
        assert_eq!(DOCUMENT.contains(&format!("\n| `{name}` | ")) && row_has_default(name), acts, "{name}");
        assert!(DOCUMENT.contains(&format!("`{name}`")), "{name}");
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

fn row_has_default(name: &str) -> bool {
    let row = DOCUMENT.lines().find(|line| line.starts_with(&format!("| `{name}` | ")));
    let default = relvs_model::Settings::default().entries().into_iter().find(|(other, _)| *other == name);
    let (row, (_, default)) = (row.expect("a row"), default.expect("a default"));
    row.ends_with(&format!("| {default} |"))
}
