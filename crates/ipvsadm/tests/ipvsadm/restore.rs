//! Restoring: line after line as ipvsadm does it, and all or nothing.

use crate::{
    memory::{Memory, Output},
    names::Recorded,
};
use relvs_ipvsadm::{
    Change, ConnectionView, Denied, Director, Failure, Restore, ServiceView, Session, ipvsadm, ipvsadm_restore,
};
use relvs_model::{ServiceKey, Timeouts};
use std::io;

/// A table with one service.
fn begun() -> Memory {
    let mut memory = Memory::default();
    assert_eq!(memory.line("ipvsadm -A -f 1 -s rr", "", Restore::Original).unwrap().exit, 0);
    memory
}

fn restore(memory: &mut Memory, program: &str, rules: &str, mode: Restore) -> Output {
    memory.line(program, rules, mode).unwrap()
}

fn saved(memory: &mut Memory) -> String {
    memory.line("ipvsadm -S -n", "", Restore::Original).unwrap().stdout
}

#[test]
fn the_original_goes_on_after_a_refusal_and_ends_with_the_last_line() {
    let mut memory = begun();
    let output = restore(&mut memory, "ipvsadm -R", "-A -f 1\n-A -f 2\n-D -f 9\n-A -f 3\n", Restore::Original);
    let stderr = "Service already exists\nNo such service\n".to_owned();
    assert_eq!(output, Output { stdout: String::new(), stderr, exit: 0 });
    assert_eq!(saved(&mut memory), "-A -f 1 -s rr\n-A -f 2 -s wlc\n-A -f 3 -s wlc\n");
    let output = restore(&mut memory, "ipvsadm -R", "-D -f 3\n-D -f 3\n", Restore::Original);
    assert_eq!(output.exit, 255);
}

#[test]
fn the_original_ends_at_a_wrong_line() {
    for (wrong, exit) in [("-A", 2), ("-L -t 10.0.0.1:80", 1), ("-R", 255), ("x", 255), ("-L -C", 2)] {
        let mut memory = begun();
        let output = restore(&mut memory, "ipvsadm -R", &format!("-A -f 2\n{wrong}\n-A -f 3\n"), Restore::Original);
        assert_eq!((output.exit, saved(&mut memory).lines().count()), (exit, 2), "{wrong}");
    }
    // An error of the option library is none of these.
    let mut memory = begun();
    let output = restore(&mut memory, "ipvsadm -R", "-A -f\n-A -f 3\n", Restore::Original);
    assert_eq!((output.exit, output.stderr.as_str()), (0, "-f: missing argument\n"));
}

#[test]
fn help_ends_it_well() {
    for mode in [Restore::Original, Restore::Atomic] {
        let mut memory = begun();
        let output = restore(&mut memory, "ipvsadm -R", "-D -f 1\n-v\n", mode);
        assert!(output.stdout.starts_with("ipvsadm v1.31") && output.exit == 0, "{output:?}");
        assert_eq!(saved(&mut memory), "");
    }
}

#[test]
fn all_or_nothing_names_the_line() {
    for (rules, exit, stderr) in [
        ("-A -f 2\n\n-A -f 1\n-A -f 3\n", 255, "Service already exists\nline 3: -A -f 1: nothing was changed\n"),
        ("-A -f 2\n-A -f  x\n", 2, "invalid fwmark value `x' specified\nline 2: -A -f x: nothing was changed\n"),
        ("-A -f 2\n-A -f\n-D -f 1\n", 255, "-f: missing argument\nline 2: -A -f: nothing was changed\n"),
    ] {
        let mut memory = begun();
        let output = restore(&mut memory, "ipvsadm -R", rules, Restore::Atomic);
        assert_eq!(output, Output { stdout: String::new(), stderr: stderr.to_owned(), exit });
        assert_eq!(saved(&mut memory), "-A -f 1 -s rr\n");
    }
}

#[test]
fn all_or_nothing_is_the_same_where_no_line_fails() {
    let rules = "-C\n-A -t 10.0.0.1:80\n-a -t 10.0.0.1:80 -r 10.0.0.11 -m -x 9\n--set 1 2 3\n-S -n\n";
    let run = |mode| {
        let mut memory = begun();
        (restore(&mut memory, "ipvsadm -R", rules, mode), memory.state)
    };
    assert_eq!(run(Restore::Atomic), run(Restore::Original));
}

#[test]
fn the_wrapper_clears_first_and_takes_comments_out() {
    for mode in [Restore::Atomic, Restore::Original] {
        let mut memory = begun();
        let output = restore(&mut memory, "ipvsadm-restore --whatever", "# rules\n-A -f 2\n", mode);
        assert_eq!((output.exit, saved(&mut memory).as_str()), (0, "-A -f 2 -s wlc\n"));
    }
    // What fails leaves the original with half of it, and relvs with what there was.
    let rules = "#\n-A -f 2\n-A -f 2\n-A -t\n";
    let mut memory = begun();
    let output = restore(&mut memory, "ipvsadm-restore", rules, Restore::Original);
    assert_eq!((output.exit, saved(&mut memory).as_str()), (255, "-A -f 2 -s wlc\n"));
    let mut memory = begun();
    let output = restore(&mut memory, "ipvsadm-restore", "#\n-A -f 2\n-A -f 2\n", Restore::Atomic);
    assert_eq!(output.stderr, "Service already exists\nline 3: -A -f 2: nothing was changed\n");
    assert_eq!(saved(&mut memory), "-A -f 1 -s rr\n");
}

/// A director that is not there.
struct Nobody;

fn nobody<T>() -> Result<T, Denied> {
    Err(Denied::Failed(Failure::no_director("nothing listens")))
}

impl Director for Nobody {
    fn change(&mut self, _: &Change) -> Result<(), Denied> {
        nobody()
    }
    fn change_all(&mut self, _: &[Change]) -> Result<(), (usize, Denied)> {
        nobody().map_err(|denied| (0, denied))
    }
    fn services(&mut self) -> Result<Vec<ServiceView>, Denied> {
        nobody()
    }
    fn service(&mut self, _: &ServiceKey) -> Result<ServiceView, Denied> {
        nobody()
    }
    fn timeouts(&mut self) -> Result<Timeouts, Denied> {
        nobody()
    }
    fn size(&mut self) -> Result<u32, Denied> {
        nobody()
    }
    fn connections(&mut self, _: &mut dyn FnMut(&ConnectionView) -> io::Result<()>) -> Result<(), Denied> {
        nobody()
    }
}

#[test]
fn without_a_director_everything_fails_alike() {
    let run = |arguments: &[&str], restore, wrapper| {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut session = Session {
            director: &mut Nobody,
            names: &Recorded,
            restore,
            input: &mut "-A -f 1\n-A -f 2\n".as_bytes(),
            out: &mut out,
            err: &mut err,
        };
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let exit = if wrapper { ipvsadm_restore(&mut session) } else { ipvsadm("ipvsadm", &arguments, &mut session) };
        (exit.unwrap(), String::from_utf8(err).unwrap())
    };
    let told = "Can't initialize ipvs: nothing listens\nAre you sure that relvs is running?\n".to_owned();
    for mode in [Restore::Atomic, Restore::Original] {
        for arguments in [&[][..], &["-R"], &["-C"], &["-L", "--timeout"], &["-S"], &["-L", "-f", "1"]] {
            assert_eq!(run(arguments, mode, false), (2, told.clone()), "{arguments:?}");
        }
        assert_eq!(run(&["-L", "-x", "1"], mode, false).1, "Illegal 'u-threshold' option with the 'list' command\n");
        assert_eq!(run(&["-v"], mode, false), (0, String::new()));
    }
    assert_eq!(run(&[], Restore::Atomic, true), (2, told));
}
