//! Lines of rules to words, as the original reads them (`ipvsadm -R`): words have blanks between and no quotes, the word
//! `ipvsadm` counts nowhere, and `#` means nothing, for comments are `ipvsadm-restore`'s to take out.

/// A line with something in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    /// Which line, from 1.
    pub(crate) number: usize,
    /// Its words.
    pub(crate) words: Vec<String>,
}

/// The lines that have words. A last line that no newline ends, and more than one blank, is dropped, as the original does.
pub(crate) fn read(input: &str) -> Vec<Rule> {
    let lines = input.split_inclusive('\n').filter(|line| line.ends_with('\n') || !ends_in_blanks(line));
    let rules = lines.enumerate().map(|(at, line)| Rule { number: at + 1, words: words(line) });
    rules.filter(|rule| !rule.words.is_empty()).collect()
}

/// What `ipvsadm-restore` gives on: everything but lines that begin with `#`.
pub(crate) fn without_comments(input: &str) -> String {
    // Such a line becomes empty rather than none, so that lines keep their numbers.
    let kept = input.lines().map(|line| if line.starts_with('#') { "" } else { line });
    kept.flat_map(|line| [line, "\n"]).collect()
}

fn is_blank(letter: char) -> bool {
    matches!(letter, ' ' | '\t' | '\r' | '\n')
}

fn ends_in_blanks(line: &str) -> bool {
    line.chars().rev().take_while(|letter| is_blank(*letter)).count() > 1
}

fn words(line: &str) -> Vec<String> {
    line.split(is_blank).filter(|word| !word.is_empty() && *word != "ipvsadm").map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_between_blanks() {
        let read = |text| read(text).into_iter().map(|rule| (rule.number, rule.words.join("|"))).collect::<Vec<_>>();
        let line = |number, words: &str| (number, words.to_owned());
        assert_eq!(
            read("\n -A\t-f  1\r\n\nipvsadm -C ipvsadm\nipvsadm\n-Z"),
            [line(2, "-A|-f|1"), line(4, "-C"), line(6, "-Z")]
        );
        assert_eq!(read("-C \n-Z "), [line(1, "-C"), line(2, "-Z")]);
        assert_eq!(read("-C\n-Z  "), [line(1, "-C")]);
        assert_eq!(read("# x\n"), [line(1, "#|x")]);
        assert_eq!(read(&without_comments("# x\n #y\n-C")), [line(2, "#y"), line(3, "-C")]);
    }
}
