//! relvs.toml: places lie within the text, each diagnostic is one line, and what was understood can be laid out.

use super::api::lay_out;
use relvs_config::parse_toml_bytes;

/// More text only makes it slow.
const MOST: usize = 1 << 14;

pub(super) fn run(data: &[u8]) {
    let Some(data) = data.get(..data.len().min(MOST)) else { return };
    let parsed = parse_toml_bytes("relvs.toml", data);
    let text = String::from_utf8_lossy(data);
    let lines: Vec<&str> = text.split('\n').collect();
    let mut before = (0, 0);
    for (at, diagnostic) in parsed.diagnostics.iter().enumerate() {
        let said = diagnostic.to_string();
        assert!(!said.contains(char::is_control), "{said:?}");
        let line = lines.get(diagnostic.line.wrapping_sub(1)).expect("the line exists");
        assert!(diagnostic.column >= 1 && diagnostic.length >= 1, "{said}");
        assert!(diagnostic.column <= line.chars().count() + 1, "{said}");
        assert!(before <= (diagnostic.line, diagnostic.column), "in order: {said}");
        before = (diagnostic.line, diagnostic.column);
        if at < 4 {
            assert!(!diagnostic.render(&text, false).is_empty());
        }
    }
    lay_out(&parsed.state.into());
}
