//! The manual pages ipvsadm(8), ipvsadm-save(8) and ipvsadm-restore(8) of relvs, in man(7)'s macros.
//!
//! What an option means comes from the table of options, where relvs differs from [`DIFFERENCES`]; the rest is here, in
//! words of relvs's own.

use crate::{
    DIFFERENCES,
    help::groups,
    option::{Argument, Entry},
};
use roff::{Inline, Roff, bold, italic, roman};

/// Where the director is looked for, and how restoring goes.
const ENVIRONMENT: &[(&str, &str)] = &[
    ("RELVS_RUN_DIR", "The run directory of the director to speak to; /run/relvs without it."),
    (
        "RELVS_RESTORE",
        "With the value \"original\", rules are restored one after the other, whatever becomes of each, as ipvsadm of the kernel does.",
    ),
];

/// The text of ipvsadm(8).
pub fn manual() -> String {
    let mut page = head("ipvsadm", "shows and changes the virtual services of relvs");
    page.control("SH", ["SYNOPSIS"]);
    synopsis(&mut page, "ipvsadm", "COMMAND", " [OPTION]...");
    page.control("br", []);
    synopsis(&mut page, "ipvsadm", "", "");
    paragraphs(
        &mut page,
        "DESCRIPTION",
        &[
            "A virtual service is an address, a port and a protocol, or a mark, behind which real servers stand. The director chooses a real server \
             for each new connection and sends it that connection's packets. This command shows and changes the services of a running \
             director, as ipvsadm does with those of the kernel: commands, options, listings, messages and exit codes are those of ipvsadm 1.31, \
             but for what DIFFERENCES lists.",
            "The first option says what is done. Without any, the services are listed. An option may be given by its letter or by its name; letters \
             may stand together, and a name may be shortened as long as one option alone begins so.",
            "A change is seen by packets whole or not at all. It lasts beyond the daemon. Where the daemon runs with a configuration file, \
             that file is in force again when it is next read.",
        ],
    );
    page.control("SH", ["OPTIONS"]);
    for (title, entries) in groups() {
        page.control("SS", [title]);
        for entry in entries {
            option(&mut page, entry);
        }
    }
    page.control("SH", ["EXAMPLES"]);
    for (at, (what, line)) in [
        (
            "A service with two real servers, one by NAT and one by direct routing:",
            "ipvsadm -A -t 192.0.2.100:80 -s wlc",
        ),
        ("", "ipvsadm -a -t 192.0.2.100:80 -r 10.0.0.11 -m -w 2"),
        ("", "ipvsadm -a -t 192.0.2.100:80 -r 10.0.0.12 -g"),
        ("What there is, with numbers:", "ipvsadm -L -n"),
        ("Rules kept, and brought back as one change:", "ipvsadm-save -n > rules; ipvsadm-restore < rules"),
    ]
    .into_iter()
    .enumerate()
    {
        if !what.is_empty() {
            if at > 0 {
                page.control("PP", []);
            }
            page.text([roman(what)]);
        }
        page.control(if what.is_empty() { "br" } else { "PP" }, []);
        page.text([bold(line)]);
    }
    page.control("SH", ["DIFFERENCES"]);
    page.text([roman("Where relvs is not as ipvsadm 1.31 on a kernel, on purpose:")]);
    for difference in DIFFERENCES {
        entry(&mut page, &[bold(difference.name)], &format!("{} {}", plain(difference.what), plain(difference.why)));
    }
    tail(
        &mut page,
        "0 when all was done, 1 when not; 2 for most wrong command lines, and 255 for what relvs cannot do.",
    );
    see_also(&mut page, &["ipvsadm-save", "ipvsadm-restore", "relvs"]);
    page.render()
}

/// The text of ipvsadm-save(8).
pub fn manual_of_save() -> String {
    let mut page = head("ipvsadm-save", "writes the virtual services of relvs as rules");
    page.control("SH", ["SYNOPSIS"]);
    synopsis(&mut page, "ipvsadm-save", "", "[-n] [--full]");
    paragraphs(
        &mut page,
        "DESCRIPTION",
        &[
            "Writes to standard output what ipvsadm-restore reads: a line for each service and each real server, without the name of the command.",
        ],
    );
    page.control("SH", ["OPTIONS"]);
    entry(&mut page, &[bold("-n")], "Addresses and ports as numbers.");
    entry(
        &mut page,
        &[bold("--full")],
        "Thresholds, timeouts and the order of services too, in a form that ipvsadm-restore of the kernel reads as well. relvs's own.",
    );
    tail(&mut page, "0 when all was written, 1 when not.");
    see_also(&mut page, &["ipvsadm", "ipvsadm-restore"]);
    page.render()
}

/// The text of ipvsadm-restore(8).
pub fn manual_of_restore() -> String {
    let mut page = head("ipvsadm-restore", "brings rules into force in place of all virtual services of relvs");
    page.control("SH", ["SYNOPSIS"]);
    synopsis(&mut page, "ipvsadm-restore", "", "< FILE");
    paragraphs(
        &mut page,
        "DESCRIPTION",
        &[
            "Reads rules from standard input, one a line, as ipvsadm-save writes them; lines that begin with # are left out. \
             All services that there are give way to them.",
            "It is one change, which happens whole or not at all: if a line is wrong it is named, and everything stays as it was. Real servers \
             that are there before and afterwards keep their connections.",
        ],
    );
    tail(&mut page, "0 when all rules are in force, 1 or more when none is.");
    see_also(&mut page, &["ipvsadm", "ipvsadm-save"]);
    page.render()
}

fn head(name: &str, what: &str) -> Roff {
    let mut page = Roff::new();
    page.control("TH", [name.to_uppercase().as_str(), "8", "", concat!("relvs ", env!("CARGO_PKG_VERSION")), "relvs"]);
    page.control("SH", ["NAME"]);
    page.text([roman(format!("{name} - {what}"))]);
    page
}

fn synopsis(page: &mut Roff, name: &str, command: &str, rest: &str) {
    let mut words = vec![bold(name)];
    if !command.is_empty() {
        words.extend([roman(" "), italic(command)]);
    }
    if !rest.is_empty() {
        words.push(roman(format!(" {}", rest.trim_start())));
    }
    page.text(words);
}

fn paragraphs(page: &mut Roff, title: &str, paragraphs: &[&str]) {
    page.control("SH", [title]);
    for (at, paragraph) in paragraphs.iter().enumerate() {
        if at > 0 {
            page.control("PP", []);
        }
        page.text([roman(*paragraph)]);
    }
}

fn entry(page: &mut Roff, name: &[Inline], meaning: &str) {
    page.control("TP", []);
    page.text(name.to_vec());
    page.text([roman(meaning)]);
}

fn option(page: &mut Roff, option: &Entry) {
    let mut name = Vec::new();
    if let Some(letter) = option.short {
        name.extend([bold(format!("-{letter}")), roman(", ")]);
    }
    name.push(bold(format!("--{}", option.long)));
    match option.argument {
        Argument::None => {}
        Argument::Needed(argument) => name.extend([roman(" "), italic(argument)]),
        Argument::Optional(argument) => name.extend([roman(" ["), italic(argument), roman("]")]),
    }
    entry(page, &name, &sentence(option.meaning));
}

fn tail(page: &mut Roff, status: &str) {
    page.control("SH", ["EXIT STATUS"]);
    page.text([roman(status)]);
    page.control("SH", ["ENVIRONMENT"]);
    for (name, meaning) in ENVIRONMENT {
        entry(page, &[bold(*name)], meaning);
    }
}

fn see_also(page: &mut Roff, names: &[&str]) {
    page.control("SH", ["SEE ALSO"]);
    let mut words = Vec::new();
    for (at, name) in names.iter().enumerate() {
        words.extend([bold(*name), roman(if at + 1 < names.len() { "(8), " } else { "(8)" })]);
    }
    page.text(words);
}

/// A capital letter and a full stop.
fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
}

/// Without the marks of another kind of page.
fn plain(text: &str) -> String {
    text.replace('`', "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OPTIONS;

    #[test]
    fn every_option_and_difference_has_an_entry() {
        // As it is read: `\-` is a hyphen to copy, and an apostrophe a string of its own.
        let page = manual().replace("\\-", "-").replace("\\*(Aq", "'");
        for option in OPTIONS {
            let name = format!("--{}", option.long);
            assert!(page.contains(&name) && page.contains(&sentence(option.meaning)), "{option:?}\n{page}");
        }
        for difference in DIFFERENCES {
            assert!(page.contains(difference.name), "{}", difference.name);
        }
        assert!(!page.contains('`'), "{page}");
    }
}
