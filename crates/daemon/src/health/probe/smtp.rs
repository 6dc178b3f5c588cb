//! Does the server greet as a mail server? (SMTP_CHECK; RFC 5321)
//!
//! A greeting 220, HELO and 250, QUIT and any answer. No mail is sent.

use super::{Reason, Talk, session};
use relvs_model::health::SmtpProbe;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};

/// The longest line (RFC 5321, 4.5.3.1.5, is 512 for replies; servers say more).
const LINE_MAX: u64 = 4096;
/// The most lines of one reply.
const LINES_MAX: usize = 100;

type Lines = BufReader<Box<dyn session::Stream>>;

/// Speaks with it.
pub(super) async fn probe(talk: &Talk<'_>, smtp: &SmtpProbe) -> Result<(), Reason> {
    if smtp.helo.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(format!("`{}` is no name for HELO", smtp.helo.escape_debug()));
    }
    let mut stream = BufReader::new(session::open(talk, smtp.tls.as_ref(), None, &[]).await?);
    let read = |length| talk.course.read(length);
    expect(&mut stream, read, "the greeting", "220").await?;
    say(&mut stream, &format!("HELO {}\r\n", smtp.helo)).await?;
    expect(&mut stream, read, "the answer to HELO", "250").await?;
    say(&mut stream, "QUIT\r\n").await?;
    // Any answer will do, as with keepalived.
    reply(&mut stream, read, "the answer to QUIT").await.map(drop)
}

async fn say(stream: &mut Lines, line: &str) -> Result<(), Reason> {
    let said = async {
        stream.write_all(line.as_bytes()).await?;
        stream.flush().await
    };
    said.await.map_err(|e| session::reason(&e))
}

/// A reply that begins with this code; `read` is told how many bytes come.
pub(super) async fn expect(
    stream: &mut (impl AsyncBufRead + Unpin),
    read: impl Fn(usize),
    what: &str,
    code: &str,
) -> Result<(), Reason> {
    let line = reply(stream, read, what).await?;
    if line.get(..3) == Some(code) { Ok(()) } else { Err(format!("{what} is `{line}`, expected {code}")) }
}

/// The last line of a reply: the one without a dash after the code.
async fn reply(stream: &mut (impl AsyncBufRead + Unpin), read: impl Fn(usize), what: &str) -> Result<String, Reason> {
    for _ in 0..LINES_MAX {
        let mut line = Vec::new();
        let length = (&mut *stream).take(LINE_MAX).read_until(b'\n', &mut line).await;
        read(length.map_err(|e| session::reason(&e))?);
        if !line.ends_with(b"\n") {
            return Err(if line.len() as u64 == LINE_MAX {
                format!("{what} is a line without an end")
            } else {
                format!("connection closed before {what}")
            });
        }
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        if line.as_bytes().get(3) != Some(&b'-') {
            return Ok(line);
        }
    }
    Err(format!("{what} has no end"))
}
