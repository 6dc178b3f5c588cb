//! The table of keys, against what the readers ask for.

use super::parse_toml;
use crate::keys::{Kind, ROOT, Table};
use std::{cell::RefCell, collections::BTreeSet};

thread_local! {
    static ASKED: RefCell<BTreeSet<(String, String)>> = const { RefCell::new(BTreeSet::new()) };
}

/// That a reader asked for a key of a table.
pub(super) fn note(of: &Table, key: &str) {
    ASKED.with_borrow_mut(|asked| asked.insert((of.title.to_owned(), key.to_owned())));
}

/// A file with every table in it, each empty; tables that a value may be are written in braces.
fn every_table(table: &Table, path: &str, out: &mut String) {
    for key in table.keys {
        let path = if path.is_empty() { key.name.to_owned() } else { format!("{path}.{}", key.name) };
        let in_braces = |kinds: &[Kind]| kinds.iter().any(|kind| matches!(kind, Kind::Table(_)));
        if let Kind::OneOrMore(Kind::Either(kinds)) = key.kind
            && in_braces(kinds)
        {
            out.push_str(&format!("[[{path}]]\n"));
        } else if let Kind::Tables(within) = key.kind {
            out.push_str(&format!("[[{path}]]\n"));
            every_table(within, &path, out);
        } else if let Kind::Table(within) = key.kind {
            out.push_str(&format!("[{path}]\n"));
            every_table(within, &path, out);
        } else if let Kind::Either(kinds) = key.kind
            && in_braces(kinds)
        {
            out.push_str(&format!("[{path}]\n"));
        }
    }
}

#[test]
fn what_is_read_is_what_the_table_has() {
    let mut text = String::new();
    every_table(&ROOT, "", &mut text);
    ASKED.with_borrow_mut(BTreeSet::clear);
    let parsed = parse_toml("relvs.toml", &text);
    let unknown = parsed.diagnostics.iter().find(|diagnostic| diagnostic.message.contains("unknown"));
    assert_eq!(unknown, None, "{text}");
    let asked = ASKED.with_borrow(Clone::clone);
    let listed: BTreeSet<(String, String)> = (ROOT.all().iter())
        .flat_map(|table| table.keys.iter().map(|key| (table.title.to_owned(), key.name.to_owned())))
        .collect();
    let unread: Vec<_> = listed.difference(&asked).collect();
    let unlisted: Vec<_> = asked.difference(&listed).collect();
    assert!(unread.is_empty(), "in the table, and never read: {unread:?}");
    assert!(unlisted.is_empty(), "read, and not in the table: {unlisted:?}");
    assert!(listed.len() >= 30, "{}", listed.len());
}

#[test]
fn each_table_stands_once_and_each_key_once_in_it() {
    let tables = ROOT.all();
    let titles: BTreeSet<&str> = tables.iter().map(|table| table.title).collect();
    assert_eq!(titles.len(), tables.len());
    for table in tables {
        let names: BTreeSet<&str> = table.names().chain(table.later.iter().copied()).collect();
        assert_eq!(names.len(), table.keys.len() + table.later.len(), "{}", table.title);
    }
}
