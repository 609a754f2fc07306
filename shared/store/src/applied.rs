//! What provisioning writes: it takes one user, and leaves the outcome.

use model::{AnchorHash, Applied, DnKey, Status, UnixSeconds, UserRecord};

use crate::Store;
use crate::accounts::ACTIVE;
use crate::errors::StoreError;
use crate::history::HistoryEvent;
use crate::item::{json, number, text};
use crate::record::{
    ANCHOR, APPLIED, AT_ONCE, LEASE_NUMBER, LEASE_OWNER, LEASE_UNTIL, Stored, flag, if_linked, if_rev,
};
use crate::write::{Committed, Updated, Verdict, Write};

/// The right to provision one user.
#[derive(Debug)]
pub struct UserLease {
    /// The record as it was when the lease was taken, with the link as it has become since.
    pub record: UserRecord,
    rev: u64,
    number: u64,
    pub(crate) taken_at: UnixSeconds,
}

/// What came out of provisioning a user.
#[derive(Clone, Debug)]
pub struct UserOutcome {
    /// What the account now is; `None` leaves what was applied before.
    pub applied: Option<Applied>,
    /// Where the user stands now.
    pub status: Status,
    /// How often the work was tried.
    pub attempts: u32,
    /// When to try next.
    pub next_attempt: UnixSeconds,
    /// Names that could not be resolved to accounts yet.
    pub waiting_for: Vec<DnKey>,
    /// What to remember of it.
    pub event: Option<HistoryEvent>,
}

/// How an outcome was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finished {
    /// As told.
    Done,
    /// The question changed meanwhile. What was applied and the history are written; the user is pending once more, or
    /// as the scan put it (held, withheld, in conflict, unmappable).
    Outdated,
}

/// The most names that fit into the transaction, beside everything else.
const MAX_WAITING: usize = 90;
/// How often the record may change under an outcome that is being written.
const ATTEMPTS: usize = 5;

impl Store {
    /// Takes a user's lease. `None` when somebody else has it, or when there is no record. Under the same owner it can be
    /// taken again at once; the earlier lease is void then.
    pub async fn lease_user(
        &self,
        hash: AnchorHash,
        owner: &str,
        now: UnixSeconds,
        seconds: i64,
    ) -> Result<Option<UserLease>, StoreError> {
        let write = Write::update(self.keys.record(&hash))
            .set(LEASE_OWNER, text(owner))
            .set(LEASE_UNTIL, number(now.plus(seconds).0))
            .bump(LEASE_NUMBER)
            .only_if("attribute_exists(#anchor)", [])
            .only_if(
                "attribute_not_exists(#lease_owner) OR #lease_until <= :now OR #lease_owner = :owner",
                [("now", number(now.0)), ("owner", text(owner))],
            );
        match self.update_and_read(&write).await? {
            Updated::Refused(_) => Ok(None),
            Updated::Now(item) => {
                let Stored { record, rev, lease_number: number, .. } = Stored::decode(&self.keys, &item)?;
                Ok(Some(UserLease { record, rev, number, taken_at: now }))
            }
        }
    }

    /// Writes the outcome and gives the lease back. `now` is when history counts from.
    pub async fn finish_user(
        &self,
        lease: UserLease,
        outcome: UserOutcome,
        now: UnixSeconds,
    ) -> Result<Finished, StoreError> {
        if outcome.applied.is_some() && lease.record.link.is_none() {
            return Err(StoreError::NotLinked);
        }
        let told = (outcome.attempts, outcome.next_attempt);
        let found =
            self.write_outcome(&lease, &outcome, now, lease.rev, Some((&outcome.status, told))).await?;
        let Some(mut found) = found else { return Ok(Finished::Done) };
        for _ in 0..ATTEMPTS {
            let status = match &found.record.status {
                Status::Settled | Status::Pending | Status::Retrying { .. } | Status::Parked { .. } => {
                    Some((&Status::Pending, AT_ONCE))
                }
                // The scan has said where the user stands, and there is nothing to do about that here.
                Status::Conflict { .. }
                | Status::Held { .. }
                | Status::Withheld { .. }
                | Status::Unmappable { .. } => None,
            };
            match self.write_outcome(&lease, &outcome, now, found.rev, status).await? {
                None => return Ok(Finished::Outdated),
                Some(newer) => found = newer,
            }
        }
        Err(StoreError::Throttled { action: "write the outcome for a user" })
    }

    /// Gives a lease back without an outcome: there was nothing to do.
    pub async fn return_lease(&self, lease: UserLease) -> Result<(), StoreError> {
        let write = self.by_lease(&lease).remove(LEASE_OWNER).remove(LEASE_UNTIL);
        // Refused means that somebody else has the lease by now, and then there is nothing to give back.
        self.commit(&[write]).await.map(drop)
    }

    /// One try at writing an outcome, for a record of this revision. Gives the record back when it has another.
    async fn write_outcome(
        &self,
        lease: &UserLease,
        outcome: &UserOutcome,
        now: UnixSeconds,
        rev: u64,
        status: Option<(&Status, (u32, UnixSeconds))>,
    ) -> Result<Option<Stored>, StoreError> {
        let UserOutcome { applied, status: _, attempts, next_attempt: _, waiting_for, event } = outcome;
        let hash = lease.record.anchor.hash();
        let key = self.keys.record(&hash);
        let link = lease.record.link.as_ref();

        let mut record = if_rev(self.by_lease(lease), rev).remove(LEASE_OWNER).remove(LEASE_UNTIL);
        if let Some((status, attempt)) = status {
            record = self.set_status(record, &hash, status, attempt)?;
        }
        let mut writes = Vec::new();
        if let (Some(applied), Some(link)) = (applied, link) {
            record = if_linked(record, Some(&link.account)).set(APPLIED, json(&key, applied)?);
            let was_active = link.applied.as_ref().is_none_or(|before| before.active);
            if was_active != applied.active {
                let me = text(lease.record.anchor.as_str());
                let account = Write::update(self.keys.account(&link.account))
                    .set(ANCHOR, me.clone())
                    .set(ACTIVE, flag(applied.active))
                    .only_if("attribute_not_exists(#anchor) OR #anchor = :me", [("me", me)]);
                writes.push(account);
            }
        }
        writes.insert(0, record);
        if let Some(event) = event {
            writes.push(self.event(&hash, event, *attempts)?);
        }
        let mut names = waiting_for.clone();
        names.sort_unstable();
        names.dedup();
        writes.extend(names.iter().take(MAX_WAITING).map(|dn| {
            Write::put(self.keys.wait(dn, &hash))
                .set(ANCHOR, text(lease.record.anchor.as_str()))
                .set("since", number(now.0))
        }));

        let verdicts = match self.commit(&writes).await? {
            Committed::Done => return Ok(None),
            Committed::Refused(verdicts) => verdicts,
        };
        // Only the record and the account have conditions. Whatever ended the lease or moved the account did both.
        let Some(Verdict::Refused(Some(item))) = verdicts.into_iter().next() else {
            return Err(StoreError::LeaseLost);
        };
        let found = Stored::decode(&self.keys, &item)?;
        let held = found.lease_owner.is_some() && found.lease_number == lease.number;
        let same_link =
            found.record.link.as_ref().map(|link| &link.account) == link.map(|link| &link.account);
        if held && same_link && found.rev != rev { Ok(Some(found)) } else { Err(StoreError::LeaseLost) }
    }

    /// A write to the record that only the holder of the lease may do.
    pub(crate) fn by_lease(&self, lease: &UserLease) -> Write {
        Write::update(self.keys.record(&lease.record.anchor.hash())).only_if(
            "attribute_exists(#lease_owner) AND #lease_number = :lease",
            [("lease", number(lease.number))],
        )
    }
}
