//! The three programs as functions: arguments and standard input to output, errors and exit code. They ask a
//! [`Director`] and nothing else.
//!
//! **Two ways to restore.** [`Restore::Original`] is ipvsadm's: line after line, on after a refusal or an error of the
//! option library, until a wrong command line ends it; the exit code is the last line's, and whatever was done stays.
//! [`Restore::Atomic`] reads all lines first and has them done at once or not at all. The first line that fails is told
//! with its message and exit code, then named. Nobody has to find out how far it came, no packet meets half a table, and
//! exit code 0 means that all lines were done. It differs only where a line fails, and in that what lines show is shown
//! after all changes.

use crate::{
    Change, Command, ConnectionList, ConnectionView, Context, Failure, Listed, Listing, Names, Refused, ServiceView,
    help, list_daemons, list_service, list_services, list_timeouts, parse, rules, rules::Rule, save, save_full,
    version,
};
use relvs_model::{ServiceKey, Timeouts};
use std::io::{self, Read, Write};

/// The director that is asked.
pub trait Director {
    /// Carries out one change.
    ///
    /// # Errors
    ///
    /// It is refused, and nothing has changed.
    fn change(&mut self, change: &Change) -> Result<(), Denied>;

    /// Carries out all changes in their order, or none.
    ///
    /// # Errors
    ///
    /// The change with this index is refused, and nothing has changed.
    fn change_all(&mut self, changes: &[Change]) -> Result<(), (usize, Denied)>;

    /// All services, in the order in which they were added.
    ///
    /// # Errors
    ///
    /// It cannot be asked.
    fn services(&mut self) -> Result<Vec<ServiceView>, Denied>;

    /// One service.
    ///
    /// # Errors
    ///
    /// There is none, [`Refused::NoSuchService`], or it cannot be asked.
    fn service(&mut self, key: &ServiceKey) -> Result<ServiceView, Denied>;

    /// The timeouts.
    ///
    /// # Errors
    ///
    /// It cannot be asked.
    fn timeouts(&mut self) -> Result<Timeouts, Denied>;

    /// How many connections the tables hold.
    ///
    /// # Errors
    ///
    /// It cannot be asked.
    fn size(&mut self) -> Result<u32, Denied>;

    /// Shows each connection as it is found, until `show` fails.
    ///
    /// # Errors
    ///
    /// It cannot be asked, or `show` failed.
    fn connections(&mut self, show: &mut dyn FnMut(&ConnectionView) -> io::Result<()>) -> Result<(), Denied>;
}

/// Why a director did not do what it was asked.
#[derive(Debug)]
pub enum Denied {
    /// It refuses.
    Refused(Refused),
    /// It cannot be asked: nothing that follows can be done either.
    Failed(Failure),
    /// What it said cannot be written.
    Output(io::Error),
}

impl From<Refused> for Denied {
    fn from(refused: Refused) -> Self {
        Denied::Refused(refused)
    }
}

impl From<io::Error> for Denied {
    fn from(error: io::Error) -> Self {
        Denied::Output(error)
    }
}

/// How rules are restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restore {
    /// All or nothing.
    Atomic,
    /// As ipvsadm does it.
    Original,
}

/// What a program is run with. Output comes in small pieces, so it should be buffered; it is flushed before an error is told,
/// but not at the end.
pub struct Session<'a> {
    /// Who is asked.
    pub director: &'a mut dyn Director,
    /// Names of hosts and services.
    pub names: &'a dyn Names,
    /// How `-R` works.
    pub restore: Restore,
    /// Standard input; only `-R` reads it.
    pub input: &'a mut dyn Read,
    /// Standard output.
    pub out: &'a mut dyn Write,
    /// Standard error.
    pub err: &'a mut dyn Write,
}

/// How a command line ended, if it did not end well.
enum End {
    /// With a message and an exit code.
    Failure(Failure),
    /// Without a way to tell.
    Output(io::Error),
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        End::Output(error)
    }
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        End::Failure(failure)
    }
}

/// A refused change lets the rules behind it go on; a refused listing does not.
fn change_denied(denied: Denied) -> End {
    match denied {
        Denied::Refused(refused) => End::Failure(Failure { stderr: format!("{refused}\n"), exit: 255, ends: false }),
        Denied::Failed(failure) => End::Failure(failure),
        Denied::Output(error) => End::Output(error),
    }
}

impl From<Denied> for End {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Refused(refused) => End::Failure(Failure { stderr: format!("{refused}\n"), exit: 1, ends: true }),
            Denied::Failed(_) | Denied::Output(_) => change_denied(denied),
        }
    }
}

/// `ipvsadm`. `program` is what it was called as, and stands in messages.
///
/// # Errors
///
/// Input cannot be read, or output not be written.
pub fn ipvsadm(program: &str, arguments: &[String], session: &mut Session<'_>) -> io::Result<u8> {
    let command = parse(program, arguments, session.names).map_err(End::from);
    let result = command.and_then(|command| session.command(program, command));
    session.ended(result)
}

/// `ipvsadm-save`: `-n` is numeric, `--full` loses nothing; words without `-` mean nothing.
///
/// # Errors
///
/// Output cannot be written.
pub fn ipvsadm_save(program: &str, arguments: &[String], session: &mut Session<'_>) -> io::Result<u8> {
    let options: Vec<&String> = arguments.iter().filter(|word| word.starts_with('-')).collect();
    if options.iter().any(|option| !matches!(option.as_str(), "-n" | "--full")) {
        writeln!(session.err, "{program} writes the table as rules to standard output.")?;
        writeln!(session.err, "  -n      addresses and ports as numbers")?;
        writeln!(session.err, "  --full  thresholds, timeouts and order too")?;
        return Ok(1);
    }
    let has = |name: &str| options.iter().any(|option| *option == name);
    let result = session.save(has("-n"), has("--full"));
    session.ended(result)
}

/// `ipvsadm-restore`: removes all services, then restores what standard input has, without the lines that begin with `#`.
/// Arguments mean nothing.
///
/// # Errors
///
/// Input cannot be read, or output not be written.
pub fn ipvsadm_restore(session: &mut Session<'_>) -> io::Result<u8> {
    let program = "ipvsadm";
    let input = rules::without_comments(&read_all(session.input)?);
    let result = match session.restore {
        Restore::Atomic => session.atomic(program, &rules::read(&input), vec![Change::Flush]),
        Restore::Original => {
            let flushed = session.director.change(&Change::Flush).map_err(change_denied);
            // Its status is nobody's, but its message is told.
            session.ended(flushed)?;
            session.original(program, &rules::read(&input))
        }
    };
    session.ended(result)
}

fn read_all(input: &mut dyn Read) -> io::Result<String> {
    let mut bytes = Vec::new();
    input.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

impl Session<'_> {
    /// Tells what went wrong; the exit code.
    fn ended(&mut self, result: Result<(), End>) -> io::Result<u8> {
        match result {
            Ok(()) => Ok(0),
            Err(End::Failure(failure)) => {
                self.out.flush()?;
                self.err.write_all(failure.stderr.as_bytes())?;
                Ok(failure.exit)
            }
            Err(End::Output(error)) => Err(error),
        }
    }

    fn command(&mut self, program: &str, command: Command) -> Result<(), End> {
        match command {
            Command::Restore => {
                let input = read_all(self.input)?;
                let rules = rules::read(&input);
                match self.restore {
                    Restore::Atomic => self.atomic(program, &rules, Vec::new()),
                    Restore::Original => self.original(program, &rules),
                }
            }
            Command::Change(change) => self.director.change(&change).map_err(change_denied),
            Command::List(listing) => self.list(listing),
            Command::Save { numeric, full } => self.save(numeric, full),
            Command::Help => Ok(self.out.write_all(help(program).as_bytes())?),
            Command::Version => Ok(self.out.write_all(version().as_bytes())?),
        }
    }

    fn list(&mut self, listing: Listing) -> Result<(), End> {
        let context = Context { format: listing.format, names: self.names };
        match listing.of {
            Listed::Services => {
                let size = self.director.size()?;
                list_services(self.out, &self.director.services()?, size, context)?;
            }
            Listed::Service(key) => list_service(self.out, &self.director.service(&key)?, context)?,
            Listed::Connections => {
                let mut list = ConnectionList::begin(self.out, context)?;
                self.director.connections(&mut |view| list.row(view))?;
                list.end()?;
            }
            Listed::Timeouts => list_timeouts(self.out, &self.director.timeouts()?, context.format)?,
            Listed::Daemons => list_daemons(self.out, context.format)?,
        }
        Ok(())
    }

    fn save(&mut self, numeric: bool, full: bool) -> Result<(), End> {
        let services = self.director.services()?;
        if full {
            let timeouts = self.director.timeouts()?;
            save_full(self.out, &services, &timeouts, numeric, self.names)?;
        } else {
            save(self.out, &services, numeric, self.names)?;
        }
        Ok(())
    }

    /// Line after line; how the last ended.
    fn original(&mut self, program: &str, rules: &[Rule]) -> Result<(), End> {
        let mut last = Ok(());
        for rule in rules {
            // The line before was not the last.
            self.ended(std::mem::replace(&mut last, Ok(())))?;
            let command = parse(program, &rule.words, self.names);
            let shows = matches!(command, Ok(Command::Help | Command::Version));
            last = match command {
                Ok(Command::Restore) => Err(Failure::try_help(program).into()),
                Ok(command) => self.command(program, command),
                Err(failure) => Err(failure.into()),
            };
            if shows || matches!(&last, Err(End::Failure(Failure { ends: true, .. }) | End::Output(_))) {
                break;
            }
        }
        last
    }

    /// All changes after those that come first, or none; then what lines show.
    fn atomic(&mut self, program: &str, rules: &[Rule], mut changes: Vec<Change>) -> Result<(), End> {
        let first = changes.len();
        let mut from = Vec::new();
        let mut shown = Vec::new();
        for rule in rules {
            match parse(program, &rule.words, self.names) {
                Ok(Command::Change(change)) => {
                    changes.push(change);
                    from.push(rule);
                }
                Ok(Command::Restore) => return Err(named(Failure::try_help(program), rule).into()),
                Ok(command) => shown.push(command),
                Err(failure) => return Err(named(failure, rule).into()),
            }
        }
        if let Err((at, denied)) = self.director.change_all(&changes) {
            return Err(match (change_denied(denied), at.checked_sub(first).and_then(|at| from.get(at))) {
                (End::Failure(failure), Some(rule)) if !failure.ends => End::Failure(named(failure, rule)),
                (end, _) => end,
            });
        }
        shown.into_iter().try_for_each(|command| self.command(program, command))
    }
}

/// A failure that says which line it is from.
fn named(mut failure: Failure, rule: &Rule) -> Failure {
    let Rule { number, words } = rule;
    failure.stderr += &format!("line {number}: {}: nothing was changed\n", words.join(" "));
    failure
}
