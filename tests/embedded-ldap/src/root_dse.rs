//! The root DSE: what the server says about itself to whoever asks.

use std::collections::BTreeMap;

use crate::dn::Key;
use crate::entry::Entry;
use crate::options::LdapOptions;
use crate::request::{MANAGE_DSA_IT, PAGED_RESULTS};

/// "Who am I?", the one extended operation.
pub(crate) const WHO_AM_I: &str = "1.3.6.1.4.1.4203.1.11.3";

/// The feature of answering `+` with all operational attributes.
const ALL_OPERATIONAL_ATTRIBUTES: &str = "1.3.6.1.4.1.4203.1.5.1";

/// The root DSE as the given server behind the address has it; 0 is the one it began with.
///
/// A different server differs in everything a client may take for its identity.
pub(crate) fn root_dse(options: &LdapOptions, server: usize) -> Entry {
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
    let mut entry = Entry { dn: String::new(), key: Key::root(), attributes: BTreeMap::new() };
    for (attribute, values) in attributes {
        entry.put(attribute, values.iter().map(|value| value.as_bytes().to_vec()).collect());
    }
    for (attribute, values) in &options.root_dse {
        entry.put(attribute, values.iter().map(|value| value.clone().into_bytes()).collect());
    }
    entry
}

/// All of the root DSE but its class is operational: clients have to ask for it.
pub(crate) fn is_operational(lower_name: &str) -> bool {
    lower_name != "objectclass"
}
