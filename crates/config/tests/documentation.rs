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
    for key in
        ["interfaces", "flows", "xdp_mode", "on_exit", "listen", "scheduler", "method", "address", "port", "weight"]
    {
        assert!(DOCUMENT.contains(&format!("| `{key}` |")), "{key} has no row");
    }
}
