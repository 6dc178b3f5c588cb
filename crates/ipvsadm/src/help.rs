//! The texts of `-h` and `-v`, from the table of options.

use crate::{
    Kind, OPTIONS,
    list::IPVS_VERSION,
    option::{Argument, Entry, Id, Role},
};

/// The text of `-v`. Programs look for the version of ipvsadm whose behaviour this is.
pub fn version() -> String {
    let relvs = env!("CARGO_PKG_VERSION");
    format!("ipvsadm v1.31 (of relvs {relvs}, as IPVS v{IPVS_VERSION})\n")
}

/// The text of `-h`.
pub fn help(program: &str) -> String {
    let mut text = version();
    text += "\nShows and changes the virtual services of relvs.\n\n";
    text += &format!("Usage: {program} COMMAND [OPTION]...\n");
    text += &format!("       {program}  shows the table\n");
    for (title, entries) in groups() {
        section(&mut text, title, &entries);
    }
    text
}

/// All options, by the commands that take them, in the order of the help.
pub(crate) fn groups() -> Vec<(&'static str, Vec<&'static Entry>)> {
    let of = |role: fn(&Role) -> bool| OPTIONS.iter().filter(move |entry| role(&entry.role)).collect::<Vec<_>>();
    let commands = |id: &Id, kind: Kind| id.use_in(kind).is_some();
    let group = |title: &'static str, kind: Kind, not: &[Kind]| {
        let takes = |entry: &&Entry| match entry.role {
            Role::Says(id) => commands(&id, kind) && !not.iter().any(|other| commands(&id, *other)),
            Role::Six => kind == Kind::DeleteService,
            Role::Sort => kind == Kind::List,
            Role::Command(_) | Role::Help | Role::Version => false,
        };
        (title, OPTIONS.iter().filter(takes).collect::<Vec<_>>())
    };
    vec![
        ("Commands", of(|role| matches!(role, Role::Command(_) | Role::Help | Role::Version))),
        group("Which service", Kind::DeleteService, &[]),
        group("-A and -E", Kind::AddService, &[Kind::DeleteService]),
        group("-a, -e and -d", Kind::DeleteServer, &[Kind::DeleteService]),
        group("-a and -e", Kind::AddServer, &[Kind::DeleteServer]),
        group("-L", Kind::List, &[Kind::Zero]),
        group("-S", Kind::Save, &[]),
        group("--start-daemon", Kind::StartDaemon, &[]),
    ]
}

fn section(text: &mut String, title: &str, entries: &[&Entry]) {
    *text += &format!("\n{title}:\n");
    for entry in entries {
        let short = entry.short.map_or("    ".to_owned(), |letter| format!("-{letter}, "));
        let argument = match entry.argument {
            Argument::None => String::new(),
            Argument::Needed(name) => format!(" {name}"),
            Argument::Optional(name) => format!(" [{name}]"),
        };
        let left = format!("{short}--{}{argument}", entry.long);
        *text += &format!("  {left:34}  {}\n", entry.meaning);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_is_explained() {
        let text = help("ipvsadm");
        for entry in OPTIONS {
            assert!(text.contains(&format!("--{}", entry.long)) && text.contains(entry.meaning), "{entry:?}");
        }
        assert!(text.lines().all(|line| line.len() <= 104 && !line.ends_with(' ')), "{text}");
    }

    #[test]
    fn the_version_is_the_one_whose_behaviour_this_is() {
        assert!(version().starts_with("ipvsadm v1.31 "));
    }
}
