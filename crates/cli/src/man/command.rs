//! The pages of relvs and each of its commands, from the table that also reads the command line.

use clap::Command;
use clap_mangen::{
    Man,
    roff::{Roff, bold, roman},
};
use std::io;

/// Administrators' commands.
const SECTION: &str = "8";
/// What ipvsadm(8) and its kin describe.
const ANOTHERS: [&str; 3] = ["ipvsadm", "ipvsadm-save", "ipvsadm-restore"];

/// The names of the files, and what is in them.
pub(super) fn pages(command: Command) -> io::Result<Vec<(String, String)>> {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    add(&command, "", &mut pages)?;
    Ok(pages)
}

fn add(command: &Command, above: &str, pages: &mut Vec<(String, String)>) -> io::Result<()> {
    let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
    let below: Vec<&Command> = shown(command).collect();
    let mut page = Vec::new();
    // The help's last lines are sections of their own here.
    let described = command.clone().after_help(None::<&str>).after_long_help(None::<&str>);
    let man = Man::new(described)
        .title(name.to_uppercase())
        .section(SECTION)
        .source(concat!("relvs ", env!("CARGO_PKG_VERSION")))
        .manual("relvs");
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    if command.get_arguments().any(|argument| !argument.is_hide_set()) {
        man.render_options_section(&mut page)?;
    }
    if !below.is_empty() {
        commands(&below, &name).to_writer(&mut page)?;
    }
    if above.is_empty() {
        whole().to_writer(&mut page)?;
    } else {
        see_also(above).to_writer(&mut page)?;
    }
    pages.push((format!("{name}.{SECTION}"), String::from_utf8_lossy(&page).into_owned()));
    for command in below.into_iter().filter(|command| has_page(command)) {
        add(command, &name, pages)?;
    }
    Ok(())
}

fn shown(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|command| !command.is_hide_set())
}

fn has_page(command: &Command) -> bool {
    !ANOTHERS.contains(&command.get_name())
}

fn commands(commands: &[&Command], above: &str) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["COMMANDS"]);
    for command in commands {
        let page =
            if has_page(command) { format!("{above}-{}", command.get_name()) } else { command.get_name().into() };
        roff.control("TP", []);
        roff.text([bold(page), roman(format!("({SECTION})"))]);
        roff.text([roman(command.get_about().map(ToString::to_string).unwrap_or_default())]);
    }
    roff
}

/// What concerns every command.
fn whole() -> Roff {
    let mut roff = Roff::new();
    let mut section = |title: &str, entries: &[(&str, &str)]| {
        roff.control("SH", [title]);
        for (name, meaning) in entries {
            roff.control("TP", []);
            roff.text([bold(*name)]);
            roff.text([roman(*meaning)]);
        }
    };
    section(
        "EXIT STATUS",
        &[
            ("0", "Done."),
            ("1", "It did not work, or something is wrong."),
            ("2", "The command line is wrong."),
            ("3", "plan found something that would change."),
        ],
    );
    section(
        "ENVIRONMENT",
        &[
            (relvs_api::RUN_DIR_VARIABLE, "The run directory, where --run-dir does not name one."),
            ("RELVS_LOG", "How much the daemon logs: error, warn, info, debug or trace; info without it."),
            ("RELVS_LOG_FORMAT", "How it logs, where --log-format does not say it: auto, text, json or journald."),
        ],
    );
    section(
        "FILES",
        &[
            ("/etc/relvs/relvs.toml", "The configuration that relvs.service runs with."),
            ("/run/relvs/control.sock", "The control socket: HTTP and JSON, for its owner and group."),
            ("/run/relvs/bpf", "A bpffs with programs, links and tables, which outlive the daemon."),
        ],
    );
    roff.control("SH", ["SEE ALSO"]);
    roff.text([bold("ipvsadm"), roman("(8), "), bold("systemctl"), roman("(1)")]);
    roff
}

fn see_also(above: &str) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["SEE ALSO"]);
    roff.text([bold(above), roman(format!("({SECTION})"))]);
    roff
}
