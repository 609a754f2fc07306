//! Options of an OpenLDAP server, and the `slapd.conf` made of them.

use std::path::Path;

use crate::{GroupEntry, PersonEntry, tls::Certificates};

/// Suffix of every test directory.
pub const BASE_DN: &str = "dc=acme,dc=test";
/// Units with people.
pub const PEOPLE_DN: &str = "ou=people,dc=acme,dc=test";
/// Unit with groups.
pub const GROUPS_DN: &str = "ou=groups,dc=acme,dc=test";
/// The administrator, without limits and access rules.
pub const ADMIN_DN: &str = "cn=admin,dc=acme,dc=test";
/// The account that the provisioner binds as.
pub const READER_DN: &str = "cn=reader,dc=acme,dc=test";

/// Content and behaviour of a test's directory. The default is empty, in plain text, without limits.
#[derive(Debug, Clone, Default)]
pub struct SlapdOptions {
    /// People at the start.
    pub people: Vec<PersonEntry>,
    /// Groups at the start.
    pub groups: Vec<GroupEntry>,
    /// Entries that the reader gets from one search, over all pages, before result code 4.
    pub size_limit: Option<u32>,
    /// Listens for `ldaps` too, and offers StartTLS.
    pub tls: bool,
    /// Lines of `slapd.conf` before the database: modules, schema, global settings.
    pub global_lines: Vec<String>,
    /// Access rules before the one that lets the reader read everything.
    pub access_lines: Vec<String>,
    /// Lines of `slapd.conf` after the overlays: limits, indexes, further overlays.
    pub database_lines: Vec<String>,
}

const MODULE_PATH: &str = "/usr/lib/ldap";
const SCHEMA_PATH: &str = "/etc/ldap/schema";

/// The configuration of a server that keeps everything below `dir`.
pub fn text(options: &SlapdOptions, dir: &Path, admin_password: &str, tls: Option<&Certificates>) -> String {
    let dir = dir.display();
    let mut lines = Vec::new();
    lines.extend(
        ["core", "cosine", "inetorgperson", "nis"].map(|name| format!("include {SCHEMA_PATH}/{name}.schema")),
    );
    lines.push(format!("modulepath {MODULE_PATH}"));
    lines.extend(["back_mdb", "memberof", "syncprov", "ppolicy"].map(|name| format!("moduleload {name}")));
    lines.push(format!("pidfile {dir}/slapd.pid"));
    lines.push(format!("argsfile {dir}/slapd.args"));
    lines.push("threads 4".to_owned());
    // A test may limit the reader; the administrator is never limited.
    lines.push("sizelimit unlimited".to_owned());
    if let Some(Certificates { ca, certificate, key }) = tls {
        lines.push(format!("TLSCACertificateFile {}", ca.display()));
        lines.push(format!("TLSCertificateFile {}", certificate.display()));
        lines.push(format!("TLSCertificateKeyFile {}", key.display()));
    }
    lines.extend(options.global_lines.iter().cloned());

    lines.push("database mdb".to_owned());
    lines.push(format!("suffix {BASE_DN}"));
    lines.push(format!("rootdn {ADMIN_DN}"));
    lines.push(format!("rootpw {admin_password}"));
    lines.push(format!("directory {dir}/data"));
    lines.push("maxsize 1073741824".to_owned());
    // A test's data needn't outlive the machine.
    lines.push("dbnosync".to_owned());
    lines.push("index objectClass,uid,mail,member,memberOf,entryUUID,entryCSN,modifyTimestamp eq".to_owned());
    lines.push("access to attrs=userPassword by anonymous auth by * none".to_owned());
    lines.extend(options.access_lines.iter().cloned());
    lines.push(format!("access to * by dn.exact={READER_DN} read by * none"));
    if let Some(limit) = options.size_limit {
        // `size.prtotal` has this default; it is explicit because tests rely on it.
        lines.push(format!(
            "limits dn.exact={READER_DN} size.soft={limit} size.hard={limit} size.prtotal={limit}"
        ));
    }
    lines.push("overlay memberof".to_owned());
    lines.push("memberof-refint TRUE".to_owned());
    lines.push("overlay syncprov".to_owned());
    lines.extend(options.database_lines.iter().cloned());
    lines.push(String::new());
    lines.join("\n")
}
