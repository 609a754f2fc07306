//! An OpenLDAP server for one test.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    ADMIN_DN, DirectoryAdmin, READER_DN, SlapdOptions, ldap_server, owned_process::OwnedProcess, people,
    ports, slapd_conf, tls::Certificates,
};

const BINARY: &str = "/usr/sbin/slapd";
/// AppArmor's rules for slapd.
const CONFINEMENT: &str = "/etc/apparmor.d/usr.sbin.slapd";
/// Contains `Y` where AppArmor is enabled.
const CONFINEMENT_ENABLED: &str = "/sys/module/apparmor/parameters/enabled";
/// Only a failure takes this long.
const TIMEOUT: Duration = Duration::from_secs(120);
/// Attempts with other ports, when another process takes the first ones.
const ATTEMPTS: u32 = 5;

/// An OpenLDAP server on free loopback ports, with its data in a temporary directory. Both end on drop.
pub struct Slapd {
    /// First, so that the server ends before its directory is removed.
    process: Option<OwnedProcess>,
    dir: TempDir,
    binary: PathBuf,
    ports: SlapdPorts,
    tls: Option<Certificates>,
    admin_password: String,
    reader_password: String,
}

#[derive(Clone, Copy)]
struct SlapdPorts {
    plain: u16,
    tls: u16,
}

impl SlapdPorts {
    fn free() -> anyhow::Result<Self> {
        Ok(Self { plain: ports::free()?, tls: ports::free()? })
    }
}

impl Slapd {
    /// Loads the entries, starts the server and waits until it answers.
    pub fn start(options: SlapdOptions) -> anyhow::Result<Self> {
        let dir = tempfile::Builder::new()
            .prefix("slapd-")
            .tempdir()
            .context("no temporary directory for slapd")?;
        let tls = if options.tls { Some(Certificates::write(dir.path())?) } else { None };
        // Each server has its own password, so that a wrong server on the same port is detected.
        static SERVERS: AtomicU32 = AtomicU32::new(0);
        let admin_password =
            format!("admin-{}-{}", std::process::id(), SERVERS.fetch_add(1, Ordering::Relaxed));
        let reader_password = "reader-password".to_owned();

        let conf = slapd_conf::text(&options, dir.path(), &admin_password, tls.as_ref());
        fs::write(dir.path().join("slapd.conf"), conf)?;
        fs::create_dir(dir.path().join("data"))?;
        let ldif = people::ldif(&options.people, &options.groups, &reader_password);
        fs::write(dir.path().join("people.ldif"), ldif)?;
        let binary = binary(dir.path())?;
        load(&binary, dir.path())?;

        let mut slapd = Self {
            process: None,
            dir,
            binary,
            ports: SlapdPorts::free()?,
            tls,
            admin_password,
            reader_password,
        };
        for attempt in 1.. {
            match slapd.launch() {
                Ok(()) => break,
                Err(error) if attempt == ATTEMPTS => return Err(error),
                Err(_) => slapd.ports = SlapdPorts::free()?,
            }
        }
        Ok(slapd)
    }

    /// Stops the server. Its data and its ports stay.
    pub fn stop(&mut self) {
        if let Some(process) = self.process.take() {
            process.end(TIMEOUT);
        }
    }

    /// Restarts the server on the same ports with the same data.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        self.stop();
        self.launch()
    }

    /// A second server with the current data, which receives no later change. This server is restarted for the copy.
    pub fn copy(&mut self) -> anyhow::Result<Self> {
        self.copy_with("")
    }

    /// The same, with further lines of `slapd.conf`.
    pub fn copy_with(&mut self, lines: &str) -> anyhow::Result<Self> {
        self.stop();
        let dir = tempfile::Builder::new().prefix("slapd-").tempdir()?;
        let (from, to) = (self.dir.path(), dir.path());
        fs::create_dir(to.join("data"))?;
        for file in fs::read_dir(from.join("data"))? {
            let file = file?;
            fs::copy(file.path(), to.join("data").join(file.file_name()))?;
        }
        let conf = fs::read_to_string(from.join("slapd.conf"))?;
        // Other files, such as certificates, are shared.
        let data = |dir: &Path| format!("directory {}/data", dir.display());
        let pid = |dir: &Path, name: &str| format!("{}/slapd.{name}", dir.display());
        let conf = conf
            .replace(&data(from), &data(to))
            .replace(&pid(from, "pid"), &pid(to, "pid"))
            .replace(&pid(from, "args"), &pid(to, "args"));
        fs::write(to.join("slapd.conf"), format!("{conf}{lines}\n"))?;
        let mut copy = Self {
            process: None,
            binary: binary(to)?,
            dir,
            ports: SlapdPorts::free()?,
            tls: None,
            admin_password: self.admin_password.clone(),
            reader_password: self.reader_password.clone(),
        };
        copy.launch()?;
        self.launch()?;
        Ok(copy)
    }

    /// A second server with the current data, as if the provider with the id `to` had written it and not the one with the
    /// id `from`.
    pub fn copy_as_other_provider(&mut self, from: u32, to: u32) -> anyhow::Result<Self> {
        let mut copy = self.copy()?;
        copy.stop();
        let replace = |text: String| {
            text.replace(&format!("serverID {from}"), &format!("serverID {to}"))
                .replace(&format!("#{from:03}#"), &format!("#{to:03}#"))
        };
        let conf = copy.dir.path().join("slapd.conf");
        let dump = Command::new(&copy.binary).args(["-T", "cat", "-f"]).arg(&conf).output()?;
        fs::write(copy.dir.path().join("people.ldif"), replace(String::from_utf8(dump.stdout)?))?;
        fs::write(&conf, replace(fs::read_to_string(&conf)?))?;
        fs::remove_dir_all(copy.dir.path().join("data"))?;
        fs::create_dir(copy.dir.path().join("data"))?;
        load(&copy.binary, copy.dir.path())?;
        copy.launch()?;
        Ok(copy)
    }

    /// `ldap://127.0.0.1:PORT`, which also offers StartTLS if the options ask for TLS.
    pub fn url(&self) -> String {
        format!("ldap://{}", self.address())
    }

    /// `ldaps://127.0.0.1:PORT`; there is only a listener if the options ask for TLS.
    pub fn ldaps_url(&self) -> String {
        format!("ldaps://{}", SocketAddr::from((Ipv4Addr::LOCALHOST, self.ports.tls)))
    }

    /// Address of the plain-text listener.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.ports.plain))
    }

    /// PEM file of the authority of its certificate, if the options ask for TLS.
    pub fn ca(&self) -> Option<&Path> {
        self.tls.as_ref().map(|tls| tls.ca.as_path())
    }

    /// The reader's first password; [`DirectoryAdmin::set_reader_password`] changes it.
    pub fn reader_password(&self) -> &str {
        &self.reader_password
    }

    /// The reader's credentials as a directory secret.
    pub fn reader_secret(&self) -> Value {
        json!({ "bind_dn": READER_DN, "password": self.reader_password })
    }

    /// Changes of the directory, with all rights.
    pub fn admin(&self) -> DirectoryAdmin {
        DirectoryAdmin::new(self.url(), ADMIN_DN.to_owned(), self.admin_password.clone())
    }

    /// Process id while the server runs.
    pub fn process_id(&self) -> Option<u32> {
        self.process.as_ref().map(OwnedProcess::id)
    }

    fn launch(&mut self) -> anyhow::Result<()> {
        let mut urls = self.url();
        if self.tls.is_some() {
            urls = format!("{urls} {}", self.ldaps_url());
        }
        let log = self.dir.path().join("slapd.log");
        let mut command = Command::new(&self.binary);
        // A debug level keeps slapd in the foreground, in our child process.
        command.args(["-d", "0", "-h", &urls, "-f"]).arg(self.dir.path().join("slapd.conf"));
        let process = ldap_server::start(&self.admin(), &mut command, (&log, &log), OwnedProcess::start)?;
        self.process = Some(process);
        Ok(())
    }
}

/// AppArmor confines slapd by its path to its packaged directories; a copy under another path is not confined.
fn binary(dir: &Path) -> anyhow::Result<PathBuf> {
    if !Path::new(BINARY).exists() {
        bail!("{BINARY} is missing: run ./tests/run, or install Debian's packages slapd and ldap-utils");
    }
    let in_force = fs::read_to_string(CONFINEMENT_ENABLED).is_ok_and(|text| text.starts_with('Y'));
    if !in_force || !Path::new(CONFINEMENT).exists() {
        return Ok(BINARY.into());
    }
    let copy = dir.join("slapd");
    fs::copy(BINARY, &copy).with_context(|| format!("cannot copy {BINARY}"))?;
    Ok(copy)
}

/// Bulk-loads the LDIF without a server.
fn load(binary: &Path, dir: &Path) -> anyhow::Result<()> {
    // `-T add` makes slapd behave as slapadd; `-q` skips checks.
    let output = Command::new(binary)
        .args(["-T", "add", "-q", "-f"])
        .arg(dir.join("slapd.conf"))
        .arg("-l")
        .arg(dir.join("people.ldif"))
        .output()
        .with_context(|| format!("cannot run {}", binary.display()))?;
    if !output.status.success() {
        bail!(
            "loading the directory failed with {}:\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}
