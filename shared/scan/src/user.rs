//! One user, looked up and written down by itself, because somebody asks.

use directory::{Directory, ScopeExplanation};
use model::{Anchor, Desired, DnKey, Entry, UnixSeconds, UserName, UserRecord};
use plan::{EntryChange, EntryDiff, Observation, RecordPlan, SnapshotDiff, plan_change};
use store::{ScanLease, Store, StoreError};

use crate::planning::{InSnapshot, UserPlan};
use crate::writer::{Writer, take_lease};
use crate::{ScanContext, ScanError};

/// Who was meant.
#[derive(Debug)]
pub enum Found {
    /// No entry. There may be a record of somebody who was there before.
    Nobody(Option<Box<UserRecord>>),
    /// More than one; their anchors tell them apart.
    Several(Vec<Anchor>),
    /// This one.
    One(Box<Sighted>),
}

/// One entry, as a scan would see it.
#[derive(Debug)]
pub struct Sighted {
    /// The entry.
    pub entry: Entry,
    /// Whether it is in the targeted group or matches the targeted filter, and by which conditions.
    pub scope: ScopeExplanation,
    /// What it says about its user.
    pub observation: Observation,
    /// What that means for the record, if the entry is in scope. Removals are left to a scan that sees everybody.
    pub plan: RecordPlan,
    /// What was remembered before.
    pub record: Option<UserRecord>,
    change: EntryChange,
}

/// Looks for a user by anchor, DN, user name, or e-mail address. Nothing is written.
pub async fn look_up(
    context: &ScanContext<'_>,
    directory: &mut Directory,
    user: &str,
) -> Result<Found, ScanError> {
    let mut entries = find_entries(context, directory, user).await?;
    let Some(entry) = entries.pop() else {
        let record = find_record(context.store, user, (context.clock)()).await?;
        return Ok(Found::Nobody(record.map(Box::new)));
    };
    if !entries.is_empty() {
        entries.push(entry);
        return Ok(Found::Several(entries.into_iter().map(|entry| entry.anchor).collect()));
    }
    let scope = directory.explain_scope(&entry).await?;
    let record = context.store.fetch_record(entry.anchor.hash()).await?;
    let EntryDiff::Changed(change) =
        SnapshotDiff::new(&context.policy.rules, &[], (context.clock)()).look_at(&entry)
    else {
        return Ok(Found::Nobody(record.map(Box::new)));
    };
    let plan = if scope.in_scope { plan_change(&change, record.as_ref()) } else { RecordPlan::Nothing };
    let observation = change.observation.clone();
    Ok(Found::One(Box::new(Sighted { entry, scope, observation, plan, record, change: *change })))
}

/// Looks for a user, writes down what the entry says, and announces the user if there is something to do. Nobody loses
/// an account by this: it takes a read that saw everybody.
pub async fn scan_user(
    context: &ScanContext<'_>,
    directory: &mut Directory,
    user: &str,
) -> Result<Found, ScanError> {
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
) -> Result<Found, ScanError> {
    let found = look_up(context, directory, user).await?;
    if let Found::One(sighted) = &found
        && matches!(sighted.plan, RecordPlan::SetDesired { .. } | RecordPlan::SetStatus(_))
    {
        // In the snapshot the user stays marked, so the next scan looks at the record again.
        let snapshot = context.store.fetch_part(&[sighted.entry.anchor.hash()]).await?;
        Writer::new(context, lease, snapshot).write_users(vec![sighted.planned()]).await?;
    }
    Ok(found)
}

impl Sighted {
    /// What the user should be, if the entry is in scope and can be mapped.
    pub fn desired(&self) -> Option<&Desired> {
        match &self.observation {
            Observation::Valid(desired) if self.scope.in_scope => Some(desired),
            _ => None,
        }
    }

    /// Whether a scan would have the account made or brought up to date.
    pub fn touches_account(&self) -> bool {
        self.planned().touch().is_some()
    }

    /// The plan for this entry, as a scan would make it.
    pub fn planned(&self) -> UserPlan {
        let EntryChange { anchor, dn, fingerprint, .. } = &self.change;
        UserPlan {
            anchor: anchor.clone(),
            dn: Some(*dn),
            record: self.record.clone(),
            plan: self.plan.clone(),
            conflict: None,
            snapshot: InSnapshot::Is(*fingerprint),
        }
    }
}

async fn find_entries(
    context: &ScanContext<'_>,
    directory: &mut Directory,
    user: &str,
) -> Result<Vec<Entry>, ScanError> {
    if user.contains('=') {
        return Ok(directory.find_by_dn(user).await?.into_iter().collect());
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
    // Whoever is no user, or elsewhere in the tree, is out of scope, and can be told so.
    for attribute in &attributes {
        let found = directory.find_anywhere(attribute, user).await?;
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Ok(Vec::new())
}

/// What is remembered of a user who is named by anchor, DN or user name. The directory is not asked.
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
