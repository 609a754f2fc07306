//! Lease of one user: the right to provision it.

use std::ops::Range;

use model::{AnchorHash, CreateIntent, UnixSeconds, UserRecord};

use crate::Store;
use crate::errors::Result;
use crate::item::{json, number, text};
use crate::record::{
    CREATE_INTENT, LEASE, LEASE_NUMBER, LEASE_OWNER, LEASE_UNTIL, OwnedItems, RECORDED_LEASE, StoredRecord,
    UserReferences, if_lease_free, if_rev,
};
use crate::write::{ItemWrite, UpdateResult};

/// The right to provision one user.
#[derive(Debug)]
pub struct UserLease {
    /// The record as it was when the lease was taken, with the link as it has become since.
    pub record: UserRecord,
    pub(crate) rev: u64,
    pub(crate) number: u64,
    /// Whether the lease before this one recorded its outcome, and the link is still the same.
    pub(crate) recorded: bool,
    pub(crate) owned_items: OwnedItems,
    pub(crate) taken_at: UnixSeconds,
}

impl UserLease {
    /// Whether the applied state is what was last sent to the account. A lease that ended without a recorded outcome may
    /// have sent something else.
    pub fn is_recorded(&self) -> bool {
        self.recorded && self.record.link.is_some()
    }

    /// The lease, once something was sent that the applied state does not show.
    #[must_use]
    pub fn unrecorded(self) -> Self {
        Self { recorded: false, ..self }
    }

    /// The references as they were last recorded.
    pub fn references(&self) -> &UserReferences {
        &self.owned_items.references
    }
}

impl Store {
    /// Takes a user's lease for a period that begins now. `None` if another owner has it, or if there is no record. The
    /// same owner can take it again at once; the earlier lease is void then.
    pub async fn lease_user(
        &self,
        hash: AnchorHash,
        owner: &str,
        period: Range<UnixSeconds>,
    ) -> Result<Option<UserLease>> {
        let write = ItemWrite::update(self.keys.record(&hash))
            .set(LEASE_OWNER, text(owner))
            .set(LEASE_UNTIL, number(period.end.0))
            .bump(LEASE_NUMBER)
            .only_if("attribute_exists(#anchor)", []);
        match self.update_and_read(&if_lease_free(write, period.start, owner)).await? {
            UpdateResult::Refused(_) => Ok(None),
            UpdateResult::Now(item) => {
                let StoredRecord { record, rev, owned_items, lease_number: number, recorded_lease, .. } =
                    StoredRecord::decode(&self.keys, &item)?;
                let recorded = recorded_lease.is_some_and(|recorded| recorded + 1 == number);
                Ok(Some(UserLease { record, rev, number, recorded, owned_items, taken_at: period.start }))
            }
        }
    }

    /// Gives a lease back without an outcome: nothing was sent.
    pub async fn return_lease(&self, lease: UserLease) -> Result<()> {
        let mut write = self.by_lease(&lease).remove_all(LEASE);
        if lease.recorded {
            write = write.set(RECORDED_LEASE, number(lease.number));
        }
        // Refused means that another owner has the lease by now: there is nothing to give back.
        self.commit(&[write]).await.map(drop)
    }

    /// Writes that an account is about to be created, because the answer may be lost: then the next lease searches for
    /// the account, even if the user has left by then. `false` if a scan changed the record: nothing may be created.
    pub async fn store_create_intent(&self, lease: &mut UserLease, intent: CreateIntent) -> Result<bool> {
        if lease.record.create_intent.as_ref() == Some(&intent) {
            return Ok(true);
        }
        let write = if_rev(self.by_lease(lease), lease.rev).only_if("attribute_not_exists(#account)", []);
        let json = json(write.key(), &intent)?;
        let is_done = self.commit(&[write.set(CREATE_INTENT, json)]).await?.is_done();
        if is_done {
            lease.record.create_intent = Some(intent);
        }
        Ok(is_done)
    }

    /// A write to the record that only the holder of the lease may do.
    pub(crate) fn by_lease(&self, lease: &UserLease) -> ItemWrite {
        ItemWrite::update(self.keys.record(&lease.record.anchor.hash())).only_if(
            "attribute_exists(#lease_owner) AND #lease_number = :lease",
            [("lease", number(lease.number))],
        )
    }
}
