//! Drift: accounts at the target that differ from the state last applied to them.
//!
//! Provisioning reads an account when its user changes. A change made at the target in between shows only here. The
//! target is listed page by page; 16 bytes are kept for each linked account, to find those that were not listed.
//!
//! A repair marks the user pending. The account is then changed by provisioning, with the same decision, safeguard and
//! calls as any other change.

use std::collections::HashSet;

use model::{Account, AccountId, AnchorHash, Desired, Status, UserRecord, Value};
use plan::{AttributeDifference, differences};
use scim::{Target, TargetError};
use store::{Store, StoreError};

use crate::references::resolve;

/// Number of linked accounts read from the store at a time.
const PAGE: usize = 500;

/// Effect of a finding on its user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriftRepair {
    /// Findings are reported only.
    ReportOnly,
    /// Users with a changed or missing account become pending.
    MarkPending,
}

/// One account that is not as it was last applied.
#[derive(Clone, Debug)]
pub enum DriftFinding<'a> {
    /// A linked account was changed at the target.
    Changed {
        /// The user's record.
        record: &'a UserRecord,
        /// Attributes that differ from the desired user.
        differences: Vec<AttributeDifference>,
    },
    /// A linked account no longer exists at the target.
    Gone {
        /// The user's record.
        record: &'a UserRecord,
    },
    /// An account that no user is linked to.
    Unlinked {
        /// The account.
        account: &'a Account,
    },
}

/// Numbers of accounts by the result of the comparison.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DriftCounts {
    /// Accounts that the target listed.
    pub accounts: u64,
    /// Linked accounts that equal the desired user.
    pub equal: u64,
    /// Linked accounts that were changed at the target.
    pub changed: u64,
    /// Linked accounts that no longer exist.
    pub gone: u64,
    /// Linked accounts of users that are not in sync. They are not compared.
    pub waiting: u64,
    /// Accounts that were never linked.
    pub unlinked: u64,
    /// Resources that could not be parsed.
    pub unreadable: u64,
    /// Users that this run made pending.
    pub due: u64,
}

/// Why the comparison stopped before its end.
#[derive(Debug, thiserror::Error)]
pub enum DriftError {
    /// The target can't be read.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The state can't be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Compares every account of the target. `report` gets each finding and the counts so far.
pub async fn find_drift(
    store: &Store,
    target: &Target,
    repair: DriftRepair,
    mut report: impl FnMut(Option<DriftFinding<'_>>, &DriftCounts),
) -> Result<DriftCounts, DriftError> {
    let mut run = DriftRun { store, repair, counts: DriftCounts::default(), listed: HashSet::new() };
    let mut start = Some(1);
    while let Some(at) = start {
        let page = target.list(at).await?;
        run.counts.unreadable += page.unreadable;
        run.counts.accounts += page.unreadable;
        let accounts: Vec<Account> = page.resources.into_iter().map(|resource| resource.account).collect();
        run.compare_page(&accounts, &mut report).await?;
        start = page.next;
    }
    run.find_unlisted(target, &mut report).await?;
    Ok(run.counts)
}

struct DriftRun<'a> {
    store: &'a Store,
    repair: DriftRepair,
    counts: DriftCounts,
    /// Users with an account in the target's list.
    listed: HashSet<AnchorHash>,
}

impl DriftRun<'_> {
    async fn compare_page(
        &mut self,
        accounts: &[Account],
        report: &mut impl FnMut(Option<DriftFinding<'_>>, &DriftCounts),
    ) -> Result<(), DriftError> {
        let ids: Vec<AccountId> = accounts.iter().map(|account| account.id.clone()).collect();
        let owners = self.store.fetch_account_owners(&ids).await?;
        let hashes: Vec<AnchorHash> = owners.values().map(|anchor| anchor.hash()).collect();
        let records = self.store.fetch_records(&hashes).await?;
        for account in accounts {
            let owner = owners.get(&account.id).map(|anchor| anchor.hash());
            // Pages shift while accounts are created or deleted, so an account can be listed twice.
            if owner.is_some_and(|owner| self.listed.contains(&owner)) {
                continue;
            }
            self.counts.accounts += 1;
            match owner {
                None => {
                    self.counts.unlinked += 1;
                    report(Some(DriftFinding::Unlinked { account }), &self.counts);
                }
                Some(owner) => {
                    self.listed.insert(owner);
                    self.compare(account, records.get(&owner), report).await?;
                }
            }
        }
        report(None, &self.counts);
        Ok(())
    }

    async fn compare(
        &mut self,
        account: &Account,
        record: Option<&UserRecord>,
        report: &mut impl FnMut(Option<DriftFinding<'_>>, &DriftCounts),
    ) -> Result<(), DriftError> {
        let in_sync = record.filter(|record| is_in_sync_with(record, &account.id));
        let Some((record, desired)) = in_sync.and_then(|record| Some((record, record.desired.as_ref()?)))
        else {
            self.counts.waiting += 1;
            return Ok(());
        };
        let differences = match resolve(self.store, desired).await?.desired {
            Desired::Present(user) => differences(&user, account),
            Desired::Absent { .. } => reactivation(account),
        };
        if differences.is_empty() {
            self.counts.equal += 1;
            return Ok(());
        }
        self.counts.changed += 1;
        report(Some(DriftFinding::Changed { record, differences }), &self.counts);
        self.mark_pending(record).await
    }

    /// Fetches linked accounts that were not listed. A list that changes while it is read can skip an account.
    async fn find_unlisted(
        &mut self,
        target: &Target,
        report: &mut impl FnMut(Option<DriftFinding<'_>>, &DriftCounts),
    ) -> Result<(), DriftError> {
        let mut after = None;
        loop {
            let page = self.store.fetch_accounts(after, PAGE).await?;
            let unlisted: Vec<_> =
                page.items.into_iter().filter(|(_, owner)| !self.listed.contains(&owner.hash())).collect();
            let hashes: Vec<AnchorHash> = unlisted.iter().map(|(_, owner)| owner.hash()).collect();
            let records = self.store.fetch_records(&hashes).await?;
            for (id, owner) in unlisted {
                match target.fetch(&id).await {
                    Ok(resource) => self.compare_page(&[resource.account], report).await?,
                    Err(TargetError::NotFound) => {
                        let record = records.get(&owner.hash()).filter(|record| needs_account(record, &id));
                        if let Some(record) = record {
                            self.counts.gone += 1;
                            report(Some(DriftFinding::Gone { record }), &self.counts);
                            self.mark_pending(record).await?;
                        }
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    async fn mark_pending(&mut self, record: &UserRecord) -> Result<(), DriftError> {
        if self.repair == DriftRepair::MarkPending && self.store.reopen(record.anchor.hash()).await? {
            self.counts.due += 1;
        }
        Ok(())
    }
}

/// The difference of an active account that should be inactive. Nothing else is sent for a deprovisioned user.
fn reactivation(account: &Account) -> Vec<AttributeDifference> {
    let active = |is: bool| Some(Value::Boolean(is));
    let difference =
        AttributeDifference { attribute: "active".into(), from: active(true), to: active(false) };
    if account.active { vec![difference] } else { Vec::new() }
}

fn is_in_sync_with(record: &UserRecord, id: &AccountId) -> bool {
    record.link.as_ref().is_some_and(|link| link.account == *id) && record.status == Status::InSync
}

/// Whether the user should have this account. A deprovisioned user does not need it any more.
fn needs_account(record: &UserRecord, id: &AccountId) -> bool {
    matches!(record.desired, Some(Desired::Present(_))) && is_in_sync_with(record, id)
}
