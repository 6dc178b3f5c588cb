//! relvs.toml(5), in roff's man macros (man(7)).

use crate::words;
use relvs_config::keys::{IPVS, ROOT, Table, settings};
use std::fmt::Write as _;

const EXAMPLE: &str = r#"[director]
interfaces = ["eth0", "eth1"]

[[service]]
listen = "192.0.2.100:80/tcp"
scheduler = "wrr"

[[service.server]]
address = "10.0.0.11"
weight = 2

[[service.server]]
address = "10.0.0.12"
"#;

pub(crate) fn text() -> String {
    let mut out =
        String::from(".\\\" Made from the table of keys in crates/config/src/keys.\n.TH RELVS.TOML 5 \"\" relvs\n");
    out.push_str(".SH NAME\nrelvs.toml \\- configuration of a relvs director\n.SH DESCRIPTION\n");
    paragraph(
        &mut out,
        "Which interfaces a director serves, which virtual services it offers, and which real servers stand behind them. The \
         format is TOML. `relvs check` says what is wrong with a file, `relvs plan` what it would change, `relvs apply` \
         brings it into force.",
    );
    paragraph(&mut out, words::TIME);
    for table in ROOT.all() {
        if std::ptr::eq(table, &raw const ROOT) {
            continue;
        }
        let _ = writeln!(out, ".SH {}", quoted(table.title));
        paragraph(&mut out, table.about);
        if std::ptr::eq(table, &raw const IPVS) {
            ipvs(&mut out);
        }
        keys(&mut out, table);
    }
    out.push_str(".SH EXAMPLE\n.nf\n");
    for line in EXAMPLE.lines() {
        let _ = writeln!(out, "{}", escaped(line));
    }
    out.push_str(".fi\n.SH SEE ALSO\n\\fBrelvs\\fR(1), \\fBipvsadm\\fR(8)\n");
    out
}

fn keys(out: &mut String, table: &Table) {
    for key in table.keys {
        let _ = writeln!(out, ".TP\n\\fB{}\\fR", escaped(key.name));
        let _ = writeln!(out, "{}", marked(key.meaning));
        let (kind, default) = (words::kind(&key.kind), words::default(&key.default));
        let _ = writeln!(out, ".br\n{}", marked(&format!("Value: {kind}.")));
        let _ = writeln!(out, ".br\n{}", marked(&format!("Default: {default}. Since {}.", key.since)));
    }
}

fn ipvs(out: &mut String) {
    for setting in settings() {
        let _ = writeln!(out, ".TP\n\\fB{}\\fR", escaped(setting.name));
        match setting.does_nothing {
            Some(why) => {
                let _ = writeln!(out, "{}", marked(&format!("Does nothing: {why}.")));
            }
            None => {
                let (meaning, default) = (setting.meaning, words::setting(&setting));
                let _ = writeln!(out, "{}", marked(meaning));
                let _ = writeln!(out, ".br\n{}", marked(&format!("Value: {}. Default: {default}.", setting.expected)));
            }
        }
    }
}

fn paragraph(out: &mut String, text: &str) {
    let _ = writeln!(out, ".PP\n{}", marked(text));
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", escaped(text))
}

/// Text in backticks becomes bold.
fn marked(text: &str) -> String {
    let mut out = String::new();
    for (index, part) in text.split('`').enumerate() {
        if index % 2 == 1 {
            let _ = write!(out, "\\fB{}\\fR", escaped(part));
        } else {
            out.push_str(&escaped(part));
        }
    }
    out
}

/// What roff would take for itself: backslashes, hyphens that are to be minus signs, and a dot or quote that begins a line.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}

#[test]
fn the_example_is_read_without_a_complaint() {
    assert_eq!(relvs_config::parse_toml("relvs.toml", EXAMPLE).diagnostics, []);
    assert_eq!(escaped(".a-b\\"), "\\&.a\\-b\\e");
    assert_eq!(marked("as `x-y` is"), "as \\fBx\\-y\\fR is");
}
