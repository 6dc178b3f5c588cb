//! Files in memory, and statements as text.

use relvs_config::keepalived::{Document, Files, Found, Host, Statement};
use std::collections::BTreeMap;

/// Files by their paths. A pattern may have one `*`, or alternatives in braces.
pub(crate) struct Memory(pub(crate) BTreeMap<String, Vec<u8>>);

pub(crate) fn memory(files: &[(&str, &str)]) -> Memory {
    Memory(files.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect())
}

impl Files for Memory {
    fn find(&self, folder: &str, pattern: &str) -> Found {
        let path = |name: &str| match folder {
            "" => name.to_owned(),
            _ if name.starts_with('/') => name.to_owned(),
            folder => format!("{folder}/{name}"),
        };
        let names: Vec<String> = match pattern.split_once('{').and_then(|(a, rest)| Some((a, rest.split_once('}')?))) {
            Some((before, (inside, after))) => {
                inside.split(',').map(|one| path(&format!("{before}{one}{after}"))).collect()
            }
            None => vec![path(pattern)],
        };
        let mut found = Found::default();
        for name in names {
            if let Some((before, after)) = name.split_once('*') {
                let fits = |path: &&String| path.starts_with(before) && path.ends_with(after);
                found.paths.extend(self.0.keys().filter(fits).cloned());
            } else if self.0.contains_key(&name) {
                found.paths.push(name);
            } else {
                found.missing.push(name);
            }
        }
        found
    }

    fn read(&self, path: &str, most: usize) -> Result<Vec<u8>, String> {
        let bytes = self.0.get(path).ok_or("there is no such file")?;
        Ok(bytes.iter().copied().take(most + 1).collect())
    }

    fn executable(&self, path: &str) -> bool {
        path.starts_with("/bin/")
    }

    fn program(&self, name: &str) -> Option<String> {
        Some(format!("/usr/bin/{name}"))
    }
}

pub(crate) fn host() -> Host {
    let environment = [("SITE".to_owned(), "north".to_owned())].into();
    Host { config_id: "main".to_owned(), seed: 7, environment, interfaces: None }
}

pub(crate) fn read(files: &[(&str, &str)]) -> Document {
    Document::read(&memory(files), files[0].0, &host())
}

/// Each statement on a line, its words between `|` where they have blanks, blocks indented.
pub(crate) fn shown(document: &Document) -> String {
    let mut text = String::new();
    write(&document.statements, 0, &mut text);
    text
}

fn write(statements: &[Statement], depth: usize, text: &mut String) {
    for statement in statements {
        let words = std::iter::once(&statement.keyword).chain(&statement.arguments).map(|word| {
            if word.text.contains(' ') || word.text.is_empty() { format!("|{}|", word.text) } else { word.text.clone() }
        });
        let words: Vec<String> = words.collect();
        text.push_str(&"  ".repeat(depth));
        text.push_str(&words.join(" "));
        if let Some(block) = &statement.block {
            text.push_str(" {\n");
            write(block, depth + 1, text);
            text.push_str(&"  ".repeat(depth));
            text.push('}');
        }
        text.push('\n');
    }
}

pub(crate) fn said(document: &Document) -> Vec<String> {
    document.diagnostics.iter().map(ToString::to_string).collect()
}
