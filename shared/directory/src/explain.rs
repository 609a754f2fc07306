//! Why one entry is in scope or is not: each condition by itself, asked for this entry alone, so that it makes no
//! difference how many others there are.

use std::collections::HashMap;

use model::{DnKey, Entry};
use serde::Serialize;

use crate::config::{Membership, Scope};
use crate::directory::Directory;
use crate::errors::{DirectoryError, DirectoryOperation};
use crate::escape::{escape, escape_bytes};
use crate::filter::{conjuncts, enclosed};
use crate::groups::{Group, groups_with, nested_by_member_of};
use crate::root_dse::RootDse;
use crate::search::Query;

/// More groups above one user than this are not followed.
const MOST_LEVELS: usize = 32;

/// Whether an entry is in scope, and by which conditions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeExplanation {
    /// Whether it is.
    pub in_scope: bool,
    /// What it takes; all of them have to be met.
    pub conditions: Vec<ScopeCondition>,
}

/// One condition of the scope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ScopeCondition {
    /// What kind it is of.
    pub kind: ScopeConditionKind,
    /// What is asked for: a DN or a filter.
    pub asked: String,
    /// Whether the entry meets it.
    pub met: bool,
    /// How the entry is in the group, if it is.
    pub how: Option<MembershipPath>,
}

/// A kind of condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ScopeConditionKind {
    /// The entry is under the base.
    Base,
    /// It is a user, as the configuration has it.
    UserFilter,
    /// It matches the targeted filter, or one of the parts that must all match.
    Filter,
    /// It is in the targeted group.
    Group,
}

/// How somebody is in a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MembershipPath {
    /// By itself.
    Direct,
    /// By way of groups in it, the entry's own first.
    Nested(Vec<String>),
    /// The group is the user's primary group.
    PrimaryGroup,
}

impl Directory {
    /// Whether an entry is in scope, and why.
    pub async fn explain_scope(&mut self, entry: &Entry) -> Result<ScopeExplanation, DirectoryError> {
        let base = self.config.base_dn.clone();
        let users = enclosed(&self.config.user_filter);
        let scope = self.config.scope.clone();
        let under_base = !self.look_up(&base, std::slice::from_ref(&entry.anchor), "").await?.is_empty();
        let is_user = self.passes(&entry.dn, &users).await?;
        let plain = |kind, asked, met| ScopeCondition { kind, asked, met, how: None };
        let mut conditions = vec![
            plain(ScopeConditionKind::Base, base, under_base),
            plain(ScopeConditionKind::UserFilter, users, is_user),
        ];
        match &scope {
            Scope::Filter(filter) => {
                for part in conjuncts(&enclosed(filter)) {
                    let met = self.passes(&entry.dn, &part).await?;
                    conditions.push(plain(ScopeConditionKind::Filter, part, met));
                }
            }
            Scope::Group { dn, membership, nested } => {
                let how = self.membership(entry, dn, membership, *nested).await?;
                let met = how.is_some();
                conditions.push(ScopeCondition {
                    kind: ScopeConditionKind::Group,
                    asked: dn.clone(),
                    met,
                    how,
                });
            }
        }
        // Where the server can choose, its choice counts, as it does for everybody; of a member list, all would have to
        // be read for that.
        let in_scope = match &scope {
            Scope::Group { membership, .. } if membership.is_list() => conditions.iter().all(|it| it.met),
            _ => self.in_scope(std::slice::from_ref(&entry.anchor)).await?.contains(&entry.anchor),
        };
        Ok(ScopeExplanation { in_scope, conditions })
    }

    async fn membership(
        &mut self,
        entry: &Entry,
        dn: &str,
        membership: &Membership,
        nested: bool,
    ) -> Result<Option<MembershipPath>, DirectoryError> {
        let root = RootDse::read(&mut self.connection).await?;
        let top = Group::find(&mut self.connection, &self.config, dn).await?;
        match membership {
            Membership::MemberUid { attribute, user_attribute } => {
                for id in entry.attributes.all(user_attribute) {
                    if self.passes(dn, &format!("({attribute}={})", escape_bytes(id))).await? {
                        return Ok(Some(MembershipPath::Direct));
                    }
                }
                Ok(None)
            }
            Membership::Member { attribute } => {
                if self.passes(dn, &format!("({attribute}={})", escape(&entry.dn))).await? {
                    return Ok(Some(MembershipPath::Direct));
                }
                if nested { self.way_up(entry, &top, attribute, &root).await } else { Ok(None) }
            }
            Membership::MemberOf { attribute } => {
                let own = Group::values(&mut self.connection, &entry.dn, attribute).await?;
                let own: Vec<DnKey> = own.iter().map(|dn| DnKey::of(&String::from_utf8_lossy(dn))).collect();
                if own.contains(&DnKey::of(dn)) {
                    return Ok(Some(MembershipPath::Direct));
                }
                let primary = top.rid.filter(|_| root.is_active_directory);
                if let Some(rid) = primary
                    && self.passes(&entry.dn, &format!("(primaryGroupID={rid})")).await?
                {
                    return Ok(Some(MembershipPath::PrimaryGroup));
                }
                if !nested {
                    return Ok(None);
                }
                let groups =
                    nested_by_member_of(&mut self.connection, &self.config, &root, top, attribute).await?;
                let through = groups.into_iter().find(|group| own.contains(&DnKey::of(&group.dn)));
                Ok(through.map(|group| MembershipPath::Nested(vec![group.dn])))
            }
        }
    }

    /// The groups by way of which an entry is in another, level by level from the entry upwards.
    async fn way_up(
        &mut self,
        entry: &Entry,
        top: &Group,
        attribute: &str,
        root: &RootDse,
    ) -> Result<Option<MembershipPath>, DirectoryError> {
        let target = DnKey::of(&top.dn);
        // Each group that was met, by the one below it; a circle ends where it began.
        let mut below: HashMap<DnKey, Option<String>> = HashMap::new();
        let mut level = vec![entry.dn.clone()];
        for depth in 0..MOST_LEVELS {
            let mut next = Vec::new();
            for member in &level {
                let holders =
                    groups_with(&mut self.connection, &self.config, root, top, attribute, member).await?;
                for holder in holders {
                    let key = DnKey::of(&holder.dn);
                    if below.contains_key(&key) {
                        continue;
                    }
                    below.insert(key, (depth > 0).then(|| member.clone()));
                    if key == target {
                        return Ok(Some(MembershipPath::Nested(chain(&below, target))));
                    }
                    next.push(holder.dn);
                }
            }
            if next.is_empty() {
                break;
            }
            level = next;
        }
        Ok(None)
    }

    /// Whether one entry is there and passes a filter.
    async fn passes(&mut self, dn: &str, filter: &str) -> Result<bool, DirectoryError> {
        // No attribute is wanted (RFC 4511, 4.5.1.8).
        let query =
            Query::one(dn, &["1.1"], DirectoryOperation::LookingUp { attribute: "the DN".to_owned() });
        Ok(self.connection.ask_for_one(Query { filter: filter.to_owned(), ..query }).await?.is_some())
    }
}

/// The groups below the target, the lowest first.
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
