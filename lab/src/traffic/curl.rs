//! The packaged curl as a real client.

use std::net::SocketAddr;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::SERVER_HEADER;
use crate::node::Node;

/// What curl was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurlReply {
    /// HTTP status.
    pub status: u16,
    /// The server's name, if it said one.
    pub server: Option<String>,
    /// The content.
    pub body: Vec<u8>,
}

/// One request, of at most 30 s; `extra` are further options of curl.
///
/// # Errors
/// curl is missing, or gave up; then with what it said.
pub fn curl(node: &Node, target: SocketAddr, path: &str, extra: &[&str]) -> Result<CurlReply> {
    let url = format!("http://{target}{path}");
    let mut command = Command::new("curl");
    // -q first: the user's own .curlrc must not change a test.
    command.args(["-q", "-sS", "-i", "-g", "--noproxy", "*", "--max-time", "30"]).args(extra).arg(&url);
    let output = node.run_command(command, "")?;
    if !output.status.success() {
        bail!("{}: {url}: {}", node.name(), String::from_utf8_lossy(&output.stderr).trim());
    }
    parse(&output.stdout).with_context(|| format!("{url}: not an HTTP answer"))
}

fn parse(answer: &[u8]) -> Option<CurlReply> {
    const END: &[u8] = b"\r\n\r\n";
    let end = answer.windows(END.len()).position(|window| window == END)?;
    let (head, body) = (String::from_utf8_lossy(&answer[..end]), answer[end + END.len()..].to_vec());
    let mut lines = head.lines();
    let status: u16 = lines.next()?.split_whitespace().nth(1)?.parse().ok()?;
    if status == 100 {
        return parse(&body);
    }
    let server = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case(SERVER_HEADER).then(|| value.trim().to_owned())
    });
    Some(CurlReply { status, server, body })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_taken_apart() {
        let reply = parse(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nX-Server: s1\r\n\r\ns1\n\r\n\r\n").unwrap();
        assert_eq!(reply, CurlReply { status: 200, server: Some("s1".into()), body: b"s1\n\r\n\r\n".to_vec() });
        assert_eq!(parse(b"nothing"), None);
    }
}
