//! A certificate authority for one test, and a server certificate that it signs.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};

/// PEM files of an authority and of a server certificate that it signed.
pub struct Certificates {
    pub ca: PathBuf,
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Certificates {
    /// Writes new certificates for the loopback address into `dir`.
    pub fn write(dir: &Path) -> anyhow::Result<Self> {
        Self::write_for(dir, &["localhost", "127.0.0.1"])
    }

    /// Writes new certificates for these names into `dir`.
    pub fn write_for(dir: &Path, names: &[&str]) -> anyhow::Result<Self> {
        let mut ca = CertificateParams::new(Vec::new())?;
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.distinguished_name.push(DnType::CommonName, "Acme test authority");
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let ca_key = KeyPair::generate()?;
        let ca_certificate = ca.self_signed(&ca_key)?;

        let mut server =
            CertificateParams::new(names.iter().copied().map(str::to_owned).collect::<Vec<_>>())?;
        server.distinguished_name.push(DnType::CommonName, names.first().copied().unwrap_or_default());
        server.use_authority_key_identifier_extension = true;
        let server_key = KeyPair::generate()?;
        let server_certificate = server.signed_by(&server_key, &Issuer::new(ca, ca_key))?;

        let files = Self {
            ca: dir.join("ca.pem"),
            certificate: dir.join("server.pem"),
            key: dir.join("server-key.pem"),
        };
        fs::write(&files.ca, ca_certificate.pem())?;
        fs::write(&files.certificate, server_certificate.pem())?;
        fs::write(&files.key, server_key.serialize_pem())?;
        Ok(files)
    }
}
