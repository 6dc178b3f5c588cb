//! The way to a director: its control socket, or TCP with or without TLS (1.2 and 1.3).
//!
//! A token is sent where nobody else can read it: through TLS, or on this machine.

use crate::client::{Error, answer};
use http_body_util::Full;
use hyper::{Uri, body::Bytes, client::conn::http1::SendRequest, header::HeaderValue};
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use std::{
    fmt::Display,
    fs, io,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    task::JoinHandle,
};
use tokio_rustls::TlsConnector;

/// The environment variable that names a director's URL.
pub const API_VARIABLE: &str = "RELVS_API";
/// The authorities that this machine trusts, where nothing else is said.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// A director that listens on TCP.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remote {
    /// As in `https://192.0.2.1:9111`.
    pub url: String,
    /// A file with the token.
    pub token_file: Option<PathBuf>,
    /// A PEM file with the authorities that the director's certificate must be of; none is those of this machine.
    pub authorities: Option<PathBuf>,
    /// PEM files with a client's certificate, and with its key.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

/// A connection that is made for each request.
#[derive(Clone, Debug)]
pub(crate) enum Transport {
    Socket(PathBuf),
    Tcp(Box<Tcp>),
}

#[derive(Clone)]
pub(crate) struct Tcp {
    url: String,
    host: String,
    port: u16,
    authority: String,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    token: Option<HeaderValue>,
}

impl std::fmt::Debug for Tcp {
    /// Without the token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tcp").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Remote {
    pub(crate) fn transport(&self) -> Result<Transport, Error> {
        let wrong = |why: &str| Error::Setting(format!("{}: {why}; write https://HOST:PORT", self.url));
        let uri: Uri = self.url.parse().map_err(|_| wrong("this is no URL"))?;
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(wrong("this is neither https nor http")),
        };
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'));
        let (Some(authority), true) = (authority, matches!(uri.path_and_query().map_or("/", |p| p.as_str()), "/"))
        else {
            return Err(wrong("host and port are all that is said here"));
        };
        let port = authority.port_u16().ok_or_else(|| wrong("the port is missing"))?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let token = self.token_file.as_deref().map(token).transpose()?;
        if token.is_some() && !secure && !is_here(&host) {
            return Err(wrong("a token would cross the network unencrypted"));
        }
        let name = || ServerName::try_from(host.clone()).map_err(|_| wrong("this is no host's name or address"));
        let tls = if secure { Some((Arc::new(self.config()?), name()?)) } else { None };
        let authority = authority.to_string();
        Ok(Transport::Tcp(Box::new(Tcp { url: self.url.clone(), host, port, authority, tls, token })))
    }

    fn config(&self) -> Result<ClientConfig, Error> {
        let path = self.authorities.as_deref().unwrap_or(Path::new(AUTHORITIES));
        let mut roots = RootCertStore::empty();
        for certificate in certificates(path)? {
            // Of this machine's authorities some are of a kind that is not understood.
            match roots.add(certificate) {
                Err(error) if self.authorities.is_some() => return Err(file(path, error)),
                _ => {}
            }
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().map_err(answer)?.with_root_certificates(roots);
        let Some((certificate, key)) = &self.certificate else { return Ok(builder.with_no_client_auth()) };
        let private = PrivateKeyDer::from_pem_file(key).map_err(|error| file(key, error))?;
        builder.with_client_auth_cert(certificates(certificate)?, private).map_err(|error| file(certificate, error))
    }
}

/// Whether a host is this machine.
fn is_here(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.to_canonical().is_loopback())
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let found: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(path).and_then(Iterator::collect).map_err(|error| file(path, error));
    found.and_then(|all| if all.is_empty() { Err(file(path, "it has no certificate")) } else { Ok(all) })
}

/// What the header says.
fn token(path: &Path) -> Result<HeaderValue, Error> {
    let text = fs::read_to_string(path).map_err(|error| file(path, error))?;
    let mut value = HeaderValue::from_str(&format!("Bearer {}", text.trim()))
        .map_err(|_| file(path, "a token has letters, digits and signs alone"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn file(path: &Path, error: impl Display) -> Error {
    Error::Setting(format!("{}: {error}", path.display()))
}

type Exchange = (SendRequest<Full<Bytes>>, JoinHandle<hyper::Result<()>>);

impl Transport {
    /// A connection over which a request can be sent, and the task that drives it.
    pub(crate) async fn connect(&self) -> Result<Exchange, Error> {
        let failed = |source: io::Error| Error::Connect { place: self.place(), source };
        match self {
            Transport::Socket(path) => speak(UnixStream::connect(path).await.map_err(failed)?).await,
            Transport::Tcp(tcp) => {
                let stream = TcpStream::connect((tcp.host.as_str(), tcp.port)).await.map_err(failed)?;
                match &tcp.tls {
                    None => speak(stream).await,
                    Some((config, name)) => {
                        let connector = TlsConnector::from(Arc::clone(config));
                        speak(connector.connect(name.clone(), stream).await.map_err(failed)?).await
                    }
                }
            }
        }
    }

    fn place(&self) -> String {
        match self {
            Transport::Socket(path) => path.display().to_string(),
            Transport::Tcp(tcp) => tcp.url.clone(),
        }
    }

    /// As the request names it.
    pub(crate) fn host(&self) -> &str {
        match self {
            Transport::Socket(_) => "relvs",
            Transport::Tcp(tcp) => &tcp.authority,
        }
    }

    pub(crate) fn token(&self) -> Option<HeaderValue> {
        match self {
            Transport::Socket(_) => None,
            Transport::Tcp(tcp) => tcp.token.clone(),
        }
    }
}

async fn speak<S>(stream: S) -> Result<Exchange, Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(answer)?;
    Ok((sender, tokio::spawn(connection)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(remote: &Remote) -> String {
        remote.transport().unwrap_err().to_string()
    }

    #[test]
    fn an_url_is_a_host_and_a_port() {
        let of = |url: &str| Remote { url: url.to_owned(), ..Remote::default() };
        for url in ["http://127.0.0.1:9111", "http://[::1]:9111/", "http://director.example.org:1"] {
            assert!(of(url).transport().is_ok(), "{url}");
        }
        for (url, why) in [
            ("", "no URL"),
            ("/run/relvs", "neither https nor http"),
            ("192.0.2.1:9111", "neither https nor http"),
            ("ftp://192.0.2.1:21", "neither https nor http"),
            ("http://192.0.2.1", "the port is missing"),
            ("http://me@192.0.2.1:1", "all that is said here"),
            ("http://192.0.2.1:1/v1", "all that is said here"),
            ("http://192.0.2.1:1/?x", "all that is said here"),
        ] {
            let said = refused(&of(url));
            assert!(said.starts_with(&format!("{url}: ")) && said.contains(why), "{said}");
            assert!(said.ends_with("; write https://HOST:PORT") && said.lines().count() == 1, "{said}");
        }
    }

    #[test]
    fn a_token_goes_where_nobody_else_reads_it() {
        let path = std::env::temp_dir().join(format!("relvs-token-{}", std::process::id()));
        fs::write(&path, "0123456789abcdef\n").unwrap();
        let of = |url: &str| Remote { url: url.to_owned(), token_file: Some(path.clone()), ..Remote::default() };
        for here in ["http://127.0.0.1:1", "http://[::1]:1", "http://localhost:1"] {
            let transport = of(here).transport().unwrap();
            assert_eq!(transport.token().unwrap(), "Bearer 0123456789abcdef");
            assert!(!format!("{transport:?}").contains("0123456789abcdef"));
        }
        let said = refused(&of("http://192.0.2.1:1"));
        assert!(said.contains("a token would cross the network unencrypted"), "{said}");
        fs::remove_file(&path).unwrap();
        assert!(refused(&of("http://127.0.0.1:1")).starts_with(&path.display().to_string()));
    }
}
