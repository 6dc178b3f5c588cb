//! Whatever a file says, reading ends soon and says so.

use crate::files::{Memory, host, memory, read, said, shown};
use proptest::prelude::*;
use relvs_config::keepalived::{Document, Keepalived, Limits, Verdict};

fn small() -> Limits {
    Limits { bytes: 1 << 20, line: 4_096, lines: 500, expanded: 1 << 20, files: 20, ..Limits::default() }
}

fn within(text: &str) -> Document {
    Document::read_within(&memory(&[("k.conf", text)]), "k.conf", &host(), &small())
}

#[test]
fn what_grows_without_end_is_cut() {
    let bombs = [
        "~SEQ(A,1,9223372036854775807) x\n",
        "~SEQ(A,1,99999) ~SEQ(B,1,99999) ~SEQ(C,1,99999) x${A}${B}\n",
        "$A= \\\n x \\\n $A\n$A\n",
        "$A= \\\n x \\\n $B \\\n y\n$B= \\\n $A \\\n $A\n$A\n",
        "$A=~SEQ(B,1,9) $A\n$A\n",
        "$A=${B}${B}\n$B=${A}${A}\nx $A\n",
        "include k.conf\ninclude k.conf\n",
    ];
    for bomb in bombs {
        let document = within(bomb);
        assert!(!document.diagnostics.is_empty(), "{bomb}");
        assert!(document.statements.len() <= 500, "{bomb}");
    }
    // Each doubles the one before.
    let doubling: String = (0..60).map(|n| format!("$A{}=${{A{n}}}${{A{n}}}\n", n + 1)).collect();
    let document = within(&format!("$A0=xxxxxxxx\n{doubling}y $A60\n"));
    assert!(said(&document).iter().any(|line| line.contains("refers to itself") || line.contains("longer than")));
}

#[test]
fn depth_is_bounded() {
    let deep = "a {\n".repeat(100_000) + &"}\n".repeat(100_000);
    let document = Document::read(&memory(&[("k.conf", &deep)]), "k.conf", &host());
    assert_eq!(document.diagnostics.len(), 1, "{:?}", said(&document).first());
    let open = within(&"a { ".repeat(1_000));
    assert!(!open.diagnostics.is_empty());
    let close = within(&"} ".repeat(10_000));
    assert!(close.diagnostics.len() <= small().problems + 1);
}

#[test]
fn a_large_file_is_refused_and_a_long_line_left_out() {
    let large = Memory([("k.conf".to_owned(), vec![b'a'; 2 << 20])].into());
    let document = Document::read_within(&large, "k.conf", &host(), &small());
    assert_eq!(said(&document), ["k.conf:1:1: error: it cannot be read: all files together are larger than 1 MiB"]);
    let long = format!("a\n{}\nb\n", "x".repeat(5_000));
    let document = within(&long);
    assert_eq!((shown(&document), document.diagnostics.len()), ("a\nb\n".to_owned(), 1));
}

#[test]
fn a_large_sequence_is_read() {
    let text = "$VI4= \\\n track_file o.${IF}.${NUM}.${ID} { \\\n file \"${_PWD}/4.${IF}.${NUM}.${ID}\" \\\n weight -100 \\\n } \\
        vrrp_instance v.${IF}.${NUM}.${ID} { \\\n interface bond${IF}.${NUM} \\\n virtual_router_id ${ID} \\\n }\n\
        ~SEQ(IF,0,7) ~SEQ(NUM,0,31) ~SEQ(ID,1,64) $VI4\n";
    let document = read(&[("k.conf", text)]);
    assert_eq!(said(&document), Vec::<String>::new());
    assert_eq!(document.statements.len(), 2 * 8 * 32 * 64);
    assert_eq!(document.statements.last().unwrap().arguments[0].text, "v.7.31.64");
}

/// Texts that are a little file and much work, or much of one thing.
fn adversaries() -> Vec<(&'static str, String)> {
    let many = |line: &str| line.repeat((1 << 20) / line.len());
    let doubling: String = (0..60).map(|n| format!("$A{}=${{A{n}}}${{A{n}}}\n", n + 1)).collect();
    let group = "virtual_server_group G {\n 10.0.0.0/16 80\n 10.1.0.0/16 80\n}\n";
    let real = "real_server 10.0.0.1 80 { TCP_CHECK { } }\n";
    vec![
        ("lines", many("a b\n")),
        ("words on a line", many(&format!("{}\n", "a ".repeat(2_000)))),
        ("blocks on a line", many(&format!("{}\n", "a{}".repeat(1_000)))),
        ("braces", many("{")),
        ("definitions used", format!("$A=x\n{}", many(&format!("{}\n", "$A ".repeat(1_000))))),
        ("doubling", format!("$A0=xxxxxxxx\n{doubling}{}", "y $A60\n".repeat(10_000))),
        ("a definition", format!("$A= \\\n{}", many("xxxxxxxx \\\n"))),
        ("a sequence", "~SEQ(A,1,9223372036854775807) virtual_server 192.0.2.1 80 {\n".to_owned()),
        ("a loop", "include k.conf\ninclude k.conf\n".to_owned()),
        ("addresses", format!("{group}virtual_server group G {{\n protocol TCP\n lb_algo rr\n{}}}\n", real.repeat(9))),
        ("instances", many("vrrp_instance V {\n interface e\n virtual_router_id 1\n}\n")),
    ]
}

#[test]
fn whatever_is_written_little_is_kept() {
    let limits = Limits { words: 20_000, filled: 1 << 24, defined: 1 << 16, ..small() };
    for (what, text) in adversaries() {
        let read = Keepalived::read_within(&memory(&[("k.conf", &text)]), "k.conf", &host(), &limits);
        let lines: Vec<String> = read.diagnostics.iter().map(ToString::to_string).collect();
        assert!(lines.iter().any(|line| line.contains("error: ")), "{what}: {lines:?}");
        assert!(lines.len() <= 2 * (limits.problems + 1), "{what}: {} problems", lines.len());
        assert!(read.remarks.len() <= limits.remarks && read.document.statements.len() <= limits.words, "{what}");
        assert!(read.state.services.len() <= limits.services, "{what}");
        // What was cut is not run by: it is not known what the whole means.
        let whole = ["braces", "addresses"].contains(&what);
        assert_eq!(read.verdict, if whole { Verdict::Faulty } else { Verdict::Fatal }, "{what}: {lines:?}");
    }
}

#[test]
fn more_than_is_read_is_an_error_at_once() {
    // Of a file of any size no more is asked for than is taken.
    let large = Memory([("k.conf".to_owned(), vec![b'{'; 100 << 20])].into());
    let read = Keepalived::read(&large, "k.conf", &host());
    let lines: Vec<String> = read.diagnostics.iter().map(ToString::to_string).collect();
    assert_eq!(lines, ["k.conf:1:1: error: it cannot be read: all files together are larger than 64 MiB"]);
    assert_eq!(read.verdict, Verdict::Fatal);
}

/// Pieces of which the language is made, in any order.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("{".to_owned()),
        Just("}".to_owned()),
        Just("\n".to_owned()),
        Just("\"".to_owned()),
        Just("\\".to_owned()),
        Just("\\\n".to_owned()),
        Just("#".to_owned()),
        Just("!".to_owned()),
        Just(" ".to_owned()),
        Just("@main ".to_owned()),
        Just("@^main ".to_owned()),
        Just("$A".to_owned()),
        Just("${A}".to_owned()),
        Just("\n$A=".to_owned()),
        Just("\n$B= \\\n".to_owned()),
        Just("$B\n".to_owned()),
        Just("\n~SEQ(A,1,3) ".to_owned()),
        Just("\n~LST({A,B},{1,2},{3}) ".to_owned()),
        Just("\ninclude k.conf\n".to_owned()),
        Just("${_RANDOM 1 2}".to_owned()),
        Just("${_PWD}".to_owned()),
        Just("ä\u{0}".to_owned()),
        "[a-z~$@(){},=\\\\\"'\t 0-9\u{80}-\u{ff}]{0,6}",
    ];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    /// Nothing panics, and every place is in the text.
    #[test]
    fn any_text_is_read(text in pieces()) {
        let document = within(&text);
        for diagnostic in &document.diagnostics {
            prop_assert!(diagnostic.line >= 1 && diagnostic.column >= 1 && diagnostic.length >= 1);
            let line = text.lines().nth(diagnostic.line - 1).unwrap_or_default();
            prop_assert!(diagnostic.column <= line.chars().count() + 1, "{diagnostic}");
            diagnostic.render(document.text(&diagnostic.file), false);
        }
    }

    /// What is read once is read again the same way.
    #[test]
    fn statements_read_again_are_the_same(words in prop::collection::vec(("[a-z]{1,6}", prop::collection::vec("[a-z0-9./:_-]{1,8}", 0..4)), 0..30)) {
        let text: String = words.iter().map(|(keyword, rest)| format!("{keyword} {}\n", rest.join("\t "))).collect();
        let once = shown(&within(&text));
        prop_assert_eq!(shown(&within(&once)), once.clone());
        prop_assert_eq!(once.lines().count(), words.len());
    }
}
