//! Search result references, and which of them make a read incomplete.
//!
//! References are not followed: they lead to another server, about which nothing is proved. A search of a whole Active
//! Directory domain always returns three that hold no users: the forest's configuration and two DNS partitions. They are
//! recognised by the exact names that the root DSE gives. Any other reference, such as one to a child domain, makes the read
//! incomplete; a base DN below the domain's root avoids it.

use model::DnKey;
use percent_encoding::percent_decode_str;

use crate::root_dse::RootDse;

/// Whether a reference may lead to users. Its addresses are alternatives, so each must name a partition without users.
pub(crate) fn may_hide_users(addresses: &[String], root: &RootDse) -> bool {
    let is_userless =
        |address: &String| dn_of(address).is_some_and(|dn| root.userless.contains(&DnKey::of(&dn)));
    addresses.is_empty() || !addresses.iter().all(is_userless)
}

/// Host of a reference, for the log. The rest of the address may name a user.
pub(crate) fn server_of(addresses: &[String]) -> &str {
    let server = addresses.first().and_then(|address| address.split('/').nth(2));
    server.unwrap_or("unknown")
}

/// DN of an LDAP URL (RFC 4516): `ldap://host:port/DN?attributes?scope?filter`.
fn dn_of(address: &str) -> Option<String> {
    let (_, rest) = address.split_once("://")?;
    let (_, path) = rest.split_once('/')?;
    let dn = percent_decode_str(path.split('?').next()?).decode_utf8().ok()?;
    Some(dn.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_userless_partitions_are_ignored() {
        let root = RootDse {
            userless: ["CN=Configuration,DC=corp,DC=example", "DC=DomainDnsZones,DC=corp,DC=example"]
                .map(DnKey::of)
                .to_vec(),
            ..RootDse::of(&model::Attributes::default())
        };
        for (addresses, counts) in [
            (vec!["ldap://corp.example/CN=Configuration,DC=corp,DC=example"], false),
            (vec!["ldap://DomainDnsZones.corp.example/dc=domaindnszones,DC=corp,DC=example??base"], false),
            (vec!["ldap://corp.example/CN%3DConfiguration%2cDC=corp,DC=example"], false),
            (vec!["ldap://corp.example/CN=Configuration%,DC=corp,DC=example"], true),
            (vec!["ldap://child.corp.example/DC=child,DC=corp,DC=example"], true),
            (vec!["ldap://corp.example/OU=x,CN=Configuration,DC=corp,DC=example"], true),
            (vec!["ldap://corp.example/CN=Configuration,DC=corp,DC=example", "ldap://other/DC=x"], true),
            (vec!["ldap://corp.example"], true),
            (vec!["nonsense"], true),
            (vec![], true),
        ] {
            let addresses: Vec<String> = addresses.into_iter().map(str::to_owned).collect();
            assert_eq!(may_hide_users(&addresses, &root), counts, "{addresses:?}");
        }
    }

    #[test]
    fn log_shows_the_host_alone() {
        let addresses = |address: &str| [address.to_owned()];
        assert_eq!(server_of(&addresses("ldap://other:389/uid=ada,dc=x")), "other:389");
        assert_eq!(server_of(&addresses("ldap://other")), "other");
        assert_eq!(server_of(&addresses("uid=ada,dc=x")), "unknown");
        assert_eq!(server_of(&[]), "unknown");
    }

    proptest::proptest! {
        #[test]
        fn parsing_never_panics(address: String) {
            let _ = dn_of(&address);
        }
    }
}
