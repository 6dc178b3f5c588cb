//! Does the server say SERVING? (gRPC health checking protocol, grpc.health.v1.Health/Check)
//!
//! One request over HTTP/2. Its message is one string and the answer's one number, so they are written and read here; the
//! frame around them is PROTOCOL-HTTP2 of gRPC: a zero byte, the length in 32 bits, the message.

use super::{
    Reason, Talk,
    http::{self, authority},
    session,
};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{HeaderMap, Request, Version, header::CONTENT_TYPE};
use relvs_model::health::{GrpcProbe, HttpVersion};
use std::collections::VecDeque;

/// A longer answer is none to this question.
const ANSWER_MAX: usize = 4096;
/// HealthCheckResponse.ServingStatus.
const SERVING: u64 = 1;

/// Asks.
pub(super) async fn probe(talk: &Talk<'_>, grpc: &GrpcProbe) -> Result<(), Reason> {
    let alpn: &[&[u8]] = &[b"h2"];
    let stream = session::open(talk, grpc.tls.as_ref(), grpc.host.as_deref(), alpn).await?;
    let host = grpc.host.clone().unwrap_or_else(|| authority(talk.address(), grpc.tls.is_some()));
    let scheme = if grpc.tls.is_some() { "https" } else { "http" };
    let request = Request::post(format!("{scheme}://{host}/grpc.health.v1.Health/Check"))
        .version(Version::HTTP_2)
        .header(CONTENT_TYPE, "application/grpc")
        .header("te", "trailers")
        .header("user-agent", "relvs")
        .body(Full::new(VecDeque::from(question(&grpc.service))))
        .map_err(|_| format!("`{host}` is no authority"))?;
    let (response, _connection) = http::send(stream, HttpVersion::Http2, request).await?;
    if response.status() != 200 {
        return Err(format!("status {}, expected 200", response.status().as_u16()));
    }
    // An error comes with the head alone.
    grpc_status(response.headers())?;
    let body = Limited::new(response.into_body(), ANSWER_MAX).collect().await;
    let body = body.map_err(|error| match error.downcast_ref::<hyper::Error>() {
        Some(error) => http::reason(error),
        None => format!("the answer is longer than {ANSWER_MAX} bytes"),
    })?;
    if let Some(trailers) = body.trailers() {
        grpc_status(trailers)?;
    }
    match answer(&body.to_bytes()) {
        Some(SERVING) => Ok(()),
        Some(0) => Err("the server says UNKNOWN, expected SERVING".to_owned()),
        Some(2) => Err("the server says NOT_SERVING, expected SERVING".to_owned()),
        Some(3) => Err("the server says SERVICE_UNKNOWN, expected SERVING".to_owned()),
        Some(other) => Err(format!("the server says {other}, expected SERVING")),
        None => Err("the answer is not one of gRPC's health protocol".to_owned()),
    }
}

fn grpc_status(headers: &HeaderMap) -> Result<(), Reason> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    match text("grpc-status") {
        None | Some("0") => Ok(()),
        Some(status) => Err(match (status, text("grpc-message")) {
            ("5", _) => "gRPC status 5: the server does not know the service".to_owned(),
            ("12", _) => "gRPC status 12: the server has no health protocol".to_owned(),
            (status, Some(message)) => format!("gRPC status {status}: {message}"),
            (status, None) => format!("gRPC status {status}"),
        }),
    }
}

/// HealthCheckRequest: field 1, the service's name.
fn question(service: &str) -> Vec<u8> {
    let mut message = Vec::new();
    if !service.is_empty() {
        message.push(0x0a);
        write_number(&mut message, service.len() as u64);
        message.extend_from_slice(service.as_bytes());
    }
    let mut framed = vec![0];
    framed.extend_from_slice(&u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes());
    framed.extend(message);
    framed
}

/// HealthCheckResponse: field 1, the status; 0 if it is left out. Other fields are skipped.
pub(super) fn answer(framed: &[u8]) -> Option<u64> {
    let (head, mut message) = framed.split_at_checked(5)?;
    let [0, length @ ..] = head else { return None };
    if usize::try_from(u32::from_be_bytes(length.try_into().ok()?)).ok()? != message.len() {
        return None;
    }
    let mut status = 0;
    while !message.is_empty() {
        let tag = read_number(&mut message)?;
        match (tag >> 3, tag & 7) {
            (1, 0) => status = read_number(&mut message)?,
            (_, 0) => drop(read_number(&mut message)?),
            (_, 1) => message = message.get(8..)?,
            (_, 2) => {
                let length = usize::try_from(read_number(&mut message)?).ok()?;
                message = message.get(length..)?;
            }
            (_, 5) => message = message.get(4..)?,
            _ => return None,
        }
    }
    Some(status)
}

/// Seven bits a byte, the lowest first, all but the last with the highest bit set.
fn write_number(message: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        message.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    message.push(number.to_le_bytes()[0]);
}

fn read_number(message: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for place in 0..10 {
        let (&byte, rest) = message.split_first()?;
        *message = rest;
        number |= u64::from(byte & 0x7f) << (7 * place);
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_framed() {
        assert_eq!(question(""), [0, 0, 0, 0, 0]);
        assert_eq!(question("ab"), [0, 0, 0, 0, 4, 0x0a, 2, b'a', b'b']);
        let long = question(&"x".repeat(300));
        assert_eq!(long[..8], [0, 0, 0, 1, 0x2f, 0x0a, 0xac, 0x02]);
    }

    #[test]
    fn an_answer_is_read_or_refused() {
        assert_eq!(answer(&[0, 0, 0, 0, 2, 8, 1]), Some(SERVING));
        assert_eq!(answer(&[0, 0, 0, 0, 0]), Some(0));
        assert_eq!(answer(&[0, 0, 0, 0, 6, 0x12, 2, 8, 9, 8, 2]), Some(2), "an unknown field is skipped");
        for wrong in [&b""[..], &[0, 0, 0, 0], &[1, 0, 0, 0, 2, 8, 1], &[0, 0, 0, 0, 9, 8, 1], &[0, 0, 0, 0, 1, 8]] {
            assert_eq!(answer(wrong), None, "{wrong:?}");
        }
        assert_eq!(answer(&[0, 0, 0, 0, 3, 0x12, 0xff, 0x7f]), None, "a length past the end");
    }
}
