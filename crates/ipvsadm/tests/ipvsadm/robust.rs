//! Whatever stands in a command line or in rules: an answer with a known exit code, and never a panic.

use crate::{generate, memory::Memory, names::Recorded};
use proptest::{collection::vec, prelude::*};
use relvs_ipvsadm::{Command, NoNames, OPTIONS, Restore, parse};

/// Words that come near to options, and others.
fn word() -> impl Strategy<Value = String> {
    let known: Vec<String> = OPTIONS
        .iter()
        .flat_map(|entry| [Some(format!("--{}", entry.long)), entry.short.map(|letter| format!("-{letter}"))])
        .flatten()
        .collect();
    prop_oneof![
        4 => prop::sample::select(known.clone()),
        1 => (prop::sample::select(known), "[=0-9a-z.:-]{0,6}").prop_map(|(name, rest)| name + &rest),
        3 => "(10\\.0\\.0\\.[0-9]|\\[fd00::[0-9]\\]):(80|0|http)",
        2 => "-?[0-9]{1,12}",
        1 => "-{0,2}[A-Za-z6,=!#:+]{0,6}",
        1 => "\\PC{0,8}",
        1 => any::<String>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_command_line_has_an_answer(words in vec(word(), 0..8)) {
        match parse("ipvsadm", &words, &Recorded) {
            Ok(_) => {}
            Err(failure) => {
                prop_assert!(failure.stderr.ends_with('\n') && matches!(failure.exit, 2 | 255), "{failure:?}");
                prop_assert!(failure.ends || failure.exit == 255, "{failure:?}");
            }
        }
    }

    #[test]
    fn any_rules_have_an_answer(lines in vec(vec(word(), 0..7), 0..6), blank in "[ \t\r\n]{1,3}") {
        let text: Vec<String> = lines.iter().map(|words| words.join(&blank)).collect();
        for mode in [Restore::Atomic, Restore::Original] {
            let mut memory = Memory::default();
            let before = memory.state.clone();
            let output = memory.line("ipvsadm -R", &text.join("\n"), mode).unwrap();
            prop_assert!(matches!(output.exit, 0 | 1 | 2 | 255), "{output:?}");
            let failed = mode == Restore::Atomic && output.stderr.contains("nothing was changed");
            prop_assert!(!failed || memory.state == before);
        }
    }
}

#[test]
fn the_generator_generates_what_is_right_and_what_is_wrong() {
    let steps = (0..400).flat_map(|number| generate::case(7, number).steps);
    let lines: Vec<Vec<String>> = steps.map(|step| step.words).filter(|words| words[0] == "ipvsadm").collect();
    let parsed = lines.iter().map(|words| parse("ipvsadm", &words[1..], &NoNames));
    let (right, wrong): (Vec<_>, Vec<_>) = parsed.partition(Result::is_ok);
    assert!(right.len() > 1000 && wrong.len() > 400, "{} right, {} wrong", right.len(), wrong.len());
    let messages: std::collections::BTreeSet<String> =
        wrong.into_iter().map(|wrong| wrong.unwrap_err().stderr).collect();
    assert!(messages.len() > 90, "{} messages", messages.len());
    let changes = right.iter().filter(|command| matches!(command, Ok(Command::Change(_)))).count();
    assert!(changes > 400, "{changes} changes");
}
