//! Who is let in over TCP: files of tokens and certificates, read when the configuration is, and what a request shows.

use axum::http::{HeaderMap, Method, header};
use relvs_api::{Code, Failure};
use relvs_model::Api;
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use std::{fmt::Display, fs::File, io::Read as _, os::unix::fs::MetadataExt as _, path::Path, sync::Arc};
use subtle::ConstantTimeEq as _;
use tokio_rustls::TlsAcceptor;

/// A shorter token could be guessed.
const SHORTEST: usize = 16;
/// A larger file is neither a token, a key nor a certificate.
const LARGEST: u64 = 1 << 20;

/// The tokens that let in.
#[derive(Default)]
pub(super) struct Keys {
    full: Option<Vec<u8>>,
    read: Option<Vec<u8>>,
}

impl Keys {
    /// Those of a configuration.
    pub(super) fn read(api: &Api) -> Result<Self, String> {
        let one = |path: &Option<std::path::PathBuf>| path.as_deref().map(token).transpose();
        Ok(Keys { full: one(&api.token_file)?, read: one(&api.read_token_file)? })
    }

    /// Whether a request may be carried out.
    pub(super) fn admit(&self, method: &Method, headers: &HeaderMap) -> Result<(), Failure> {
        if self.full.is_none() && self.read.is_none() {
            return Ok(());
        }
        let shown = headers.get(header::AUTHORIZATION).map(|value| value.as_bytes().trim_ascii());
        let shown = shown.and_then(|value| match value.split_at_checked(7) {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case(b"bearer ") => Some(token.trim_ascii()),
            _ => None,
        });
        let shown =
            shown.ok_or_else(|| Failure::new(Code::Unauthorized, "a token is wanted: Authorization: Bearer …"))?;
        // Both are compared whatever the first gives, so that time tells nothing.
        let is = |token: &Option<Vec<u8>>| token.as_ref().is_some_and(|token| token.as_slice().ct_eq(shown).into());
        let (full, read) = (is(&self.full), is(&self.read));
        match (full, read, *method == Method::GET || *method == Method::HEAD) {
            (true, ..) | (_, true, true) => Ok(()),
            (_, true, false) => Err(Failure::new(Code::Forbidden, "this token allows to read, and nothing else")),
            _ => Err(Failure::new(Code::Unauthorized, "this is not the token")),
        }
    }
}

/// TLS 1.2 and 1.3, if there is a certificate.
pub(super) fn tls(api: &Api) -> Result<Option<TlsAcceptor>, String> {
    let (Some(certificate), Some(key)) = (&api.certificate, &api.key) else { return Ok(None) };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().map_err(|error| error.to_string())?;
    let builder = match &api.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for authority in certificates(path)? {
                roots.add(authority).map_err(|error| at(path, error))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.map_err(|error| at(path, error))?)
        }
    };
    let private = PrivateKeyDer::from_pem_slice(&secret(key)?).map_err(|error| at(key, error))?;
    let config = builder.with_single_cert(certificates(certificate)?, private);
    Ok(Some(TlsAcceptor::from(Arc::new(config.map_err(|error| at(certificate, error))?))))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = open(path)?.1;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(at(path, "it has no certificate")),
        Err(error) => Err(at(path, error)),
    }
}

fn token(path: &Path) -> Result<Vec<u8>, String> {
    let text = secret(path)?;
    let token = text.trim_ascii();
    if token.len() < SHORTEST {
        return Err(at(
            path,
            format_args!("a token has at least {SHORTEST} characters, as `openssl rand -hex 32` gives"),
        ));
    }
    if !token.iter().all(u8::is_ascii_graphic) {
        return Err(at(path, "a token is one word of letters, digits and signs"));
    }
    Ok(token.to_vec())
}

/// The bytes of a file that others must not know.
fn secret(path: &Path) -> Result<Vec<u8>, String> {
    let (mode, text) = open(path)?;
    match mode & 0o006 {
        0 => Ok(text),
        _ => Err(at(path, format_args!("everybody may use it (mode {:04o}); chmod 640 it", mode & 0o7777))),
    }
}

fn open(path: &Path) -> Result<(u32, Vec<u8>), String> {
    let mut text = Vec::new();
    let file = File::open(path).map_err(|error| at(path, error))?;
    let about = file.metadata().map_err(|error| at(path, error))?;
    if !about.is_file() {
        return Err(at(path, "this is no file"));
    }
    file.take(LARGEST).read_to_end(&mut text).map_err(|error| at(path, error))?;
    Ok((about.mode(), text))
}

fn at(path: &Path, error: impl Display) -> String {
    format!("[api]: {}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use std::{fs, os::unix::fs::PermissionsExt as _};

    fn headers(text: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_str(text).unwrap())])
    }

    #[test]
    fn tokens_let_in_and_nothing_else_does() {
        let keys = Keys { full: Some(b"full-token-of-a-test".to_vec()), read: Some(b"read-token-of-a-test".to_vec()) };
        let code = |method: Method, text: &str| keys.admit(&method, &headers(text)).map_err(|failure| failure.code);
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            assert_eq!(code(method.clone(), "Bearer full-token-of-a-test"), Ok(()));
            assert_eq!(code(method.clone(), "bearer  full-token-of-a-test "), Ok(()));
            for wrong in [
                "full-token-of-a-test",
                "Bearer",
                "Bearer ",
                "Basic full-token-of-a-test",
                "Bearer full-token-of-a-tes",
                "Bearer full-token-of-a-test1",
                "Bearer x",
            ] {
                assert_eq!(code(method.clone(), wrong), Err(Code::Unauthorized), "{wrong}");
            }
            let none = keys.admit(&method, &HeaderMap::new()).unwrap_err();
            assert_eq!(none.code, Code::Unauthorized);
        }
        assert_eq!(code(Method::GET, "Bearer read-token-of-a-test"), Ok(()));
        assert_eq!(code(Method::POST, "Bearer read-token-of-a-test"), Err(Code::Forbidden));
        assert!(Keys::default().admit(&Method::PUT, &HeaderMap::new()).is_ok(), "a certificate was shown");
        let read = Keys { full: None, ..keys };
        assert!(read.admit(&Method::GET, &headers("Bearer full-token-of-a-test")).is_err());
    }

    #[test]
    fn a_token_that_everybody_could_use_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        let refused = |text: &str, mode: u32| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            token(&path).err().unwrap_or_default()
        };
        assert_eq!(refused("0123456789abcdef\n", 0o640), "");
        assert!(refused("0123456789abcdef\n", 0o644).contains("everybody may use it (mode 0644); chmod 640 it"));
        assert!(refused("0123456789abcdef\n", 0o642).contains("everybody"));
        assert!(refused("0123456789abcde\n", 0o600).contains("at least 16 characters"));
        assert!(refused("0123456789abcdef 0\n", 0o600).contains("one word"));
        assert!(token(directory.path()).unwrap_err().contains("this is no file"));
        assert!(token(Path::new("/nowhere/token")).unwrap_err().starts_with("[api]: /nowhere/token: "));
    }
}
