//! An Active Directory forest: Samba as a domain controller.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{DirectoryAdmin, ldap_server, owned_process::OwnedProcess, tls::Certificates};

/// Domain of every test forest. Two forests share only this name.
pub const SAMBA_BASE_DN: &str = "DC=acme,DC=test";
const REALM: &str = "ACME.TEST";

const SERVER: &str = "/usr/sbin/samba";
const TOOL: &str = "/usr/bin/samba-tool";
/// Only a failure takes this long.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Samba's ports can't be changed, so each server has its own address.
const LDAP: u16 = 389;
/// A listener on this port reserves an address until the process ends.
const RESERVATION: u16 = 18_389;

/// A domain controller on a free loopback address, with its data in a temporary directory. Both end on drop.
pub struct Samba {
    /// First, so that the server ends before its directory is removed.
    process: Option<OwnedProcess>,
    dir: TempDir,
    address: Ipv4Addr,
    tls: Certificates,
    password: String,
    _reservation: TcpListener,
}

impl Samba {
    /// The forest that the tests of a run share, one test at a time. The first test that needs it starts it.
    ///
    /// A test adds an organisational unit of its own, because earlier tests leave theirs behind.
    pub fn shared() -> MutexGuard<'static, Self> {
        static SHARED: OnceLock<Mutex<Samba>> = OnceLock::new();
        let shared = SHARED.get_or_init(|| Mutex::new(Self::start().unwrap()));
        shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Creates a forest, starts its server and waits until it answers.
    pub fn start() -> anyhow::Result<Self> {
        for program in [SERVER, TOOL] {
            if !Path::new(program).exists() {
                bail!("{program} is missing: run ./tests/run, which installs Samba's domain controller");
            }
        }
        let (address, reservation) = free_address()?;
        let dir = tempfile::Builder::new()
            .prefix("samba-")
            .tempdir()
            .context("no temporary directory for Samba")?;
        let tls = Certificates::write_for(dir.path(), &[&address.to_string()])?;
        // Samba refuses a key that other users can read.
        fs::set_permissions(&tls.key, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
        static FORESTS: AtomicU32 = AtomicU32::new(1);
        let number = FORESTS.fetch_add(1, Ordering::Relaxed);
        // Each forest has its own password, so that a wrong server is detected.
        let password = format!("DirectoryAdmin.{}.{number}", std::process::id());
        let mut samba = Self { process: None, dir, address, tls, password, _reservation: reservation };
        samba.provision(number)?;
        samba.launch()?;
        Ok(samba)
    }

    /// Stops the server. Its data and its address stay.
    pub fn stop(&mut self) {
        if let Some(process) = self.process.take() {
            process.end(TIMEOUT);
        }
    }

    /// Restarts the server at the same address with the same data.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        self.stop();
        self.launch()
    }

    /// Restarts the server with another invocation id, as if its database had been restored.
    pub fn restart_as_restored(&mut self) -> anyhow::Result<()> {
        self.stop();
        // The tool's own interpreter has Samba's modules.
        let output = Command::new("/usr/bin/python3")
            .args(["-c", include_str!("samba_invocation.py")])
            .arg(self.configuration())
            .output()
            .context("cannot run /usr/bin/python3")?;
        if !output.status.success() {
            bail!(
                "changing the invocation id failed with {}:\n{}",
                output.status,
                String::from_utf8_lossy(&output.stderr)
            );
        }
        self.launch()
    }

    /// `ldaps://127.77.x.y`.
    pub fn url(&self) -> String {
        format!("ldaps://{}", self.address)
    }

    /// `ldap://127.77.x.y`, in plain text, which also offers StartTLS.
    pub fn plain_url(&self) -> String {
        format!("ldap://{}", self.address)
    }

    /// Address of the plain-text listener.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((self.address, LDAP))
    }

    /// PEM file of the authority of its certificate.
    pub fn ca(&self) -> &Path {
        &self.tls.ca
    }

    /// The domain's administrator, with the right to see deleted entries.
    pub fn admin(&self) -> DirectoryAdmin {
        DirectoryAdmin::new(self.plain_url(), administrator(), self.password.clone())
    }

    /// The administrator's credentials as a directory secret.
    pub fn admin_secret(&self) -> Value {
        json!({ "bind_dn": administrator(), "password": self.password })
    }

    /// Adds a reader without the right to see deleted entries, and returns its directory secret.
    pub fn add_reader(&self, name: &str) -> anyhow::Result<Value> {
        let password = format!("{}.{name}", self.password);
        self.tool(&["user", "create", name, &password])?;
        Ok(json!({ "bind_dn": format!("{name}@{REALM}"), "password": password }))
    }

    /// Hides an attribute of an entry from the members of a group. `attribute` is its `schemaIDGUID`.
    pub fn hide_from(&self, group_dn: &str, dn: &str, attribute: &str) -> anyhow::Result<()> {
        let sid = self.admin().bytes(group_dn, "objectSid")?.context("a group without objectSid")?;
        let rule =
            format!("(OD;;RP;{attribute};;{})", sid_text(&sid).context("an objectSid that isn't one")?);
        self.tool(&["dsacl", "set", &format!("--objectdn={dn}"), &format!("--sddl={rule}")])
    }

    /// Sets the administrator's password to that of a secret.
    pub fn set_admin_password(&self, secret: &Value) -> anyhow::Result<()> {
        let password = secret["password"].as_str().context("a secret without a password")?;
        self.tool(&["user", "setpassword", "Administrator", &format!("--newpassword={password}")])
    }

    fn provision(&self, number: u32) -> anyhow::Result<()> {
        let at = self.dir.path().join("dc");
        self.run(&[
            "domain",
            "provision",
            "--server-role=dc",
            "--dns-backend=NONE",
            &format!("--realm={REALM}"),
            "--domain=ACME",
            &format!("--host-name=dc{number}"),
            &format!("--adminpass={}", self.password),
            &format!("--targetdir={}", at.display()),
        ])
    }

    /// Runs `samba-tool` on this forest's data.
    fn tool(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let mut arguments = arguments.to_vec();
        let configuration = self.configuration();
        let configuration = configuration.to_string_lossy();
        arguments.extend(["-s", &configuration]);
        self.run(&arguments)
    }

    fn run(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let output = Command::new(TOOL)
            .args(arguments)
            .args(self.options().iter().map(|option| format!("--option={option}")))
            .output()
            .with_context(|| format!("cannot run {TOOL}"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("{TOOL} {} failed with {}:\n{said}", arguments.join(" "), output.status);
        }
        Ok(())
    }

    /// Options: the LDAP service alone, our address, folders and certificate, passwords in plain text on loopback,
    /// and no syncing of data to disk.
    fn options(&self) -> Vec<String> {
        let dir = self.dir.path().display();
        vec![
            format!("interfaces={}/8", self.address),
            "bind interfaces only=yes".to_owned(),
            "server services=ldap".to_owned(),
            "dcerpc endpoint servers=".to_owned(),
            "ldap server require strong auth=no".to_owned(),
            format!("pid directory={dir}"),
            format!("ncalrpc dir={dir}/ncalrpc"),
            format!("tls cafile={}", self.tls.ca.display()),
            format!("tls certfile={}", self.tls.certificate.display()),
            format!("tls keyfile={}", self.tls.key.display()),
            "ldb:nosync=true".to_owned(),
        ]
    }

    fn configuration(&self) -> PathBuf {
        self.dir.path().join("dc/etc/smb.conf")
    }

    fn launch(&mut self) -> anyhow::Result<()> {
        let log = self.dir.path().join("samba.log");
        let mut command = Command::new(SERVER);
        command
            .args(["-F", "--no-process-group", "--debug-stdout", "-s"])
            .arg(self.configuration())
            .args(self.options().iter().map(|option| format!("--option={option}")));
        let start = |command: &mut Command| OwnedProcess::start_group(self.dir.path(), command);
        self.process = Some(ldap_server::start(&self.admin(), &mut command, (&log, &log), start)?);
        Ok(())
    }
}

/// User principal name of the administrator; Active Directory accepts it for a bind.
fn administrator() -> String {
    format!("Administrator@{REALM}")
}

/// Text of a security identifier (MS-DTYP, section 2.4.2.1), as in `S-1-5-32-544`.
fn sid_text(sid: &[u8]) -> Option<String> {
    let [revision, _, authority @ ..] = sid else { return None };
    let (authority, parts) = authority.split_first_chunk::<6>()?;
    let authority = authority.iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    let parts = parts.chunks_exact(4).filter_map(|part| part.try_into().ok()).map(u32::from_le_bytes);
    Some(parts.fold(format!("S-{revision}-{authority}"), |text, part| format!("{text}-{part}")))
}

/// A loopback address without a directory, and its reservation.
fn free_address() -> anyhow::Result<(Ipv4Addr, TcpListener)> {
    // Concurrent test processes start at different addresses.
    let start = std::process::id().wrapping_mul(101);
    for step in 0..1_000 {
        let [_, _, third, fourth] = start.wrapping_add(step).to_be_bytes();
        let address = Ipv4Addr::new(127, 77, third, fourth.clamp(1, 254));
        let Ok(reservation) = TcpListener::bind((address, RESERVATION)) else { continue };
        match TcpListener::bind((address, LDAP)) {
            Ok(_) => return Ok((address, reservation)),
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                return Err(error)
                    .context("Samba's ports can't be chosen, and only root may listen on port 389");
            }
            Err(_) => {}
        }
    }
    bail!("no free address for Samba on the loopback network")
}
