//! Lists of users.

use explain::{ReportItem, ValueMask};
use model::{AccountId, AnchorHash, RemovalApproval, SafeguardMemory, UnixSeconds, UserRecord};
use serde::Serialize;
use store::{PageKey, StoreError};

use crate::OperatorContext;

/// Statuses that are listed unless one is chosen. Pending users are only counted.
const LISTED: [&str; 8] =
    ["held", "skipped", "conflict", "retrying", "failed", "account_gone", "invalid", "pending_deletion"];

/// Which users are listed.
#[derive(Clone, Copy, Debug)]
pub enum UserSelection<'a> {
    /// None.
    None,
    /// Users that wait or failed: the first of each status.
    Waiting,
    /// Users with this status, after a key.
    Status(&'a str, Option<&'a PageKey>),
    /// Users that have an account, in the order of account ids, after an id.
    WithAccount(Option<&'a AccountId>),
}

/// A page of users.
#[derive(Debug, Default, Serialize)]
pub struct UserPage {
    /// The users.
    pub users: Vec<ReportItem>,
    /// Key after which the next page begins.
    pub next: Option<String>,
}

/// Lists users, up to a number per status.
pub async fn list_users(
    context: &OperatorContext<'_>,
    filter: UserSelection<'_>,
    limit: usize,
) -> Result<UserPage, StoreError> {
    let items = &StatusItems::of(context).await?;
    match filter {
        UserSelection::None => Ok(UserPage::default()),
        UserSelection::Status(status, after) => {
            with_status(context, items, status, (after.cloned(), limit)).await
        }
        UserSelection::Waiting => {
            let mut users = Vec::new();
            for status in LISTED {
                users.append(&mut with_status(context, items, status, (None, limit)).await?.users);
            }
            Ok(UserPage { users, next: None })
        }
        UserSelection::WithAccount(after) => {
            let page = context.store.fetch_accounts(after.map(PageKey::after_account), limit).await?;
            let hashes: Vec<AnchorHash> = page.items.iter().map(|(_, owner)| owner.hash()).collect();
            let records = context.store.fetch_records(&hashes).await?;
            let records = hashes.iter().filter_map(|hash| records.get(hash));
            let users = records.map(|record| items.item(record)).collect();
            Ok(UserPage { users, next: page.next.map(|key| key.as_str().to_owned()) })
        }
    }
}

/// Statuses of users as items. A held removal that is approved is shown as approved.
pub(crate) struct StatusItems {
    mask: ValueMask,
    now: UnixSeconds,
    approval: Option<RemovalApproval>,
}

impl StatusItems {
    pub async fn of(context: &OperatorContext<'_>) -> Result<Self, StoreError> {
        Ok(Self::with_memory(context, &context.store.fetch_connection().await?.memory))
    }

    pub fn with_memory(context: &OperatorContext<'_>, memory: &SafeguardMemory) -> Self {
        let now = (context.clock)();
        Self { mask: context.mask(), now, approval: memory.approval_at(now).cloned() }
    }

    pub fn item(&self, record: &UserRecord) -> ReportItem {
        self.mask.status(record, self.now, self.approval.as_ref())
    }
}

async fn with_status(
    context: &OperatorContext<'_>,
    items: &StatusItems,
    status: &str,
    (after, limit): (Option<PageKey>, usize),
) -> Result<UserPage, StoreError> {
    let page = context.store.fetch_by_status(status, after, limit).await?;
    let users = page.items.iter().map(|record| items.item(record)).collect();
    Ok(UserPage { users, next: page.next.map(|key| key.as_str().to_owned()) })
}

/// Searches the state for a user by user name, anchor, DN or account id.
pub async fn find_user(context: &OperatorContext<'_>, user: &str) -> Result<Option<ReportItem>, StoreError> {
    let found = scan::find_record(context.store, user, (context.clock)()).await?;
    let Some(record) = found else { return Ok(None) };
    Ok(Some(StatusItems::of(context).await?.item(&record)))
}
