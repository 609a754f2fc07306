//! OpenLDAP server for one test, in a temporary directory.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

pub const ADMIN: &str = "cn=admin,dc=acme,dc=test";
pub const PASSWORD: &str = "correct horse";
/// Attempts with other ports, when another process takes the first ones.
const ATTEMPTS: u32 = 5;

/// Running server. Dropping it stops it.
pub struct SlapdProcess {
    process: Child,
    pub port: u16,
    pub tls_port: u16,
    /// Certificate of the authority that signed the server's certificate.
    pub ca_pem: String,
    /// Client certificate for `cn=reader`, signed by the authority, and its key.
    pub client: (String, String),
    home: TempDir,
}

impl SlapdProcess {
    /// Starts a server for the host name `localhost`, adds the LDIF, and waits until it answers.
    pub fn start(ldif: &str) -> Self {
        Self::start_with(ldif, ("", ""))
    }

    /// The same with more lines in the configuration: in its global part, and in front of the database's access rules.
    pub fn start_with(ldif: &str, (global, database): (&str, &str)) -> Self {
        let home = tempfile::tempdir().unwrap();
        let (ca_pem, client) = write_certificates(home.path());
        fs::create_dir(home.path().join("db")).unwrap();
        fs::write(home.path().join("slapd.conf"), configuration(home.path(), (global, database))).unwrap();
        fs::write(home.path().join("data.ldif"), ldif).unwrap();

        // Another process can take a port before slapd does. Then slapd ends.
        let server = (0..ATTEMPTS).find_map(|_| listen(home.path()));
        let (process, port, tls_port) = server.expect("slapd should start");
        let server = Self { process, port, tls_port, ca_pem, client, home };
        server.add_entries();
        server
    }

    /// Adds the entries over LDAP, so that the overlays process them.
    fn add_entries(&self) {
        let added = Command::new("ldapadd")
            .args(["-x", "-H", &format!("ldap://127.0.0.1:{}", self.port), "-D", ADMIN, "-w", PASSWORD, "-f"])
            .arg(self.home.path().join("data.ldif"))
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(added.success(), "the entries could not be added");
    }
}

impl Drop for SlapdProcess {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn configuration(home: &Path, (global, database): (&str, &str)) -> String {
    let home = home.display();
    format!(
        "include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
include /etc/ldap/schema/nis.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
moduleload ppolicy
pidfile {home}/slapd.pid
TLSCACertificateFile {home}/ca.pem
TLSCertificateFile {home}/server.pem
TLSCertificateKeyFile {home}/server.key
TLSVerifyClient try
{global}
database mdb
suffix dc=acme,dc=test
rootdn {ADMIN}
rootpw \"{PASSWORD}\"
directory {home}/db
limits dn.exact=cn=limited,dc=acme,dc=test size.soft=4 size.hard=4 size.prtotal=4
{database}
access to attrs=userPassword by anonymous auth by * none
access to * by users read by anonymous auth
overlay memberof
overlay ppolicy
ppolicy_default cn=policy,dc=acme,dc=test
"
    )
}

/// Creates an authority, a certificate for `localhost` and a client certificate; returns the authority's and the client's.
fn write_certificates(home: &Path) -> (String, (String, String)) {
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_key = KeyPair::generate().unwrap();
    let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
    let issuer = Issuer::from_params(&ca, &ca_key);
    let server_key = KeyPair::generate().unwrap();
    let server = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let server = server.signed_by(&server_key, &issuer).unwrap();
    let client_key = KeyPair::generate().unwrap();
    let mut client = CertificateParams::new(Vec::new()).unwrap();
    client.distinguished_name = DistinguishedName::new();
    client.distinguished_name.push(DnType::CommonName, "reader");
    let client = client.signed_by(&client_key, &issuer).unwrap();
    fs::write(home.join("ca.pem"), &ca_pem).unwrap();
    fs::write(home.join("server.pem"), server.pem()).unwrap();
    fs::write(home.join("server.key"), server_key.serialize_pem()).unwrap();
    (ca_pem, (client.pem(), client_key.serialize_pem()))
}

/// Starts the server on free ports and waits until it listens on them. `None` if it ends before.
fn listen(home: &Path) -> Option<(Child, u16, u16)> {
    let (plain, tls) = (free_listener(), free_listener());
    let [port, tls_port] = [&plain, &tls].map(|listener| listener.local_addr().unwrap().port());
    drop((plain, tls));
    let mut process = Command::new("/usr/sbin/slapd")
        .args(["-d", "0", "-h", &format!("ldap://127.0.0.1:{port} ldaps://127.0.0.1:{tls_port}"), "-f"])
        .arg(home.join("slapd.conf"))
        .stderr(Stdio::null())
        .spawn()
        .expect("slapd should be installed");
    loop {
        // slapd has all its ports before it writes this file, and removes the file when it ends.
        if home.join("slapd.pid").exists() && TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Some((process, port, tls_port));
        }
        if process.try_wait().unwrap().is_some() {
            return None;
        }
        thread::sleep(Duration::from_millis(20));
    }
}

fn free_listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}
