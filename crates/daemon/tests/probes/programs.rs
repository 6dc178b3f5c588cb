//! MISC and FILE: programs that hang, fork, end by a signal, or are not there.

use crate::ask::{down, put, question, says, up, why};
use relvs_daemon::health::Prober;
use relvs_model::health::{Asked, FileProbe, MiscProbe, Outcome, Probe, Question, Says, Script};
use std::{
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

fn shell(text: &str) -> Script {
    Script::new(["/bin/sh", "-c", text].map(str::to_owned).to_vec())
}

fn about(probe: Probe, milliseconds: u32) -> Question {
    question(probe, Asked::new("192.0.2.1".parse().unwrap(), 0), milliseconds)
}

fn run(script: Script, dynamic: bool, milliseconds: u32) -> Outcome {
    put(&about(Probe::Misc(MiscProbe { script, dynamic }), milliseconds))
}

fn alive(pid: &str) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z')))
}

#[test]
fn the_exit_code_says_it() {
    assert_eq!(run(shell("exit 0"), false, 10_000), up());
    assert_eq!(
        run(shell("echo first; echo the disk is full >&2; exit 1"), false, 10_000),
        down("exit code 1: the disk is full")
    );
    assert_eq!(run(shell("exit 12"), true, 10_000), says(Says::Weight(10)));
    assert_eq!(run(shell("kill -SEGV $$"), false, 10_000), down("ended by signal 11"));
    let missing = Script::new(vec!["/nowhere/check".to_owned()]);
    assert_eq!(run(missing, false, 10_000), down("/nowhere/check: there is no such program"));
    assert_eq!(run(Script::new(Vec::new()), false, 10_000), down("no program is named"));
    let stranger = Script { user: Some("nobody-here".to_owned()), ..shell("exit 0") };
    assert_eq!(run(stranger, false, 10_000), down("there is no user nobody-here"));
    let much = run(shell("yes 'a line' | head -c 3000000; exit 3"), false, 20_000);
    assert!(why(much).starts_with("exit code 3: a"));
}

#[test]
fn a_program_that_hangs_is_ended_with_all_its_children() {
    let directory = tempfile::tempdir().unwrap();
    let pids = directory.path().join("pids");
    let text = format!(
        "trap '' TERM; sleep 60 & echo $! >{0}; (trap '' TERM; sleep 61) & echo $! >>{0}; echo waiting; sleep 62",
        pids.display()
    );
    let begun = Instant::now();
    assert_eq!(run(shell(&text), false, 1000), down("not done within 700 ms: waiting"));
    assert!(begun.elapsed() < Duration::from_secs(5));
    let pids = fs::read_to_string(pids).unwrap();
    assert_eq!(pids.lines().count(), 2);
    for pid in pids.lines() {
        assert!((0..100).any(|_| {
            std::thread::sleep(Duration::from_millis(20));
            !alive(pid)
        }));
    }
}

#[test]
fn programs_that_hang_leave_places_to_others() {
    let (prober, mut outcomes) = Prober::start().unwrap();
    let ask = |id: u32, text: &str| {
        let probe = Probe::Misc(MiscProbe { script: shell(text), dynamic: false });
        prober.ask(id, Arc::new(about(probe, if id < 100 { 600 } else { 10_000 })));
    };
    let hang = |id: u32| ask(id, &format!("sleep 60; exit {}", id + 1));
    // Twice as many as there are places. One that got a place is known as slow from then on: soon all are.
    for _ in 0..4 {
        (0..64).for_each(hang);
        for _ in 0..64 {
            let (_, outcome) = outcomes.blocking_recv().unwrap();
            assert!(why(outcome).starts_with("not done within"));
        }
    }
    (0..64).for_each(hang);
    for id in 100..120 {
        ask(id, "exit 0");
    }
    let first: Vec<u32> = (0..20).map(|_| outcomes.blocking_recv().unwrap().0).collect();
    assert!(first.iter().all(|&id| id >= 100), "{first:?}");
}

#[test]
fn a_child_that_keeps_the_pipe_is_not_waited_for() {
    let begun = Instant::now();
    assert_eq!(run(shell("sleep 3 & echo done; exit 4"), false, 10_000), down("exit code 4: done"));
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[test]
fn a_program_is_run_as_another_user() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: needs root");
        return;
    }
    let mut script = shell("echo $(id -u):$(id -g):$(id -G); exit 1");
    script.user = Some("nobody".to_owned());
    script.group = Some("0".to_owned());
    assert_eq!(run(script, false, 10_000), down("exit code 1: 65534:0:0"));
}

#[test]
fn a_file_says_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("weight");
    let ask = || put(&about(Probe::File(FileProbe { path: path.display().to_string(), weight: 2 }), 5000));
    fs::write(&path, "-3\n").unwrap();
    assert_eq!(ask(), says(Says::Add(-6)));
    fs::write(&path, "-254\n").unwrap();
    assert_eq!(ask(), down("the file says -254"));
    fs::write(&path, "up\n").unwrap();
    assert!(why(ask()).ends_with("`up` is no number"));
}
