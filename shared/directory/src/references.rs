//! References to other servers, and which of them matter.
//!
//! None is followed: it would lead to another server, about which nothing was proved. A search of a whole Active
//! Directory domain always brings three that lead to no users: to the forest's configuration and to two partitions
//! for DNS. They are told by exactly the names that the server itself gives for these. Any other reference, such as
//! one to a child domain, counts, and the read is not complete; a base DN below the domain's root avoids it where
//! that is what is wanted.

use model::DnKey;

use crate::root_dse::RootDse;

/// Whether users may be behind a reference. Its addresses are alternatives, so all must be known to lead to none.
pub(crate) fn may_hide_users(addresses: &[String], root: &RootDse) -> bool {
    let is_userless =
        |address: &String| dn_of(address).is_some_and(|dn| root.userless.contains(&DnKey::of(&dn)));
    addresses.is_empty() || !addresses.iter().all(is_userless)
}

/// The server that a reference leads to, to be logged. What follows it may be the name of a single person.
pub(crate) fn server_of(addresses: &[String]) -> &str {
    let server = addresses.first().and_then(|address| address.split('/').nth(2));
    server.unwrap_or("unknown")
}

/// The DN in an LDAP URL (RFC 4516): `ldap://host:port/DN?attributes?scope?filter`.
fn dn_of(address: &str) -> Option<String> {
    let (_, rest) = address.split_once("://")?;
    let (_, path) = rest.split_once('/')?;
    let dn = path.split('?').next()?;
    percent_decoded(dn)
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        (bytes, rest) = match (first, after) {
            (b'%', [high, low, tail @ ..]) => {
                let digits = [*high, *low];
                let byte = u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?;
                bytes.push(byte);
                (bytes, tail)
            }
            (b'%', _) => return None,
            (plain, tail) => {
                bytes.push(*plain);
                (bytes, tail)
            }
        };
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_known_parts_of_the_forest_do_not_count() {
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
    fn a_log_shows_the_server_and_nobody() {
        let addresses = |address: &str| [address.to_owned()];
        assert_eq!(server_of(&addresses("ldap://other:389/uid=ada,dc=x")), "other:389");
        assert_eq!(server_of(&addresses("ldap://other")), "other");
        assert_eq!(server_of(&addresses("uid=ada,dc=x")), "unknown");
        assert_eq!(server_of(&[]), "unknown");
    }

    proptest::proptest! {
        #[test]
        fn no_address_is_too_strange(address: String) {
            let _ = dn_of(&address);
        }
    }
}
