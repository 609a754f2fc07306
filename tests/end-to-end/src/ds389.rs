//! A 389 Directory Server for one test.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    ADMIN_DN, BASE_DN, DirectoryAdmin, GROUPS_DN, PEOPLE_DN, READER_DN, ldap_server,
    owned_process::OwnedProcess, ports,
};

const SERVER: &str = "/usr/sbin/ns-slapd";
/// The package's configuration of a new server, with places to fill in.
const TEMPLATE: &str = "/usr/share/dirsrv/data/template-dse.ldif";
const BACKEND: &str = "userRoot";
/// Only a failure takes this long.
const TIMEOUT: Duration = Duration::from_secs(120);
/// Attempts with other ports, when another process takes the first one.
const ATTEMPTS: u32 = 5;
const READER_PASSWORD: &str = "reader-password";

/// A 389 Directory Server on a free loopback port, with its data in a temporary directory. Both end on drop.
///
/// The administrator also changes `cn=config`: limits, plug-ins, the replica's id.
pub struct Ds389 {
    /// First, so that the server ends before its directory is removed.
    process: Option<OwnedProcess>,
    dir: TempDir,
    port: u16,
    admin_password: String,
}

impl Ds389 {
    /// Starts a server with empty units and the reader, who may read everything.
    pub fn start() -> anyhow::Result<Self> {
        if !Path::new(SERVER).exists() {
            bail!("{SERVER} is missing: run ./tests/run, or install Debian's package 389-ds-base");
        }
        // Each server has its own password, so that a wrong server on the same port is detected.
        static SERVERS: AtomicU32 = AtomicU32::new(0);
        let number = SERVERS.fetch_add(1, Ordering::Relaxed);
        let mut server = Self {
            process: None,
            dir: directory()?,
            port: ports::free()?,
            admin_password: format!("admin-{}-{number}", std::process::id()),
        };
        for attempt in 1.. {
            server.prepare()?;
            match server.launch() {
                Ok(()) => break,
                Err(error) if attempt == ATTEMPTS => return Err(error),
                Err(_) => (server.dir, server.port) = (directory()?, ports::free()?),
            }
        }
        server.add_units()?;
        Ok(server)
    }

    /// Stops the server. Its data and its port stay.
    pub fn stop(&mut self) {
        if let Some(process) = self.process.take() {
            process.end(TIMEOUT);
        }
    }

    /// A second server with the current data, which receives no later change. This server is restarted for the copy.
    pub fn copy(&mut self) -> anyhow::Result<Self> {
        self.stop();
        let copy = Self {
            process: None,
            dir: directory()?,
            port: ports::free()?,
            admin_password: self.admin_password.clone(),
        };
        let (from, to) = (self.dir.path(), copy.dir.path());
        copy_files(from, to)?;
        let configuration = fs::read_to_string(to.join("config/dse.ldif"))?
            .replace(&from.display().to_string(), &to.display().to_string())
            .replace(&port_line(self.port), &port_line(copy.port));
        fs::write(to.join("config/dse.ldif"), configuration)?;
        let mut copy = copy;
        copy.launch()?;
        self.launch()?;
        Ok(copy)
    }

    /// Makes the server a replica that writes under this id.
    pub fn set_replica_id(&self, id: u32) -> anyhow::Result<()> {
        let (admin, dn) = (self.admin(), format!("cn=replica,cn=\"{BASE_DN}\",cn=mapping tree,cn=config"));
        if !admin.values(&dn, "nsDS5ReplicaId")?.is_empty() {
            admin.delete(&dn)?;
        }
        let id = id.to_string();
        admin.add(
            &dn,
            [
                ("objectClass", "nsDS5Replica"),
                ("cn", "replica"),
                ("nsDS5ReplicaRoot", BASE_DN),
                ("nsDS5ReplicaId", &id),
                ("nsDS5ReplicaType", "3"),
                ("nsDS5Flags", "1"),
                ("nsDS5ReplicaBindDN", "cn=replication manager,cn=config"),
            ],
        )
    }

    /// Limits the entries that one search of the reader may examine.
    pub fn limit_look_through(&self, entries: u32) -> anyhow::Result<()> {
        let limit = entries.to_string();
        let config = "cn=config,cn=ldbm database,cn=plugins,cn=config";
        // A paged search has a limit of its own, which by default is that of other searches.
        self.admin().set(config, "nsslapd-lookthroughlimit", &[&limit])
    }

    /// Hides an attribute from the reader.
    pub fn hide(&self, attribute: &str) -> anyhow::Result<()> {
        let rule = format!(
            "(targetattr=\"{attribute}\")(version 3.0; acl \"hidden\"; deny (read, search, compare) \
             userdn=\"ldap:///{READER_DN}\";)"
        );
        self.admin().set(BASE_DN, "aci", &[READ_RULE, &rule])
    }

    /// Lets the reader read everything.
    pub fn show(&self) -> anyhow::Result<()> {
        self.admin().set(BASE_DN, "aci", &[READ_RULE])
    }

    /// `ldap://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("ldap://{}", self.address())
    }

    /// Address of the listener.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// The reader's credentials as a directory secret.
    pub fn reader_secret(&self) -> Value {
        json!({ "bind_dn": READER_DN, "password": READER_PASSWORD })
    }

    /// Changes of the directory and of the configuration, with all rights.
    pub fn admin(&self) -> DirectoryAdmin {
        DirectoryAdmin::new(self.url(), ADMIN_DN.to_owned(), self.admin_password.clone())
    }

    /// Writes the configuration and the directories that the server expects.
    fn prepare(&self) -> anyhow::Result<()> {
        let dir = self.dir.path();
        for name in ["config/schema", "run", "lock", "log", "tmp", "ldif", "bak", "inst", "db"] {
            fs::create_dir_all(dir.join(name))?;
        }
        fs::write(dir.join("config/slapd-collations.conf"), "")?;
        // The server reads the packaged schema only together with a file of its own.
        fs::write(dir.join("config/schema/99user.ldif"), "dn: cn=schema\ncn: schema\nobjectClass: top\n")?;
        let template = fs::read_to_string(TEMPLATE).with_context(|| format!("cannot read {TEMPLATE}"))?;
        fs::write(dir.join("config/dse.ldif"), self.configuration(template)?)?;
        Ok(())
    }

    fn configuration(&self, template: String) -> anyhow::Result<String> {
        let user = Command::new("id").arg("-un").output()?.stdout;
        let (port, user) = (self.port.to_string(), String::from_utf8(user)?);
        // A password in plain text is accepted only under its scheme.
        let password = format!("{{CLEAR}}{}\nnsslapd-rootpwstoragescheme: CLEAR", self.admin_password);
        let dir = self.dir.path().display();
        let mut text = template;
        for place in ["schema", "lock", "tmp", "cert", "ldif", "bak", "run", "inst", "log", "db", "config"] {
            let name = match place {
                "schema" => "config/schema",
                "cert" => "config",
                place => place,
            };
            text = text.replace(&format!("%{place}_dir%"), &format!("{dir}/{name}"));
        }
        for (place, value) in [
            ("db_home_dir", format!("{dir}/db").as_str()),
            ("db_lib", "bdb"),
            ("fqdn", "localhost"),
            ("ds_port", &port),
            // As root, the server changes to this user.
            ("ds_user", user.trim()),
            ("rootdn", ADMIN_DN),
            ("ds_passwd", &password),
            ("ds_suffix", BASE_DN),
            ("ldapi_enabled", "off"),
            ("ldapi_autobind", "off"),
            ("ldapi", &format!("{dir}/run/ldapi")),
        ] {
            text = text.replace(&format!("%{place}%"), value);
        }
        // The size of the cache follows the machine's memory, and each change waits for the disk.
        let database = "cn: config\nnsslapd-mode: 600\n";
        let small =
            "nsslapd-cache-autosize: 0\nnsslapd-dbcachesize: 10000000\nnsslapd-db-durable-transaction: off\n";
        let text = text.replace(database, &format!("{database}{small}"));
        Ok(format!("{}\n\n{}", text.trim_end(), backend(self.dir.path())))
    }

    fn launch(&mut self) -> anyhow::Result<()> {
        let dir = self.dir.path();
        let mut command = Command::new(SERVER);
        // A debug level keeps the server in the foreground, in our child process.
        command.args(["-d", "0", "-D"]).arg(dir.join("config")).arg("-i").arg(dir.join("run/pid"));
        let logs = (dir.join("output.log"), dir.join("log/errors"));
        let process =
            ldap_server::start(&self.admin(), &mut command, (&logs.0, &logs.1), OwnedProcess::start)?;
        self.process = Some(process);
        Ok(())
    }

    fn add_units(&self) -> anyhow::Result<()> {
        let unit = |dn: &str| (dn.to_owned(), vec![("objectClass", "organizationalUnit".to_owned())]);
        let base = [("objectClass", "domain"), ("dc", "acme"), ("aci", READ_RULE)];
        let reader = [
            ("objectClass", "organizationalRole"),
            ("objectClass", "simpleSecurityObject"),
            ("cn", "reader"),
            ("userPassword", READER_PASSWORD),
        ];
        let text = |(name, value): (&'static str, &str)| (name, value.to_owned());
        self.admin().add_all(&[
            (BASE_DN.to_owned(), base.map(text).into()),
            (READER_DN.to_owned(), reader.map(text).into()),
            unit(PEOPLE_DN),
            unit(GROUPS_DN),
        ])
    }
}

/// Access rule of the base entry.
const READ_RULE: &str = "(targetattr=\"*\")(version 3.0; acl \"reader\"; allow (read, search, compare) \
     userdn=\"ldap:///cn=reader,dc=acme,dc=test\";)";

/// Configuration of the database below [`BASE_DN`].
fn backend(dir: &Path) -> String {
    let dir = dir.display();
    format!(
        "dn: cn={BACKEND},cn=ldbm database,cn=plugins,cn=config\n\
         objectClass: top\nobjectClass: extensibleObject\nobjectClass: nsBackendInstance\n\
         cn: {BACKEND}\nnsslapd-suffix: {BASE_DN}\nnsslapd-directory: {dir}/db/{BACKEND}\n\n\
         dn: cn=\"{BASE_DN}\",cn=mapping tree,cn=config\n\
         objectClass: top\nobjectClass: extensibleObject\nobjectClass: nsMappingTree\n\
         cn: \"{BASE_DN}\"\ncn: {BASE_DN}\nnsslapd-state: backend\nnsslapd-backend: {BACKEND}\n"
    )
}

fn port_line(port: u16) -> String {
    format!("nsslapd-port: {port}\n")
}

fn directory() -> anyhow::Result<TempDir> {
    tempfile::Builder::new().prefix("ds389-").tempdir().context("no temporary directory for the server")
}

/// Copies a directory with everything in it.
fn copy_files(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for file in fs::read_dir(from)? {
        let file = file?;
        let target = to.join(file.file_name());
        if file.file_type()?.is_dir() {
            copy_files(&file.path(), &target)?;
        } else if file.file_type()?.is_file() {
            fs::copy(file.path(), target)?;
        }
    }
    Ok(())
}
