//! Explanation of one entry's scope: each condition is evaluated for this entry alone, so its cost does not depend on the
//! number of users.

use std::collections::HashMap;

use model::{DnKey, Entry};
use serde::Serialize;

use crate::config::{Membership, Scope};
use crate::directory::Directory;
use crate::errors::{DirectoryOperation, Result};
use crate::filter::{conjuncts, enclosed, escape, escape_bytes};
use crate::groups::{LdapGroup, groups_where, nested_by_member_of};
use crate::root_dse::RootDse;
use crate::search::{NO_ATTRIBUTES, SearchQuery};

/// Most levels of groups above a user that are followed.
const MOST_LEVELS: usize = 32;

/// Whether an entry is in scope, with the result of each condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeExplanation {
    /// Whether the entry is in scope.
    pub in_scope: bool,
    /// Conditions, all of which must be met.
    pub conditions: Vec<ScopeCondition>,
}

/// Condition of the scope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ScopeCondition {
    /// Kind of condition.
    pub kind: ScopeConditionKind,
    /// DN or filter of the condition.
    pub asked: String,
    /// Whether the entry meets the condition.
    pub met: bool,
    /// Path of the membership, for a group that the entry is in.
    pub how: Option<MembershipPath>,
}

/// Kind of condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ScopeConditionKind {
    /// The entry is under the base.
    Base,
    /// The entry matches the user filter.
    UserFilter,
    /// The entry matches the scope's filter, or one of its conjuncts.
    Filter,
    /// The entry is in the scope's group.
    Group,
}

/// Path by which an entry is in a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MembershipPath {
    /// Direct membership.
    Direct,
    /// Membership through nested groups, the entry's own first.
    Nested(Vec<String>),
    /// The group is the user's primary group.
    PrimaryGroup,
}

impl Directory {
    /// Explains whether an entry is in scope.
    pub async fn explain_scope(&mut self, entry: &Entry) -> Result<ScopeExplanation> {
        let base = self.config.base_dn.clone();
        let users = enclosed(&self.config.user_filter);
        let scope = self.config.scope.clone();
        let under_base = !self.look_up(&base, std::slice::from_ref(&entry.anchor), "").await?.is_empty();
        let is_user = self.matches(&entry.dn, &users).await?;
        let plain = |kind, asked, met| ScopeCondition { kind, asked, met, how: None };
        let mut conditions = vec![
            plain(ScopeConditionKind::Base, base, under_base),
            plain(ScopeConditionKind::UserFilter, users, is_user),
        ];
        match &scope {
            Scope::Filter(filter) => {
                for part in conjuncts(&enclosed(filter)) {
                    let met = self.matches(&entry.dn, &part).await?;
                    conditions.push(plain(ScopeConditionKind::Filter, part, met));
                }
            }
            Scope::Group { dn, membership, nested } => {
                let how = self.membership_path(entry, (dn, *nested), membership).await?;
                let (kind, asked, met) = (ScopeConditionKind::Group, dn.clone(), how.is_some());
                conditions.push(ScopeCondition { kind, asked, met, how });
            }
        }
        // The server's own selection decides, as in a scan. A member list would have to be read completely for it.
        let in_scope = match &scope {
            Scope::Group { membership, .. } if membership.is_list() => conditions.iter().all(|it| it.met),
            _ => self.in_scope(std::slice::from_ref(&entry.anchor)).await?.contains(&entry.anchor),
        };
        Ok(ScopeExplanation { in_scope, conditions })
    }

    async fn membership_path(
        &mut self,
        entry: &Entry,
        (dn, nested): (&str, bool),
        membership: &Membership,
    ) -> Result<Option<MembershipPath>> {
        let root = RootDse::read(&mut self.connection).await?;
        let top = LdapGroup::find(&mut self.connection, &self.config, dn).await?;
        match membership {
            Membership::MemberUid { attribute, user_attribute } => {
                for id in entry.attributes.all(user_attribute) {
                    if self.matches(dn, &format!("({attribute}={})", escape_bytes(id))).await? {
                        return Ok(Some(MembershipPath::Direct));
                    }
                }
                Ok(None)
            }
            Membership::Member { attribute } => {
                if self.matches(dn, &format!("({attribute}={})", escape(&entry.dn))).await? {
                    return Ok(Some(MembershipPath::Direct));
                }
                if nested { self.path_upwards(&entry.dn, &top, (attribute, &root)).await } else { Ok(None) }
            }
            Membership::MemberOf { attribute } => {
                let own = LdapGroup::values(&mut self.connection, &entry.dn, attribute).await?;
                let own: Vec<DnKey> = own.iter().map(|dn| DnKey::of(&String::from_utf8_lossy(dn))).collect();
                if own.contains(&DnKey::of(dn)) {
                    return Ok(Some(MembershipPath::Direct));
                }
                let primary = top.rid.filter(|_| root.is_active_directory);
                if let Some(rid) = primary
                    && self.matches(&entry.dn, &format!("(primaryGroupID={rid})")).await?
                {
                    return Ok(Some(MembershipPath::PrimaryGroup));
                }
                if !nested {
                    return Ok(None);
                }
                let groups = nested_by_member_of(self, &root, top, attribute).await?;
                let through = groups.into_iter().find(|group| own.contains(&DnKey::of(&group.dn)));
                Ok(through.map(|group| MembershipPath::Nested(vec![group.dn])))
            }
        }
    }

    /// Groups through which an entry is in another, searched level by level from the entry upwards.
    async fn path_upwards(
        &mut self,
        entry_dn: &str,
        top: &LdapGroup,
        (attribute, root): (&str, &RootDse),
    ) -> Result<Option<MembershipPath>> {
        let target = DnKey::of(&top.dn);
        // Each group found, with the group below it. A cycle ends at a known group.
        let mut below: HashMap<DnKey, Option<String>> = HashMap::new();
        let mut level = vec![entry_dn.to_owned()];
        for depth in 0..MOST_LEVELS {
            let mut next = Vec::new();
            for member in &level {
                let condition = format!("({attribute}={})", escape(member));
                for group in groups_where(self, root, &top.dn, &condition).await? {
                    let key = DnKey::of(&group.dn);
                    if below.contains_key(&key) {
                        continue;
                    }
                    below.insert(key, (depth > 0).then(|| member.clone()));
                    if key == target {
                        return Ok(Some(MembershipPath::Nested(chain(&below, target))));
                    }
                    next.push(group.dn);
                }
            }
            if next.is_empty() {
                break;
            }
            level = next;
        }
        Ok(None)
    }

    /// Whether an entry exists and matches a filter.
    async fn matches(&mut self, dn: &str, filter: &str) -> Result<bool> {
        let operation = DirectoryOperation::LookingUp("the DN".to_owned());
        let query = SearchQuery::entry(dn, &[NO_ATTRIBUTES], operation);
        let query = SearchQuery { filter: filter.to_owned(), ..query };
        Ok(self.connection.search_one(query).await?.is_some())
    }
}

/// Groups below the target, the lowest first.
fn chain(below: &HashMap<DnKey, Option<String>>, target: DnKey) -> Vec<String> {
    let mut chain = Vec::new();
    let mut at = target;
    while let Some(Some(dn)) = below.get(&at) {
        chain.push(dn.clone());
        at = DnKey::of(dn);
    }
    chain.reverse();
    chain
}
