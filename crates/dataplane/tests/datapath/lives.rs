//! What may become of a connection: every legal way to open and close one, and several that are not.

use crate::{
    packet::{ACK, Body, FIN, RST, SCTP, SYN, UDP, chunk},
    random::Random,
};

/// One packet, or a flood of them from other ports.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Client(Body),
    Server(Body),
    Flood(Body, usize),
}

/// How a connection goes on.
#[derive(Clone, Debug)]
pub(crate) struct Life {
    protocol: u8,
    kind: usize,
}

fn tcp(flags: u8) -> Body {
    Body::Tcp { flags, options: Vec::new() }
}

fn sctp(kind: u8) -> Body {
    Body::Sctp { chunks: vec![(kind, vec![0; 4])] }
}

fn client(flags: u8) -> Step {
    Step::Client(tcp(flags))
}

fn server(flags: u8) -> Step {
    Step::Server(tcp(flags))
}

/// A whole TCP handshake, and some data.
fn handshake() -> Vec<Step> {
    vec![client(SYN), server(SYN | ACK), client(ACK), server(ACK)]
}

/// The same of SCTP.
fn association() -> Vec<Step> {
    vec![
        Step::Client(sctp(chunk::INIT)),
        Step::Server(sctp(chunk::INIT_ACK)),
        Step::Client(sctp(chunk::COOKIE_ECHO)),
        Step::Server(sctp(chunk::COOKIE_ACK)),
        Step::Client(sctp(chunk::DATA)),
    ]
}

impl Life {
    pub(crate) fn random(r: &mut Random, protocol: u8) -> Self {
        Life { protocol, kind: r.below(100) }
    }

    /// Its packets in order.
    pub(crate) fn steps(&self, r: &mut Random) -> Vec<Step> {
        match self.protocol {
            UDP => self.datagrams(),
            SCTP => self.chunks(r),
            _ => self.segments(r),
        }
    }

    fn segments(&self, r: &mut Random) -> Vec<Step> {
        let fin = FIN | ACK;
        let after = |mut steps: Vec<Step>, more: Vec<Step>| {
            steps.extend(more);
            steps
        };
        let closed = || vec![client(fin), server(fin), client(ACK)];
        match self.kind {
            0..20 => after(handshake(), closed()),
            20..35 => after(handshake(), vec![server(fin), client(fin), server(ACK)]),
            35..42 => after(handshake(), vec![client(RST)]),
            42..48 => after(handshake(), vec![server(RST)]),
            // Refused, given up, left half open.
            48..52 => vec![client(SYN), server(RST | ACK)],
            52..56 => vec![client(SYN), client(RST)],
            56..62 => vec![client(SYN), server(SYN | ACK)],
            // Established and left.
            62..66 => handshake(),
            // The ports again, after the end and in the middle.
            66..74 => after(after(handshake(), closed()), handshake()),
            74..78 => after(after(handshake(), vec![client(SYN), client(ACK)]), closed()),
            78..80 => after(after(handshake(), vec![client(RST)]), after(handshake(), closed())),
            // Segments that belong nowhere: a handshake from the wrong side, flags that contradict each other, none.
            80..84 => vec![client(SYN | ACK), client(ACK), client(SYN), server(SYN), client(fin)],
            84..88 => vec![client(SYN | FIN), client(0), client(SYN | RST), client(SYN), client(0xff)],
            88..97 => (0..6).map(|_| if r.chance(60) { client(any(r)) } else { server(any(r)) }).collect(),
            // What displaces those that are half open.
            _ => vec![client(SYN), Step::Flood(tcp(SYN), 24), server(SYN | ACK), client(ACK), client(fin)],
        }
    }

    fn datagrams(&self) -> Vec<Step> {
        let one = || Body::Udp { checksum: true };
        let (asks, answers) = (|| Step::Client(one()), || Step::Server(one()));
        match self.kind {
            0..40 => vec![asks()],
            40..60 => vec![asks(), answers()],
            60..95 => vec![asks(), answers(), asks(), asks(), answers()],
            _ => vec![asks(), Step::Flood(one(), 24), asks(), answers()],
        }
    }

    fn chunks(&self, r: &mut Random) -> Vec<Step> {
        let (from, to) = (|kind| Step::Client(sctp(kind)), |kind| Step::Server(sctp(kind)));
        let mut steps = association();
        match self.kind {
            0..25 => {
                let shut = [from(chunk::SHUTDOWN), to(chunk::SHUTDOWN_ACK), from(chunk::SHUTDOWN_COMPLETE)];
                steps.extend(shut);
            }
            25..45 => {
                let shut = [to(chunk::SHUTDOWN), from(chunk::SHUTDOWN_ACK), to(chunk::SHUTDOWN_COMPLETE)];
                steps.extend(shut);
            }
            45..53 => steps.push(from(chunk::ABORT)),
            53..60 => steps.push(to(chunk::ABORT)),
            60..64 => steps.truncate(1),
            64..68 => {}
            68..78 => {
                steps.push(from(chunk::ABORT));
                steps.extend(association());
            }
            78..96 => {
                let mut kinds = || r.of(&[0, 1, 2, 6, 7, 8, 9, 10, 11, 14]);
                steps = (0..3).flat_map(|_| [from(kinds()), to(kinds())]).collect();
            }
            _ => steps.push(Step::Flood(sctp(chunk::INIT), 24)),
        }
        steps
    }
}

/// Flags by chance.
fn any(r: &mut Random) -> u8 {
    r.of(&[SYN, SYN, ACK, FIN | ACK, RST, SYN | ACK, 0, FIN, RST | ACK])
}
