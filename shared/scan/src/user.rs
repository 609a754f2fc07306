//! Lookup and scan of one user, on request.

use directory::{Directory, DirectoryError, ScopeConditionKind, ScopeExplanation};
use model::{AccountId, Anchor, DeprovisionReason, Desired, DnKey, Entry, UnixSeconds, UserName, UserRecord};
use plan::{EntryChange, EntryDiff, Observation, Policy, RecordPlan, SnapshotDiff, plan_change};
use queue::{EntryState, PlannedUpdate};
use store::{ScanLease, Store, StoreError};

use crate::lease::take_lease;
use crate::user_plan::{SnapshotEffect, UserPlan};
use crate::write::PlanWriter;
use crate::{ScanContext, ScanError};

/// Result of a search for one user.
#[derive(Debug)]
pub enum UserLookup {
    /// No entry matches.
    None {
        /// The record of an entry that existed before, if any.
        record: Option<Box<UserRecord>>,
        /// The search.
        searched: DirectorySearch,
    },
    /// Several entries match.
    Several(Vec<Entry>),
    /// One entry matches.
    One(Box<EntryLookup>),
}

/// A search of the directory for one user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectorySearch {
    /// The base entry. Entries elsewhere in the tree are searched after those below it.
    pub base: String,
    /// The attributes that were compared, in order; empty for a search by DN.
    pub attributes: Vec<String>,
}

/// One entry, as a scan would process it.
#[derive(Debug)]
pub struct EntryLookup {
    /// The entry.
    pub entry: Entry,
    /// Whether the entry is in scope, by condition.
    pub scope: ScopeExplanation,
    /// What the mapping makes of the entry.
    pub observation: Observation,
    /// The plan for the record, if the entry is in scope. Removals need a full scan.
    pub plan: RecordPlan,
    /// The stored record.
    pub record: Option<UserRecord>,
    change: EntryChange,
}

impl UserLookup {
    /// The stored record.
    pub fn record(&self) -> Option<&UserRecord> {
        match self {
            Self::None { record, .. } => record.as_deref(),
            Self::Several(_) => None,
            Self::One(lookup) => lookup.record.as_ref(),
        }
    }

    /// The anchor of the entry, or of the record where there is no entry.
    pub fn anchor(&self) -> Option<&Anchor> {
        match self {
            Self::One(lookup) => Some(&lookup.entry.anchor),
            Self::None { .. } | Self::Several(_) => self.record().map(|record| &record.anchor),
        }
    }

    /// Facts for the account side of an explanation.
    pub fn entry_state(&self, policy: &Policy) -> EntryState {
        match self {
            Self::None { .. } | Self::Several(_) => {
                EntryState { left: Some(DeprovisionReason::Deleted), desired: None, update: None }
            }
            Self::One(lookup) => EntryState {
                left: lookup.left(),
                desired: lookup.desired().cloned(),
                update: lookup.planned_update(policy),
            },
        }
    }
}

impl EntryLookup {
    /// The desired user, if the entry is in scope and can be mapped.
    pub fn desired(&self) -> Option<&Desired> {
        match &self.observation {
            Observation::Valid(desired) if self.scope.in_scope => Some(desired),
            _ => None,
        }
    }

    /// Why the entry is not in scope.
    fn left(&self) -> Option<DeprovisionReason> {
        let ScopeExplanation { in_scope, conditions } = &self.scope;
        let is_outside =
            conditions.iter().any(|condition| condition.kind == ScopeConditionKind::Base && !condition.met);
        match is_outside {
            _ if *in_scope => None,
            true => Some(DeprovisionReason::MovedOutOfBase),
            false => Some(DeprovisionReason::OutOfScope),
        }
    }

    fn planned_update(&self, policy: &Policy) -> Option<PlannedUpdate> {
        let planned = self.planned();
        planned.account_effect()?;
        Some(PlannedUpdate { configuration: policy.fingerprint, effects: planned.limited_effects() })
    }

    fn planned(&self) -> UserPlan {
        let EntryChange { anchor, dn, fingerprint, .. } = &self.change;
        UserPlan {
            anchor: anchor.clone(),
            dn: Some(*dn),
            record: self.record.clone(),
            plan: self.plan.clone(),
            conflict: None,
            snapshot: SnapshotEffect::Set(*fingerprint),
        }
    }
}

/// Searches for a user by anchor, DN, user name, e-mail address, login name or account id. Nothing is written.
pub async fn look_up(
    context: &ScanContext<'_>,
    directory: &mut Directory,
    user: &str,
) -> Result<UserLookup, ScanError> {
    let searched = searched(context, directory, user);
    let mut entries = find_entries(directory, user, &searched.attributes).await?;
    let mut found = None;
    if entries.is_empty() {
        found = find_record(context.store, user, (context.clock)()).await?;
        // The state may know a name, such as an account id, that the entry does not contain.
        if let Some(record) = &found {
            let anchor = [directory.anchor_attribute().to_owned()];
            entries = find_entries(directory, record.anchor.as_str(), &anchor).await?;
        }
    }
    let Some(entry) = entries.pop() else {
        return Ok(UserLookup::None { record: found.map(Box::new), searched });
    };
    if !entries.is_empty() {
        entries.push(entry);
        return Ok(UserLookup::Several(entries));
    }
    let scope = directory.explain_scope(&entry).await?;
    let record = context.store.fetch_record(entry.anchor.hash()).await?;
    let mut diff = SnapshotDiff::new(&context.policy.rules, &[], (context.clock)());
    let EntryDiff::Changed(mut change) = diff.compare(&entry) else {
        return Ok(UserLookup::None { record: record.map(Box::new), searched });
    };
    diff.keep_recorded(&mut change, record.as_ref());
    let plan = if scope.in_scope { plan_change(&change, record.as_ref()) } else { RecordPlan::Nothing };
    let observation = change.observation.clone();
    let lookup = EntryLookup { entry, scope, observation, plan, record, change: *change };
    Ok(UserLookup::One(Box::new(lookup)))
}

/// Searches for a user and writes the desired user to the record. A removal is never written: it needs a complete read.
pub async fn scan_user(
    context: &ScanContext<'_>,
    directory: &mut Directory,
    user: &str,
) -> Result<UserLookup, ScanError> {
    let mut lease = take_lease(context).await?;
    let outcome = scan_user_under(context, &mut lease, directory, user).await;
    let released = context.store.release(lease, None, None).await;
    let found = outcome?;
    released?;
    Ok(found)
}

async fn scan_user_under(
    context: &ScanContext<'_>,
    lease: &mut ScanLease,
    directory: &mut Directory,
    user: &str,
) -> Result<UserLookup, ScanError> {
    let found = look_up(context, directory, user).await?;
    if let UserLookup::One(lookup) = &found
        && matches!(lookup.plan, RecordPlan::SetDesired { .. } | RecordPlan::SetStatus(_))
    {
        // The snapshot marks the user dirty, so the next scan compares the record again.
        let snapshot = context.store.fetch_part(&[lookup.entry.anchor.hash()]).await?;
        PlanWriter::new(context, lease, snapshot).write_users(vec![lookup.planned()]).await?;
    }
    Ok(found)
}

/// LDAP result code `invalidDNSyntax` (RFC 4511, appendix A).
const INVALID_DN: u32 = 34;

/// Attributes of login names, beside the mapped ones. A directory has few of them.
const LOGIN_NAMES: [&str; 4] = ["mail", "sAMAccountName", "userPrincipalName", "uid"];

/// The search for a user with this name.
fn searched(context: &ScanContext<'_>, directory: &Directory, user: &str) -> DirectorySearch {
    let mut attributes: Vec<String> = Vec::new();
    if !user.contains('=') {
        let mapped = context.policy.rules.mapping.user_name_attributes();
        let anchor = directory.anchor_attribute().to_owned();
        for name in std::iter::once(anchor).chain(mapped).chain(LOGIN_NAMES.map(str::to_owned)) {
            if !attributes.iter().any(|known| known.eq_ignore_ascii_case(&name)) {
                attributes.push(name);
            }
        }
    }
    DirectorySearch { base: directory.base().to_owned(), attributes }
}

/// Entries that the first of the attributes finds; those below the base count first.
async fn find_entries(
    directory: &mut Directory,
    user: &str,
    attributes: &[String],
) -> Result<Vec<Entry>, ScanError> {
    if user.contains('=') {
        return match directory.find_by_dn(user).await {
            Ok(entry) => Ok(entry.into_iter().collect()),
            // A text that is no DN names no entry; the directory is not at fault.
            Err(DirectoryError::Refused { code: INVALID_DN, .. }) => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        };
    }
    for attribute in attributes {
        let found = directory.find(attribute, user).await?;
        if !found.is_empty() {
            return Ok(found);
        }
    }
    // An entry outside the base or the user filter is out of scope; the explanation says so.
    for attribute in attributes {
        let found = directory.find_anywhere(attribute, user).await?;
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Ok(Vec::new())
}

/// Searches the state for a user by anchor, DN, user name or account id. The directory is not read.
pub async fn find_record(
    store: &Store,
    user: &str,
    now: UnixSeconds,
) -> Result<Option<UserRecord>, StoreError> {
    if user.contains('=')
        && let Some(record) = store.find_by_dn(DnKey::of(user)).await?
    {
        return Ok(Some(record));
    }
    if let Ok(anchor) = Anchor::from_text(user)
        && let Some(record) = store.fetch_record(anchor.hash()).await?
    {
        return Ok(Some(record));
    }
    let mut owner = None;
    if let Ok(name) = UserName::new(user) {
        let owners = store.fetch_name_owners(std::slice::from_ref(&name), now).await?;
        owner = owners.get(&name.folded()).cloned();
    }
    if let (None, Some(account)) = (&owner, AccountId::new(user)) {
        owner = store.fetch_account_owner(&account).await?;
    }
    match owner {
        Some(owner) => store.fetch_record(owner.hash()).await,
        None => Ok(None),
    }
}
