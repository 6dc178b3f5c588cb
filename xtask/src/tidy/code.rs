//! Rules for Rust files: length, the module's head, where unsafe code may be, nothing unfinished.

use super::Finding;

/// One idea for each file.
const LINES_MAX: usize = 600;

/// The crates that know BPF hold the unsafe code it needs; nothing else does.
const MAY_BE_UNSAFE: [&str; 2] = ["crates/ebpf/", "crates/dataplane/"];

/// Checks one Rust file.
pub(super) fn check(path: &str, source: &str) -> Vec<Finding> {
    let finding = |line: usize, rule: &str| Finding { path: path.to_owned(), line, rule: rule.to_owned() };
    let mut findings = Vec::new();
    let lines = source.lines().count();
    if lines > LINES_MAX {
        findings.push(finding(0, &format!("{lines} lines, more than {LINES_MAX}: split it by its ideas")));
    }
    // Fixtures are input of tests, not modules.
    if !source.starts_with("//!") && !path.contains("/fixtures/") {
        findings.push(finding(1, "begin the file with `//!`: what it is, what it never does"));
    }
    let code = code_only(source);
    if path == "crates/core/src/lib.rs" {
        for attribute in ["#![forbid(unsafe_code)]", "no_std"] {
            if !code.contains(attribute) {
                findings.push(finding(0, &format!("core must say {attribute}")));
            }
        }
    }
    let may_be_unsafe = MAY_BE_UNSAFE.iter().any(|folder| path.starts_with(folder));
    for (index, (line, text)) in code.lines().zip(source.lines()).enumerate() {
        if !may_be_unsafe && has_word(line, "unsafe") {
            findings.push(finding(index + 1, "unsafe code belongs into crates/ebpf and crates/dataplane"));
        }
        if line.contains(concat!("to", "do!")) || line.contains(concat!("unimp", "lemented!")) {
            findings.push(finding(index + 1, "unfinished code"));
        }
        if [concat!("FIX", "ME"), concat!("TO", "DO"), concat!("XX", "X")].iter().any(|word| has_word(text, word)) {
            findings.push(finding(index + 1, "a note to oneself: do it, or open an issue"));
        }
    }
    findings
}

fn has_word(line: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        let after = line.get(at + word.len()..).and_then(|text| text.chars().next());
        !before.is_some_and(part) && !after.is_some_and(part)
    })
}

/// The source with comments, and what stands in strings, made blank; lines stay where they are.
fn code_only(source: &str) -> String {
    let mut code = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let skipped = match first {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => block_comment(rest),
            '"' => string(rest),
            'r' | 'b' | 'c' if !code.ends_with(|c: char| c.is_alphanumeric() || c == '_') => raw_string(rest),
            '\'' => character(rest),
            _ => 0,
        };
        if skipped == 0 {
            code.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            code.extend(rest[..skipped].chars().filter(|&c| c == '\n'));
            rest = &rest[skipped..];
        }
    }
    code
}

fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of `r"…"`, `r#"…"#`, `br"…"` and the like; 0 for anything else.
fn raw_string(text: &str) -> usize {
    let start = text.strip_prefix(['b', 'c']).unwrap_or(text);
    let Some(start) = start.strip_prefix('r') else { return 0 };
    let body = start.trim_start_matches('#');
    if !body.starts_with('"') {
        return 0;
    }
    let end = format!("\"{}", "#".repeat(start.len() - body.len()));
    let head = text.len() - body.len() + 1;
    match text[head..].find(&end) {
        Some(at) => head + at + end.len(),
        None => text.len(),
    }
}

/// The length of a character literal; 0 for a lifetime.
fn character(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match chars.next() {
        // An escaped quote is not the end.
        Some((_, '\\')) => text.get(3..).and_then(|rest| rest.find('\'')).map_or(0, |at| 3 + at + 1),
        Some(_) => chars.next().filter(|&(_, c)| c == '\'').map_or(0, |(at, _)| at + 1),
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(path: &str, source: &str) -> Vec<(usize, String)> {
        check(path, source).into_iter().map(|finding| (finding.line, finding.rule)).collect()
    }

    fn lines(path: &str, body: &str) -> Vec<usize> {
        rules(path, &format!("//! Head.\n{body}")).into_iter().map(|(line, _)| line).collect()
    }

    #[test]
    fn a_long_file_is_found() {
        let long = |lines: usize| format!("//! Head.\n{}", "\n".repeat(lines - 1));
        assert_eq!(rules("lab/src/a.rs", &long(600)), []);
        let found = rules("lab/src/a.rs", &long(601));
        assert!(matches!(&found[..], [(0, rule)] if rule.starts_with("601 lines")), "{found:?}");
    }

    #[test]
    fn a_file_without_a_head_is_found() {
        assert_eq!(rules("lab/src/a.rs", "use std::fs;\n").len(), 1);
        assert_eq!(rules("lab/src/a.rs", "// Not a head.\n").len(), 1);
        assert_eq!(rules("lab/tests/fixtures/a.rs", "use std::fs;\n"), []);
    }

    #[test]
    fn core_says_what_it_is() {
        let whole = "//! Core.\n#![no_std]\n#![forbid(unsafe_code)]\n";
        assert_eq!(rules("crates/core/src/lib.rs", whole), []);
        assert_eq!(rules("crates/core/src/lib.rs", "//! Core.\n#![no_std]\n").len(), 1);
        assert_eq!(rules("crates/core/src/lib.rs", "//! Core.\n// #![no_std] #![forbid(unsafe_code)]\n").len(), 2);
        assert_eq!(rules("crates/model/src/lib.rs", "//! Model.\n"), []);
    }

    #[test]
    fn unsafe_code_is_found_outside_its_crates() {
        let body = "fn f() {\n    unsafe { g() }\n}\n";
        assert_eq!(lines("crates/core/src/a.rs", body), [3]);
        assert_eq!(lines("crates/cli/tests/a.rs", body), [3]);
        assert_eq!(lines("crates/dataplane/src/a.rs", body), []);
        assert_eq!(lines("crates/ebpf/src/a.rs", body), []);
    }

    #[test]
    fn the_word_alone_is_not_code() {
        for harmless in [
            "// unsafe\n",
            "/* unsafe /* unsafe */ unsafe */\n",
            "const A: &str = \"unsafe \\\" unsafe\";\n",
            "const A: &str = r#\"a \" unsafe\"#;\n",
            "const A: &[u8] = br\"unsafe\";\n",
            "#![forbid(unsafe_code)]\n",
            "const A: (char, char) = ('\"', '\\''); // unsafe\n",
        ] {
            assert_eq!(lines("lab/src/a.rs", harmless), [], "{harmless}");
        }
        for code in [
            "fn f<'a>(x: &'a str) { unsafe { g(x) } }\n",
            "const A: char = '\"'; unsafe fn f() {} // \"\n",
            "const A: char = '\\''; unsafe fn f() {} // '\n",
            "const A: &str = r\"\\\"; unsafe fn f() {}\n",
            "/* a */ unsafe impl Send for A {}\n",
            "let bar = 1; let b = bar; unsafe { g() }\n",
        ] {
            assert_eq!(lines("lab/src/a.rs", code), [2], "{code}");
        }
    }

    #[test]
    fn unfinished_code_is_found() {
        for unfinished in [
            concat!("fn f() { to", "do!() }\n"),
            concat!("fn f() { unimp", "lemented!(\"x\") }\n"),
            concat!("// FIX", "ME: soon\n"),
            concat!("/// TO", "DO\n"),
        ] {
            assert_eq!(lines("lab/src/a.rs", unfinished), [2], "{unfinished}");
        }
        assert_eq!(lines("lab/src/a.rs", concat!("// autoTO", "DOs, \"to", "do!\"\n")), []);
    }
}
