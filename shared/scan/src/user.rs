//! Lookup and scan of one user, on request.

use directory::{Directory, DirectoryError, ScopeExplanation};
use model::{Anchor, Desired, DnKey, Entry, UnixSeconds, UserName, UserRecord};
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
    /// No entry matches. There may be a record of an entry that existed before.
    None(Option<Box<UserRecord>>),
    /// Several entries match.
    Several(Vec<Anchor>),
    /// One entry matches.
    One(Box<EntryLookup>),
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
            Self::None(record) => record.as_deref(),
            Self::Several(_) => None,
            Self::One(lookup) => lookup.record.as_ref(),
        }
    }

    /// The anchor of the entry, or of the record where there is no entry.
    pub fn anchor(&self) -> Option<&Anchor> {
        match self {
            Self::One(lookup) => Some(&lookup.entry.anchor),
            Self::None(_) | Self::Several(_) => self.record().map(|record| &record.anchor),
        }
    }

    /// Facts for the account side of an explanation.
    pub fn entry_state(&self, policy: &Policy) -> EntryState {
        match self {
            Self::None(_) | Self::Several(_) => EntryState::default(),
            Self::One(lookup) => EntryState {
                in_scope: lookup.scope.in_scope,
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

/// Searches for a user by anchor, DN, user name or e-mail address. Nothing is written.
pub async fn look_up(
    context: &ScanContext<'_>,
    directory: &mut Directory,
    user: &str,
) -> Result<UserLookup, ScanError> {
    let mut entries = find_entries(context, directory, user).await?;
    let Some(entry) = entries.pop() else {
        let record = find_record(context.store, user, (context.clock)()).await?;
        return Ok(UserLookup::None(record.map(Box::new)));
    };
    if !entries.is_empty() {
        entries.push(entry);
        return Ok(UserLookup::Several(entries.into_iter().map(|entry| entry.anchor).collect()));
    }
    let scope = directory.explain_scope(&entry).await?;
    let record = context.store.fetch_record(entry.anchor.hash()).await?;
    let mut diff = SnapshotDiff::new(&context.policy.rules, &[], (context.clock)());
    let EntryDiff::Changed(mut change) = diff.compare(&entry) else {
        return Ok(UserLookup::None(record.map(Box::new)));
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

async fn find_entries(
    context: &ScanContext<'_>,
    directory: &mut Directory,
    user: &str,
) -> Result<Vec<Entry>, ScanError> {
    if user.contains('=') {
        return match directory.find_by_dn(user).await {
            Ok(entry) => Ok(entry.into_iter().collect()),
            // A text that is no DN names no entry; the directory is not at fault.
            Err(DirectoryError::Refused { code: INVALID_DN, .. }) => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        };
    }
    let mut attributes = vec![directory.anchor_attribute().to_owned()];
    attributes.extend(context.policy.rules.mapping.user_name_attributes());
    attributes.push("mail".to_owned());
    attributes.dedup();
    for attribute in &attributes {
        let found = directory.find(attribute, user).await?;
        if !found.is_empty() {
            return Ok(found);
        }
    }
    // An entry outside the base or the user filter is out of scope; the explanation says so.
    for attribute in &attributes {
        let found = directory.find_anywhere(attribute, user).await?;
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Ok(Vec::new())
}

/// Searches the state for a user by anchor, DN or user name. The directory is not read.
pub async fn find_record(
    store: &Store,
    user: &str,
    now: UnixSeconds,
) -> Result<Option<UserRecord>, StoreError> {
    if user.contains('=') {
        return store.find_by_dn(DnKey::of(user)).await;
    }
    if let Ok(anchor) = Anchor::from_text(user)
        && let Some(record) = store.fetch_record(anchor.hash()).await?
    {
        return Ok(Some(record));
    }
    let Ok(name) = UserName::new(user) else { return Ok(None) };
    let owners = store.fetch_name_owners(std::slice::from_ref(&name), now).await?;
    match owners.get(&name.folded()) {
        Some(owner) => store.fetch_record(owner.hash()).await,
        None => Ok(None),
    }
}
