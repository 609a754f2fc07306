//! Secure connections: whom to trust, and what to say when one fails.

use std::io::ErrorKind;
use std::sync::Arc;

use ldap3::LdapError;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{CertificateError, ClientConfig, RootCertStore};
use secrecy::ExposeSecret;

use crate::config::Bind;
use crate::errors::DirectoryError;

/// A TLS configuration that trusts the given authorities and no others, and shows the client's certificate if there is
/// one.
///
/// Without any authority the library's own configuration is used, which trusts what the operating system trusts. If a
/// single one of the system's certificates can't be loaded it trusts nobody: that fails on the safe side, and the advice
/// is the same. That configuration shows no certificate, so whoever has one says whom to trust.
pub(crate) fn config(
    url: &str,
    ca_pem: Option<&[u8]>,
    bind: &Bind,
) -> Result<Option<Arc<ClientConfig>>, DirectoryError> {
    let unusable = |detail: String, advice| DirectoryError::Tls { url: url.to_owned(), detail, advice };
    let Some(ca_pem) = ca_pem else {
        return match bind {
            Bind::External { .. } => {
                Err(unusable("there is a client certificate and no CA".to_owned(), CA_ADVICE))
            }
            Bind::Simple { .. } | Bind::Anonymous => Ok(None),
        };
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca_pem) {
        let certificate = certificate
            .map_err(|error| unusable(format!("the directory's CA is no PEM file: {error}"), CA_ADVICE))?;
        roots.add(certificate).map_err(|error| {
            unusable(format!("the directory's CA holds a certificate that can't be used: {error}"), CA_ADVICE)
        })?;
    }
    if roots.is_empty() {
        return Err(unusable("the directory's CA holds no certificate".to_owned(), CA_ADVICE));
    }
    // The provider is named, so that a second one anywhere in the build can't make this ambiguous and panic.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(error.to_string(), CA_ADVICE))?
        .with_root_certificates(roots);
    let Bind::External { certificate, private_key } = bind else {
        return Ok(Some(Arc::new(config.with_no_client_auth())));
    };
    // What the library says about a key that it can't read has nothing of the key in it.
    let own = |error: &dyn std::fmt::Display| {
        unusable(format!("the client certificate or its key can't be used: {error}"), CLIENT_ADVICE)
    };
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificate.as_bytes()).collect();
    let chain = chain.map_err(|error| own(&error))?;
    let key = PrivateKeyDer::from_pem_slice(private_key.expose_secret().as_bytes());
    let key = key.map_err(|error| own(&error))?;
    Ok(Some(Arc::new(config.with_client_auth_cert(chain, key).map_err(|error| own(&error))?)))
}

const CA_ADVICE: &str =
    "give the certificate of the authority that signed the server's, in PEM, as the directory's CA";
const CLIENT_ADVICE: &str = "put both into the directory's secret, in PEM, as \"certificate\" and \"private_key\"; the key must be the certificate's";

/// What a failure to connect says about TLS; `None` when it says nothing, and the network or the server is to blame.
pub(crate) fn failure(url: &str, error: &LdapError) -> Option<DirectoryError> {
    let (detail, advice) = match error {
        LdapError::Rustls { source } => explain(source),
        LdapError::DNSName { .. } => (
            "the address has no host name that a certificate could be for".to_owned(),
            "use the server's host name in the address",
        ),
        LdapError::LdapResult { result } => (
            format!("the server refused StartTLS with LDAP result {}", result.rc),
            "use an ldaps:// address, or have StartTLS switched on in the server",
        ),
        LdapError::Io { source } => {
            match source.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
                Some(error) => explain(error),
                None => match source.kind() {
                    ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => {
                        ("the server hung up instead of answering".to_owned(), WRONG_PORT)
                    }
                    _ => return None,
                },
            }
        }
        _ => return None,
    };
    Some(DirectoryError::Tls { url: url.to_owned(), detail, advice })
}

const WRONG_PORT: &str =
    "check that this port speaks TLS: ldaps:// usually has port 636, and ldap:// with StartTLS port 389";

fn explain(error: &rustls::Error) -> (String, &'static str) {
    let advice = match error {
        rustls::Error::InvalidCertificate(invalid) => return explain_certificate(invalid),
        rustls::Error::InvalidMessage(_) => WRONG_PORT,
        _ => "have the server's TLS settings checked; version 1.2 or 1.3 is needed",
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
            "give that authority's certificate as the directory's CA; if you did, this may be another server",
        ),
        // The authority's name is known and its key is another: it was made anew.
        BadSignature => (
            "the server's certificate was not signed by the given authority's key".to_owned(),
            "give the authority's current certificate as the directory's CA; it may have been renewed",
        ),
        NotValidForName | NotValidForNameContext { .. } => (
            invalid.to_string(),
            "use the name that the server's certificate is for in the address, or have a certificate made for this one",
        ),
        Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. } => {
            (invalid.to_string(), "have the server's certificate renewed; check this machine's clock as well")
        }
        _ => (
            format!("the server's certificate can't be used: {invalid}"),
            "have the server's certificate checked; one that signed itself must not be marked as an authority",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ca_that_is_none_is_refused() {
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
}
