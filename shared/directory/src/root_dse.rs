//! Root DSE: the server's description of itself (RFC 4512, section 5.1).

use model::{Attributes, DnKey};

use crate::connection::LdapConnection;
use crate::errors::{DirectoryError, DirectoryOperation, Result};
use crate::group_class::OBJECT_CLASS;
use crate::paging::PAGED_RESULTS;
use crate::search::SearchQuery;

/// Attributes that identify a server. None of them changes while it runs. Active Directory names the host; the root DSEs of
/// other products may be equal on all servers, so their address is part of the identity. 389 Directory Server shows the
/// configured host and port (`netscapemdsuffix`), which tell apart the servers behind one address.
const IDENTITY: [&str; 10] = [
    "dsServiceName",
    "dnsHostName",
    "serverName",
    "vendorName",
    "vendorVersion",
    "namingContexts",
    "configContext",
    "defaultNamingContext",
    "netscapemdsuffix",
    SCHEMA,
];

/// Those of the attributes that name one server.
const OWN_NAMES: [&str; 3] = ["dsServiceName", "dnsHostName", "serverName"];

const SUPPORTED_CONTROL: &str = "supportedControl";
const CAPABILITIES: &str = "supportedCapabilities";
/// Capability of Active Directory (MS-ADTS, section 3.1.1.3.4.3.1), and of Samba.
const ACTIVE_DIRECTORY: &str = "1.2.840.113556.1.4.800";
/// Sync Request control (RFC 4533, section 2.2).
pub(crate) const SYNC_REQUEST: &str = "1.3.6.1.4.1.4203.1.9.1.1";
/// Object class of OpenLDAP's root DSE.
const OPENLDAP: &str = "OpenLDAProotDSE";
const SCHEMA: &str = "subschemaSubentry";
const CONTEXTS: &str = "namingContexts";
const SERVICE: &str = "dsServiceName";
const HIGHEST_USN: &str = "highestCommittedUSN";
const DEFAULT_CONTEXT: &str = "defaultNamingContext";
const FOREST_CONTEXT: &str = "rootDomainNamingContext";
const CONFIGURATION_CONTEXT: &str = "configurationNamingContext";

#[derive(Clone, Debug)]
pub(crate) struct RootDse {
    /// Text that identifies the server.
    pub(crate) identity: String,
    /// Whether that text differs from server to server.
    pub(crate) has_own_name: bool,
    pub(crate) has_paging: bool,
    pub(crate) controls: Vec<String>,
    pub(crate) is_active_directory: bool,
    /// Whether the server is an OpenLDAP that others replicate. `contextCSN` shows its state, if it is readable.
    pub(crate) is_openldap_provider: bool,
    /// Root entry of the domain, in Active Directory.
    pub(crate) domain: Option<String>,
    /// Entry of the schema.
    pub(crate) schema: Option<String>,
    /// Root entries of the trees.
    pub(crate) contexts: Vec<String>,
    /// Entry of the domain controller.
    pub(crate) service: Option<String>,
    /// Number of the domain controller's latest change.
    pub(crate) highest_usn: Option<u64>,
    /// Partitions of an Active Directory forest without users, to which every search of a whole domain refers.
    pub(crate) userless: Vec<DnKey>,
}

impl RootDse {
    /// Reads the root DSE. Without it the server has no identity, and no read can be proved complete.
    pub(crate) async fn read(connection: &mut LdapConnection) -> Result<Self> {
        let also = [
            SUPPORTED_CONTROL,
            CAPABILITIES,
            FOREST_CONTEXT,
            CONFIGURATION_CONTEXT,
            CONTEXTS,
            HIGHEST_USN,
            OBJECT_CLASS,
        ];
        let attributes: Vec<&str> = IDENTITY.into_iter().chain(also).collect();
        let operation = DirectoryOperation::ReadingRootDse;
        match connection.search_one(SearchQuery::entry("", &attributes, operation.clone())).await? {
            Some(entry) => Ok(Self::of(&entry.attributes)),
            None => Err(DirectoryError::protocol(&operation, "the entry is missing")),
        }
    }

    pub(crate) fn offers(&self, control: &str) -> bool {
        self.controls.iter().any(|known| known == control)
    }

    pub(crate) fn of(attributes: &Attributes) -> Self {
        let context =
            |name: &str| attributes.one(name).map(String::from_utf8_lossy).map(std::borrow::Cow::into_owned);
        let texts = |name: &str| -> Vec<String> {
            attributes.all(name).iter().map(|value| String::from_utf8_lossy(value).into_owned()).collect()
        };
        let controls = texts(SUPPORTED_CONTROL);
        let below = |part: &str, name: &str| context(name).map(|context| format!("{part},{context}"));
        let userless = [
            context(CONFIGURATION_CONTEXT),
            below("DC=DomainDnsZones", DEFAULT_CONTEXT),
            below("DC=ForestDnsZones", FOREST_CONTEXT),
        ];
        Self {
            identity: identity(attributes),
            has_own_name: OWN_NAMES.iter().any(|name| attributes.one(name).is_some()),
            is_openldap_provider: texts(OBJECT_CLASS).iter().any(|one| one == OPENLDAP)
                && controls.iter().any(|control| control == SYNC_REQUEST),
            has_paging: controls.iter().any(|control| control == PAGED_RESULTS),
            controls,
            is_active_directory: texts(CAPABILITIES).iter().any(|one| one == ACTIVE_DIRECTORY),
            domain: context(DEFAULT_CONTEXT),
            schema: context(SCHEMA),
            contexts: texts(CONTEXTS),
            service: context(SERVICE),
            highest_usn: context(HIGHEST_USN).and_then(|usn| usn.trim().parse().ok()),
            userless: userless.iter().flatten().map(|dn| DnKey::of(dn)).collect(),
        }
    }
}

/// Sorted values: their order is not specified, and the same server must give the same text.
fn identity(attributes: &Attributes) -> String {
    let mut lines = Vec::new();
    for name in IDENTITY {
        let mut values: Vec<_> =
            attributes.all(name).iter().map(|value| String::from_utf8_lossy(value)).collect();
        values.sort();
        lines.extend(values.into_iter().map(|value| format!("{name}: {value}")));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identity_ignores_the_order_of_values() {
        let one = [("namingContexts", "dc=a"), ("namingContexts", "dc=b"), ("dnsHostName", "dc1")];
        let other = [("dnshostname", "dc1"), ("namingcontexts", "dc=b"), ("namingcontexts", "dc=a")];
        let identity = |pairs: [(&str, &str); 3]| RootDse::of(&pairs.into_iter().collect()).identity;
        assert_eq!(identity(one), identity(other));
        assert_eq!(identity(one), "dnsHostName: dc1\nnamingContexts: dc=a\nnamingContexts: dc=b");
    }

    #[test]
    fn userless_partitions_come_from_the_forest() {
        let root = RootDse::of(
            &[
                ("supportedControl", PAGED_RESULTS),
                ("defaultNamingContext", "DC=eu,DC=corp,DC=example"),
                ("rootDomainNamingContext", "DC=corp,DC=example"),
                ("configurationNamingContext", "CN=Configuration,DC=corp,DC=example"),
            ]
            .into_iter()
            .collect(),
        );
        assert!(root.has_paging);
        assert!(root.userless.contains(&DnKey::of("dc=domaindnszones,dc=eu,dc=corp,dc=example")));
        assert_eq!(root.userless.len(), 3);
        assert!(RootDse::of(&Attributes::default()).userless.is_empty());
    }
}
