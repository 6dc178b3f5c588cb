//! A connection to the server, in the clear or within TLS.

use super::{Reason, Talk, course::Waits, socket};
use crate::health::tls::{self, Alpn};
use relvs_model::health::Tls;
use std::io;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

/// What both kinds are.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Connects, and agrees on TLS if that is wanted. Of the protocols that are offered the server must take one.
pub(super) async fn open(
    talk: &Talk<'_>,
    tls: Option<&Tls>,
    host: Option<&str>,
    alpn: Alpn,
) -> Result<Box<dyn Stream>, Reason> {
    let Some(tls) = tls else { return Ok(Box::new(socket::connect(talk).await?)) };
    // Before the connection: what is wrong here is not the server's fault, and it need not be bothered.
    let config = talk.shared.tls.get(tls, alpn)?;
    let name = tls::name(tls, host, talk.address().ip())?;
    let stream = socket::connect(talk).await?;
    talk.course.waits_for(Waits::Tls);
    let stream = TlsConnector::from(config).connect(name, stream).await.map_err(|error| match reason(&error) {
        closed if error.kind() == io::ErrorKind::UnexpectedEof => format!("{closed} in TLS's handshake"),
        reason => reason,
    })?;
    if !alpn.is_empty() && stream.get_ref().1.alpn_protocol().is_none() {
        return Err("the server's TLS does not offer HTTP/2 (by ALPN)".to_owned());
    }
    talk.course.waits_for(Waits::Answer);
    Ok(Box::new(stream))
}

/// What went wrong on such a connection.
pub(super) fn reason(error: &io::Error) -> Reason {
    tls::reason(error).unwrap_or_else(|| socket::reason(error))
}
