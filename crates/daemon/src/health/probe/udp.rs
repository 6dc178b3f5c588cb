//! Does the server answer a datagram, or at least not refuse it? (UDP_CHECK)
//!
//! Without a required reply silence is good: only the server's ICMP answer that nobody listens is bad. It comes within a
//! round trip or never, so silence is waited for no longer than half a second.

use super::{Reason, Talk, course::Waits, socket};
use relvs_model::health::UdpProbe;
use std::time::Duration;

/// The longest wait for a refusal.
const SILENCE: Duration = Duration::from_millis(500);
/// The largest datagram.
const DATAGRAM_MAX: usize = 65_535;

/// Sends, and listens.
pub(super) async fn probe(talk: &Talk<'_>, udp: &UdpProbe) -> Result<(), Reason> {
    let payload = bytes(udp.payload.as_deref())?;
    let expect = bytes(udp.expect.as_deref())?;
    let socket = socket::datagrams(talk).await?;
    talk.course.waits_for(Waits::Answer);
    socket.send(&payload).await.map_err(|e| socket::reason(&e))?;
    let mut reply = vec![0; DATAGRAM_MAX];
    let received = if udp.require_reply {
        socket.recv(&mut reply).await
    } else {
        // The whole time must not pass first: that would be a failure.
        let patience = SILENCE.min(talk.course.whole().mul_f32(0.9));
        match tokio::time::timeout(patience, socket.recv(&mut reply)).await {
            Ok(received) => received,
            Err(_) => return Ok(()),
        }
    };
    let length = received.map_err(|e| socket::reason(&e))?;
    judge(reply.get(..length).unwrap_or_default(), &expect, udp)
}

pub(super) fn judge(reply: &[u8], expect: &[u8], udp: &UdpProbe) -> Result<(), Reason> {
    let (least, most) = (usize::from(udp.min_reply_length), usize::from(udp.max_reply_length));
    if reply.len() < least {
        return Err(format!("the reply has {} bytes, expected at least {least}", reply.len()));
    }
    if most != 0 && reply.len() > most {
        return Err(format!("the reply has {} bytes, expected at most {most}", reply.len()));
    }
    if !reply.starts_with(expect) {
        return Err("the reply does not begin as expected".to_owned());
    }
    Ok(())
}

fn bytes(hexadecimal: Option<&str>) -> Result<Vec<u8>, Reason> {
    let Some(text) = hexadecimal else { return Ok(Vec::new()) };
    let digits: Vec<u32> =
        text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_digit(16)).collect::<Option<_>>().unwrap_or_default();
    if !digits.len().is_multiple_of(2) || digits.is_empty() != text.trim().is_empty() {
        return Err(format!("`{text}` is not hexadecimal"));
    }
    Ok(digits
        .chunks_exact(2)
        .map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit.to_le_bytes()[0]))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_written_in_hexadecimal() {
        assert_eq!(bytes(Some("00 fF a1")), Ok(vec![0, 255, 161]));
        assert_eq!((bytes(None), bytes(Some(""))), (Ok(vec![]), Ok(vec![])));
        for wrong in ["0", "0g", "x", "123"] {
            assert_eq!(bytes(Some(wrong)), Err(format!("`{wrong}` is not hexadecimal")));
        }
    }

    #[test]
    fn a_reply_has_a_length_and_a_beginning() {
        let udp = UdpProbe { min_reply_length: 2, max_reply_length: 4, ..UdpProbe::default() };
        assert_eq!(judge(b"ab", b"a", &udp), Ok(()));
        assert!(judge(b"a", b"", &udp).is_err() && judge(b"abcde", b"", &udp).is_err());
        assert!(judge(b"abc", b"b", &udp).is_err());
        assert_eq!(judge(b"", b"", &UdpProbe::default()), Ok(()));
    }
}
