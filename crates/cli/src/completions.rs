//! `relvs completions`: what a shell proposes, for relvs itself and for ipvsadm, each from its own table of options.
//!
//! The command that stands for ipvsadm here is never used to read a command line.

use clap::{Arg, ArgAction, Args, Command, CommandFactory as _, ValueEnum, builder::PossibleValuesParser};
use clap_complete::Shell;
use relvs_ipvsadm::{Argument, Id, OPTIONS, Role};
use relvs_model::Scheduler;
use std::process::ExitCode;

#[derive(Args)]
pub(crate) struct Arguments {
    /// The shell that reads them
    #[arg(value_enum)]
    shell: Supported,
    /// The command that is completed
    #[arg(long, value_enum, default_value = "relvs")]
    of: Program,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Supported {
    Bash,
    Zsh,
    Fish,
}

impl From<Supported> for Shell {
    fn from(shell: Supported) -> Self {
        match shell {
            Supported::Bash => Shell::Bash,
            Supported::Zsh => Shell::Zsh,
            Supported::Fish => Shell::Fish,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Program {
    Relvs,
    Ipvsadm,
    IpvsadmSave,
}

pub(crate) fn completions(arguments: &Arguments) -> ExitCode {
    let mut command = match arguments.of {
        Program::Relvs => super::Arguments::command(),
        Program::Ipvsadm => ipvsadm(),
        Program::IpvsadmSave => save(),
    };
    let name = command.get_name().to_owned();
    let mut out = Vec::new();
    clap_complete::generate(Shell::from(arguments.shell), &mut command, name, &mut out);
    super::say(&String::from_utf8_lossy(&out))
}

fn bare(name: &'static str) -> Command {
    Command::new(name).disable_help_flag(true).disable_version_flag(true)
}

fn save() -> Command {
    let flag = |id: &'static str| Arg::new(id).action(ArgAction::SetTrue);
    bare("ipvsadm-save").args([
        flag("numeric").short('n').help("addresses and ports as numbers"),
        flag("full").long("full").help("thresholds, timeouts and order too"),
    ])
}

/// ipvsadm's table of options as a command.
fn ipvsadm() -> Command {
    let mut command = bare("ipvsadm");
    for entry in OPTIONS {
        if command.get_arguments().any(|other| other.get_long() == Some(entry.long)) {
            // The second letter of an option that has two.
            command = command.mut_arg(entry.long, |arg| arg.visible_short_aliases(entry.short));
            continue;
        }
        let mut arg = Arg::new(entry.long).long(entry.long).help(entry.meaning);
        if let Some(letter) = entry.short {
            arg = arg.short(letter);
        }
        arg = match entry.argument {
            Argument::None => arg.action(ArgAction::SetTrue),
            Argument::Needed(name) => arg.action(ArgAction::Set).value_name(name),
            Argument::Optional(name) => arg.action(ArgAction::Set).num_args(0..=1).value_name(name),
        };
        if let Some(values) = values(entry.role, entry.argument) {
            arg = arg.value_parser(PossibleValuesParser::new(values));
        }
        command = command.arg(arg);
    }
    command
}

/// The words that an option takes, where they are known.
fn values(role: Role, argument: Argument) -> Option<Vec<&'static str>> {
    if role == Role::Says(Id::Scheduler) {
        return Some(Scheduler::ALL.iter().map(|scheduler| scheduler.name()).collect());
    }
    match argument {
        Argument::Needed(name) if name.contains('|') => Some(name.split('|').collect()),
        Argument::None | Argument::Needed(_) | Argument::Optional(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_of_ipvsadm_can_be_completed() {
        let command = ipvsadm();
        command.clone().debug_assert();
        for entry in OPTIONS {
            let arg = command.get_arguments().find(|arg| arg.get_long() == Some(entry.long)).unwrap();
            let letters: Vec<char> = arg.get_short_and_visible_aliases().unwrap_or_default();
            assert!(entry.short.is_none_or(|letter| letters.contains(&letter)), "{entry:?}");
        }
        let scheduler = command.get_arguments().find(|arg| arg.get_long() == Some("scheduler")).unwrap();
        assert_eq!(scheduler.get_possible_values().len(), Scheduler::ALL.len());
        let role = command.get_arguments().find(|arg| arg.get_long() == Some("start-daemon")).unwrap();
        assert_eq!(role.get_possible_values().len(), 2);
    }
}
