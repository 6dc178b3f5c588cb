//! Does the server answer a query? (DNS_CHECK; RFC 1035)
//!
//! As with keepalived an answer without an error is a good one, even if it holds no record; with `expect` one of its records
//! must be that. Messages are hickory-proto's.

use super::{Reason, Talk, course::Waits, session, socket};
use hickory_proto::{
    op::{Message, MessageType, OpCode, Query, ResponseCode},
    rr::{Name, RData, RecordType},
};
use relvs_model::health::{DnsProbe, DnsType};
use std::{
    hash::{BuildHasher as _, Hasher as _, RandomState},
    net::IpAddr,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// The largest message.
const MESSAGE_MAX: usize = 65_535;
/// An id, flags and four counts.
const HEADER: usize = 12;
/// So many datagrams that are no answer are passed over.
const STRANGERS_MAX: usize = 100;

/// Asks.
pub(super) async fn probe(talk: &Talk<'_>, dns: &DnsProbe) -> Result<(), Reason> {
    // Unpredictable enough: the answer must come from the server's own address and port besides.
    let id = RandomState::new().build_hasher().finish().to_le_bytes();
    let id = u16::from_le_bytes([id[0], id[1]]);
    let query = query(id, dns)?;
    let answer = if dns.tcp { by_tcp(talk, &query).await? } else { by_udp(talk, id, &query).await? };
    judge(id, &answer, dns.expect.as_deref())
}

fn query(id: u16, dns: &DnsProbe) -> Result<Vec<u8>, Reason> {
    let mut name = Name::from_ascii(&dns.name).map_err(|_| format!("`{}` is no domain name", dns.name))?;
    name.set_fqdn(true);
    let mut message = Message::new(id, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(name, record_type(dns.record)));
    message.to_vec().map_err(|e| format!("the query cannot be made: {e}"))
}

async fn by_udp(talk: &Talk<'_>, id: u16, query: &[u8]) -> Result<Vec<u8>, Reason> {
    let socket = socket::datagrams(talk).await?;
    talk.course.waits_for(Waits::Answer);
    socket.send(query).await.map_err(|e| socket::reason(&e))?;
    let mut answer = vec![0; MESSAGE_MAX];
    for _ in 0..STRANGERS_MAX {
        let length = socket.recv(&mut answer).await.map_err(|e| socket::reason(&e))?;
        // An answer to an earlier question, or no answer at all: the right one may still come.
        if is_answer(id, answer.get(..length).unwrap_or_default()) {
            answer.truncate(length);
            return Ok(answer);
        }
    }
    Err("what comes is no answer to the query".to_owned())
}

async fn by_tcp(talk: &Talk<'_>, query: &[u8]) -> Result<Vec<u8>, Reason> {
    let mut stream = socket::connect(talk).await?;
    let exchange = async {
        let length = u16::try_from(query.len()).unwrap_or(u16::MAX);
        let mut framed = length.to_be_bytes().to_vec();
        framed.extend_from_slice(query);
        stream.write_all(&framed).await?;
        let length = stream.read_u16().await?;
        talk.course.waits_for(Waits::Rest);
        let mut answer = vec![0; length.into()];
        stream.read_exact(&mut answer).await?;
        Ok(answer)
    };
    exchange.await.map_err(|e: std::io::Error| session::reason(&e))
}

fn is_answer(id: u16, message: &[u8]) -> bool {
    const RESPONSE: u8 = 0x80;
    message.len() >= HEADER
        && message.first_chunk() == Some(&id.to_be_bytes())
        && message.get(2).is_some_and(|flags| flags & RESPONSE != 0)
}

pub(super) fn judge(id: u16, answer: &[u8], expect: Option<&str>) -> Result<(), Reason> {
    const TRUNCATED: u8 = 0x02;
    let (Some(first), Some(second)) = (answer.get(2), answer.get(3)) else {
        return Err("the answer is not DNS".to_owned());
    };
    if !is_answer(id, answer) {
        return Err("what comes is no answer to the query".to_owned());
    }
    match ResponseCode::from(0, second & 0x0f) {
        ResponseCode::NoError => {}
        code => return Err(format!("the server answers with an error: {code}")),
    }
    let Some(expect) = expect else { return Ok(()) };
    if first & TRUNCATED != 0 {
        return Err("the answer was cut off: let the check use TCP".to_owned());
    }
    let message = Message::from_vec(answer).map_err(|_| "the answer is not DNS".to_owned())?;
    if message.answers.iter().any(|record| is(&record.data, expect)) {
        return Ok(());
    }
    let said: Vec<String> = message.answers.iter().map(|record| record.data.to_string()).collect();
    Err(match said.as_slice() {
        [] => format!("no record in the answer, expected {expect}"),
        said => format!("the answer is {}, expected {expect}", said.join(", ")),
    })
}

/// An address in any writing, a name with or without its final dot, or the text of a record as dig(1) prints it.
fn is(data: &RData, expect: &str) -> bool {
    let address = match data {
        RData::A(a) => Some(IpAddr::V4(a.0)),
        RData::AAAA(aaaa) => Some(IpAddr::V6(aaaa.0)),
        _ => None,
    };
    if let Some(address) = address {
        return expect.parse() == Ok(address);
    }
    let plain = |text: &str| text.trim_end_matches('.').to_ascii_lowercase();
    plain(&data.to_string()) == plain(expect)
}

const fn record_type(record: DnsType) -> RecordType {
    match record {
        DnsType::A => RecordType::A,
        DnsType::Aaaa => RecordType::AAAA,
        DnsType::Cname => RecordType::CNAME,
        DnsType::Mx => RecordType::MX,
        DnsType::Ns => RecordType::NS,
        DnsType::Soa => RecordType::SOA,
        DnsType::Txt => RecordType::TXT,
        DnsType::Ptr => RecordType::PTR,
        DnsType::Srv => RecordType::SRV,
        DnsType::Any => RecordType::ANY,
        DnsType::Dnskey => RecordType::DNSKEY,
        DnsType::Rrsig => RecordType::RRSIG,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_proto::rr::{Record, rdata};

    fn answer(code: u8, data: Option<RData>) -> Vec<u8> {
        let mut message = Message::new(7, MessageType::Response, OpCode::Query);
        if let Some(data) = data {
            message.add_answer(Record::from_rdata(Name::from_ascii("a.example.").unwrap(), 60, data));
        }
        let mut bytes = message.to_vec().unwrap();
        bytes[3] |= code;
        bytes
    }

    #[test]
    fn a_query_asks_for_one_name() {
        let dns = DnsProbe { name: "a.example".to_owned(), ..DnsProbe::default() };
        let bytes = query(0x1234, &dns).unwrap();
        assert_eq!(bytes[..12], [0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(bytes[12..], *b"\x01a\x07example\0\0\x06\0\x01");
        let root = query(1, &DnsProbe::default()).unwrap();
        assert_eq!(root[12..], *b"\0\0\x06\0\x01");
        assert!(query(1, &DnsProbe { name: "a..b".to_owned(), ..dns }).is_err());
    }

    #[test]
    fn what_a_configuration_may_ask_for_can_be_asked() {
        let longest = ["a".repeat(63).as_str(); 3].join(".") + "." + &"b".repeat(61);
        for name in
            [".", "example.org", "example.org.", "_sip._udp.example.org", "*.a", "7.2.0.192.in-addr.arpa", &longest]
        {
            let text = format!(
                "[[service]]\nlisten = \"192.0.2.1:53/udp\"\ncheck = {{ type = \"dns\", name = \"{name}\" }}\n\
                 [[service.server]]\naddress = \"10.0.0.1\"\n"
            );
            let parsed = relvs_config::parse_toml("f", &text);
            assert_eq!(parsed.diagnostics, [], "{name}");
            let health = parsed.state.services[0].servers[0].health.clone().unwrap();
            let relvs_model::health::Probe::Dns(dns) = &health.checks[0].probe else { panic!("{health:?}") };
            assert!(query(1, dns).is_ok(), "{name}");
        }
    }

    #[test]
    fn an_answer_without_an_error_is_enough_unless_a_record_is_expected() {
        assert_eq!(judge(7, &answer(0, None), None), Ok(()));
        assert!(judge(7, &answer(3, None), None).unwrap_err().contains("Non-Existent Domain"));
        assert!(judge(8, &answer(0, None), None).is_err(), "an answer to another question");
        assert!(judge(7, b"\0\x07", None).is_err());
        let a = answer(0, Some(RData::A("192.0.2.1".parse().unwrap())));
        assert_eq!(judge(7, &a, Some("192.0.2.1")), Ok(()));
        assert_eq!(judge(7, &a, Some("192.0.2.2")), Err("the answer is 192.0.2.1, expected 192.0.2.2".to_owned()));
        assert_eq!(judge(7, &answer(0, None), Some("x")), Err("no record in the answer, expected x".to_owned()));
        let aaaa = answer(0, Some(RData::AAAA("2001:db8::1".parse().unwrap())));
        assert_eq!(judge(7, &aaaa, Some("2001:db8:0:0::1")), Ok(()));
        let cname = answer(0, Some(RData::CNAME(rdata::CNAME(Name::from_ascii("B.example.").unwrap()))));
        assert_eq!(judge(7, &cname, Some("b.example")), Ok(()));
        let txt = answer(0, Some(RData::TXT(rdata::TXT::new(vec!["ready".to_owned()]))));
        assert_eq!(judge(7, &txt, Some("ready")), Ok(()));
        assert!(judge(7, &txt[..txt.len() - 3], Some("ready")).is_err(), "cut off");
    }
}
