//! The reference page, in Markdown.

use crate::words;
use relvs_config::keys::{IPVS, ROOT, settings};
use std::fmt::Write as _;

pub(crate) fn text() -> String {
    let mut out = String::from(
        "# relvs.toml: reference\n\n\
         Every section and every key. [configuration.md](configuration.md) explains them, with examples.\n\n\
         This page is made from the table that the reader goes by (`crates/config/src/keys`), as are `relvs.toml(5)` and\n\
         [relvs.schema.json](relvs.schema.json), by which editors complete and check a file as it is written: with Taplo or Even\n\
         Better TOML let its first line be `#:schema`, a space, and the path of that file.\n\n",
    );
    let _ = writeln!(out, "{}\n", words::TIME);
    for table in ROOT.all() {
        let root = std::ptr::eq(table, &raw const ROOT);
        let title = if root { "Sections".to_owned() } else { format!("`{}`", table.title) };
        let _ = writeln!(out, "## {title}\n\n{}\n", table.about);
        if std::ptr::eq(table, &raw const IPVS) {
            ipvs(&mut out);
            continue;
        }
        out.push_str("| key | value | default | meaning | since |\n|---|---|---|---|---|\n");
        for key in table.keys {
            let (kind, default) = (words::kind(&key.kind), words::default(&key.default));
            let _ = writeln!(out, "| `{}` | {kind} | {default} | {} | {} |", key.name, key.meaning, key.since);
        }
        for name in table.later {
            let _ = writeln!(out, "| `{name}` | | | Not in this version: it is refused. | |");
        }
        out.push('\n');
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

fn ipvs(out: &mut String) {
    let (nothing, acting): (Vec<_>, Vec<_>) =
        settings().into_iter().partition(|setting| setting.does_nothing.is_some());
    out.push_str("These act:\n\n| key | value | default | meaning |\n|---|---|---|---|\n");
    for setting in acting {
        let default = words::setting(&setting);
        let _ = writeln!(out, "| `{}` | {} | {default} | {} |", setting.name, setting.expected, setting.meaning);
    }
    out.push_str("\nThese do nothing:\n\n| key | value | default | why it does nothing |\n|---|---|---|---|\n");
    for setting in nothing {
        let (default, why) = (words::setting(&setting), setting.does_nothing.unwrap_or_default());
        let _ = writeln!(out, "| `{}` | {} | {default} | {why} |", setting.name, setting.expected);
    }
    out.push('\n');
}
