//! Scope of a search: a filter where the server can select the users, a set of members where it can't.

use std::collections::{HashMap, HashSet};

use model::{Anchor, Attributes, DnKey};

use crate::config::{Membership, Scope};
use crate::cursor::KnownGroup;
use crate::directory::Directory;
use crate::dn::is_under;
use crate::errors::{DirectoryError, DirectoryOperation, Result};
use crate::filter::{enclosed, escape};
use crate::groups::{
    LdapGroup, dn_of_member, hidden_group, is_listed, nested_by_member, nested_by_member_of,
};
use crate::root_dse::RootDse;
use crate::search::{NO_ATTRIBUTES, SearchQuery};

/// Most members of an empty scope's group that are looked at.
const MOST_SAMPLED: usize = 100;

/// Scope, prepared for searches.
pub(crate) struct ScopeSelection {
    pub(crate) filter: String,
    /// Members that the returned entries are compared with.
    pub(crate) members: ScopeMembers,
    /// Groups that the scope depends on.
    pub(crate) groups: Vec<KnownGroup>,
    /// Why users in scope may be hidden from the bind account.
    pub(crate) gap: Option<String>,
    /// Time of the latest change of these groups.
    pub(crate) newest: Option<String>,
}

/// Members of a group, by the group's list.
pub(crate) enum ScopeMembers {
    SelectedByFilter,
    /// Members by DN, 16 bytes each.
    ByDn {
        keys: HashSet<DnKey>,
        /// Members that the server may know by another spelling, as long as no entry has matched them.
        unmatched: HashMap<DnKey, String>,
    },
    /// Members by id, without case.
    ById {
        user_attribute: String,
        ids: HashSet<String>,
    },
}

impl ScopeSelection {
    /// Prepares the scope. A missing group is an error for every kind of membership.
    pub(crate) async fn prepare(directory: &mut Directory, root: &RootDse) -> Result<Self> {
        let users = enclosed(&directory.config.user_filter);
        let (dn, membership, nested) = match directory.config.scope.clone() {
            Scope::Filter(filter) => {
                return Ok(Self {
                    filter: format!("(&{users}{})", enclosed(&filter)),
                    members: ScopeMembers::SelectedByFilter,
                    groups: Vec::new(),
                    gap: None,
                    newest: None,
                });
            }
            Scope::Group { dn, membership, nested } => (dn, membership, nested),
        };
        let top = LdapGroup::find(&mut directory.connection, &directory.config, &dn).await?;
        match membership {
            Membership::MemberOf { attribute } => {
                let groups = match nested {
                    true => nested_by_member_of(directory, root, top, &attribute).await?,
                    false => vec![top],
                };
                let conditions: String =
                    groups.iter().map(|group| member_condition(group, &attribute, root)).collect();
                let filter = format!("(&{users}(|{conditions}))");
                Ok(Self::of_groups(filter, ScopeMembers::SelectedByFilter, groups))
            }
            Membership::Member { attribute } => {
                let (groups, members) = match nested {
                    true => nested_by_member(directory, root, top, &attribute).await?,
                    false => {
                        let members = top.members(directory, &attribute).await?;
                        (vec![top], members)
                    }
                };
                let by_dn = ScopeMembers::by_dn(members.values.iter().map(|member| dn_of_member(member)));
                Ok(Self { gap: members.gap, ..Self::of_groups(users, by_dn, groups) })
            }
            Membership::MemberUid { attribute, user_attribute } => {
                let members = top.members(directory, &attribute).await?;
                let ids = members.values.iter().map(|id| folded(id)).collect();
                let by_id = ScopeMembers::ById { user_attribute, ids };
                Ok(Self { gap: members.gap, ..Self::of_groups(users, by_id, vec![top]) })
            }
        }
    }

    fn of_groups(filter: String, members: ScopeMembers, groups: Vec<LdapGroup>) -> Self {
        let newest = groups.iter().filter_map(|group| group.changed.clone()).max();
        let known = groups.into_iter().map(|LdapGroup { anchor, dn, .. }| KnownGroup { anchor, dn });
        let mut groups: Vec<KnownGroup> = known.collect();
        groups.sort();
        Self { filter, members, groups, gap: None, newest }
    }

    /// Whether an entry that matches the filter is in scope. Where members may be respelled, the server compares.
    pub(crate) async fn includes(
        &mut self,
        directory: &mut Directory,
        root: &RootDse,
        (dn, attributes): (&str, &Attributes),
    ) -> Result<bool> {
        if self.members.contain(dn, attributes) {
            return Ok(true);
        }
        let is_exact =
            !matches!(&self.members, ScopeMembers::ByDn { unmatched, .. } if !unmatched.is_empty());
        if is_exact || !is_listed(directory, root, (dn, &self.groups)).await? {
            return Ok(false);
        }
        self.members.add(dn);
        Ok(true)
    }

    /// Why no user may be in scope although there are members: users that show no membership.
    pub(crate) async fn emptiness(directory: &mut Directory) -> Result<Option<String>> {
        let Scope::Group { dn, membership: Membership::MemberOf { attribute }, .. } =
            directory.config.scope.clone()
        else {
            return Ok(None);
        };
        let top = LdapGroup::find(&mut directory.connection, &directory.config, &dn).await?;
        let user_filter = enclosed(&directory.config.user_filter);
        for member in top.listed(directory).await?.iter().take(MOST_SAMPLED) {
            let operation = DirectoryOperation::ReadingGroup(dn.clone());
            let query = SearchQuery::entry(&dn_of_member(member), &[NO_ATTRIBUTES], operation);
            let query = SearchQuery { filter: user_filter.clone(), ..query };
            let user = match directory.connection.search_one(query).await {
                Err(DirectoryError::Refused { .. }) => None,
                user => user?,
            };
            // Groups, and users outside the base, are no users in scope.
            if user.is_some_and(|user| is_under(&user.dn, &directory.base_dn)) {
                return Ok(Some(format!(
                    "the group {dn} lists users, and no user shows it in {attribute}; let the reading account read \
                     {attribute}, or set scope.membership to \"member\""
                )));
            }
        }
        Ok(None)
    }

    /// Compares the groups with those of the last read: one that can't be read any more may hide its members.
    pub(crate) async fn compare_groups(
        &mut self,
        directory: &mut Directory,
        root: &RootDse,
        known: &[KnownGroup],
    ) -> Result<()> {
        if self.gap.is_none() {
            self.gap = hidden_group(directory, root, (&self.groups, known)).await?;
        }
        Ok(())
    }
}

/// Condition that the members of a group match. In Active Directory the users of a primary group are members too, and
/// neither `member` nor `memberOf` shows it.
fn member_condition(group: &LdapGroup, attribute: &str, root: &RootDse) -> String {
    let by_name = format!("({attribute}={})", escape(&group.dn));
    match group.rid {
        Some(rid) if root.is_active_directory => format!("{by_name}(primaryGroupID={rid})"),
        _ => by_name,
    }
}

impl ScopeMembers {
    fn by_dn(members: impl Iterator<Item = String>) -> Self {
        let (mut keys, mut unmatched) = (HashSet::new(), HashMap::new());
        for dn in members {
            let key = DnKey::of(&dn);
            keys.insert(key);
            if may_be_respelled(&dn) {
                unmatched.insert(key, dn);
            }
        }
        Self::ByDn { keys, unmatched }
    }

    /// Members that no entry has matched so far, although the server may know them by another spelling.
    pub(crate) fn take_unmatched(&mut self) -> Vec<String> {
        match self {
            Self::ByDn { unmatched, .. } => std::mem::take(unmatched).into_values().collect(),
            Self::SelectedByFilter | Self::ById { .. } => Vec::new(),
        }
    }

    /// Adds a member by the server's spelling; returns whether the spelling is new.
    pub(crate) fn add(&mut self, dn: &str) -> bool {
        match self {
            Self::ByDn { keys, .. } => keys.insert(DnKey::of(dn)),
            Self::SelectedByFilter | Self::ById { .. } => false,
        }
    }

    /// Whether an entry that matches the filter is a member.
    pub(crate) fn contain(&mut self, dn: &str, attributes: &Attributes) -> bool {
        match self {
            Self::SelectedByFilter => true,
            Self::ByDn { keys, unmatched } => {
                let key = DnKey::of(dn);
                unmatched.remove(&key);
                keys.contains(&key)
            }
            Self::ById { user_attribute, ids } => {
                attributes.all(user_attribute).iter().any(|id| ids.contains(&folded(id)))
            }
        }
    }
}

/// Whether servers compare the DN with others in ways that this crate does not: Unicode forms, and aliases of attributes.
fn may_be_respelled(dn: &str) -> bool {
    const USUAL: [&str; 8] = ["cn", "uid", "ou", "dc", "o", "c", "l", "st"];
    let types = dn.split([',', '+']).filter_map(|part| part.split_once('=')).map(|(kind, _)| kind.trim());
    !dn.is_ascii() || dn.contains('\\') || !types.into_iter().all(|kind| is_one_of(kind, &USUAL))
}

fn is_one_of(kind: &str, names: &[&str]) -> bool {
    names.iter().any(|name| name.eq_ignore_ascii_case(kind))
}

/// Checks that the group of the scope exists, and returns its anchor.
pub(crate) async fn check_group(directory: &mut Directory) -> Result<Option<Anchor>> {
    let Directory { connection, config, .. } = directory;
    match &config.scope {
        Scope::Filter(_) => Ok(None),
        Scope::Group { dn, .. } => Ok(LdapGroup::find(connection, config, dn).await?.anchor),
    }
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
        let mut members = ScopeMembers::by_dn(named.iter().map(|member| dn_of_member(member)));
        let mut contain = |dn: &str| members.contain(dn, &Attributes::default());
        assert!(contain(r"cn=smith\2c jo, dc=X"));
        assert!(contain("CN=Ada,DC=x"));
        assert!(contain(r"cn=j\C3\BCrgen,dc=x"));
        assert!(!contain("cn=grace,dc=x"));
    }

    #[test]
    fn members_that_may_be_respelled_stay_until_an_entry_matches() {
        let named = ["uid=ada,dc=x", "UID=J\u{fc}rgen,dc=x", "2.5.4.3=grace,dc=x", "userid=zoe,dc=x"];
        let mut members = ScopeMembers::by_dn(named.iter().map(|dn| (*dn).to_owned()));
        assert!(members.contain("uid=j\u{fc}rgen,dc=x", &Attributes::default()));
        let mut unmatched = members.take_unmatched();
        unmatched.sort();
        assert_eq!(unmatched, ["2.5.4.3=grace,dc=x", "userid=zoe,dc=x"]);
    }

    #[test]
    fn members_by_id_compare_without_case() {
        let mut members = ScopeMembers::ById { user_attribute: "uid".into(), ids: ["ada".into()].into() };
        let mut contain = |uid: &str| members.contain("cn=x", &[("UID", uid)].into_iter().collect());
        assert!(contain("Ada"));
        assert!(!contain("adam"));
        assert!(!members.contain("uid=ada", &Attributes::default()));
    }
}
