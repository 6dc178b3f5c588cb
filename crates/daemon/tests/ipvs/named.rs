//! Cases that are about something: times, associations, the director as its own server, and the differences that are
//! meant. They are numbered behind the generated ones.

use crate::frame::GUE_PORT;
use crate::{
    allowed::{EDIT_WITHOUT_CHANGE, LOCAL_HALF_SEEN, METHOD_CHANGE, TIMEOUTS_AT_ONCE},
    case::{
        ACK, Case, FIN, Flow, PSH, RST, SCTP, SYN, Sent, Step, TCP, UDP, director, endpoint, protocol_name, server,
    },
};
use std::net::{IpAddr, SocketAddr};

/// The number of the first.
pub(crate) const FIRST: u64 = 1_000_000;

/// A case, and which difference it shows, if any: then relvs must answer its last step otherwise than IPVS, and no other.
pub(crate) struct Named {
    pub(crate) case: Case,
    pub(crate) shows: Option<&'static str>,
}

/// All of them.
pub(crate) fn all() -> Vec<Named> {
    let mut all = Vec::new();
    for six in [false, true] {
        all.extend(times(six));
        all.extend(associations(six));
        all.extend(tunnels(six));
    }
    all.extend(overloads());
    all.push(overhead());
    all.extend(["lblc", "lblcr"].map(relaxed));
    all.push(large_weights());
    let mut all: Vec<Named> = all.into_iter().map(|story| story.named(None)).collect();
    all.extend(differences());
    for six in [false, true] {
        all.extend(local(six).into_iter().map(|story| story.named(Some(LOCAL_HALF_SEEN))));
    }
    for (case, number) in all.iter_mut().zip(FIRST..) {
        case.case.number = number;
    }
    all
}

/// A case that is being written.
#[derive(Clone)]
struct Story {
    title: String,
    six: bool,
    protocol: u8,
    steps: Vec<Step>,
}

impl Story {
    fn new(title: &str, six: bool, protocol: u8) -> Self {
        Story { title: format!("{title} ipv{}", if six { 6 } else { 4 }), six, protocol, steps: Vec::new() }
    }

    fn vip(&self) -> SocketAddr {
        let address: IpAddr = if self.six { "2001:db8:f::1".parse().unwrap() } else { "10.64.0.1".parse().unwrap() };
        SocketAddr::new(address, 80)
    }

    /// "-t VIP:80".
    fn service(&self) -> String {
        let option = match self.protocol {
            TCP => "-t",
            UDP => "-u",
            _ => "--sctp-service",
        };
        format!("{option} {}", self.vip())
    }

    /// The client's flow from this port.
    fn flow(&self, port: u16) -> Flow {
        let client = if self.six { "2001:db8:1::5".parse().unwrap() } else { "10.1.0.5".parse().unwrap() };
        Flow { protocol: self.protocol, client: SocketAddr::new(client, port), service: self.vip() }
    }

    fn command(mut self, line: &str) -> Self {
        self.steps.push(Step::Do(vec![line.to_owned()]));
        self.steps.push(Step::Settle);
        self
    }

    fn set(mut self, name: &str, value: u32) -> Self {
        self.steps.push(Step::Set(name.to_owned(), value));
        self
    }

    /// The service with these options.
    fn has(self, options: &str) -> Self {
        let line = format!("-A {} {options}", self.service());
        self.command(&line)
    }

    /// A server of the service, with these options.
    fn with(self, command: &str, number: u8, options: &str) -> Self {
        let line = format!("{command} {} -r {} {options}", self.service(), endpoint(server(self.six, number), 80));
        self.command(&line)
    }

    fn client(mut self, port: u16, sent: Sent) -> Self {
        self.steps.push(Step::Client(self.flow(port), sent));
        self
    }

    fn server(mut self, port: u16, sent: Sent) -> Self {
        self.steps.push(Step::Server(self.flow(port), sent));
        self
    }

    fn look(mut self) -> Self {
        self.steps.push(Step::Look);
        self
    }

    fn statistics(mut self) -> Self {
        self.steps.push(Step::Statistics);
        self
    }

    fn wait(mut self, seconds: u32) -> Self {
        self.steps.push(Step::Wait(seconds));
        self
    }

    /// An established connection.
    fn held(self, port: u16) -> Self {
        match self.protocol {
            TCP => {
                let (syn, both, ack) = (Sent::Segment(SYN), Sent::Segment(SYN | ACK), Sent::Segment(ACK));
                self.client(port, syn).server(port, both).client(port, ack)
            }
            UDP => self.client(port, Sent::Datagram).server(port, Sent::Datagram),
            _ => self
                .client(port, Sent::Chunk(INIT))
                .server(port, Sent::Chunk(INIT_ACK))
                .client(port, Sent::Chunk(COOKIE_ECHO))
                .server(port, Sent::Chunk(COOKIE_ACK)),
        }
    }

    fn named(self, shows: Option<&'static str>) -> Named {
        Named { case: Case { number: 0, title: self.title, steps: self.steps }, shows }
    }
}

/// What ends, what does not, and what a template does whose time is over.
fn times(six: bool) -> Vec<Story> {
    let story = |title: &str, protocol| Story::new(title, six, protocol);
    let mut all = Vec::new();
    for method in ["-m", "-g"] {
        let with = |story: Story, options: &str| story.has(options).with("-a", 1, method);
        let short = |title: &str, protocol| story(&format!("{title} {method}"), protocol).command("--set 4 3 4");
        // Long enough in between that a slow machine sees the same.
        all.push(with(short("established", TCP), "-s rr").held(1000).look().wait(1).look().wait(6).look());
        let fin = Sent::Segment(FIN | ACK);
        all.push(with(short("fin", TCP), "-s rr").held(1000).client(1000, fin).look().wait(6).look());
        all.push(with(short("half open", TCP), "-s rr").client(1000, Sent::Segment(SYN)).wait(6).look());
        all.push(
            with(story("datagrams", UDP).command("--set 0 0 9"), "-s rr")
                .held(1000)
                .held(1001)
                .wait(6)
                .held(1000)
                .wait(6)
                .look(),
        );
        all.push(
            with(story("reset", TCP), "-s rr")
                .held(1000)
                .client(1000, Sent::Segment(RST))
                .wait(7)
                .look()
                .wait(6)
                .look(),
        );
        all.push(with(story("init", SCTP), "-s rr").client(1000, Sent::Chunk(INIT)).look().wait(7).look());
        // The template controls a flow when its time is over: a minute more, and its own time with the next flow.
        all.push(
            with(story("template kept", TCP), "-s rr -p 3")
                .held(1000)
                .look()
                .wait(6)
                .look()
                .held(1001)
                .look()
                .wait(6)
                .look(),
        );
        all.push(
            with(story("template alone", UDP).command("--set 0 0 2"), "-s rr -p 6")
                .held(1000)
                .wait(4)
                .look()
                .wait(6)
                .look(),
        );
        all.push(with(story("template left", UDP).command("--set 0 0 5"), "-s rr -p 2").held(1000).wait(8).look());
        all.push(with(story("template half open", TCP), "-s rr -p 2").client(1000, Sent::Segment(SYN)).wait(5).look());
    }
    // A template whose time is over binds nobody any more.
    all.push(
        story("bound no more", UDP)
            .command("--set 0 0 2")
            .has("-s rr -p 2")
            .with("-a", 1, "-m")
            .with("-a", 2, "-m")
            .held(1000)
            .held(1001)
            .wait(8)
            .look()
            .held(1002)
            .look(),
    );
    // The flows of a server that is gone end by their time.
    all.push(
        story("gone", UDP)
            .command("--set 0 0 9")
            .has("-s rr")
            .with("-a", 1, "-m")
            .with("-a", 2, "-m")
            .held(1000)
            .held(1001)
            .with("-d", 1, "")
            .client(1000, Sent::Datagram)
            .client(1001, Sent::Datagram)
            .look()
            .wait(6)
            .client(1000, Sent::Datagram)
            .client(1001, Sent::Datagram)
            .wait(6)
            .look(),
    );
    // Flows that end make room.
    all.push(
        story("thresholds", UDP)
            .command("--set 0 0 3")
            .has("-s rr")
            .with("-a", 1, "-m -x 2")
            .held(1000)
            .held(1001)
            .client(1002, Sent::Datagram)
            .wait(6)
            .client(1002, Sent::Datagram)
            .look()
            .statistics(),
    );
    all
}

/// Every kind of tunnel, to servers of both families.
fn tunnels(six: bool) -> Vec<Story> {
    let gue = format!("--tun-type gue --tun-port {GUE_PORT}");
    let kinds = [
        "--tun-type ipip".to_owned(),
        "--tun-type gre --tun-nocsum".to_owned(),
        "--tun-type gre --tun-csum".to_owned(),
        format!("{gue} --tun-nocsum"),
        format!("{gue} --tun-csum"),
    ];
    let mut all = Vec::new();
    for other in [false, true] {
        for kind in &kinds {
            for (protocol, sent) in [(TCP, Sent::Segment(SYN)), (UDP, Sent::Datagram), (SCTP, Sent::Chunk(INIT))] {
                let family = if other { "the other" } else { "its" };
                let story =
                    Story::new(&format!("tunnel {kind} {family} family {protocol}"), six, protocol).has("-s rr");
                let to = endpoint(server(six != other, 3), 80);
                let line = format!("-a {} -r {to} -i {kind}", story.service());
                let story = story.command(&line).client(1000, sent).client(1001, sent);
                all.push(if protocol == TCP { story.client(1000, Sent::Segment(PSH | ACK)) } else { story });
            }
        }
    }
    all
}

/// Rounds in which every server becomes overloaded, at one place or another, and is free again.
fn overloads() -> Vec<Story> {
    let mut all = Vec::new();
    for scheduler in ["rr", "wrr"] {
        for (heaviest, limits) in [(3, [2, 2, 1]), (5, [1, 2, 2]), (5, [1, 4, 1]), (3, [4, 1, 2]), (1, [2, 1, 3])] {
            let story = Story::new(&format!("overloads {scheduler} {heaviest} {limits:?}"), false, UDP);
            let mut story = story.command("--set 0 0 4").has(&format!("-s {scheduler}"));
            for (number, (limit, weight)) in (1..).zip(limits.into_iter().zip([heaviest, 1, 2])) {
                story = story.with("-a", number, &format!("-g -w {weight} -x {limit}"));
            }
            for begin in [1000, 2000, 3000] {
                story = (begin..begin + 9).fold(story, |story, port| story.client(port, Sent::Datagram));
                story = story.wait(7);
            }
            all.push(story);
        }
    }
    all
}

/// How many connections that are over weigh as much as one that is active.
fn overhead() -> Story {
    let story = Story::new("overhead", false, TCP).has("-s lc").with("-a", 1, "-g").held(1000).with("-a", 2, "-g");
    let over = |story: Story, port| story.client(port, Sent::Segment(SYN)).client(port, Sent::Segment(FIN | ACK));
    (2000..2260).fold(story, over)
}

/// A busy server is left for one that has less than half of the connections that its weight says, and not for another.
fn relaxed(scheduler: &str) -> Story {
    let story = Story::new(&format!("relaxed {scheduler}"), false, TCP).has(&format!("-s {scheduler}"));
    let story = story.with("-a", 1, "-g -w 5").held(1000).held(1001).with("-e", 1, "-g -w 0").with("-a", 2, "-g -w 1");
    let story = story.held(1002).held(1003).with("-e", 1, "-g -w 4").held(1004).with("-e", 1, "-g -w 5");
    story.held(1005).held(1006).held(1007)
}

/// Weights of more bits than a server takes slots in one turn.
fn large_weights() -> Story {
    let story = Story::new("large weights", false, UDP).has("-s mh -b mh-port");
    let story = story.with("-a", 1, "-g -w 100").with("-a", 2, "-g -w 7").with("-a", 3, "-g -w 33");
    (1000..1100).fold(story, |story, port| story.client(port, Sent::Datagram))
}

/// SCTP chunk types (RFC 9260 section 3.2).
const DATA: u8 = 0;
const INIT: u8 = 1;
const INIT_ACK: u8 = 2;
const ABORT: u8 = 6;
const SHUTDOWN: u8 = 7;
const SHUTDOWN_ACK: u8 = 8;
const COOKIE_ECHO: u8 = 10;
const COOKIE_ACK: u8 = 11;
const SHUTDOWN_COMPLETE: u8 = 14;

/// Lives of SCTP associations, with a look at every packet.
fn associations(six: bool) -> Vec<Story> {
    let client = |chunk| (true, chunk);
    let from_server = |chunk| (false, chunk);
    let ends: [(&str, &[(bool, u8)]); 6] = [
        ("client ends", &[client(SHUTDOWN), from_server(SHUTDOWN_ACK), client(SHUTDOWN_COMPLETE)]),
        ("server ends", &[from_server(SHUTDOWN), client(SHUTDOWN_ACK), from_server(SHUTDOWN_COMPLETE)]),
        ("client aborts", &[client(ABORT), client(ABORT)]),
        ("server aborts", &[from_server(ABORT), from_server(DATA)]),
        ("new init", &[client(SHUTDOWN), from_server(SHUTDOWN_ACK), client(SHUTDOWN_COMPLETE), client(INIT)]),
        ("init twice", &[client(INIT), from_server(INIT_ACK), client(COOKIE_ECHO), from_server(COOKIE_ACK)]),
    ];
    let begin = [
        client(INIT),
        from_server(INIT_ACK),
        client(COOKIE_ECHO),
        from_server(COOKIE_ACK),
        client(DATA),
        from_server(DATA),
    ];
    let mut all = Vec::new();
    for method in ["-m", "-g", "-i"] {
        for (title, end) in ends {
            let story = Story::new(&format!("association {method} {title}"), six, SCTP);
            let story = story.has("-s rr").with("-a", 1, method).with("-a", 2, method);
            let packets = begin.iter().chain(end);
            let story = packets.fold(story, |story, (by_client, chunk)| {
                let chunk = Sent::Chunk(*chunk);
                let mut story = if *by_client { story.client(1000, chunk) } else { story.server(1000, chunk) };
                // What gives way to a new association does so by a timer.
                story.steps.push(Step::Settle);
                story.look()
            });
            all.push(story.statistics());
        }
    }
    all
}

/// The director is one of its own servers; nobody listens there, and IPVS sees that being said.
fn local(six: bool) -> Vec<Story> {
    let mut all = Vec::new();
    for method in ["-m", "-g", "-i"] {
        for protocol in [TCP, UDP] {
            if six && method == "-m" && protocol == UDP {
                // The kernel's stack does not answer at all.
                continue;
            }
            let story = Story::new(&format!("local {method} {}", protocol_name(protocol)), six, protocol);
            let own = format!("-a {} -r {} {method}", story.service(), endpoint(director(six), 80));
            let story = story.has("-s rr").with("-a", 1, method).command(&own);
            let mut story = (1000..1004).fold(story, |story, port| {
                let first = if protocol == TCP { Sent::Segment(SYN) } else { Sent::Datagram };
                let more = if protocol == TCP { Sent::Segment(ACK | PSH) } else { Sent::Datagram };
                story.client(port, first).client(port, more)
            });
            story.steps.push(Step::Look);
            if protocol == UDP {
                story.steps.push(Step::Statistics);
            }
            all.push(story);
        }
    }
    all
}

/// What is done otherwise than by IPVS, and shows in the last step.
fn differences() -> Vec<Named> {
    let story = |title: &str, protocol| Story::new(title, false, protocol);
    vec![
        // The flow goes on by the method that it began with; here it is a gone server's.
        (story("edited to another method", TCP).has("-s rr").with("-a", 1, "-g").held(1000).with("-e", 1, "-m"))
            .client(1000, Sent::Segment(ACK | PSH))
            .named(Some(METHOD_CHANGE)),
        (story("back by another method", TCP).has("-s rr").with("-a", 1, "-g").held(1000).with("-d", 1, ""))
            .with("-a", 1, "-m")
            .client(1000, Sent::Segment(ACK | PSH))
            .named(Some(METHOD_CHANGE)),
        // The round begins anew with the head of the list.
        (story("edited without a change", UDP).has("-s wrr").with("-a", 1, "-g -w 2").with("-a", 2, "-g -w 2"))
            .client(1000, Sent::Datagram)
            .with("-e", 1, "-g -w 2")
            .client(1001, Sent::Datagram)
            .named(Some(EDIT_WITHOUT_CHANGE)),
        (story("timeouts of what is there", UDP).has("-s rr").with("-a", 1, "-g").client(1000, Sent::Datagram))
            .command("--set 0 0 100")
            .look()
            .named(Some(TIMEOUTS_AT_ONCE)),
        (story("set", TCP).set("expire_nodest_conn", 1).has("-s rr").with("-a", 1, "-g").held(1000).with("-d", 1, ""))
            .look()
            .named(None),
    ]
}
