//! Groups: all of their members, and the groups nested in them.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use model::{Anchor, Attributes, DnKey};

use crate::change_time::{CREATED, MODIFIED, newest_change};
use crate::config::DirectoryConfig;
use crate::connection::LdapConnection;
use crate::directory::Directory;
use crate::dn::context_of;
use crate::errors::{DirectoryError, DirectoryOperation, Result};
use crate::filter::escape;
use crate::root_dse::RootDse;
use crate::search::SearchQuery;

#[derive(Clone, Debug)]
pub(crate) struct LdapGroup {
    pub(crate) dn: String,
    /// Anchor; `None` if groups lack the anchor attribute of users.
    pub(crate) anchor: Option<Anchor>,
    /// Relative id, by which users in Active Directory name their primary group.
    pub(crate) rid: Option<u32>,
    /// Time of its latest change.
    pub(crate) changed: Option<String>,
}

/// Filter that matches groups of every product.
const GROUPS: &str = "(|(objectClass=group)(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)\
(objectClass=groupOfEntries)(objectClass=posixGroup))";

const SID: &str = "objectSid";

/// Matching rule by which Active Directory follows nested memberships (LDAP_MATCHING_RULE_IN_CHAIN).
const IN_CHAIN: &str = "1.2.840.113556.1.4.1941";

/// Groups per search.
const BATCH: usize = 50;

/// Most groups in one scope. More indicate a wrong group, and make the filter too long.
const MOST_GROUPS: usize = 2000;

impl LdapGroup {
    /// Reads a group. A missing one is an error, because it must not count as empty.
    pub(crate) async fn find(
        connection: &mut LdapConnection,
        config: &DirectoryConfig,
        dn: &str,
    ) -> Result<Self> {
        let operation = DirectoryOperation::ReadingGroup(dn.to_owned());
        let query = SearchQuery::entry(dn, &[&config.anchor.attribute, SID, MODIFIED, CREATED], operation);
        match connection.search_one(query).await? {
            Some(entry) => Ok(Self::of(dn.to_owned(), &entry.attributes, config)),
            None => Err(DirectoryError::GroupNotFound(dn.to_owned())),
        }
    }

    fn of(dn: String, attributes: &Attributes, config: &DirectoryConfig) -> Self {
        let rid =
            attributes.one(SID).and_then(|sid| sid.last_chunk::<4>()).map(|end| u32::from_le_bytes(*end));
        let changed = newest_change(None, attributes);
        Self { dn, anchor: config.anchor.of(attributes).ok(), rid, changed }
    }

    /// All values of an attribute. Active Directory returns 1,500 values at a time; the rest is requested in ranges.
    pub(crate) async fn values(
        connection: &mut LdapConnection,
        dn: &str,
        attribute: &str,
    ) -> Result<Vec<Bytes>> {
        let operation = DirectoryOperation::ReadingGroup(dn.to_owned());
        let mut values = Vec::new();
        let mut from = None;
        loop {
            let requested = match from {
                None => attribute.to_owned(),
                Some(from) => format!("{attribute};range={from}-*"),
            };
            let query = SearchQuery::entry(dn, &[&requested], operation.clone());
            let Some(entry) = connection.search_one(query).await? else {
                return Err(DirectoryError::GroupNotFound(dn.to_owned()));
            };
            let name = attribute.to_ascii_lowercase();
            let missing =
                entry.partial.iter().find(|(partial, _)| *partial == name).and_then(|(_, next)| *next);
            values.extend_from_slice(entry.attributes.all(attribute));
            match missing {
                None => return Ok(values),
                Some(next) if from.is_none_or(|from| from < next) => from = Some(next),
                Some(_) => {
                    return Err(DirectoryError::protocol(&operation, "the same range of members came again"));
                }
            }
        }
    }
}

/// A group and all groups nested in it, by the `memberOf` of the groups.
pub(crate) async fn nested_by_member_of(
    directory: &mut Directory,
    root: &RootDse,
    top: LdapGroup,
    attribute: &str,
) -> Result<Vec<LdapGroup>> {
    let mut closure = GroupClosure::of(top);
    if root.is_active_directory {
        let condition = format!("({attribute}:{IN_CHAIN}:={})", escape(&closure.top));
        match groups_where(directory, root, &closure.top, &condition).await {
            Ok(found) => {
                found.into_iter().for_each(|group| drop(closure.add(group)));
                return closure.into_groups();
            }
            // The rule is expensive, and some servers refuse it.
            Err(DirectoryError::Refused { .. } | DirectoryError::Timeout { .. }) => {
                tracing::info!("the server does not resolve nested groups; reading them level by level");
            }
            Err(error) => return Err(error),
        }
    }
    let mut level = closure.dns();
    while !level.is_empty() {
        let mut next = Vec::new();
        for batch in level.chunks(BATCH) {
            let any: String = batch.iter().map(|dn| format!("({attribute}={})", escape(dn))).collect();
            for group in groups_where(directory, root, &closure.top, &format!("(|{any})")).await? {
                if let Some(dn) = closure.add(group) {
                    next.push(dn);
                }
            }
        }
        level = next;
        closure.check()?;
    }
    closure.into_groups()
}

/// A group and all groups nested in it, with the values of their member attribute.
pub(crate) async fn nested_by_member(
    directory: &mut Directory,
    root: &RootDse,
    top: LdapGroup,
    attribute: &str,
) -> Result<(Vec<LdapGroup>, Vec<Bytes>)> {
    let all = groups_where(directory, root, &top.dn, "").await?;
    let all: HashMap<DnKey, LdapGroup> = all.into_iter().map(|group| (DnKey::of(&group.dn), group)).collect();
    let mut closure = GroupClosure::of(top);
    let mut level = closure.dns();
    let mut members = Vec::new();
    while let Some(dn) = level.pop() {
        for member in LdapGroup::values(&mut directory.connection, &dn, attribute).await? {
            if let Some(group) = all.get(&DnKey::of(&dn_of_member(&member))) {
                level.extend(closure.add(group.clone()));
            }
            members.push(member);
        }
        closure.check()?;
    }
    Ok((closure.into_groups()?, members))
}

/// Groups found so far. Nested groups may form a cycle, so each is followed once.
struct GroupClosure {
    top: String,
    found: Vec<LdapGroup>,
    known: HashSet<DnKey>,
}

impl GroupClosure {
    fn of(top: LdapGroup) -> Self {
        Self { top: top.dn.clone(), known: [DnKey::of(&top.dn)].into(), found: vec![top] }
    }

    fn dns(&self) -> Vec<String> {
        self.found.iter().map(|group| group.dn.clone()).collect()
    }

    /// Adds a group; returns its DN if it is new.
    fn add(&mut self, group: LdapGroup) -> Option<String> {
        self.known.insert(DnKey::of(&group.dn)).then(|| {
            let dn = group.dn.clone();
            self.found.push(group);
            dn
        })
    }

    fn check(&self) -> Result<()> {
        match self.found.len() {
            0..=MOST_GROUPS => Ok(()),
            _ => Err(DirectoryError::TooManyGroups { dn: self.top.clone(), most: MOST_GROUPS }),
        }
    }

    fn into_groups(self) -> Result<Vec<LdapGroup>> {
        self.check().map(|()| self.found)
    }
}

/// Groups in the tree of the group `dn` that match a condition.
pub(crate) async fn groups_where(
    directory: &mut Directory,
    root: &RootDse,
    dn: &str,
    condition: &str,
) -> Result<Vec<LdapGroup>> {
    let Directory { connection, config, .. } = directory;
    let query = SearchQuery::subtree(
        context_of(dn, &root.contexts).unwrap_or(&config.base_dn).to_owned(),
        format!("(&{GROUPS}{condition})"),
        [&config.anchor.attribute, SID, MODIFIED, CREATED].map(str::to_owned).to_vec(),
        DirectoryOperation::ReadingGroup(dn.to_owned()),
    );
    let found = connection.search_paged(query, root.has_paging.then_some(config.page_size)).await?;
    Ok(found.into_iter().map(|entry| LdapGroup::of(entry.dn, &entry.attributes, config)).collect())
}

/// DN of a member. `uniqueMember` may end with a bit string (RFC 4517, section 3.3.21): `cn=a,dc=b#'0101'B`.
pub(crate) fn dn_of_member(value: &[u8]) -> String {
    let mut dn = String::from_utf8_lossy(value).into_owned();
    if dn.ends_with("'B")
        && let Some(at) = dn.rfind("#'")
    {
        dn.truncate(at);
    }
    dn
}
