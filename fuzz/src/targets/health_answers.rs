//! Answers of servers to health checks, and packets that are picked up for them: whatever comes is a reason on one short line,
//! and what is good was said by the bytes.

use relvs_daemon::untrusted::{Answer, answer, packet};

/// The first byte says which kind the rest is.
pub(super) fn run(data: &[u8]) {
    let Some((&kind, data)) = data.split_first() else { return };
    let good = match kind % 5 {
        0 => answer(Answer::Dns { id: 0x1234, message: data, expect: None }),
        1 => answer(Answer::Dns { id: 0x1234, message: data, expect: Some("192.0.2.1") }),
        2 => answer(Answer::Udp { reply: data, expect: b"ok" }),
        3 => answer(Answer::Smtp(data)),
        _ => answer(Answer::Grpc(data)),
    };
    match good {
        Err(why) => {
            assert!(!why.is_empty() && why.chars().count() <= 300 && !why.contains(char::is_control), "{why:?}");
        }
        Ok(()) => assert!(match kind % 5 {
            0 | 1 => data.len() >= 12 && data.starts_with(&[0x12, 0x34]) && data[2] & 0x80 != 0,
            2 => data.starts_with(b"ok"),
            3 => data.windows(3).any(|bytes| bytes == b"220"),
            _ => data.len() >= 5 && data[0] == 0,
        }),
    }
    let read = packet(data);
    if let Some(completed) = read.completed {
        assert!(completed.len() <= data.len());
        let again = packet(&completed);
        assert_eq!(again.completed, Some(completed), "once is enough");
        // A packet may be too short for a port that the bytes behind it seemed to be.
        assert!(again.sender.is_none() || again.sender == read.sender, "{again:?}");
    }
}
