//! Comparing all accounts of the target with what they were left as.
//!
//! Provisioning looks at an account when its user changes. What somebody else does to an account meanwhile shows only
//! here. The target is read page by page; what is kept over the pages is 16 bytes for each linked account, to tell
//! afterwards whose account was not among them.
//!
//! Nothing is changed here. To repair means that the user is due again, and then goes the way that everybody goes: the
//! same decision, the same safety check, the same calls.

use std::collections::HashSet;

use model::{Account, AccountId, AnchorHash, Desired, Status, UserRecord, Value};
use plan::{AttributeDifference, differences};
use scim::{Target, TargetError};
use store::{Store, StoreError};

use crate::references::resolve;

/// How many linked accounts are looked at in one go.
const PAGE: usize = 500;

/// What is done about what is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repair {
    /// It is told.
    Nothing,
    /// Whoever's account is not as it was left is due.
    Due,
}

/// Something that is not as it was left.
#[derive(Clone, Debug)]
pub enum Finding<'a> {
    /// Somebody changed a linked account.
    Changed {
        /// Whose it is.
        record: &'a UserRecord,
        /// In what it differs from what it should be.
        differences: Vec<AttributeDifference>,
    },
    /// A linked account is gone.
    Gone {
        /// Whose it was.
        record: &'a UserRecord,
    },
    /// An account that was never linked.
    Mismatch {
        /// The account.
        account: &'a Account,
    },
}

/// What was found, in numbers of accounts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// All that the target showed.
    pub accounts: u64,
    /// Linked, and as they were left.
    pub equal: u64,
    /// Linked, and changed by somebody else.
    pub changed: u64,
    /// Linked, and gone.
    pub gone: u64,
    /// Linked, and about to be changed, or waiting for something: they are not compared.
    pub waiting: u64,
    /// Never linked.
    pub strangers: u64,
    /// Not understood.
    pub unreadable: u64,
    /// Users who are due by this.
    pub due: u64,
}

/// Why it could not be done to the end.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// The target can't be read.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The state can't be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Looks at every account. `show` is told of each finding as it comes, and of how many accounts were seen.
pub async fn sweep(
    store: &Store,
    target: &Target,
    repair: Repair,
    mut show: impl FnMut(Option<Finding<'_>>, &Swept),
) -> Result<Swept, SweepError> {
    let mut sweep = Sweep { store, repair, swept: Swept::default(), seen: HashSet::new() };
    let mut start = Some(1);
    while let Some(at) = start {
        let page = target.list(at).await?;
        sweep.swept.unreadable += page.unreadable;
        sweep.swept.accounts += page.unreadable;
        let accounts: Vec<Account> = page.resources.into_iter().map(|resource| resource.account).collect();
        sweep.take(&accounts, &mut show).await?;
        start = page.next;
    }
    sweep.look_for_unseen(target, &mut show).await?;
    Ok(sweep.swept)
}

struct Sweep<'a> {
    store: &'a Store,
    repair: Repair,
    swept: Swept,
    /// The users whose accounts were among those that the target showed.
    seen: HashSet<AnchorHash>,
}

impl Sweep<'_> {
    /// Compares some accounts.
    async fn take(
        &mut self,
        accounts: &[Account],
        show: &mut impl FnMut(Option<Finding<'_>>, &Swept),
    ) -> Result<(), SweepError> {
        let ids: Vec<AccountId> = accounts.iter().map(|account| account.id.clone()).collect();
        let owners = self.store.fetch_account_owners(&ids).await?;
        let hashes: Vec<AnchorHash> = owners.values().map(|anchor| anchor.hash()).collect();
        let records = self.store.fetch_records(&hashes).await?;
        for account in accounts {
            let owner = owners.get(&account.id).map(|anchor| anchor.hash());
            // A page that moved while the target was read shows an account twice.
            if owner.is_some_and(|owner| self.seen.contains(&owner)) {
                continue;
            }
            self.swept.accounts += 1;
            match owner {
                None => {
                    self.swept.strangers += 1;
                    show(Some(Finding::Mismatch { account }), &self.swept);
                }
                Some(owner) => {
                    self.seen.insert(owner);
                    self.compare(account, records.get(&owner), show).await?;
                }
            }
        }
        show(None, &self.swept);
        Ok(())
    }

    async fn compare(
        &mut self,
        account: &Account,
        record: Option<&UserRecord>,
        show: &mut impl FnMut(Option<Finding<'_>>, &Swept),
    ) -> Result<(), SweepError> {
        let is_its =
            |record: &&UserRecord| record.link.as_ref().is_some_and(|link| link.account == account.id);
        let settled = record.filter(is_its).filter(|record| record.status == Status::InSync);
        let Some((record, desired)) = settled.and_then(|record| Some((record, record.desired.as_ref()?)))
        else {
            self.swept.waiting += 1;
            return Ok(());
        };
        let differences = match resolve(self.store, desired).await?.desired {
            Desired::Present(user) => differences(&user, account),
            Desired::Absent { .. } => reactivated(account),
        };
        if differences.is_empty() {
            self.swept.equal += 1;
            return Ok(());
        }
        self.swept.changed += 1;
        show(Some(Finding::Changed { record, differences }), &self.swept);
        self.make_due(record).await
    }

    /// Asks for those of our accounts that the target did not show. A list that changes while it is read may pass over
    /// one.
    async fn look_for_unseen(
        &mut self,
        target: &Target,
        show: &mut impl FnMut(Option<Finding<'_>>, &Swept),
    ) -> Result<(), SweepError> {
        let mut after = None;
        loop {
            let page = self.store.fetch_accounts(after, PAGE).await?;
            let unseen: Vec<_> =
                page.items.into_iter().filter(|(_, owner)| !self.seen.contains(&owner.hash())).collect();
            let hashes: Vec<AnchorHash> = unseen.iter().map(|(_, owner)| owner.hash()).collect();
            let records = self.store.fetch_records(&hashes).await?;
            for (id, owner) in unseen {
                match target.fetch(&id).await {
                    Ok(resource) => self.take(&[resource.account], show).await?,
                    Err(TargetError::NotFound) => {
                        if let Some(record) =
                            records.get(&owner.hash()).filter(|record| is_missed(record, &id))
                        {
                            self.swept.gone += 1;
                            show(Some(Finding::Gone { record }), &self.swept);
                            self.make_due(record).await?;
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

    async fn make_due(&mut self, record: &UserRecord) -> Result<(), SweepError> {
        if self.repair == Repair::Due && self.store.reopen(record.anchor.hash()).await? {
            self.swept.due += 1;
        }
        Ok(())
    }
}

/// Of somebody who is to have no account nothing is sent but that it is inactive.
fn reactivated(account: &Account) -> Vec<AttributeDifference> {
    let active = |is: bool| Some(Value::Boolean(is));
    let difference =
        AttributeDifference { attribute: "active".into(), from: active(true), to: active(false) };
    if account.active { vec![difference] } else { Vec::new() }
}

/// Whether somebody should have this account. Who left doesn't need it, and whoever waits is dealt with anyway.
fn is_missed(record: &UserRecord, id: &AccountId) -> bool {
    matches!(record.desired, Some(Desired::Present(_)))
        && record.link.as_ref().is_some_and(|link| link.account == *id)
        && record.status == Status::InSync
}
