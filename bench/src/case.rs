//! The cases: what is sent, by which method, over how many flows, and what it should cost.

use relvs_core::{Reason, table::destination::method};

/// How a packet is forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Dr,
    Tun,
    Nat,
}

impl Method {
    /// Its number in a destination's record.
    pub(crate) const fn number(self) -> u8 {
        match self {
            Method::Dr => method::DR,
            Method::Tun => method::TUN,
            Method::Nat => method::NAT,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Method::Dr => "DR",
            Method::Tun => "TUN",
            Method::Nat => "NAT",
        }
    }
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Floor: the wrapper around nothing.
    Empty,
    /// Floor: the wrapper around a header that is put in front without a look-up.
    Encapsulate,
    /// A client's packets of settled flows.
    Known,
    /// A NAT server's packets of settled flows, whose way back is known.
    Reply,
    /// First packets, with room in the table.
    New,
    /// A SYN and its ACK: the flow opens and settles. Per packet.
    Handshake,
    /// First packets, far more than the young table holds, beside a table of settled flows.
    Flood,
    /// Frames that are left to the stack.
    Pass(Reason),
}

/// One line of the report.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) six: bool,
    pub(crate) udp: bool,
    pub(crate) method: Method,
    /// Different flows.
    pub(crate) flows: u32,
    /// Flows that are settled beside them, and have no packets.
    pub(crate) idle: u32,
    /// Net nanoseconds that design.md asks for.
    pub(crate) aim: Option<f64>,
    /// How a server is chosen for a new flow, by IPVS's name.
    pub(crate) scheduler: &'static str,
    /// How many servers the service has.
    pub(crate) servers: u32,
}

const RR: &str = "rr";
/// Servers where their number does not matter.
const SERVERS: u32 = 4;
/// How many SYNs a flood has before it repeats itself.
const FLOOD: u32 = 1 << 22;
/// Flows that are settled when the flood comes.
pub(crate) const SETTLED: u32 = 1 << 20;
const SIZES: [(u32, &str); 3] = [(1, "1"), (1 << 16, "64k"), (1 << 20, "1M")];

impl Case {
    /// Whether the others are compared with it.
    pub(crate) fn is_floor(&self) -> bool {
        matches!(self.kind, Kind::Empty | Kind::Encapsulate)
    }

    /// Records of settled flows that the case needs.
    pub(crate) fn records(&self) -> u32 {
        let flows = match self.kind {
            Kind::Known | Kind::Reply | Kind::Handshake => self.flows + self.idle,
            Kind::Flood => SETTLED,
            Kind::Empty | Kind::Encapsulate | Kind::New | Kind::Pass(_) => 1,
        };
        if self.method == Method::Nat { flows * 2 } else { flows }
    }
}

const fn family(six: bool) -> &'static str {
    if six { "IPv6" } else { "IPv4" }
}

/// The wrapper around nothing, and around a constant header.
pub(crate) fn floors() -> Vec<Case> {
    let floor = |name: &str, kind, six| Case {
        name: name.to_owned(),
        kind,
        six,
        udp: false,
        method: Method::Dr,
        flows: 1 << 16,
        idle: 0,
        aim: None,
        scheduler: RR,
        servers: SERVERS,
    };
    vec![
        floor("floor: empty program IPv4", Kind::Empty, false),
        floor("floor: empty program IPv6", Kind::Empty, true),
        floor("floor: constant IPIP header", Kind::Encapsulate, false),
    ]
}

fn known(six: bool, udp: bool) -> Vec<Case> {
    let transport = if udp { "UDP" } else { "TCP" };
    let ways = [
        (Method::Dr, Kind::Known, "DR", [Some(28.0), Some(80.0), Some(200.0)]),
        (Method::Tun, Kind::Known, "TUN", [Some(42.0), Some(95.0), Some(210.0)]),
        (Method::Nat, Kind::Known, "NAT forward", [Some(38.0), Some(120.0), None]),
        (Method::Nat, Kind::Reply, "NAT reply", [Some(38.0), Some(120.0), None]),
    ];
    let mut cases = Vec::new();
    for (method, kind, way, aims) in ways {
        for ((flows, number), aim) in SIZES.into_iter().zip(aims) {
            cases.push(Case {
                name: format!("{} {transport} {way} known {number}", family(six)),
                kind,
                six,
                udp,
                method,
                flows,
                idle: 0,
                aim: if six { None } else { aim },
                scheduler: RR,
                // All replies come from one.
                servers: if matches!(kind, Kind::Reply) { 1 } else { SERVERS },
            });
        }
    }
    cases
}

fn new(six: bool) -> Vec<Case> {
    let mut cases = Vec::new();
    for (method, aims) in
        [(Method::Dr, [Some(140.0), Some(200.0)]), (Method::Tun, [None; 2]), (Method::Nat, [Some(180.0), Some(300.0)])]
    {
        for ((flows, number), aim) in [(512, "hot"), (1 << 16, "64k")].into_iter().zip(aims) {
            cases.push(Case {
                name: format!("{} TCP {} new {number}", family(six), method.name()),
                kind: Kind::New,
                six,
                udp: false,
                method,
                flows,
                idle: 0,
                aim: if six { None } else { aim },
                scheduler: RR,
                servers: SERVERS,
            });
        }
    }
    for method in [Method::Dr, Method::Nat] {
        cases.push(Case {
            name: format!("{} TCP {} new and settled 64k", family(six), method.name()),
            kind: Kind::Handshake,
            six,
            udp: false,
            method,
            flows: 1 << 16,
            idle: 0,
            aim: None,
            scheduler: RR,
            servers: SERVERS,
        });
    }
    cases
}

/// New flows of other schedulers: those that look into a table, and those that compare all servers.
fn chosen() -> Vec<Case> {
    let of = |scheduler, servers| Case {
        name: format!("IPv4 TCP DR new hot, {scheduler} of {servers}"),
        kind: Kind::New,
        six: false,
        udp: false,
        method: Method::Dr,
        flows: 512,
        idle: 0,
        aim: None,
        scheduler,
        servers,
    };
    let mut cases = vec![of("sh", 10), of("mh", 10)];
    for scheduler in ["lc", "wlc", "sed", "twos", "lblcr"] {
        cases.extend([10, 100, 1000].map(|servers| of(scheduler, servers)));
    }
    cases
}

fn flood(six: bool) -> Case {
    Case {
        name: format!("{} SYN flood beside 1M settled flows", family(six)),
        kind: Kind::Flood,
        six,
        udp: false,
        method: Method::Dr,
        flows: FLOOD,
        idle: 0,
        aim: (!six).then_some(100.0),
        scheduler: RR,
        servers: SERVERS,
    }
}

fn passed(six: bool) -> Vec<Case> {
    let pass = |what: &str, reason, method| Case {
        name: format!("{} not for us: {what}", family(six)),
        kind: Kind::Pass(reason),
        six,
        udp: false,
        method,
        flows: 1 << 16,
        idle: 0,
        aim: (!six).then_some(12.0),
        scheduler: RR,
        servers: SERVERS,
    };
    let mut cases = vec![
        pass("other port", Reason::NotOurs, Method::Dr),
        pass("other port while NAT is in use", Reason::NotOurs, Method::Nat),
        pass("other host's MAC", Reason::OtherHost, Method::Dr),
    ];
    if !six {
        cases.push(Case { name: "not for us: not IP".to_owned(), ..pass("", Reason::NotIp, Method::Dr) });
    }
    cases
}

/// Known flows in tables of this many, of which a power of two have packets: DR over IPv4 and IPv6, and NAT.
pub(crate) fn of_many(millions: u32) -> Vec<Case> {
    let all = millions << 20;
    let flows = 1 << all.ilog2();
    [(Method::Dr, false), (Method::Nat, false), (Method::Dr, true)]
        .map(|(method, six)| Case {
            name: format!("{} TCP {} known, {millions}M flows", family(six), method.name()),
            kind: Kind::Known,
            six,
            udp: false,
            method,
            flows,
            idle: all - flows,
            aim: None,
            scheduler: RR,
            servers: SERVERS,
        })
        .into()
}

/// All cases, the floors first.
pub(crate) fn all() -> Vec<Case> {
    let mut cases = floors();
    for six in [false, true] {
        for udp in [false, true] {
            cases.extend(known(six, udp));
        }
    }
    for six in [false, true] {
        cases.extend(new(six));
        cases.push(flood(six));
        cases.extend(passed(six));
    }
    cases.extend(chosen());
    cases
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_one_of_a_kind() {
        let cases = all();
        let names: BTreeSet<_> = cases.iter().map(|case| case.name.as_str()).collect();
        assert_eq!(names.len(), cases.len());
    }

    #[test]
    fn ten_million_flows_are_those_with_packets_and_those_without() {
        let cases = of_many(10);
        assert!(cases.iter().all(|case| case.flows == 1 << 23 && case.flows + case.idle == 10 << 20));
        assert_eq!(cases[1].records(), 2 * (10 << 20), "NAT has two records a flow");
        assert!(of_many(4).iter().all(|case| case.idle == 0));
    }

    #[test]
    fn the_issue_s_cases_have_their_aims() {
        let aim = |name: &str| all().into_iter().find(|case| case.name == name).and_then(|case| case.aim);
        for (way, aims) in
            [("DR", [28.0, 80.0]), ("TUN", [42.0, 95.0]), ("NAT forward", [38.0, 120.0]), ("NAT reply", [38.0, 120.0])]
        {
            assert_eq!(aim(&format!("IPv4 TCP {way} known 1")), Some(aims[0]));
            assert_eq!(aim(&format!("IPv4 UDP {way} known 64k")), Some(aims[1]));
        }
        assert_eq!(aim("IPv4 TCP DR known 1M"), Some(200.0));
        assert_eq!(aim("IPv4 TCP NAT reply known 1M"), None, "design.md says none");
    }
}
