//! One probe of one server: a conversation, and how it ended in plain words.
//!
//! It never takes longer than it may, and takes a bounded amount of memory whatever the server sends. It decides nothing:
//! one failed probe is not a server that is down.

mod body;
mod course;
mod dns;
mod file;
mod grpc;
mod http;
mod misc;
mod ping;
mod session;
mod smtp;
mod socket;
mod tcp;
mod udp;

use super::{
    path::{Paths, Seat},
    program::Programs,
    tls::Configs,
};
use crate::untrusted::Answer;
use course::Course;
use http::Patterns;
use relvs_model::{
    Method,
    health::{Asked, DataPath, Outcome, Probe, Question, Says, Target, UdpProbe},
};
use std::{
    net::SocketAddr,
    sync::OnceLock,
    task::{Context, Poll, Waker},
    time::Duration,
};

/// Why a probe failed: half a sentence on one line.
type Reason = String;

/// How long a probe may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Limits {
    /// All of it.
    whole: Duration,
    /// The connection alone.
    connect: Duration,
}

impl From<&Question> for Limits {
    fn from(question: &Question) -> Self {
        let whole = Duration::from_millis(question.timeout_ms.into());
        let connect = match question.connect_timeout_ms {
            0 => whole,
            milliseconds => whole.min(Duration::from_millis(milliseconds.into())),
        };
        Limits { whole, connect }
    }
}

/// What probes share: TLS configurations, compiled regular expressions, the number of programs, the way through the data path.
#[derive(Debug, Default)]
pub struct Probes {
    tls: Configs,
    patterns: Patterns,
    programs: Programs,
    paths: Paths,
}

/// Whom one probe talks to, by which way and how far it has come.
struct Talk<'a> {
    shared: &'a Probes,
    asked: &'a Asked,
    target: &'a Target,
    course: Course,
    /// Its place behind the data path, if it goes through that.
    seat: OnceLock<Seat>,
}

impl Talk<'_> {
    /// The data path, if the probe goes through it. With NAT, packets to the server are what they are anyway.
    fn through(&self) -> Option<&DataPath> {
        self.asked.through.as_ref().filter(|path| path.method != Method::Nat)
    }

    /// Where packets are sent to: the server, or the VIP that the server should have.
    fn address(&self) -> SocketAddr {
        match self.through() {
            Some(path) => SocketAddr::new(path.vip, path.port),
            None => SocketAddr::new(self.asked.address, self.asked.port),
        }
    }
}

impl Probes {
    /// Nothing is opened or made before a probe needs it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks once. When the future is dropped, sockets are closed and programs ended.
    ///
    /// It needs a tokio runtime with time and I/O.
    pub async fn probe(&self, question: &Question) -> Outcome {
        let Question { probe, asked, target, .. } = question;
        let course = Course::begin(Limits::from(question));
        let talk = Talk { shared: self, asked, target, course, seat: OnceLock::new() };
        let end = tokio::time::timeout_at(talk.course.deadline(), converse(probe, &talk)).await;
        match end {
            Ok(Ok(says)) => Outcome::Up { says },
            Ok(Err(why)) => Outcome::Down { why: one_line(&why) },
            Err(_) => Outcome::Down { why: talk.course.timed_out() },
        }
    }
}

async fn converse(probe: &Probe, talk: &Talk<'_>) -> Result<Option<Says>, Reason> {
    match probe {
        Probe::Tcp => tcp::probe(talk).await.map(|()| None),
        // The larger conversations are boxed: a plain connection should not carry their size.
        Probe::Http(http) => Box::pin(http::probe(talk, http)).await.map(|()| None),
        Probe::Smtp(smtp) => Box::pin(smtp::probe(talk, smtp)).await.map(|()| None),
        Probe::Dns(dns) => Box::pin(dns::probe(talk, dns)).await.map(|()| None),
        Probe::Udp(udp) => Box::pin(udp::probe(talk, udp)).await.map(|()| None),
        Probe::Ping(ping) => Box::pin(ping::probe(talk, ping)).await.map(|()| None),
        Probe::Misc(misc) => Box::pin(misc::probe(talk, misc)).await,
        Probe::File(file) => Box::pin(file::probe(talk, file)).await,
        Probe::Grpc(grpc) => Box::pin(grpc::probe(talk, grpc)).await.map(|()| None),
    }
}

/// What is said of an answer that came whole, as the probe of this kind reads it.
pub(crate) fn judged(answer: Answer<'_>) -> Result<(), Reason> {
    let judged = match answer {
        Answer::Dns { id, message, expect } => dns::judge(id, message, expect),
        Answer::Udp { reply, expect } => udp::judge(reply, expect, &UdpProbe::default()),
        Answer::Grpc(message) => grpc::answer(message).map(drop).ok_or_else(|| "it is none".to_owned()),
        Answer::Smtp(mut text) => {
            let read = std::pin::pin!(smtp::expect(&mut text, |_| (), "the greeting", "220"));
            // What is in memory is never waited for.
            match read.poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(judged) => judged,
                Poll::Pending => Err("it was waited for".to_owned()),
            }
        }
    };
    judged.map_err(|why| one_line(&why))
}

/// The longest reason, in characters: what a server or a program sends may be part of it.
const REASON_MAX: usize = 300;

/// What was sent to us may hold anything.
fn one_line(text: &str) -> String {
    let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut line: String = clean.take(REASON_MAX).collect();
    line.truncate(line.trim_end().len());
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_connection_may_take_no_longer_than_the_whole() {
        let limits = |timeout_ms, connect_timeout_ms| {
            let asked = Asked::new([192, 0, 2, 1].into(), 80);
            let target = Target::default();
            Limits::from(&Question { probe: Probe::Tcp, asked, target, timeout_ms, connect_timeout_ms })
                .connect
                .as_millis()
        };
        assert_eq!((limits(3000, 0), limits(3000, 1000), limits(3000, 9000)), (3000, 1000, 3000));
    }

    #[test]
    fn a_reason_is_one_short_line() {
        assert_eq!(one_line("a\r\nb\x1b[2J\n"), "a  b [2J");
        assert_eq!(one_line(&"ü".repeat(1000)).chars().count(), REASON_MAX);
    }
}
