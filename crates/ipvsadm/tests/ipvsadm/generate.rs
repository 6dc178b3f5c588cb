//! Generated command lines, right and wrong. A case is a few of them, one after the other, on an empty table.

use crate::{random::Random, rules};
use relvs_ipvsadm::Entry;
use serde::{Deserialize, Serialize};

/// One program that is run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Step {
    /// The program and its arguments.
    pub(crate) words: Vec<String>,
    /// Its standard input.
    pub(crate) stdin: String,
}

/// Steps that begin with an empty table.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Case {
    pub(crate) number: u64,
    pub(crate) steps: Vec<Step>,
}

// No three of these addresses, and of the marks, go round in a circle: the order of such services is the hash's.
const VIPS: [&str; 9] = [
    "10.0.0.100:80",
    "10.0.0.100:80",
    "10.0.0.100:443",
    "10.0.0.101:0",
    "192.168.1.100:http",
    "[fd00::100]:80",
    "[fd00::100]:80",
    "[fd01::100]:domain",
    "10.0.0.100:9999",
];
const ODD_ADDRESSES: [&str; 30] = [
    "",
    "80",
    ":80",
    "10.0.0.100",
    "10.0.0.100:",
    "10.0.0.100:65536",
    "10.0.0.100:-1",
    "10.0.0.100:nosuch",
    "10.100:80",
    "0x0a000064:80",
    "012.0.0.100:80",
    "[10.0.0.100]:80",
    "[10.0.0.100:80]:443",
    "[fd00::100]",
    "[fd00::100",
    "fd00::100",
    "fd00::100:80",
    "[fd00::100]:x",
    "[fd00:::100]:80",
    "localhost:80",
    "nosuch.invalid:80",
    "0.0.0.0:80",
    "0.0.0.0:0",
    "10.0.0.100 :80",
    "10.0.0.100: 80",
    "10.0.0.100:+80",
    "[::]:80",
    "[::ffff:10.0.0.100]:80",
    "10.0.0.256:80",
    "10.0.0.100:80:80",
];
const SERVERS: [&str; 12] = [
    "10.0.0.11",
    "10.0.0.11:80",
    "10.0.0.12:80",
    "100.64.0.11:80",
    "192.168.1.11:8080",
    "172.16.0.11",
    "200.0.0.11:80",
    "[fd00::11]:80",
    "fd00::12",
    "fd00::13",
    "10.0.0.11:8080",
    "[2001:db8::11]:80",
];
const ODD_SERVERS: [&str; 18] = [
    "224.0.0.1",
    "0.0.0.0:80",
    "0.1.2.3",
    "255.255.255.255",
    "240.0.0.1",
    "127.0.0.1:80",
    "::1",
    "ff02::1",
    "::2",
    "::ffff:10.0.0.1",
    "::10.0.0.1",
    "fe80::1",
    "::",
    "febf::1",
    "ff05::1:3",
    "fec0::1",
    "10.0.0.11:0",
    "2002::1",
];
const SCHEDULERS: [&str; 13] = ["rr", "wrr", "lc", "wlc", "sh", "dh", "mh", "sed", "nq", "fo", "ovf", "lblc", "lblcr"];
const ODD_SCHEDULERS: [&str; 5] = ["none", "nosuch", "", "abcdefghijklmnopqrstuvwxyz", "RR"];
const FLAGS: [&str; 8] =
    ["sh-port", "sh-fallback", "mh-port", "mh-fallback", "flag-1", "flag-2", "flag-3", "flag-1,flag-3"];
const ODD_FLAGS: [&str; 6] = ["bogus", "sh-port,mh-port", "flag-1,,flag-2", ",flag-3", "flag-4", ""];
const NUMBERS: [&str; 8] = ["0", "1", "5", "7", "10", "100", "65535", "360"];
const ODD_NUMBERS: [&str; 16] = [
    "-1",
    "",
    "abc",
    "1.5",
    " 3",
    "+3",
    "3 ",
    "0x10",
    "2147483647",
    "2147483648",
    "4294967295",
    "99999999999999999999",
    "65536",
    "2678400",
    "2678401",
    "007",
];
const MASKS: [&str; 10] =
    ["255.255.255.0", "255.255.255.255", "64", "128", "0", "24", "129", "64x", "255.255.0", "nosuch.invalid"];
const MARKS: [&str; 4] = ["1", "2", "7", "4294967295"];
const ODD_MARKS: [&str; 6] = ["0", "-1", "abc", "4294967296", " 2", "+7"];
const WORDS: [&str; 26] = [
    "-n",
    "-6",
    "--exact",
    "--stats",
    "--rate",
    "-c",
    "--timeout",
    "--daemon",
    "--thresholds",
    "--persistent-conn",
    "--tun-info",
    "--sort",
    "-o",
    "-g",
    "-i",
    "-m",
    "extra",
    "--",
    "-",
    "--num",
    "-nX",
    "-n=1",
    "--numeric=1",
    "-q",
    "--set",
    "-C",
];
const LISTINGS: [&str; 12] = [
    "-Ln",
    "-L -n --stats",
    "-ln --rate",
    "-L -n --thresholds",
    "-L -n --persistent-conn",
    "-L -n --tun-info",
    "-L",
    "-L -n --exact --stats",
    "-L --timeout",
    "-L -c -n",
    "--list --numeric --sort",
    "-S",
];

/// Of a hundred values, so many are odd.
const ODD: usize = 5;

fn value(random: &mut Random, usual: &[&'static str], odd: &[&'static str]) -> String {
    let from = if random.percent(ODD) { odd } else { usual };
    random.pick(from).to_owned()
}

/// Each case ends with so many steps that look at the table.
pub(crate) const LOOKS: usize = 3;

/// A case of this number.
pub(crate) fn case(seed: u64, number: u64) -> Case {
    let mut random = Random::new(seed.wrapping_mul(0x1_0001) ^ number << 20);
    let random = &mut random;
    let mut steps = Vec::new();
    let looks: [&str; LOOKS] = ["ipvsadm -S -n", "ipvsadm -L -n --thresholds", "ipvsadm -L --timeout"];
    let looks = looks.map(|look| Step { words: words(look), stdin: String::new() });
    if number % 8 == 7 {
        // The original reads the rules that lose nothing.
        steps.push(Step { words: words("ipvsadm-restore"), stdin: rules::full(&rules::state(random)) });
        steps.extend(looks);
        return Case { number, steps };
    }
    let sweep = sweep(number);
    if !sweep.is_empty() {
        steps.extend(sweep.into_iter().map(|words| Step { words, stdin: String::new() }));
        steps.extend(looks);
        return Case { number, steps };
    }
    // Something to begin with, so that most of what follows is about what is there.
    if random.percent(70) {
        let begun = "-A -t 10.0.0.100:80\n-a -t 10.0.0.100:80 -r 10.0.0.11\n-A -t [fd00::100]:80 -p\n-A -f 7\n";
        steps.push(Step { words: words("ipvsadm -R"), stdin: begun.to_owned() });
    }
    for _ in 0..3 + random.below(4) {
        steps.push(step(random));
    }
    steps.extend(looks);
    Case { number, steps }
}

/// The first cases try each odd value once, whatever the seed.
fn sweep(number: u64) -> Vec<Vec<String>> {
    let line = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    match number {
        0 => {
            let services = [["ipvsadm", "-A", "-t", "10.0.0.100:80"], ["ipvsadm", "-A", "-t", "[fd00::100]:80"]];
            let servers = ODD_SERVERS.iter().chain(&SERVERS).flat_map(|server| {
                let vip = if server.matches(':').count() > 1 { "[fd00::100]:80" } else { "10.0.0.100:80" };
                [&["-a", "-m"][..], &["-e", "-m"], &["-d"]]
                    .map(|words| line(&[&["ipvsadm"], words, &["-t", vip, "-r", server]].concat()))
            });
            services.iter().map(|words| line(words)).chain(servers).collect()
        }
        1 => {
            let addresses = ODD_ADDRESSES
                .iter()
                .chain(&VIPS)
                .flat_map(|address| ["-A", "-L", "-D"].map(|command| line(&["ipvsadm", command, "-t", address])));
            let marks = ODD_MARKS
                .iter()
                .chain(&MARKS)
                .flat_map(|mark| ["-A", "-L", "-D"].map(|command| line(&["ipvsadm", command, "-f", mark])));
            addresses.chain(marks).collect()
        }
        2 => {
            let flags = FLAGS.iter().chain(&ODD_FLAGS).flat_map(|flags| {
                ["sh", "mh", "rr"].map(|name| line(&["ipvsadm", "-E", "-f", "7", "-s", name, "-b", flags]))
            });
            let masks = MASKS.iter().flat_map(|mask| {
                [&["-f", "7"][..], &["-f", "7", "-6"]]
                    .map(|mark| [&["ipvsadm", "-A"], mark, &["-p", "-M", mask]].concat())
            });
            let numbers = ODD_NUMBERS.iter().flat_map(|number| {
                ["-w", "-x", "-y", "--tun-port"].map(|option| {
                    line(&["ipvsadm", "-e", "-f", "7", "-r", "10.0.0.11", "-i", "--tun-type", "gue", option, number])
                })
            });
            let timeouts = ODD_NUMBERS.iter().flat_map(|number| {
                [line(&["ipvsadm", "-E", "-f", "7", "-p", number]), line(&["ipvsadm", "--set", "1", number, "3"])]
            });
            let begun = [line(&["ipvsadm", "-A", "-f", "7"]), line(&["ipvsadm", "-a", "-f", "7", "-r", "10.0.0.11"])];
            let masks = masks.map(|words| line(&words));
            begun.into_iter().chain(flags).chain(masks).chain(numbers).chain(timeouts).collect()
        }
        _ => Vec::new(),
    }
}

/// The same words at every call, with blanks between.
pub(crate) fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

fn step(random: &mut Random) -> Step {
    let program = |name: &str, arguments: &str, stdin| Step { words: words(&format!("{name} {arguments}")), stdin };
    match random.below(100) {
        0..10 => program("ipvsadm", random.pick(&["-R", "--restore", "-R", "-R -n", "-RC"]), lines(random)),
        10..14 => program("ipvsadm-restore", random.pick(&["", "-n", "x"]), lines(random)),
        14..17 => program("ipvsadm-save", random.pick(&["", "-n", "x"]), String::new()),
        _ => {
            let mut words = vec!["ipvsadm".to_owned()];
            words.extend(line(random));
            Step { words, stdin: String::new() }
        }
    }
}

/// Lines for `-R`.
fn lines(random: &mut Random) -> String {
    let mut text = String::new();
    for _ in 0..random.below(7) {
        if random.percent(4) {
            text += random.pick(&["# comment\n", "\n", "  \t\n", " # x\n", "-R\n", "bogus\n", "ipvsadm\n", "-L\r\n"]);
            continue;
        }
        text += random.pick(&["", "", "", "ipvsadm ", "  "]);
        text += &line(random).join(" ");
        text += random.pick(&["\n", "\n", "\n", " \n", "\r\n"]);
    }
    if random.percent(5) {
        text.truncate(text.trim_end().len());
        text += random.pick(&["", " ", "  "]);
    }
    text
}

/// Arguments of ipvsadm.
fn line(random: &mut Random) -> Vec<String> {
    let mut words = Vec::new();
    match random.below(100) {
        0..24 => service(random, "add-service", &mut words),
        24..33 => service(random, "edit-service", &mut words),
        33..37 => named(random, "delete-service", &mut words),
        37..60 => server(random, "add-server", &mut words),
        60..70 => server(random, "edit-server", &mut words),
        70..75 => {
            named(random, "delete-server", &mut words);
            of(random, "real-server", &SERVERS, &ODD_SERVERS, &mut words);
        }
        75..77 => named(random, "zero", &mut words),
        77..81 => {
            option(random, "set", None, &mut words);
            for _ in 0..if random.percent(90) { 3 } else { random.below(5) } {
                words.push(value(random, &NUMBERS, &ODD_NUMBERS));
            }
        }
        81..84 => words.push(random.pick(&["-C", "-Z", "--zero", "-Z", "--clear"]).to_owned()),
        84..87 => {
            named(random, "list", &mut words);
            words.extend(random.pick(&["-n", "-n --nosort", "-n --stats", ""]).split_whitespace().map(str::to_owned));
        }
        87..89 => daemon(random, &mut words),
        89..91 => {
            for _ in 0..random.below(4) + 1 {
                words.push(random.pick(&WORDS).to_owned());
            }
        }
        _ => words = self::words(random.pick(&LISTINGS)),
    }
    spoil(random, &mut words);
    words
}

/// An option in one of the ways in which it can be written.
fn option(random: &mut Random, long: &str, value: Option<String>, words: &mut Vec<String>) {
    let entry = Entry::long(long).unwrap();
    let short = entry.short.filter(|_| random.percent(75));
    let name = short.map_or_else(|| format!("--{long}"), |letter| format!("-{letter}"));
    match value {
        None => words.push(name),
        Some(value) => match random.below(10) {
            0 => words.push(format!("{name}={value}")),
            1 if short.is_some() => words.push(format!("{name}{value}")),
            _ => words.extend([name, value]),
        },
    }
}

fn of(random: &mut Random, long: &str, usual: &[&'static str], odd: &[&'static str], words: &mut Vec<String>) {
    let value = value(random, usual, odd);
    option(random, long, Some(value), words);
}

/// A command and the service that it is about.
fn named(random: &mut Random, command: &str, words: &mut Vec<String>) {
    option(random, command, None, words);
    match random.below(20) {
        0..13 => of(random, "tcp-service", &VIPS, &ODD_ADDRESSES, words),
        13..16 => of(random, "udp-service", &VIPS, &ODD_ADDRESSES, words),
        16 => of(random, "sctp-service", &VIPS, &ODD_ADDRESSES, words),
        _ => {
            of(random, "fwmark-service", &MARKS, &ODD_MARKS, words);
            if random.percent(30) {
                option(random, "ipv6", None, words);
            }
        }
    }
}

fn service(random: &mut Random, command: &str, words: &mut Vec<String>) {
    named(random, command, words);
    if random.percent(70) {
        of(random, "scheduler", &SCHEDULERS, &ODD_SCHEDULERS, words);
    }
    if random.percent(12) {
        of(random, "sched-flags", &FLAGS, &ODD_FLAGS, words);
    }
    if random.percent(40) {
        let timeout = Some(value(random, &NUMBERS, &ODD_NUMBERS)).filter(|_| random.percent(70));
        option(random, "persistent", timeout, words);
        if random.percent(30) {
            of(random, "netmask", &MASKS, &MASKS, words);
        }
    }
    if random.percent(8) {
        option(random, "ops", None, words);
    }
    if random.percent(5) {
        of(random, "pe", &["sip"], &["nosuch", "", "a-very-long-name-of-an-engine"], words);
    }
}

fn server(random: &mut Random, command: &str, words: &mut Vec<String>) {
    named(random, command, words);
    of(random, "real-server", &SERVERS, &ODD_SERVERS, words);
    match random.below(5) {
        0 => option(random, "gatewaying", None, words),
        1 => option(random, "ipip", None, words),
        2 => option(random, "masquerading", None, words),
        _ => {}
    }
    if random.percent(50) {
        of(random, "weight", &NUMBERS, &ODD_NUMBERS, words);
    }
    if random.percent(20) {
        of(random, "u-threshold", &NUMBERS, &ODD_NUMBERS, words);
    }
    if random.percent(15) {
        of(random, "l-threshold", &NUMBERS, &ODD_NUMBERS, words);
    }
    if random.percent(10) {
        of(random, "tun-type", &["ipip", "gue", "gre"], &["vxlan", ""], words);
        if random.percent(50) {
            of(random, "tun-port", &NUMBERS, &ODD_NUMBERS, words);
        }
        if random.percent(50) {
            option(random, random.clone().pick(&["tun-nocsum", "tun-csum", "tun-remcsum"]), None, words);
        }
    }
}

/// Not one that starts: the kernel's would then be another than none.
fn daemon(random: &mut Random, words: &mut Vec<String>) {
    let wrong = [
        "--start-daemon",
        "--start-daemon foo",
        "--start-daemon master --syncid 256",
        "--start-daemon backup --mcast-ttl 0",
        "--start-daemon master --mcast-group 10.0.0.1",
        "--start-daemon master --mcast-group ff02::81:x",
        "--start-daemon master --sync-maxlen 65508",
        "--start-daemon master --mcast-port 0",
        "--stop-daemon",
        "--stop-daemon foo",
        "--stop-daemon master",
        "--stop-daemon backup --syncid 3",
        "--stop-daemon backup --mcast-ttl 3",
        "--start-daemon=master -n",
        "--start-daemon master --weight 3",
        "-L --daemon",
    ];
    *words = self::words(random.pick(&wrong));
}

/// Sometimes makes it wrong, or right in another way.
fn spoil(random: &mut Random, words: &mut Vec<String>) {
    let letters = |word: &String| word.len() > 1 && word.starts_with('-') && !word.starts_with("--");
    if random.percent(12) && words.len() > 1 && words[0].len() == 2 && letters(&words[0]) && letters(&words[1]) {
        let second = words.remove(1);
        words[0] += &second[1..];
    }
    if random.percent(10) {
        let at = random.below(words.len() + 1);
        words.insert(at, random.pick(&WORDS).to_owned());
    }
    if random.percent(4) && !words.is_empty() {
        words.remove(random.below(words.len()));
    }
    if random.percent(3) && !words.is_empty() {
        let (one, other) = (random.below(words.len()), random.below(words.len()));
        words.swap(one, other);
    }
    if random.percent(3) && !words.is_empty() {
        let again = words[random.below(words.len())].clone();
        words.push(again);
    }
}
