//! Groups: all of their members, and the groups nested in them.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use model::{Anchor, Attributes, DnKey};

use crate::change_time::{CREATED, MODIFIED, newest_change};
use crate::config::DirectoryConfig;
use crate::connection::LdapConnection;
use crate::cursor::KnownGroup;
use crate::directory::Directory;
use crate::dn::context_of;
use crate::errors::{DirectoryError, DirectoryOperation, Result};
use crate::filter::{enclosed, escape};
use crate::group_class::{self, OBJECT_CLASS, any_group};
use crate::paging::page_control;
use crate::rights::hidden_attributes;
use crate::root_dse::RootDse;
use crate::search::{NO_ATTRIBUTES, SearchQuery};

#[derive(Clone, Debug)]
pub(crate) struct LdapGroup {
    pub(crate) dn: String,
    /// Anchor; `None` if groups lack the anchor attribute of users.
    pub(crate) anchor: Option<Anchor>,
    /// Relative id, by which users in Active Directory name their primary group.
    pub(crate) rid: Option<u32>,
    /// Time of its latest change.
    pub(crate) changed: Option<String>,
    /// Attributes by which its classes list DNs.
    lists: Vec<&'static str>,
    /// Class that demands an attribute, and the attribute.
    demanded: Option<(&'static str, &'static str)>,
}

/// Members of a group, as far as the bind account sees them.
#[derive(Default)]
pub(crate) struct GroupMembers {
    pub(crate) values: Vec<Bytes>,
    /// Why members may be hidden.
    pub(crate) gap: Option<String>,
}

const SID: &str = "objectSid";

/// Attribute by which a user names its groups.
const BACK_LINK: &str = "memberOf";

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
        let attributes = Self::attributes(config);
        let attributes: Vec<&str> = attributes.iter().map(String::as_str).collect();
        match connection.search_one(SearchQuery::entry(dn, &attributes, operation)).await? {
            Some(entry) => Ok(Self::of(entry.dn, &entry.attributes, config)),
            None => Err(DirectoryError::GroupNotFound(dn.to_owned())),
        }
    }

    /// Attributes that are read of a group.
    fn attributes(config: &DirectoryConfig) -> Vec<String> {
        [&config.anchor.attribute, SID, MODIFIED, CREATED, OBJECT_CLASS].map(str::to_owned).to_vec()
    }

    fn of(dn: String, attributes: &Attributes, config: &DirectoryConfig) -> Self {
        let rid =
            attributes.one(SID).and_then(|sid| sid.last_chunk::<4>()).map(|end| u32::from_le_bytes(*end));
        let changed = newest_change(None, attributes);
        let anchor = config.anchor.of(attributes).ok();
        let lists = group_class::dn_lists(attributes);
        Self { dn, anchor, rid, changed, lists, demanded: group_class::demanded_list(attributes) }
    }

    /// Members by the configured attribute. A group without the member that its class demands hides it.
    pub(crate) async fn members(&self, directory: &mut Directory, attribute: &str) -> Result<GroupMembers> {
        let values = Self::values(&mut directory.connection, &self.dn, attribute).await?;
        let gap = if values.is_empty() { self.gap(directory, attribute).await? } else { None };
        Ok(GroupMembers { values, gap })
    }

    /// Members by the attributes of its classes, as a nested group lists them.
    async fn nested_members(&self, directory: &mut Directory, attribute: &str) -> Result<GroupMembers> {
        let others = self.lists.iter().filter(|list| !list.eq_ignore_ascii_case(attribute));
        let mut members = GroupMembers::default();
        for list in std::iter::once(attribute).chain(others.copied()) {
            members.values.extend(Self::values(&mut directory.connection, &self.dn, list).await?);
        }
        if members.values.is_empty() {
            members.gap = self.gap(directory, attribute).await?;
        }
        Ok(members)
    }

    /// DNs that the group lists itself.
    pub(crate) async fn listed(&self, directory: &mut Directory) -> Result<Vec<Bytes>> {
        let mut listed = Vec::new();
        for list in &self.lists {
            listed.extend(Self::values(&mut directory.connection, &self.dn, list).await?);
        }
        Ok(listed)
    }

    /// Why the members of a group that shows none may be hidden.
    async fn gap(&self, directory: &mut Directory, attribute: &str) -> Result<Option<String>> {
        let dn = &self.dn;
        for list in self.lists.iter().filter(|list| !list.eq_ignore_ascii_case(attribute)) {
            let others = Self::values(&mut directory.connection, dn, list).await?;
            if !others.is_empty() {
                return Ok(Some(format!(
                    "the group {dn} lists {} members in {list} and none in {attribute}; set scope.member_attribute",
                    others.len()
                )));
            }
        }
        if let Some((class, demanded)) = self.demanded
            && directory.schema().await?.demands(class, demanded) != Some(false)
        {
            return Ok(Some(format!(
                "the group {dn} shows no {demanded}, which its class demands, so the attribute is hidden; let the \
                 reading account read it"
            )));
        }
        let Directory { connection, config, .. } = directory;
        if !hidden_attributes(connection, config, (dn, &[attribute])).await?.is_empty() {
            return Ok(Some(format!(
                "the group {dn} shows no {attribute}, and the server says that the reading account may not read it; let \
                 the account read it"
            )));
        }
        Ok(Self::has_back_link(directory, dn).await?.then(|| {
            format!(
                "the group {dn} shows no {attribute}, and a user shows the group in {BACK_LINK}, so the attribute is \
                 hidden; let the reading account read it"
            )
        }))
    }

    /// Whether a user names the group. Servers without the attribute find no user.
    async fn has_back_link(directory: &mut Directory, dn: &str) -> Result<bool> {
        let Directory { connection, config, .. } = directory;
        let query = SearchQuery::subtree(
            config.base_dn.clone(),
            format!("(&{}({BACK_LINK}={}))", enclosed(&config.user_filter), escape(dn)),
            vec![NO_ATTRIBUTES.to_owned()],
            DirectoryOperation::ReadingGroup(dn.to_owned()),
        );
        // One user is enough, and a limit of the search says nothing about the group.
        match connection.search_with(query, &[page_control(1, &[])]).await {
            Ok((found, _)) => Ok(!found.is_empty()),
            Err(DirectoryError::Refused { .. }) => Ok(false),
            Err(error) => Err(error),
        }
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
) -> Result<(Vec<LdapGroup>, GroupMembers)> {
    let all = groups_where(directory, root, &top.dn, "").await?;
    let all: HashMap<DnKey, LdapGroup> = all.into_iter().map(|group| (DnKey::of(&group.dn), group)).collect();
    let mut level = vec![top.clone()];
    let mut closure = GroupClosure::of(top);
    let mut members = GroupMembers::default();
    while let Some(group) = level.pop() {
        let GroupMembers { values, gap } = group.nested_members(directory, attribute).await?;
        members.gap = members.gap.or(gap);
        for member in values {
            if let Some(group) = all.get(&DnKey::of(&dn_of_member(&member)))
                && closure.add(group.clone()).is_some()
            {
                level.push(group.clone());
            }
            members.values.push(member);
        }
        closure.check()?;
    }
    Ok((closure.into_groups()?, members))
}

/// Why one of the groups that were nested in the scope at the last read may be hidden now: a group of the scope still lists
/// it, and it is not found.
pub(crate) async fn hidden_group(
    directory: &mut Directory,
    root: &RootDse,
    (groups, known): (&[KnownGroup], &[KnownGroup]),
) -> Result<Option<String>> {
    let found: HashSet<DnKey> = groups.iter().map(|group| DnKey::of(&group.dn)).collect();
    let gone: Vec<&KnownGroup> = known.iter().filter(|group| !group.is_among(groups)).collect();
    for batch in gone.chunks(BATCH) {
        let dns: Vec<String> = batch.iter().map(|group| escape(&group.dn)).collect();
        let Some(first) = batch.first() else { continue };
        let parents = groups_matching(directory, root, &first.dn, group_class::listing(&dns)).await?;
        if parents.iter().any(|parent| found.contains(&DnKey::of(&parent.dn))) {
            let dns: Vec<&str> = batch.iter().map(|group| group.dn.as_str()).collect();
            return Ok(Some(format!(
                "a nested group is still a member and can't be read any more ({}); let the reading account read it, or \
                 remove it from its group if it was deleted",
                dns.join("; ")
            )));
        }
    }
    Ok(None)
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

/// Whether one of these groups lists the DN, as the server compares DNs.
pub(crate) async fn is_listed(
    directory: &mut Directory,
    root: &RootDse,
    (dn, groups): (&str, &[KnownGroup]),
) -> Result<bool> {
    let Some(first) = groups.first() else { return Ok(false) };
    let filter = group_class::listing(&[escape(dn)]);
    let parents = groups_matching(directory, root, &first.dn, filter).await?;
    Ok(parents.iter().any(|parent| groups.iter().any(|group| DnKey::of(&group.dn) == DnKey::of(&parent.dn))))
}

/// Groups in the tree of the group `dn` that match a condition.
pub(crate) async fn groups_where(
    directory: &mut Directory,
    root: &RootDse,
    dn: &str,
    condition: &str,
) -> Result<Vec<LdapGroup>> {
    groups_matching(directory, root, dn, format!("(&{}{condition})", any_group())).await
}

async fn groups_matching(
    directory: &mut Directory,
    root: &RootDse,
    dn: &str,
    filter: String,
) -> Result<Vec<LdapGroup>> {
    let Directory { connection, config, .. } = directory;
    let query = SearchQuery::subtree(
        context_of(dn, &root.contexts).unwrap_or(&config.base_dn).to_owned(),
        filter,
        LdapGroup::attributes(config),
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
