//! keepalived.conf: places lie within the text, each diagnostic is one line, and what was understood can be run.

use super::api::lay_out;
use relvs_config::{
    keepalived::{Files, Found, Host, Keepalived, Limits},
    relvs_toml,
};

/// More text only makes it slow.
const MOST: usize = 1 << 14;

/// The one file that there is, however it is named.
struct One<'a>(&'a [u8]);

impl Files for One<'_> {
    fn find(&self, _: &str, pattern: &str) -> Found {
        Found { paths: vec![pattern.to_owned()], missing: Vec::new() }
    }

    fn read(&self, _: &str, most: usize) -> Result<Vec<u8>, String> {
        Ok(self.0.iter().copied().take(most + 1).collect())
    }

    fn executable(&self, path: &str) -> bool {
        path.starts_with('/')
    }

    fn program(&self, name: &str) -> Option<String> {
        Some(format!("/usr/bin/{name}"))
    }
}

pub(super) fn run(data: &[u8]) {
    let Some(data) = data.get(..data.len().min(MOST)) else { return };
    let limits = Limits {
        bytes: MOST * 4,
        lines: 5_000,
        expanded: 1 << 20,
        words: 10_000,
        filled: 1 << 22,
        files: 8,
        services: 500,
        servers: 500,
        ..Limits::default()
    };
    let host = Host { config_id: "main".to_owned(), ..Host::default() };
    let read = Keepalived::read_within(&One(data), "keepalived.conf", &host, &limits);
    let text = String::from_utf8_lossy(data);
    let lines: Vec<&str> = text.split('\n').collect();
    for (at, diagnostic) in read.diagnostics.iter().enumerate() {
        let said = diagnostic.to_string();
        assert!(!said.contains(char::is_control), "{said:?}");
        let line = lines.get(diagnostic.line.wrapping_sub(1)).expect("the line exists");
        assert!(diagnostic.column >= 1 && diagnostic.length >= 1, "{said}");
        assert!(diagnostic.column <= line.chars().count() + 1, "{said}");
        if at < 4 {
            assert!(!diagnostic.render(&text, false).is_empty());
        }
    }
    assert!(read.diagnostics.len() <= 2 * (limits.problems + 1));
    assert!(read.state.vrrp.problems().iter().all(|problem| !problem.fatal), "{:?}", read.state.vrrp.problems());
    assert!(!relvs_toml(&read, &[]).is_empty());
    lay_out(&read.state.into());
}
