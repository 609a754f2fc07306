//! Who is meant: as a filter where the server can choose, as a set of members where it can't.

use std::collections::HashSet;

use model::{Attributes, DnKey};

use crate::config::{DirectoryConfig, Membership, Scope};
use crate::connection::Connection;
use crate::decode::RawEntry;
use crate::errors::{DirectoryError, Doing};
use crate::escape::escape;
use crate::filter::{check_filter, enclosed};
use crate::search::{NO_ATTRIBUTES, Query};

/// Who is meant, made ready for a search.
pub(crate) struct Selection {
    /// What the server chooses by.
    pub(crate) filter: String,
    /// What is chosen by afterwards.
    pub(crate) members: Members,
}

/// The members of a group, as the group names them.
pub(crate) enum Members {
    /// The server has chosen already.
    Everyone,
    /// By name. Sixteen bytes each, so a group of a hundred thousand is no burden.
    ByDn(HashSet<DnKey>),
    /// By an id, without case.
    ById { user_attribute: String, ids: HashSet<String> },
}

impl Selection {
    /// Makes the scope ready. That a group exists is checked here, whichever way its membership is written: a group
    /// that was deleted, or a mistake in its name, must not look like an empty one.
    pub(crate) async fn prepare(
        connection: &mut Connection,
        config: &DirectoryConfig,
    ) -> Result<Self, DirectoryError> {
        let users = enclosed(&config.user_filter);
        let (dn, membership) = match &config.scope {
            Scope::Filter(filter) => {
                return Ok(Self {
                    filter: format!("(&{users}{})", enclosed(filter)),
                    members: Members::Everyone,
                });
            }
            Scope::Group { dn, membership } => (dn, membership),
        };
        match membership {
            Membership::MemberOf { attribute } => {
                group(connection, dn, NO_ATTRIBUTES).await?;
                let filter = format!("(&{users}({attribute}={}))", escape(dn));
                Ok(Self { filter, members: Members::Everyone })
            }
            Membership::Member { attribute } => {
                let group = group(connection, dn, attribute).await?;
                let keys = group.all(attribute).iter().map(|member| DnKey::of(&dn_of_member(member)));
                Ok(Self { filter: users, members: Members::ByDn(keys.collect()) })
            }
            Membership::MemberUid { attribute, user_attribute } => {
                let group = group(connection, dn, attribute).await?;
                let ids = group.all(attribute).iter().map(|id| folded(id)).collect();
                Ok(Self {
                    filter: users,
                    members: Members::ById { user_attribute: user_attribute.clone(), ids },
                })
            }
        }
    }
}

impl Members {
    /// Whether an entry that the server has chosen is one of them.
    pub(crate) fn contain(&self, dn: &str, attributes: &Attributes) -> bool {
        match self {
            Self::Everyone => true,
            Self::ByDn(keys) => keys.contains(&DnKey::of(dn)),
            Self::ById { user_attribute, ids } => {
                attributes.all(user_attribute).iter().any(|id| ids.contains(&folded(id)))
            }
        }
    }
}

/// Whether the group is there, for scopes that have one.
pub(crate) async fn check_group(connection: &mut Connection, scope: &Scope) -> Result<(), DirectoryError> {
    match scope {
        Scope::Filter(_) => Ok(()),
        Scope::Group { dn, .. } => group(connection, dn, NO_ATTRIBUTES).await.map(drop),
    }
}

/// Checks what of a configuration ends up in filters.
pub(crate) fn check_filters(config: &DirectoryConfig) -> Result<(), DirectoryError> {
    let check = |filter: &String| {
        check_filter(filter).map_err(|error| DirectoryError::Filter { filter: filter.clone(), error })
    };
    check(&config.user_filter)?;
    check_attribute(&config.anchor.attribute)?;
    match &config.scope {
        Scope::Filter(filter) => check(filter),
        Scope::Group { membership: Membership::MemberOf { attribute }, .. } => check_attribute(attribute),
        Scope::Group { .. } => Ok(()),
    }
}

/// Checks that an attribute's name is only that, before a filter is made with it.
pub(crate) fn check_attribute(attribute: &str) -> Result<(), DirectoryError> {
    let filter = format!("({attribute}=*)");
    check_filter(&filter).map_err(|error| DirectoryError::Filter { filter, error })
}

/// Reads a group with one of its attributes, all values of it.
async fn group(connection: &mut Connection, dn: &str, attribute: &str) -> Result<Attributes, DirectoryError> {
    let query = Query::one(dn, &[attribute], Doing::ReadingGroup { dn: dn.to_owned() });
    match connection.ask_for_one(query).await? {
        Some(entry) => whole(dn, attribute, entry),
        None => Err(DirectoryError::GroupNotFound { dn: dn.to_owned() }),
    }
}

/// Refuses a group of which only some values came. Active Directory names 1,500 members at once and says so in the
/// attribute's name; whoever comes after these is no less a member.
fn whole(dn: &str, attribute: &str, entry: RawEntry) -> Result<Attributes, DirectoryError> {
    if entry.partial.iter().any(|partial| partial.eq_ignore_ascii_case(attribute)) {
        return Err(DirectoryError::MembersInRanges { dn: dn.to_owned() });
    }
    Ok(entry.attributes)
}

/// A member's DN. `uniqueMember` may have a bit string behind it (RFC 4517, section 3.3.21): `cn=a,dc=b#'0101'B`.
fn dn_of_member(value: &[u8]) -> String {
    let mut dn = String::from_utf8_lossy(value).into_owned();
    if dn.ends_with("'B")
        && let Some(at) = dn.rfind("#'")
    {
        dn.truncate(at);
    }
    dn
}

fn folded(id: &[u8]) -> String {
    String::from_utf8_lossy(id).trim().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_by_dn_compare_as_dns() {
        let named: [&[u8]; 3] =
            [r"CN=Smith\, Jo,DC=x".as_bytes(), b"cn=ada,dc=x#'0101'B", "cn=Jürgen,dc=x".as_bytes()];
        let members = Members::ByDn(named.iter().map(|member| DnKey::of(&dn_of_member(member))).collect());
        let contain = |dn: &str| members.contain(dn, &Attributes::default());
        assert!(contain(r"cn=smith\2c jo, dc=X"));
        assert!(contain("CN=Ada,DC=x"));
        assert!(contain(r"cn=j\C3\BCrgen,dc=x"));
        assert!(!contain("cn=grace,dc=x"));
    }

    #[test]
    fn a_part_of_the_members_is_not_taken_for_all() {
        let group = |partial: &[&str]| RawEntry {
            dn: "cn=g".into(),
            attributes: Attributes::default(),
            partial: partial.iter().map(|name| (*name).to_owned()).collect(),
        };
        let error = whole("cn=g", "Member", group(&["member"])).unwrap_err();
        assert_eq!(error, DirectoryError::MembersInRanges { dn: "cn=g".into() });
        assert!(whole("cn=g", "member", group(&["proxyaddresses"])).is_ok());
    }

    #[test]
    fn members_by_id_compare_without_case() {
        let members = Members::ById { user_attribute: "uid".into(), ids: ["ada".into()].into() };
        let contain = |uid: &str| members.contain("cn=x", &[("UID", uid)].into_iter().collect());
        assert!(contain("Ada"));
        assert!(!contain("adam"));
        assert!(!members.contain("uid=ada", &Attributes::default()));
    }
}
