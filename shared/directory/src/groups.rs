//! Groups: their members, however many, and the groups within them, however deep.

use std::collections::HashMap;

use bytes::Bytes;
use model::{Anchor, Attributes, DnKey};

use crate::config::DirectoryConfig;
use crate::connection::Connection;
use crate::errors::{DirectoryError, DirectoryOperation};
use crate::escape::escape;
use crate::root_dse::RootDse;
use crate::search::Query;
use crate::server::context_of;
use crate::wire::SearchScope;

/// A group.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) dn: String,
    /// Its immutable id; `None` where users have one that groups don't have.
    pub(crate) anchor: Option<Anchor>,
    /// The number by which Active Directory's users name their primary group.
    pub(crate) rid: Option<u32>,
}

/// What makes an entry a group, on any server.
const GROUPS: &str = "(|(objectClass=group)(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)\
(objectClass=groupOfEntries)(objectClass=posixGroup))";

const SID: &str = "objectSid";

/// The rule by which Active Directory follows memberships of any depth (LDAP_MATCHING_RULE_IN_CHAIN).
const IN_CHAIN: &str = "1.2.840.113556.1.4.1941";

/// How many groups are asked about at once.
const BATCH: usize = 50;

/// More groups than this in one scope are a mistake, or too many for a filter.
const MOST: usize = 2000;

impl Group {
    /// The group of this name. One that was deleted, or a mistake in its name, must not look like an empty one.
    pub(crate) async fn find(
        connection: &mut Connection,
        config: &DirectoryConfig,
        dn: &str,
    ) -> Result<Self, DirectoryError> {
        let query = Query::one(
            dn,
            &[&config.anchor.attribute, SID],
            DirectoryOperation::ReadingGroup { dn: dn.to_owned() },
        );
        match connection.ask_for_one(query).await? {
            Some(entry) => Ok(Self::of(dn.to_owned(), &entry.attributes, config)),
            None => Err(DirectoryError::GroupNotFound { dn: dn.to_owned() }),
        }
    }

    fn of(dn: String, attributes: &Attributes, config: &DirectoryConfig) -> Self {
        let rid =
            attributes.one(SID).and_then(|sid| sid.last_chunk::<4>()).map(|end| u32::from_le_bytes(*end));
        Self { dn, anchor: config.anchor.of(attributes).ok(), rid }
    }

    /// All values of one of its attributes. Active Directory names 1,500 members at a time; whoever comes after these is
    /// no less a member.
    pub(crate) async fn values(
        connection: &mut Connection,
        dn: &str,
        attribute: &str,
    ) -> Result<Vec<Bytes>, DirectoryError> {
        let doing = DirectoryOperation::ReadingGroup { dn: dn.to_owned() };
        let mut values = Vec::new();
        let mut from = None;
        loop {
            let asked = match from {
                None => attribute.to_owned(),
                Some(from) => format!("{attribute};range={from}-*"),
            };
            let query = Query::one(dn, &[&asked], doing.clone());
            let Some(entry) = connection.ask_for_one(query).await? else {
                return Err(DirectoryError::GroupNotFound { dn: dn.to_owned() });
            };
            let name = attribute.to_ascii_lowercase();
            let missing =
                entry.partial.iter().find(|(partial, _)| *partial == name).and_then(|(_, next)| *next);
            values.extend_from_slice(entry.attributes.all(attribute));
            match missing {
                None => return Ok(values),
                Some(next) if from.is_none_or(|from| from < next) => from = Some(next),
                Some(_) => {
                    let detail = "the same range of members came again".to_owned();
                    return Err(DirectoryError::Protocol { doing, detail });
                }
            }
        }
    }
}

/// A group and all that are nested in it, as the users' own attribute tells.
pub(crate) async fn nested_by_member_of(
    connection: &mut Connection,
    config: &DirectoryConfig,
    root: &RootDse,
    top: Group,
    attribute: &str,
) -> Result<Vec<Group>, DirectoryError> {
    if root.is_active_directory {
        let condition = format!("({attribute}:{IN_CHAIN}:={})", escape(&top.dn));
        match ask(connection, config, root, &top.dn, &condition).await {
            Ok(found) => {
                let mut groups = vec![top];
                groups.extend(found);
                return within_limit(groups);
            }
            // The rule is dear, and some servers refuse it. Level by level it is slower for the server and surer for us.
            Err(DirectoryError::Refused { .. } | DirectoryError::Timeout { .. }) => {
                tracing::info!(
                    "the server does not follow nested groups by itself; they are followed one by one"
                );
            }
            Err(error) => return Err(error),
        }
    }
    let mut seen = Groups::of(top);
    let mut level = seen.dns();
    while !level.is_empty() {
        let mut next = Vec::new();
        for batch in level.chunks(BATCH) {
            let any: String = batch.iter().map(|dn| format!("({attribute}={})", escape(dn))).collect();
            for group in ask(connection, config, root, &seen.top, &format!("(|{any})")).await? {
                if let Some(dn) = seen.add(group) {
                    next.push(dn);
                }
            }
        }
        level = next;
        seen.check()?;
    }
    within_limit(seen.found)
}

/// A group and all that are nested in it, with the names of all their members, as the groups' attribute tells.
pub(crate) async fn nested_by_member(
    connection: &mut Connection,
    config: &DirectoryConfig,
    root: &RootDse,
    top: Group,
    attribute: &str,
) -> Result<(Vec<Group>, Vec<Bytes>), DirectoryError> {
    let all = ask(connection, config, root, &top.dn, "").await?;
    let all: HashMap<DnKey, Group> = all.into_iter().map(|group| (DnKey::of(&group.dn), group)).collect();
    let mut seen = Groups::of(top);
    let mut level = seen.dns();
    let mut members = Vec::new();
    while let Some(dn) = level.pop() {
        for member in Group::values(connection, &dn, attribute).await? {
            if let Some(group) = all.get(&DnKey::of(&dn_of_member(&member))) {
                level.extend(seen.add(group.clone()));
            }
            members.push(member);
        }
        seen.check()?;
    }
    Ok((within_limit(seen.found)?, members))
}

/// The groups that were met. Groups may contain each other in a circle, so each is gone into once.
struct Groups {
    top: String,
    found: Vec<Group>,
    known: std::collections::HashSet<DnKey>,
}

impl Groups {
    fn of(top: Group) -> Self {
        Self { top: top.dn.clone(), known: [DnKey::of(&top.dn)].into(), found: vec![top] }
    }

    fn dns(&self) -> Vec<String> {
        self.found.iter().map(|group| group.dn.clone()).collect()
    }

    /// The group's name, if it is met for the first time.
    fn add(&mut self, group: Group) -> Option<String> {
        self.known.insert(DnKey::of(&group.dn)).then(|| {
            let dn = group.dn.clone();
            self.found.push(group);
            dn
        })
    }

    fn check(&self) -> Result<(), DirectoryError> {
        if self.found.len() > MOST {
            Err(DirectoryError::TooManyGroups { dn: self.top.clone(), most: MOST })
        } else {
            Ok(())
        }
    }
}

fn within_limit(groups: Vec<Group>) -> Result<Vec<Group>, DirectoryError> {
    match groups.first() {
        Some(top) if groups.len() > MOST => {
            Err(DirectoryError::TooManyGroups { dn: top.dn.clone(), most: MOST })
        }
        _ => Ok(groups),
    }
}

/// The groups of the same tree that pass a condition.
async fn ask(
    connection: &mut Connection,
    config: &DirectoryConfig,
    root: &RootDse,
    dn: &str,
    condition: &str,
) -> Result<Vec<Group>, DirectoryError> {
    let query = Query {
        base: context_of(dn, &root.contexts).unwrap_or(&config.base_dn).to_owned(),
        scope: SearchScope::Subtree,
        filter: format!("(&{GROUPS}{condition})"),
        attributes: vec![config.anchor.attribute.clone(), SID.to_owned()],
        doing: DirectoryOperation::ReadingGroup { dn: dn.to_owned() },
    };
    let found = connection.ask_paged(query, root.has_paging.then_some(config.page_size), &[]).await?;
    Ok(found.into_iter().map(|entry| Group::of(entry.dn, &entry.attributes, config)).collect())
}

/// The groups of a group's tree that have this member of their own.
pub(crate) async fn groups_with(
    connection: &mut Connection,
    config: &DirectoryConfig,
    root: &RootDse,
    top: &Group,
    attribute: &str,
    member: &str,
) -> Result<Vec<Group>, DirectoryError> {
    ask(connection, config, root, &top.dn, &format!("({attribute}={})", escape(member))).await
}

/// A member's DN. `uniqueMember` may have a bit string behind it (RFC 4517, section 3.3.21): `cn=a,dc=b#'0101'B`.
pub(crate) fn dn_of_member(value: &[u8]) -> String {
    let mut dn = String::from_utf8_lossy(value).into_owned();
    if dn.ends_with("'B")
        && let Some(at) = dn.rfind("#'")
    {
        dn.truncate(at);
    }
    dn
}
