//! Who is meant: as a filter where the server can choose, as a set of members where it can't.

use std::collections::HashSet;

use model::{Anchor, Attributes, DnKey};

use crate::config::{DirectoryConfig, Membership, Scope};
use crate::connection::Connection;
use crate::errors::DirectoryError;
use crate::escape::escape;
use crate::filter::{check_filter, enclosed};
use crate::groups::{Group, dn_of_member, nested_by_member, nested_by_member_of};
use crate::root_dse::RootDse;

/// Who is meant, made ready for a search.
pub(crate) struct Selection {
    /// What the server chooses by.
    pub(crate) filter: String,
    /// What is chosen by afterwards.
    pub(crate) members: Members,
    /// The groups whose changes may change who is meant.
    pub(crate) groups: Vec<Anchor>,
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
    /// Makes the scope ready. That a group exists is checked here, whichever way its membership is written.
    pub(crate) async fn prepare(
        connection: &mut Connection,
        config: &DirectoryConfig,
        root: &RootDse,
    ) -> Result<Self, DirectoryError> {
        let users = enclosed(&config.user_filter);
        let (dn, membership, nested) = match &config.scope {
            Scope::Filter(filter) => {
                return Ok(Self {
                    filter: format!("(&{users}{})", enclosed(filter)),
                    members: Members::Everyone,
                    groups: Vec::new(),
                });
            }
            Scope::Group { dn, membership, nested } => (dn, membership, *nested),
        };
        let top = Group::find(connection, config, dn).await?;
        match membership {
            Membership::MemberOf { attribute } => {
                let groups = match nested {
                    true => nested_by_member_of(connection, config, root, top, attribute).await?,
                    false => vec![top],
                };
                let conditions: String = groups.iter().map(|group| group.members(attribute, root)).collect();
                let filter = format!("(&{users}(|{conditions}))");
                Ok(Self { filter, members: Members::Everyone, groups: anchors(groups) })
            }
            Membership::Member { attribute } => {
                let (groups, members) = match nested {
                    true => nested_by_member(connection, config, root, top, attribute).await?,
                    false => {
                        let members = Group::values(connection, dn, attribute).await?;
                        (vec![top], members)
                    }
                };
                let keys = members.iter().map(|member| DnKey::of(&dn_of_member(member)));
                Ok(Self { filter: users, members: Members::ByDn(keys.collect()), groups: anchors(groups) })
            }
            Membership::MemberUid { attribute, user_attribute } => {
                let ids = Group::values(connection, dn, attribute).await?;
                let ids = ids.iter().map(|id| folded(id)).collect();
                let members = Members::ById { user_attribute: user_attribute.clone(), ids };
                Ok(Self { filter: users, members, groups: anchors(vec![top]) })
            }
        }
    }
}

impl Group {
    /// The condition that its members meet. In Active Directory those whose primary group it is are members, and neither
    /// they nor the group say so in the usual attributes.
    fn members(&self, attribute: &str, root: &RootDse) -> String {
        let by_name = format!("({attribute}={})", escape(&self.dn));
        match self.rid {
            Some(rid) if root.is_active_directory => format!("{by_name}(primaryGroupID={rid})"),
            _ => by_name,
        }
    }
}

fn anchors(groups: Vec<Group>) -> Vec<Anchor> {
    let mut anchors: Vec<Anchor> = groups.into_iter().filter_map(|group| group.anchor).collect();
    anchors.sort();
    anchors
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

/// Sees to it that the group is there, for scopes that have one, and tells which one it is.
pub(crate) async fn check_group(
    connection: &mut Connection,
    config: &DirectoryConfig,
) -> Result<Option<Anchor>, DirectoryError> {
    match &config.scope {
        Scope::Filter(_) => Ok(None),
        Scope::Group { dn, .. } => Ok(Group::find(connection, config, dn).await?.anchor),
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
    fn members_by_id_compare_without_case() {
        let members = Members::ById { user_attribute: "uid".into(), ids: ["ada".into()].into() };
        let contain = |uid: &str| members.contain("cn=x", &[("UID", uid)].into_iter().collect());
        assert!(contain("Ada"));
        assert!(!contain("adam"));
        assert!(!members.contain("uid=ada", &Attributes::default()));
    }
}
