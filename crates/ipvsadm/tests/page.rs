//! docs/ipvsadm.md: its tables of options and differences are made from those that the parser goes by. With
//! `RELVS_REGENERATE` they are written.

#![allow(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

use relvs_ipvsadm::{Argument, DIFFERENCES, Entry, OPTIONS};
use std::{env, fmt::Write as _, fs, path::Path};

fn escaped(text: &str) -> String {
    text.replace('|', "\\|")
}

fn differences() -> String {
    let mut table = "| name | what is different | why |\n|---|---|---|\n".to_owned();
    for difference in DIFFERENCES {
        writeln!(table, "| `{}` | {} | {} |", difference.name, escaped(difference.what), escaped(difference.why))
            .unwrap();
    }
    table
}

fn options() -> String {
    let mut table = "| option | argument | what it says | differs |\n|---|---|---|---|\n".to_owned();
    for Entry { long, short, argument, meaning, .. } in OPTIONS {
        let name = short.map_or_else(|| format!("`--{long}`"), |short| format!("`-{short}`, `--{long}`"));
        let argument = match argument {
            Argument::None => String::new(),
            Argument::Needed(what) => format!("`{what}`"),
            Argument::Optional(what) => format!("`[{what}]`"),
        };
        let differs = DIFFERENCES.iter().filter(|difference| difference.options.contains(long));
        let differs: Vec<String> = differs.map(|difference| format!("`{}`", difference.name)).collect();
        writeln!(table, "| {name} | {} | {} | {} |", escaped(&argument), escaped(meaning), differs.join(", ")).unwrap();
    }
    table
}

/// The page with a table in the place of the one under this heading.
fn put(page: &str, heading: &str, table: &str) -> String {
    let section = page.find(heading).unwrap();
    let begin = section + page[section..].find("| ").unwrap();
    let length =
        page[begin..].split_inclusive('\n').take_while(|line| line.starts_with('|')).map(str::len).sum::<usize>();
    format!("{}{table}{}", &page[..begin], &page[begin + length..])
}

#[test]
fn the_page_is_what_the_tables_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/ipvsadm.md");
    let found = fs::read_to_string(&path).unwrap();
    let made = put(&put(&found, "\n## Differences\n", &differences()), "\n## Options\n", &options());
    if env::var_os("RELVS_REGENERATE").is_some() {
        fs::write(&path, made).unwrap();
    } else {
        assert!(found == made, "docs/ipvsadm.md is not what the tables say; write it with RELVS_REGENERATE=1");
    }
    for option in DIFFERENCES.iter().flat_map(|difference| difference.options) {
        assert!(Entry::long(option).is_some(), "{option} is no option");
    }
}
