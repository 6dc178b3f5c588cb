//! What is made from the table of keys is committed, and is what the table gives: the reference page, the man page and
//! the schema for editors. With RELVS_REGENERATE=1 the tests write them anew.

#![allow(clippy::unwrap_used, reason = "what tests share is a test too")]

mod man;
mod page;
mod schema;
mod words;

use std::{fs, path::Path};

/// That the file holds the text.
#[track_caller]
fn committed(file: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file);
    if std::env::var_os("RELVS_REGENERATE").is_some() {
        fs::write(&path, text).unwrap();
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    let command = "RELVS_REGENERATE=1 cargo test -p relvs-config --test reference";
    let first = there.lines().zip(text.lines()).find(|(there, wanted)| there != wanted);
    assert!(there == text, "{file} is not what the table of keys gives: run `{command}`; it differs at {first:?}");
}

#[test]
fn the_page_is_what_the_table_gives() {
    committed("docs/relvs.toml.md", &page::text());
}

#[test]
fn the_man_page_is_what_the_table_gives() {
    committed("packaging/man/relvs.toml.5", &man::text());
}

#[test]
fn the_schema_is_what_the_table_gives() {
    committed("docs/relvs.schema.json", &schema::text());
}
