//! User records as items: attributes, conditions, and the parts that several writers set.

use std::collections::BTreeMap;

use model::{
    AccountId, AccountLink, Anchor, AnchorHash, DnKey, ScanVersion, Status, UnixSeconds, UserRecord,
};

use crate::Store;
use crate::errors::Result;
use crate::item::{ItemReader, TableItem, json, number, text};
use crate::keys::{ConnectionKeys, DN_PK, EXPIRES_AT, WORK_PK, WORK_SK, work_sk};
use crate::write::ItemWrite;

pub(crate) const ANCHOR: &str = "anchor";
pub(crate) const DESIRED: &str = "desired";
pub(crate) const VERSION: &str = "version";
/// Incremented by every write of a scan, so that provisioning notices a changed record.
pub(crate) const REV: &str = "rev";
pub(crate) const RELEASED: &str = "released";
pub(crate) const ACCOUNT: &str = "account";
pub(crate) const APPLIED: &str = "applied";
pub(crate) const STATUS: &str = "status";
pub(crate) const ATTEMPTS: &str = "attempts";
pub(crate) const NEXT_ATTEMPT: &str = "next_attempt";
/// Folded user name that this record owns.
pub(crate) const CLAIMED: &str = "claimed";
/// Create intent with an unknown outcome.
pub(crate) const CREATE_INTENT: &str = "create_intent";
/// Number of the lease that last recorded what was sent to the account. The next lease may rely on it.
pub(crate) const RECORDED_LEASE: &str = "recorded_lease";
/// The user's references; the items under their DNs are this user's.
pub(crate) const REFERENCES: &str = "references";
pub(crate) const LEASE_OWNER: &str = "lease_owner";
pub(crate) const LEASE_UNTIL: &str = "lease_until";
/// Number of the lease; a new lease always has a new number.
pub(crate) const LEASE_NUMBER: &str = "lease_number";
/// In an account's item: whether the account was active when the provisioner last saw it.
pub(crate) const ACTIVE: &str = "active";

pub(crate) const LEASE: [&str; 2] = [LEASE_OWNER, LEASE_UNTIL];
pub(crate) const LINK: [&str; 3] = [ACCOUNT, APPLIED, RECORDED_LEASE];

/// References of a user, by the DN that the directory names: the account that was sent for each, or `None` while the
/// other user has no account.
pub type UserReferences = BTreeMap<DnKey, Option<AccountId>>;

/// A record with the attributes that only this crate uses.
#[derive(Clone, Debug)]
pub(crate) struct StoredRecord {
    pub record: UserRecord,
    pub rev: u64,
    pub owned_items: OwnedItems,
    pub lease_owner: Option<String>,
    pub lease_until: UnixSeconds,
    pub lease_number: u64,
    pub recorded_lease: Option<u64>,
}

/// Items that belong to the user beside the record and the account, and their expiry.
#[derive(Clone, Debug, Default)]
pub(crate) struct OwnedItems {
    pub claimed: Option<String>,
    /// The user's references, each with an item under its DN.
    pub references: UserReferences,
    /// When the record and its items expire, for a user that left.
    pub expires_at: Option<UnixSeconds>,
}

impl StoredRecord {
    /// A record that is not stored yet.
    pub fn new(anchor: Anchor) -> Self {
        let record = UserRecord {
            anchor,
            dn: None,
            desired: None,
            version: ScanVersion::default(),
            removal_released: false,
            link: None,
            create_intent: None,
            status: Status::InSync,
            attempts: 0,
            next_attempt: UnixSeconds::default(),
        };
        Self {
            record,
            rev: 0,
            owned_items: OwnedItems::default(),
            lease_owner: None,
            lease_until: UnixSeconds::default(),
            lease_number: 0,
            recorded_lease: None,
        }
    }

    /// Decodes an item. Its anchor must match the key.
    pub fn decode(keys: &ConnectionKeys, item: &TableItem) -> Result<Self> {
        let read = ItemReader::new(item);
        let anchor = anchor_in(item)?;
        if keys.parse_record(&read.key().pk) != Some(anchor.hash()) {
            return Err(read.wrong(ANCHOR, "does not belong to the key"));
        }
        let dn = match read.text(DN_PK)? {
            None => None,
            Some(text) => Some(keys.parse_dn(text).ok_or_else(|| read.wrong(DN_PK, "holds no DN key"))?),
        };
        let link = match read.text(ACCOUNT)? {
            None => None,
            Some(id) => Some(AccountLink {
                account: AccountId::new(id).ok_or_else(|| read.wrong(ACCOUNT, "is empty"))?,
                applied: read.json(APPLIED)?,
            }),
        };
        let record = UserRecord {
            anchor,
            dn,
            desired: read.json(DESIRED)?,
            version: ScanVersion(read.required(VERSION, read.number(VERSION)?)?),
            removal_released: read.flag(RELEASED)?.unwrap_or_default(),
            link,
            create_intent: read.json(CREATE_INTENT)?,
            status: read.required(STATUS, read.json(STATUS)?)?,
            attempts: read.number(ATTEMPTS)?.unwrap_or_default(),
            next_attempt: UnixSeconds(read.number(NEXT_ATTEMPT)?.unwrap_or_default()),
        };
        Ok(Self {
            record,
            rev: read.number(REV)?.unwrap_or_default(),
            owned_items: OwnedItems {
                claimed: read.text(CLAIMED)?.map(str::to_owned),
                references: read.json(REFERENCES)?.unwrap_or_default(),
                expires_at: read.number(EXPIRES_AT)?.map(UnixSeconds),
            },
            lease_owner: read.text(LEASE_OWNER)?.map(str::to_owned),
            lease_until: UnixSeconds(read.number(LEASE_UNTIL)?.unwrap_or_default()),
            lease_number: read.number(LEASE_NUMBER)?.unwrap_or_default(),
            recorded_lease: read.number(RECORDED_LEASE)?,
        })
    }

    pub fn account(&self) -> Option<&AccountId> {
        self.record.link.as_ref().map(|link| &link.account)
    }

    /// Whether a worker may be calling the target about this user now.
    pub fn is_leased(&self, now: UnixSeconds) -> bool {
        self.lease_owner.is_some() && self.lease_until > now
    }
}

/// The entry that a record, a name's or an account's item belongs to.
pub(crate) fn anchor_in(item: &TableItem) -> Result<Anchor> {
    let read = ItemReader::new(item);
    let text = read.required(ANCHOR, read.text(ANCHOR)?)?;
    Anchor::from_text(text).map_err(|_| read.wrong(ANCHOR, "is not an anchor"))
}

/// A status, with the attempts so far and the time of the next one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ScheduledStatus<'a> {
    pub status: &'a Status,
    pub attempts: u32,
    pub next_attempt: UnixSeconds,
}

/// No attempts so far, and due at once.
impl<'a> From<&'a Status> for ScheduledStatus<'a> {
    fn from(status: &'a Status) -> Self {
        Self { status, attempts: 0, next_attempt: UnixSeconds(0) }
    }
}

impl Store {
    /// Sets the status, the time of the next attempt, and the keys of the `by_work` index. A user in sync is in the index
    /// only with a time: then its missing references are rechecked.
    pub(crate) fn set_status<'a>(
        &self,
        write: ItemWrite,
        hash: &AnchorHash,
        scheduled: impl Into<ScheduledStatus<'a>>,
    ) -> Result<ItemWrite> {
        let ScheduledStatus { status, attempts, next_attempt } = scheduled.into();
        let json = json(write.key(), status)?;
        let write = write
            .set(STATUS, json)
            .set_or_remove(ATTEMPTS, (attempts > 0).then(|| number(attempts)))
            .set_or_remove(NEXT_ATTEMPT, (next_attempt.0 != 0).then(|| number(next_attempt.0)));
        let partition = match status {
            Status::InSync if next_attempt.0 <= 0 => return Ok(write.remove_all([WORK_PK, WORK_SK])),
            Status::InSync => self.keys.rechecks(),
            _ => self.keys.work(),
        };
        let sk = work_sk(status.word(), next_attempt, hash);
        Ok(write.set(WORK_PK, text(partition)).set(WORK_SK, text(sk)))
    }
}

/// Sets the link, which ends the create intent. The account's state is unknown until it is read.
pub(crate) fn set_link(write: ItemWrite, link: &AccountLink) -> Result<ItemWrite> {
    let applied = link.applied.as_ref().map(|applied| json(write.key(), applied)).transpose()?;
    Ok(write
        .set(ACCOUNT, text(link.account.as_str()))
        .set_or_remove(APPLIED, applied)
        .remove_all([RECORDED_LEASE, CREATE_INTENT]))
}

/// Condition: the record owns this user name, or none.
pub(crate) fn if_claimed(write: ItemWrite, claimed: Option<&str>) -> ItemWrite {
    match claimed {
        Some(name) => write.only_if("#claimed = :claimed", [("claimed", text(name))]),
        None => write.only_if("attribute_not_exists(#claimed)", []),
    }
}

/// Condition: the record has this status.
pub(crate) fn if_status(write: ItemWrite, status: &Status) -> Result<ItemWrite> {
    let status = json(write.key(), status)?;
    Ok(write.only_if("#status = :expected_status", [("expected_status", status)]))
}

/// Condition: this account is linked, or none is.
pub(crate) fn if_linked(write: ItemWrite, account: Option<&AccountId>) -> ItemWrite {
    match account {
        Some(id) => write.only_if("#account = :account", [("account", text(id.as_str()))]),
        None => write.only_if("attribute_not_exists(#account)", []),
    }
}

/// Condition: no scan has written since.
pub(crate) fn if_rev(write: ItemWrite, rev: u64) -> ItemWrite {
    match rev {
        0 => write.only_if("attribute_not_exists(#rev)", []),
        rev => write.only_if("#rev = :rev", [("rev", number(rev))]),
    }
}

/// Condition: no later scan has written.
pub(crate) fn if_not_newer(write: ItemWrite, version: ScanVersion) -> ItemWrite {
    write.only_if("attribute_not_exists(#version) OR #version <= :scan", [("scan", number(version))])
}

/// Condition: no other owner holds a lease at this time.
pub(crate) fn if_lease_free(write: ItemWrite, now: UnixSeconds, owner: &str) -> ItemWrite {
    write.only_if(
        "attribute_not_exists(#lease_owner) OR #lease_until <= :now OR #lease_owner = :owner",
        [("now", number(now.0)), ("owner", text(owner))],
    )
}

/// Condition: no worker holds a lease at this time.
pub(crate) fn if_not_leased(write: ItemWrite, now: UnixSeconds) -> ItemWrite {
    write.only_if("attribute_not_exists(#lease_owner) OR #lease_until <= :now", [("now", number(now.0))])
}

/// Condition: no lease was taken or released since. Provisioning does not increment `rev`.
pub(crate) fn if_same_lease(write: ItemWrite, stored: &StoredRecord) -> ItemWrite {
    let write = match stored.lease_number {
        0 => write.only_if("attribute_not_exists(#lease_number)", []),
        lease => write.only_if("#lease_number = :lease", [("lease", number(lease))]),
    };
    match stored.lease_owner {
        Some(_) => write.only_if("attribute_exists(#lease_owner)", []),
        None => write.only_if("attribute_not_exists(#lease_owner)", []),
    }
}
