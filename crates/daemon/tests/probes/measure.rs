//! What many checks cost, and how late they are: a measurement to be run by hand, optimised, on a machine that does nothing else.
//!
//! `cargo test --release -p relvs-daemon --test probes measure -- --ignored --nocapture`

use crate::ask::{question, up};
use relvs_daemon::health::Prober;
use relvs_model::health::{Asked, HttpProbe, Outcome, Probe};
use socket2::{Domain, Socket, Type};
use std::{
    collections::{BinaryHeap, VecDeque},
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

const CHECKS: u32 = 10_000;
const HANGING: u32 = 1_000;
const INTERVAL: Duration = Duration::from_secs(2);
const TIMEOUT: Duration = Duration::from_secs(5);
const LASTS: Duration = Duration::from_secs(20);

/// This process's threads of that name. One that has been told to end may still be among them.
fn threads(name: &str) -> Vec<PathBuf> {
    let all = fs::read_dir("/proc/self/task").unwrap().flatten().map(|thread| thread.path());
    all.filter(|path| fs::read_to_string(path.join("comm")).is_ok_and(|comm| comm.trim() == name)).collect()
}

/// The CPU time of a thread, in seconds.
fn cpu_of(thread: &Path) -> f64 {
    let stat = fs::read_to_string(thread.join("schedstat")).unwrap();
    stat.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1e9
}

/// Every address of 127.0.0.0/8 is a server.
fn server(hold: bool) -> u16 {
    // With a short queue a thread that is late would lose SYNs, which are sent again after a second.
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.bind(&SocketAddr::from(([0, 0, 0, 0], 0)).into()).unwrap();
    listener.listen(4096).unwrap();
    let listener = TcpListener::from(listener);
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let mut held: VecDeque<(Instant, TcpStream)> = VecDeque::new();
        for stream in listener.incoming().flatten().filter(|_| hold) {
            held.push_back((Instant::now(), stream));
            // Those that the client has given up by now.
            while held.front().is_some_and(|(since, _)| since.elapsed() > 2 * TIMEOUT) {
                held.pop_front();
            }
        }
    });
    port
}

fn measure(what: &str, probe: &Probe, hanging: u32) {
    let (good, silent) = (server(false), server(true));
    let before = threads("probes");
    let (prober, mut outcomes) = Prober::start().unwrap();
    let begun = Instant::now();
    // Due first, out first.
    let mut due: BinaryHeap<(std::cmp::Reverse<Duration>, u32)> =
        (0..CHECKS + hanging).map(|id| (std::cmp::Reverse(INTERVAL * id / (CHECKS + hanging)), id)).collect();
    let mut asked_at = vec![Duration::ZERO; (CHECKS + hanging) as usize];
    let mut after: Vec<Duration> = Vec::new();
    let mut timed_out = 0;
    // How late this thread itself was, for want of a CPU.
    let mut latest = Duration::ZERO;
    while begun.elapsed() < LASTS {
        while let Some((std::cmp::Reverse(at), id)) = due.peek().copied().filter(|(at, _)| at.0 <= begun.elapsed()) {
            due.pop();
            let now = begun.elapsed();
            latest = latest.max(now - at);
            asked_at[id as usize] = now;
            let server = Ipv4Addr::from(0x7f01_0000 + id);
            let hang = Probe::Http(HttpProbe::default());
            let (probe, port) = if id < CHECKS { (probe.clone(), good) } else { (hang, silent) };
            let asked = Asked::new(server.into(), port);
            prober.ask(id, Arc::new(question(probe, asked, TIMEOUT.as_millis() as u32)));
        }
        while let Ok((id, outcome)) = outcomes.try_recv() {
            let now = begun.elapsed();
            due.push((std::cmp::Reverse(now.max(asked_at[id as usize] + INTERVAL)), id));
            if id < CHECKS {
                assert_eq!(outcome, up());
                after.push(now - asked_at[id as usize]);
            } else {
                assert!(matches!(outcome, Outcome::Down { .. }));
                timed_out += 1;
            }
        }
        thread::sleep(Duration::from_millis(1));
    }
    let mine = threads("probes").into_iter().find(|thread| !before.contains(thread)).unwrap();
    let cpu = cpu_of(&mine) / begun.elapsed().as_secs_f64();
    after.sort();
    let at = |part: f64| after[((after.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e3;
    drop(prober);
    println!(
        "{what}: {:.0} probes/s, {:.1} % of one core; ended after they were asked: median {:.1} ms, 99.9 % {:.1} ms, \
         latest {:.1} ms; {timed_out} timed out; whoever asked was late by up to {latest:?}",
        after.len() as f64 / begun.elapsed().as_secs_f64(),
        cpu * 100.0,
        at(0.5),
        at(0.999),
        at(1.0)
    );
}

#[test]
#[ignore = "a measurement"]
fn measure_ten_thousand_checks() {
    measure("10,000 TCP checks every 2 s", &Probe::Tcp, 0);
    measure("the same and 1,000 servers that hang", &Probe::Tcp, HANGING);
}
