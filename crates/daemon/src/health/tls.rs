//! TLS 1.2 and 1.3 towards servers, by rustls.
//!
//! Sessions are not resumed: a check should see the certificate of this server each time. Without verification anything is
//! accepted that speaks TLS, as keepalived's SSL_GET does: such a check asks whether a server answers, not who it is.

use relvs_model::health::Tls;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, Error as TlsError, RootCertStore,
    SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
};
use std::{
    collections::HashMap,
    io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Files are read again after this time: certificates are renewed under a running director.
const KEPT: Duration = Duration::from_secs(60);

/// The protocols that are offered (RFC 7301).
pub(super) type Alpn = &'static [&'static [u8]];

/// A configuration, and when its files were read.
type Kept = (Arc<ClientConfig>, Instant);

/// Configurations that are in use: making one reads files.
#[derive(Debug, Default)]
pub(super) struct Configs {
    made: Mutex<HashMap<(Tls, Alpn), Kept>>,
}

impl Configs {
    /// The configuration for this, made now or not long ago. An error is half a sentence.
    pub(super) fn get(&self, tls: &Tls, alpn: Alpn) -> Result<Arc<ClientConfig>, String> {
        // What stands in the map is whole, whoever panicked.
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (tls.clone(), alpn);
        if let Some((config, at)) = made.get(&key)
            && at.elapsed() < KEPT
        {
            return Ok(config.clone());
        }
        // Those of checks that are gone go with the old ones.
        made.retain(|_, (_, at)| at.elapsed() < KEPT);
        let config = Arc::new(make(tls, alpn)?);
        made.insert(key, (config.clone(), Instant::now()));
        Ok(config)
    }
}

fn make(tls: &Tls, alpn: Alpn) -> Result<ClientConfig, String> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?;
    let builder = if tls.verify {
        builder.with_root_certificates(authorities(tls.ca.as_deref())?)
    } else {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(Anyone(provider)))
    };
    let mut config = match (&tls.certificate, &tls.key) {
        (Some(certificate), Some(key)) => {
            let key = PrivateKeyDer::from_pem_file(key).map_err(|e| format!("{key}: {e}"))?;
            builder.with_client_auth_cert(certificates(certificate)?, key).map_err(|e| format!("{certificate}: {e}"))?
        }
        (None, None) => builder.with_no_client_auth(),
        _ => return Err("a certificate needs its key, and a key its certificate".to_owned()),
    };
    config.resumption = Resumption::disabled();
    config.enable_sni = !tls.no_sni;
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(config)
}

fn certificates(path: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let found = CertificateDer::pem_file_iter(Path::new(path)).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match found {
        Ok(found) if found.is_empty() => Err(format!("{path}: no certificate in it")),
        Ok(found) => Ok(found),
        Err(error) => Err(format!("{path}: {error}")),
    }
}

fn authorities(file: Option<&str>) -> Result<RootCertStore, String> {
    let mut store = RootCertStore::empty();
    let found = match file {
        Some(path) => certificates(path)?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    // The system's list may hold some that this library does not take.
    let (taken, _) = store.add_parsable_certificates(found);
    match (taken, file) {
        (0, Some(path)) => Err(format!("{path}: no authority in it")),
        (0, None) => Err("no authorities on this system: install ca-certificates, or name a file".to_owned()),
        _ => Ok(store),
    }
}

/// The name that is asked for: as configured, or of the site, or the address.
pub(super) fn name(tls: &Tls, host: Option<&str>, address: std::net::IpAddr) -> Result<ServerName<'static>, String> {
    let Some(name) = tls.name.as_deref().or_else(|| host.map(without_port)) else { return Ok(address.into()) };
    ServerName::try_from(name.to_owned()).map_err(|_| format!("`{name}` is not a name that TLS can ask for"))
}

/// `host` of `host:8443`, `2001:db8::1` of `[2001:db8::1]:8443`.
fn without_port(host: &str) -> &str {
    if let Some((address, _)) = host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return address;
    }
    match host.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') && port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

/// Why a handshake or a connection failed; none if it was not TLS that failed.
pub(super) fn reason(error: &io::Error) -> Option<String> {
    let error = error.get_ref()?.downcast_ref::<TlsError>()?;
    Some(match error {
        TlsError::InvalidCertificate(what) => certificate_reason(what),
        TlsError::AlertReceived(AlertDescription::ProtocolVersion) => {
            "the server refused TLS: it speaks neither 1.2 nor 1.3".to_owned()
        }
        TlsError::AlertReceived(AlertDescription::NoApplicationProtocol) => {
            "the server refused TLS: it does not speak the protocol that was asked for".to_owned()
        }
        TlsError::AlertReceived(alert) => format!("the server refused TLS: {alert:?}"),
        TlsError::InvalidMessage(_) => "the answer is not TLS".to_owned(),
        TlsError::PeerIncompatible(what) => format!("the server's TLS does not fit: {what:?}"),
        other => format!("TLS: {other}"),
    })
}

fn certificate_reason(error: &CertificateError) -> String {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "the certificate has expired".to_owned(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the certificate is not valid yet".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "the certificate is for another name".to_owned()
        }
        CertificateError::UnknownIssuer => "the certificate's issuer is not trusted".to_owned(),
        CertificateError::Revoked => "the certificate was revoked".to_owned(),
        other => format!("the certificate is not valid: {other:?}"),
    }
}

/// Accepts every certificate.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        Ok(ServerCertVerified::assertion())
    }

    // Who signed says nothing when anybody may: and certificates too old for the library's parser pass.
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_of_a_site_is_not_part_of_its_name() {
        for (host, name) in [
            ("a.example", "a.example"),
            ("a.example:8443", "a.example"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("2001:db8::1", "2001:db8::1"),
        ] {
            assert_eq!(without_port(host), name);
        }
    }

    #[test]
    fn a_configuration_is_made_once() {
        let configs = Configs::default();
        let first = configs.get(&Tls::default(), &[b"h2"]).unwrap();
        assert!(Arc::ptr_eq(&first, &configs.get(&Tls::default(), &[b"h2"]).unwrap()));
        assert!(!Arc::ptr_eq(&first, &configs.get(&Tls::default(), &[]).unwrap()));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let with = |certificate: Option<&str>, key: Option<&str>, ca: Option<&str>| Tls {
            certificate: certificate.map(str::to_owned),
            key: key.map(str::to_owned),
            ca: ca.map(str::to_owned),
            verify: ca.is_some(),
            ..Tls::default()
        };
        let refused = |tls| Configs::default().get(&tls, &[]).unwrap_err();
        assert!(refused(with(None, None, Some("/nowhere/ca.pem"))).starts_with("/nowhere/ca.pem: "));
        assert!(refused(with(Some("/nowhere/c.pem"), Some("/nowhere/k.pem"), None)).starts_with("/nowhere/k.pem: "));
        assert_eq!(refused(with(Some("x"), None, None)), "a certificate needs its key, and a key its certificate");
        assert!(refused(with(None, None, Some("/dev/null"))).contains("no certificate in it"));
    }
}
