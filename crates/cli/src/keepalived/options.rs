//! keepalived's command line: every option of `keepalived(8)` 2.2, as getopt_long(3) reads them, and what becomes of each.

use relvs_daemon::keepalived::{Dump, Part};
use std::path::PathBuf;

/// Whether an option takes a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Takes {
    Nothing,
    Value,
    /// Only in the same word: `-tFILE`, `--config-test=FILE`.
    Maybe,
}

/// What an option is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    File,
    Vrrp,
    Checkers,
    Foreground,
    Console,
    Facility,
    Pid,
    VrrpPid,
    CheckersPid,
    ConfigId,
    Namespace,
    Signal,
    Test,
    Version,
    Help,
    /// It changes nothing that could be seen.
    Silent,
    /// It does nothing here; half a sentence says why.
    Ignored(&'static str),
    /// It cannot be done; half a sentence says what does it.
    Refused(&'static str),
}

/// An option: its letter, its long name, whether it takes a value, what becomes of it.
type Known = (Option<char>, &'static str, Takes, Use);

const ONE_PROCESS: Use = Use::Silent;
const STOP: Use =
    Use::Ignored("[director] on_exit in the file of --settings says what stays; virtual addresses are given up");

const OPTIONS: &[Known] = &[
    (Some('f'), "use-file", Takes::Value, Use::File),
    (Some('P'), "vrrp", Takes::Nothing, Use::Vrrp),
    (Some('C'), "check", Takes::Nothing, Use::Checkers),
    (Some('B'), "no_bfd", Takes::Nothing, ONE_PROCESS),
    (None, "all", Takes::Nothing, ONE_PROCESS),
    (Some('l'), "log-console", Takes::Nothing, Use::Console),
    (Some('D'), "log-detail", Takes::Nothing, Use::Silent),
    (Some('S'), "log-facility", Takes::Value, Use::Facility),
    (Some('g'), "log-file", Takes::Maybe, Use::Ignored("the log goes to the journal, to syslog or to standard error")),
    (None, "flush-log-file", Takes::Nothing, Use::Silent),
    (Some('G'), "no-syslog", Takes::Nothing, Use::Console),
    (Some('u'), "umask", Takes::Value, Use::Ignored("files are readable by their owner alone")),
    (Some('X'), "release-vips", Takes::Nothing, Use::Silent),
    (Some('V'), "dont-release-vrrp", Takes::Nothing, STOP),
    (Some('I'), "dont-release-ipvs", Takes::Nothing, Use::Silent),
    (Some('R'), "dont-respawn", Takes::Nothing, ONE_PROCESS),
    (Some('n'), "dont-fork", Takes::Nothing, Use::Foreground),
    (Some('d'), "dump-conf", Takes::Nothing, Use::Silent),
    (Some('p'), "pid", Takes::Value, Use::Pid),
    (Some('r'), "vrrp_pid", Takes::Value, Use::VrrpPid),
    (Some('c'), "checkers_pid", Takes::Value, Use::CheckersPid),
    (Some('b'), "bfd_pid", Takes::Value, Use::Silent),
    (Some('T'), "genhash", Takes::Nothing, Use::Refused("the digest of a page is `curl -s URL | md5sum`")),
    (Some('a'), "address-monitoring", Takes::Nothing, Use::Ignored("`ip monitor address` reports them")),
    (
        Some('x'),
        "snmp",
        Takes::Nothing,
        Use::Ignored("there is no SNMP; [metrics] in the file of --settings is for Prometheus"),
    ),
    (Some('A'), "snmp-agent-socket", Takes::Value, Use::Silent),
    (Some('s'), "namespace", Takes::Value, Use::Namespace),
    (Some('m'), "core-dump", Takes::Nothing, Use::Ignored("LimitCORE= of systemd or `ulimit -c` allow core dumps")),
    (Some('M'), "core-dump-pattern", Takes::Maybe, Use::Silent),
    (Some('e'), "all-config", Takes::Nothing, Use::Ignored("`includea` or `include_check` do this")),
    (Some('i'), "config-id", Takes::Value, Use::ConfigId),
    (None, "signum", Takes::Value, Use::Signal),
    (Some('t'), "config-test", Takes::Maybe, Use::Test),
    (None, "perf", Takes::Maybe, Use::Silent),
    (None, "debug", Takes::Maybe, Use::Silent),
    (None, "no-mem-check", Takes::Nothing, Use::Silent),
    (None, "mem-check-log", Takes::Nothing, Use::Silent),
    (None, "ignore-sigint", Takes::Nothing, Use::Ignored("SIGINT ends it, as SIGTERM does")),
    (Some('v'), "version", Takes::Nothing, Use::Version),
    (Some('h'), "help", Takes::Nothing, Use::Help),
];

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Version,
    Help,
    /// The number of a signal.
    Signal(i32),
    /// Say what is wrong with the configuration, on standard error or in a file.
    Test(Run, Option<PathBuf>),
    Run(Run),
}

/// How to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) file: PathBuf,
    pub(super) part: Part,
    pub(super) foreground: bool,
    /// The log goes to standard error, whatever that is.
    pub(super) console: bool,
    /// syslog's, as a number of <syslog.h>.
    pub(super) facility: u8,
    pub(super) config_id: Option<String>,
    pub(super) namespace: Option<String>,
    pub(super) pid_files: Vec<PathBuf>,
    /// What does nothing here.
    pub(super) remarks: Vec<String>,
}

const FILE: &str = "/etc/keepalived/keepalived.conf";
/// What is written where no option says otherwise: of the whole, of virtual routers, of services.
const PID_FILES: [&str; 3] = ["/run/keepalived.pid", "/run/keepalived_vrrp.pid", "/run/keepalived_checkers.pid"];
/// LOG_DAEMON and LOG_LOCAL0.
const DAEMON: u8 = 3;
const LOCAL: u8 = 16;

/// Reads it.
///
/// # Errors
///
/// What is wrong, in a line.
pub(super) fn read(words: &[String]) -> Result<Asked, String> {
    let mut run = Run {
        file: PathBuf::from(FILE),
        part: Part::All,
        foreground: false,
        console: false,
        facility: DAEMON,
        config_id: None,
        namespace: None,
        pid_files: Vec::new(),
        remarks: Vec::new(),
    };
    let (mut vrrp, mut checkers, mut test, mut other) = (false, false, None, None);
    let mut pids = PID_FILES.map(PathBuf::from);
    for (known, value) in split(words)? {
        let (letter, long, _, what) = *known;
        let name = letter.map_or_else(|| format!("--{long}"), |letter| format!("-{letter}"));
        let text = value.clone().unwrap_or_default();
        match what {
            Use::File => run.file = PathBuf::from(text),
            Use::Vrrp => vrrp = true,
            Use::Checkers => checkers = true,
            Use::Foreground => run.foreground = true,
            Use::Console => run.console = true,
            Use::Facility => run.facility = facility(&text)?,
            Use::Pid => pids[0] = PathBuf::from(text),
            Use::VrrpPid => pids[1] = PathBuf::from(text),
            Use::CheckersPid => pids[2] = PathBuf::from(text),
            Use::ConfigId => run.config_id = Some(text),
            Use::Namespace => run.namespace = Some(text),
            Use::Signal => other = other.or(Some(Asked::Signal(signal(&text)?))),
            Use::Test => test = Some(value.map(PathBuf::from)),
            Use::Version => other = other.or(Some(Asked::Version)),
            Use::Help => other = other.or(Some(Asked::Help)),
            Use::Silent => {}
            Use::Ignored(why) => run.remarks.push(format!("{name} does nothing here: {why}")),
            Use::Refused(instead) => return Err(format!("{name} is no part of relvs: {instead}")),
        }
    }
    // Both together are everything.
    run.part = match (vrrp, checkers) {
        (true, false) => Part::Vrrp,
        (false, true) => Part::Checkers,
        _ => Part::All,
    };
    let [whole, of_vrrp, of_checkers] = pids;
    run.pid_files = match run.part {
        Part::All => vec![whole, of_vrrp, of_checkers],
        Part::Vrrp => vec![whole, of_vrrp],
        Part::Checkers => vec![whole, of_checkers],
    };
    Ok(match (other, test) {
        (Some(other), _) => other,
        (None, Some(log)) => Asked::Test(run, log),
        (None, None) => Asked::Run(run),
    })
}

/// The words as options with their values. Words that are no options are refused, where keepalived passes over them.
fn split(words: &[String]) -> Result<Vec<(&'static Known, Option<String>)>, String> {
    let mut found = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut next = |name: &str| words.next().cloned().ok_or_else(|| format!("{name} needs a value"));
        if let Some(long) = word.strip_prefix("--").filter(|long| !long.is_empty()) {
            let (name, value) =
                long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value.to_owned())));
            let known = named(name)?;
            let value = match (known.2, value) {
                (Takes::Nothing, Some(_)) => return Err(format!("--{name} takes no value")),
                (Takes::Value, None) => Some(next(&format!("--{name}"))?),
                (_, value) => value,
            };
            found.push((known, value));
        } else if let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty() && *letters != "-") {
            for (at, letter) in letters.char_indices() {
                let known = OPTIONS.iter().find(|(known, ..)| *known == Some(letter));
                let known = known.ok_or_else(|| format!("unknown option -{letter}; -h lists those there are"))?;
                let rest = &letters[at + letter.len_utf8()..];
                let attached = Some(rest.to_owned()).filter(|rest| !rest.is_empty());
                match known.2 {
                    Takes::Nothing => found.push((known, None)),
                    Takes::Value => {
                        let value = attached.map_or_else(|| next(&format!("-{letter}")), Ok)?;
                        found.push((known, Some(value)));
                        break;
                    }
                    Takes::Maybe => {
                        found.push((known, attached));
                        break;
                    }
                }
            }
        } else {
            return Err(format!("`{word}` is no option; -f names the configuration"));
        }
    }
    Ok(found)
}

/// The option of a long name, which may be cut as long as it says which.
fn named(name: &str) -> Result<&'static Known, String> {
    if let Some(known) = OPTIONS.iter().find(|(_, long, ..)| *long == name) {
        return Ok(known);
    }
    let mut all = OPTIONS.iter().filter(|(_, long, ..)| long.starts_with(name));
    match (all.next(), all.next()) {
        (Some(known), None) => Ok(known),
        (Some(one), Some(other)) => Err(format!("--{name} may be --{} or --{}; write more of it", one.1, other.1)),
        (None, _) => Err(format!("unknown option --{name}; -h lists those there are")),
    }
}

fn facility(text: &str) -> Result<u8, String> {
    let local = text.strip_prefix("local").unwrap_or(text).parse::<u8>().ok().filter(|number| *number <= 7);
    match (text, local) {
        ("daemon", _) => Ok(DAEMON),
        ("user", _) => Ok(1),
        (_, Some(number)) => Ok(LOCAL + number),
        (_, None) => Err(format!("-S {text}: write 0 to 7, local0 to local7, user or daemon")),
    }
}

fn signal(name: &str) -> Result<i32, String> {
    match name {
        "STOP" => Ok(15),
        "RELOAD" => Ok(1),
        _ => {
            let dump = Dump::ALL.into_iter().find(|dump| dump.name() == name);
            dump.map(Dump::signal).ok_or_else(|| format!("--signum={name}: there are {}", signals()))
        }
    }
}

fn signals() -> String {
    let dumps = Dump::ALL.map(Dump::name).join(", ");
    format!("STOP, RELOAD, {dumps}")
}

/// A line for each option.
pub(super) fn help() -> String {
    let mut text = String::from(
        "relvs, called as keepalived: the director by keepalived.conf.\n\nUsage: keepalived [OPTION...]\n",
    );
    for (letter, long, takes, what) in OPTIONS {
        let value = match takes {
            Takes::Nothing => "",
            Takes::Value => "=VALUE",
            Takes::Maybe => "[=VALUE]",
        };
        let letter = letter.map_or_else(|| "    ".to_owned(), |letter| format!("-{letter}, "));
        let option = format!("  {letter}--{long}{value}");
        let of_signals = format!("the number of a signal: {}", signals());
        let said = match what {
            Use::File => "the configuration, in place of /etc/keepalived/keepalived.conf",
            Use::Vrrp => "only virtual routers",
            Use::Checkers => "only virtual services",
            Use::Foreground => "stay in the foreground",
            Use::Console => "write the log to standard error",
            Use::Facility => "syslog's facility: 0 to 7, local0 to local7, user, daemon",
            Use::Pid | Use::VrrpPid | Use::CheckersPid => "a file for the process's number",
            Use::ConfigId => "whom lines with @ are for, in place of the machine's name",
            Use::Namespace => "run in this network namespace",
            Use::Signal => &of_signals,
            Use::Test => "say what is wrong with the configuration, here or in a file; exit code 0, 4, 5 or 6",
            Use::Version => "say which version this is",
            Use::Help => "this",
            Use::Silent => "taken, and of no effect",
            Use::Ignored(why) => &format!("does nothing here: {why}"),
            Use::Refused(instead) => &format!("no part of relvs: {instead}"),
        };
        text.push_str(&format!("{option:<34} {said}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(line: &str) -> Result<Asked, String> {
        read(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    fn run(line: &str) -> Run {
        match asked(line) {
            Ok(Asked::Run(run)) => run,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn options_are_read_as_getopt_reads_them() {
        let plain = run("");
        assert_eq!((plain.file, plain.part, plain.foreground), (PathBuf::from(FILE), Part::All, false));
        assert_eq!(plain.pid_files, PID_FILES.map(PathBuf::from));
        let all = run("-nlDdP -f/a.conf -p /b --vrrp_pid=/c -S 2 --config-id x");
        assert_eq!(
            (all.file.to_str(), all.part, all.foreground, all.console),
            (Some("/a.conf"), Part::Vrrp, true, true)
        );
        assert_eq!(all.pid_files, ["/b", "/c"].map(PathBuf::from));
        assert_eq!((all.facility, all.config_id.as_deref()), (18, Some("x")));
        assert_eq!(run("-P -C").part, Part::All);
        assert!(run("--dont-f").foreground);
        assert_eq!(run("-x").remarks.len(), 1);
        assert!(matches!(asked("-t"), Ok(Asked::Test(_, None))));
        assert!(matches!(asked("-t/log -f /a"), Ok(Asked::Test(Run { file, .. }, Some(_))) if file.ends_with("a")));
        assert!(matches!(asked("--config-test=/log"), Ok(Asked::Test(_, Some(log))) if log.ends_with("log")));
        assert_eq!(asked("-v"), Ok(Asked::Version));
        assert_eq!(asked("--signum=RELOAD"), Ok(Asked::Signal(1)));
        for (wrong, why) in [
            ("-Z", "unknown option -Z"),
            ("--dont", "--dont-release-vrrp or"),
            ("--vrrp=1", "takes no value"),
            ("-f", "-f needs a value"),
            ("file.conf", "`file.conf` is no option"),
            ("-S local9", "0 to 7"),
            ("--signum=FOO", "STATS_CLEAR"),
            ("-T", "md5sum"),
        ] {
            assert!(asked(wrong).is_err_and(|said| said.contains(why)), "{wrong}: {:?}", asked(wrong));
        }
    }

    #[test]
    fn every_option_is_in_the_help_once() {
        let help = help();
        for (_, long, ..) in OPTIONS {
            let found =
                help.lines().filter(|line| line.split([' ', '=', '[']).any(|word| word == format!("--{long}"))).count();
            assert_eq!(found, 1, "{long}: {help}");
        }
    }
}
