//! Drift: accounts at the target that differ from the state last applied to them.
//!
//! Provisioning reads an account when its user changes. A change made at the target in between shows only here. The
//! target is listed page by page; 16 bytes are kept for each linked account, to find those that were not listed.
//!
//! A repair marks the user pending. The account is then changed by provisioning, with the same decision, safeguard and
//! calls as any other change.

use std::collections::HashSet;

use explain::{ReportItem, ValueMask};
use model::{Account, AccountId, AnchorHash, Desired, Status, UserRecord, Value};
use plan::{AttributeDifference, differences};
use provision::resolve_references;
use scim::{ListedAccounts, Target, TargetError};
use serde::Serialize;

use crate::{OperateError, OperatorContext};

/// Number of linked accounts read from the store at a time.
const PAGE: usize = 500;

/// Maximum number of findings in a report, per kind. All are counted, and all are repaired.
const LISTED: usize = 1_000;

/// Effect of a finding on its user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriftRepair {
    /// Findings are reported only.
    ReportOnly,
    /// Users with a changed or missing account become pending.
    MarkPending,
}

/// Result of the comparison, in numbers of accounts.
#[derive(Debug, Default, Serialize)]
pub struct DriftReport {
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
    /// Users that the repair made pending.
    #[serde(skip)]
    pub due: u64,
    /// Changed and deleted accounts of users, attribute by attribute.
    pub found: Vec<ReportItem>,
    /// Accounts that were never linked.
    pub unlinked_accounts: Vec<UnlinkedAccount>,
}

/// An account that was never linked.
#[derive(Debug, Serialize)]
pub struct UnlinkedAccount {
    /// The account's id.
    pub id: String,
    /// The account's user name.
    pub user_name: Option<String>,
}

/// Compares every account of the target. `progress` gets the number of accounts compared so far.
pub async fn find_drift(
    context: &OperatorContext<'_>,
    target: &Target,
    repair: DriftRepair,
    mut progress: impl FnMut(u64),
) -> Result<DriftReport, OperateError> {
    let (context, mask) = (*context, context.mask());
    let mut run = DriftRun { context, mask, repair, report: DriftReport::default(), listed: HashSet::new() };
    let (mut start, mut listed) = (Some(1), ListedAccounts::default());
    while let Some(at) = start {
        let page = target.list(at).await?;
        let has_new = listed.has_new(page.resources.iter().map(|resource| resource.account.id.as_str()));
        if !has_new && page.unreadable == 0 {
            break;
        }
        run.report.unreadable += page.unreadable;
        run.report.accounts += page.unreadable;
        let accounts: Vec<Account> = page.resources.into_iter().map(|resource| resource.account).collect();
        run.compare_page(&accounts).await?;
        progress(run.report.accounts);
        start = page.next;
    }
    run.find_unlisted(target).await?;
    Ok(run.report)
}

struct DriftRun<'a> {
    context: OperatorContext<'a>,
    mask: ValueMask,
    repair: DriftRepair,
    report: DriftReport,
    /// Users with an account in the target's list.
    listed: HashSet<AnchorHash>,
}

impl DriftRun<'_> {
    async fn compare_page(&mut self, accounts: &[Account]) -> Result<(), OperateError> {
        let store = self.context.store;
        let ids: Vec<AccountId> = accounts.iter().map(|account| account.id.clone()).collect();
        let owners = store.fetch_account_owners(&ids).await?;
        let hashes: Vec<AnchorHash> = owners.values().map(|anchor| anchor.hash()).collect();
        let records = store.fetch_records(&hashes).await?;
        for account in accounts {
            let owner = owners.get(&account.id).map(|anchor| anchor.hash());
            // Pages shift while accounts are created or deleted, so an account can be listed twice.
            if owner.is_some_and(|owner| self.listed.contains(&owner)) {
                continue;
            }
            self.report.accounts += 1;
            match owner {
                None => self.add_unlinked(account),
                Some(owner) => {
                    self.listed.insert(owner);
                    self.compare(account, records.get(&owner)).await?;
                }
            }
        }
        Ok(())
    }

    async fn compare(&mut self, account: &Account, record: Option<&UserRecord>) -> Result<(), OperateError> {
        let in_sync = record.filter(|record| is_in_sync_with(record, &account.id));
        let Some((record, desired)) = in_sync.and_then(|record| Some((record, record.desired.as_ref()?)))
        else {
            self.report.waiting += 1;
            return Ok(());
        };
        let mut differences = match resolve_references(self.context.store, desired).await? {
            Desired::Present(user) => differences(&user, account),
            Desired::Absent { .. } => reactivation(account),
        };
        if let Some(applied) = record.link.as_ref().and_then(|link| link.applied.as_ref()) {
            differences.retain(|it| !applied.keeps(&it.attribute, it.from.as_ref()));
        }
        if differences.is_empty() {
            self.report.equal += 1;
            return Ok(());
        }
        self.report.changed += 1;
        self.add(record, ("changed", "changed at the target since the last sync"), &differences);
        self.mark_pending(record).await
    }

    /// Fetches linked accounts that were not listed. A list that changes while it is read can skip an account.
    async fn find_unlisted(&mut self, target: &Target) -> Result<(), OperateError> {
        let store = self.context.store;
        let mut after = None;
        loop {
            let page = store.fetch_accounts(after, PAGE).await?;
            let unlisted: Vec<_> =
                page.items.into_iter().filter(|(_, owner)| !self.listed.contains(&owner.hash())).collect();
            let hashes: Vec<AnchorHash> = unlisted.iter().map(|(_, owner)| owner.hash()).collect();
            let records = store.fetch_records(&hashes).await?;
            for (id, owner) in unlisted {
                match target.fetch(&id).await {
                    Ok(resource) => self.compare_page(&[resource.account]).await?,
                    Err(TargetError::NotFound) => {
                        let record = records.get(&owner.hash()).filter(|record| needs_account(record, &id));
                        if let Some(record) = record {
                            self.report.gone += 1;
                            self.add(record, ("gone", "deleted at the target"), &[]);
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

    fn add(
        &mut self,
        record: &UserRecord,
        (action, why): (&'static str, &str),
        differences: &[AttributeDifference],
    ) {
        if self.report.found.len() < LISTED {
            let item = self.mask.item((&record.anchor, record.user_name()), action, why);
            let changes = self.mask.differences(differences);
            self.report.found.push(ReportItem { changes, ..item });
        }
    }

    fn add_unlinked(&mut self, account: &Account) {
        self.report.unlinked += 1;
        if self.report.unlinked_accounts.len() < LISTED {
            let user_name = account.user_name.clone().filter(|_| !self.mask.hides(&"userName".into()));
            self.report.unlinked_accounts.push(UnlinkedAccount { id: account.id.to_string(), user_name });
        }
    }

    async fn mark_pending(&mut self, record: &UserRecord) -> Result<(), OperateError> {
        if self.repair == DriftRepair::MarkPending && self.context.store.reopen(record.anchor.hash()).await? {
            self.report.due += 1;
        }
        Ok(())
    }
}

/// Difference of an account that should be inactive. Nothing else is sent for a deprovisioned user.
fn reactivation(account: &Account) -> Vec<AttributeDifference> {
    let active = |is: bool| Some(Value::Boolean(is));
    let difference =
        AttributeDifference { attribute: "active".into(), from: active(true), to: active(false) };
    if account.may_be_active() { vec![difference] } else { Vec::new() }
}

fn is_in_sync_with(record: &UserRecord, id: &AccountId) -> bool {
    record.link.as_ref().is_some_and(|link| link.account == *id) && record.status == Status::InSync
}

/// Whether the user should have this account. A deprovisioned user does not need it any more.
fn needs_account(record: &UserRecord, id: &AccountId) -> bool {
    matches!(record.desired, Some(Desired::Present(_))) && is_in_sync_with(record, id)
}
