//! What a server says about itself (RFC 4512, section 5.1).

use model::{Attributes, DnKey};

use crate::connection::Connection;
use crate::errors::{DirectoryError, Doing};
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
const DEFAULT_CONTEXT: &str = "defaultNamingContext";
const FOREST_CONTEXT: &str = "rootDomainNamingContext";
const CONFIGURATION_CONTEXT: &str = "configurationNamingContext";

/// What there is to know about a server.
#[derive(Debug)]
pub(crate) struct RootDse {
    /// Text that is the same for the same server.
    pub(crate) identity: String,
    /// Whether it can answer in pages.
    pub(crate) has_paging: bool,
    /// The parts of an Active Directory forest that never hold users, and that a search of a
    /// whole domain always refers to.
    pub(crate) userless: Vec<DnKey>,
}

impl RootDse {
    /// Asks for it. A server that doesn't show it can't be told from another, so nothing can be proved about a read.
    pub(crate) async fn read(connection: &mut Connection) -> Result<Self, DirectoryError> {
        let also = [SUPPORTED_CONTROL, FOREST_CONTEXT, CONFIGURATION_CONTEXT];
        let attributes: Vec<&str> = IDENTITY.into_iter().chain(also).collect();
        let doing = Doing::ReadingRootDse;
        match connection.ask_for_one(Query::one("", &attributes, doing.clone())).await? {
            Some(entry) => Ok(Self::of(&entry.attributes)),
            None => Err(DirectoryError::Protocol { doing, detail: "there was none".to_owned() }),
        }
    }

    fn of(attributes: &Attributes) -> Self {
        let context =
            |name: &str| attributes.one(name).map(String::from_utf8_lossy).map(std::borrow::Cow::into_owned);
        let below = |part: &str, name: &str| context(name).map(|context| format!("{part},{context}"));
        let userless = [
            context(CONFIGURATION_CONTEXT),
            below("DC=DomainDnsZones", DEFAULT_CONTEXT),
            below("DC=ForestDnsZones", FOREST_CONTEXT),
        ];
        Self {
            identity: identity(attributes),
            has_paging: attributes
                .all(SUPPORTED_CONTROL)
                .iter()
                .any(|control| control == PAGED_RESULTS.as_bytes()),
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
