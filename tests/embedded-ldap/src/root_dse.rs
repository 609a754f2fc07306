//! Root DSE of the server.

use std::collections::BTreeMap;

use crate::dn::DnPath;
use crate::entry::StoredEntry;
use crate::options::LdapOptions;
use crate::request::{MANAGE_DSA_IT, PAGED_RESULTS};

/// "Who am I?", the only extended operation.
pub(crate) const WHO_AM_I: &str = "1.3.6.1.4.1.4203.1.11.3";

/// Feature of `+` as a request for all operational attributes.
const ALL_OPERATIONAL_ATTRIBUTES: &str = "1.3.6.1.4.1.4203.1.5.1";

/// Root DSE of the server with this number; 0 is the first. Servers differ in every identifying attribute.
pub(crate) fn root_dse(options: &LdapOptions, server: usize) -> StoredEntry {
    let name = match server {
        0 => options.server_name.clone(),
        other => format!("replica{other}.{}", options.server_name),
    };
    let service = format!("cn={name},cn=servers,{}", options.base_dn);
    let attributes: [(&str, &[&str]); 12] = [
        ("objectClass", &["top"]),
        ("namingContexts", &[&options.base_dn]),
        ("defaultNamingContext", &[&options.base_dn]),
        ("supportedControl", &[PAGED_RESULTS, MANAGE_DSA_IT]),
        ("supportedExtension", &[WHO_AM_I]),
        ("supportedFeatures", &[ALL_OPERATIONAL_ATTRIBUTES]),
        ("supportedLDAPVersion", &["3"]),
        ("vendorName", &["embedded-ldap"]),
        ("vendorVersion", &[env!("CARGO_PKG_VERSION")]),
        ("dnsHostName", &[&name]),
        ("serverName", &[&service]),
        ("dsServiceName", &[&service]),
    ];
    let mut entry = StoredEntry { dn: String::new(), path: DnPath::root(), attributes: BTreeMap::new() };
    for (attribute, values) in attributes {
        entry.put(attribute, values.iter().map(|value| value.as_bytes().to_vec()).collect());
    }
    for (attribute, values) in &options.root_dse {
        entry.put(attribute, values.iter().map(|value| value.clone().into_bytes()).collect());
    }
    entry
}

/// Whether an attribute of the root DSE must be requested: all except its class.
pub(crate) fn is_operational(lower_name: &str) -> bool {
    lower_name != "objectclass"
}
