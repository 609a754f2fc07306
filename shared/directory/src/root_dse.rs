//! What a server says about itself (RFC 4512, section 5.1).

use model::{Attributes, DnKey};

use crate::connection::Connection;
use crate::errors::{DirectoryError, DirectoryOperation};
use crate::paging::PAGED_RESULTS;
use crate::search::Query;

/// The attributes by which one server can be told from another. None of them changes while a server runs. How much
/// they tell depends on the product: Active Directory names the very server, others at least the product and the
/// data. That is no loss within a read, which has one connection and so one server, unless something in between
/// deceives.
const IDENTITY: [&str; 9] = [
    "dsServiceName",
    "dnsHostName",
    "serverName",
    "vendorName",
    "vendorVersion",
    "namingContexts",
    "configContext",
    "defaultNamingContext",
    "subschemaSubentry",
];

const SUPPORTED_CONTROL: &str = "supportedControl";
const CAPABILITIES: &str = "supportedCapabilities";
/// By which a server says that it is Active Directory (MS-ADTS, section 3.1.1.3.4.3.1). Samba says it as well.
const ACTIVE_DIRECTORY: &str = "1.2.840.113556.1.4.800";
const CONTEXTS: &str = "namingContexts";
const SERVICE: &str = "dsServiceName";
const HIGHEST_USN: &str = "highestCommittedUSN";
const DEFAULT_CONTEXT: &str = "defaultNamingContext";
const FOREST_CONTEXT: &str = "rootDomainNamingContext";
const CONFIGURATION_CONTEXT: &str = "configurationNamingContext";

/// What there is to know about a server.
#[derive(Clone, Debug)]
pub(crate) struct RootDse {
    /// Text that is the same for the same server.
    pub(crate) identity: String,
    /// Whether it can answer in pages.
    pub(crate) has_paging: bool,
    /// The controls that it knows.
    pub(crate) controls: Vec<String>,
    /// Whether it is an Active Directory domain controller.
    pub(crate) is_active_directory: bool,
    /// The domain's root entry, where there is a domain.
    pub(crate) domain: Option<String>,
    /// The roots of the trees that it holds.
    pub(crate) contexts: Vec<String>,
    /// The entry that stands for this very domain controller.
    pub(crate) service: Option<String>,
    /// The number of a domain controller's latest change.
    pub(crate) highest_usn: Option<u64>,
    /// The parts of an Active Directory forest that never hold users, and that a search of a
    /// whole domain always refers to.
    pub(crate) userless: Vec<DnKey>,
}

impl RootDse {
    /// Asks for it. A server that doesn't show it can't be told from another, so nothing can be proved about a read.
    pub(crate) async fn read(connection: &mut Connection) -> Result<Self, DirectoryError> {
        let also =
            [SUPPORTED_CONTROL, CAPABILITIES, FOREST_CONTEXT, CONFIGURATION_CONTEXT, CONTEXTS, HIGHEST_USN];
        let attributes: Vec<&str> = IDENTITY.into_iter().chain(also).collect();
        let doing = DirectoryOperation::ReadingRootDse;
        match connection.ask_for_one(Query::one("", &attributes, doing.clone())).await? {
            Some(entry) => Ok(Self::of(&entry.attributes)),
            None => Err(DirectoryError::Protocol { doing, detail: "there was none".to_owned() }),
        }
    }

    /// Whether it knows a control.
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
            has_paging: controls.iter().any(|control| control == PAGED_RESULTS),
            controls,
            is_active_directory: texts(CAPABILITIES).iter().any(|one| one == ACTIVE_DIRECTORY),
            domain: context(DEFAULT_CONTEXT),
            contexts: texts(CONTEXTS),
            service: context(SERVICE),
            highest_usn: context(HIGHEST_USN).and_then(|usn| usn.trim().parse().ok()),
            userless: userless.iter().flatten().map(|dn| DnKey::of(dn)).collect(),
        }
    }
}

/// Values have no order, so they are sorted: the same server must give the same text.
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
    fn the_identity_does_not_depend_on_order() {
        let one = [("namingContexts", "dc=a"), ("namingContexts", "dc=b"), ("dnsHostName", "dc1")];
        let other = [("dnshostname", "dc1"), ("namingcontexts", "dc=b"), ("namingcontexts", "dc=a")];
        let identity = |pairs: [(&str, &str); 3]| RootDse::of(&pairs.into_iter().collect()).identity;
        assert_eq!(identity(one), identity(other));
        assert_eq!(identity(one), "dnsHostName: dc1\nnamingContexts: dc=a\nnamingContexts: dc=b");
    }

    #[test]
    fn a_forest_names_the_parts_without_users() {
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
