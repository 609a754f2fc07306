//! TLS: trusted authorities, client certificates, and the meaning of failures.

use std::io::ErrorKind;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{CertificateError, ClientConfig, RootCertStore};
use secrecy::ExposeSecret;

use crate::config::Bind;
use crate::errors::{DirectoryError, Result};
use crate::wire::WireError;

/// TLS configuration that trusts only the given authorities, or without any those of the operating system. It presents the
/// client certificate of [`Bind::External`].
pub(crate) fn config(url: &str, ca_pem: Option<&[u8]>, bind: &Bind) -> Result<Arc<ClientConfig>> {
    let unusable = |detail: String, advice| DirectoryError::Tls { url: url.to_owned(), detail, advice };
    let mut roots = RootCertStore::empty();
    match ca_pem {
        Some(ca_pem) => {
            for certificate in CertificateDer::pem_slice_iter(ca_pem) {
                let certificate = certificate.map_err(|error| {
                    unusable(format!("the directory's CA is not a PEM file: {error}"), CA_ADVICE)
                })?;
                roots.add(certificate).map_err(|error| {
                    let detail =
                        format!("the directory's CA contains a certificate that can't be used: {error}");
                    unusable(detail, CA_ADVICE)
                })?;
            }
            if roots.is_empty() {
                return Err(unusable("the directory's CA contains no certificate".to_owned(), CA_ADVICE));
            }
        }
        None => {
            // Some systems contain unusable certificates, which are ignored.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                return Err(unusable("this machine trusts no certificate authority".to_owned(), CA_ADVICE));
            }
        }
    }
    // An explicit provider: with a second one in the build, the default would panic.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(error.to_string(), CA_ADVICE))?
        .with_root_certificates(roots);
    let Bind::External { certificate, private_key } = bind else {
        return Ok(Arc::new(config.with_no_client_auth()));
    };
    // The library's errors show nothing of the key.
    let own = |error: &dyn std::fmt::Display| {
        unusable(format!("the client certificate or its key can't be used: {error}"), CLIENT_ADVICE)
    };
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificate.as_bytes()).collect();
    let chain = chain.map_err(|error| own(&error))?;
    let key = PrivateKeyDer::from_pem_slice(private_key.expose_secret().as_bytes());
    let key = key.map_err(|error| own(&error))?;
    Ok(Arc::new(config.with_client_auth_cert(chain, key).map_err(|error| own(&error))?))
}

/// Host name that the server's certificate must have.
pub(crate) fn server_name(url: &str, host: &str) -> Result<ServerName<'static>> {
    ServerName::try_from(host.to_owned()).map_err(|_| DirectoryError::Tls {
        url: url.to_owned(),
        detail: "the address has no host name that a certificate could have".to_owned(),
        advice: "use the server's host name in the address",
    })
}

pub(crate) fn refused(url: &str, code: u32) -> DirectoryError {
    DirectoryError::Tls {
        url: url.to_owned(),
        detail: format!("the server refused StartTLS with LDAP result {code}"),
        advice: "use an ldaps:// address, or enable StartTLS on the server",
    }
}

const CA_ADVICE: &str =
    "set the directory's CA to the PEM certificate of the authority that signed the server's certificate";
const CLIENT_ADVICE: &str = "put both into the directory's secret, in PEM, as \"certificate\" and \"private_key\"; the key must be the certificate's";

/// TLS error behind a failure to connect; `None` if the network or the server caused it.
pub(crate) fn failure(url: &str, error: &WireError) -> Option<DirectoryError> {
    let closed = || ("the server closed the connection instead of answering".to_owned(), CLOSED);
    let (detail, advice) = match error {
        WireError::Closed => closed(),
        WireError::Io(source) => {
            match source.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
                Some(error) => explain(error),
                None => match source.kind() {
                    ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => closed(),
                    _ => return None,
                },
            }
        }
        _ => return None,
    };
    Some(DirectoryError::Tls { url: url.to_owned(), detail, advice })
}

/// A port without TLS closes the connection, and so does GnuTLS without a common cipher suite.
const CLOSED: &str = "check that this port speaks TLS: ldaps:// usually has port 636, and ldap:// with StartTLS port 389; \
                      check the server's cipher suites: suites with CBC or with RSA key exchange are not offered";

const WRONG_PORT: &str =
    "check that this port speaks TLS: ldaps:// usually has port 636, and ldap:// with StartTLS port 389";

fn explain(error: &rustls::Error) -> (String, &'static str) {
    let advice = match error {
        rustls::Error::InvalidCertificate(invalid) => return explain_certificate(invalid),
        rustls::Error::InvalidMessage(_) => WRONG_PORT,
        _ => {
            "check the server's TLS settings: version 1.3, or 1.2 with ECDHE and AES-GCM or ChaCha20, is needed; suites with \
             CBC or with RSA key exchange are not offered"
        }
    };
    (error.to_string(), advice)
}

fn explain_certificate(invalid: &CertificateError) -> (String, &'static str) {
    use CertificateError::{
        BadSignature, Expired, ExpiredContext, NotValidForName, NotValidForNameContext, NotValidYet,
        NotValidYetContext, UnknownIssuer,
    };
    match invalid {
        UnknownIssuer => (
            "the server's certificate was signed by an authority that is not trusted".to_owned(),
            "set the directory's CA to that authority's certificate; if it is set, this may be another server",
        ),
        // Known name, other key: the authority was renewed.
        BadSignature => (
            "the server's certificate was not signed by the given authority's key".to_owned(),
            "set the directory's CA to the authority's current certificate; it may have been renewed",
        ),
        NotValidForName | NotValidForNameContext { .. } => (
            invalid.to_string(),
            "use a name of the server's certificate in the address, or issue a certificate for this name",
        ),
        Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. } => {
            (invalid.to_string(), "renew the server's certificate, and check this machine's clock")
        }
        _ => (
            format!("the server's certificate can't be used: {invalid}"),
            "check the server's certificate; a self-signed one must not be marked as an authority",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_ca_is_refused() {
        for pem in [
            b"".as_slice(),
            b"not a certificate",
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            b"-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n",
        ] {
            let error = config("ldaps://dc1:636", Some(pem), &Bind::Anonymous).unwrap_err();
            assert!(matches!(error, DirectoryError::Tls { .. }), "{error}");
        }
    }

    #[test]
    fn refused_handshake_names_the_suites_that_are_not_offered() {
        let alert = rustls::Error::AlertReceived(rustls::AlertDescription::HandshakeFailure);
        let (_, advice) = explain(&alert);
        assert!(advice.contains("CBC") && advice.contains("RSA"), "{advice}");
    }
}
