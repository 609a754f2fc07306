//! What a scan writes about one user.

use model::{Anchor, Desired, DnKey, Status, UserName, UserRecord};

use crate::errors::{StoreError, corrupt};
use crate::item::{Reader, json, number, text};
use crate::keys::DN_PK;
use crate::record::{ANCHOR, AT_ONCE, CLAIMED, DESIRED, RELEASED, REV, Stored, VERSION, flag, if_claimed};
use crate::write::{Committed, Verdict, Write};
use crate::{ScanLease, Store};

/// What the directory says that a user should be.
#[derive(Clone, Debug)]
pub struct DesiredWrite {
    /// The entry.
    pub anchor: Anchor,
    /// Where the entry is; `None` when it is nowhere any more.
    pub dn: Option<DnKey>,
    /// What it should be.
    pub desired: Desired,
    /// Where the user stands with that.
    pub status: Status,
    /// The record as the scan read it, if there was one. It only saves a round trip: nothing rests on its being
    /// up to date.
    pub previous: Option<UserRecord>,
}

/// How a scan's write ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// It is written.
    Done,
    /// What is desired is written, as a conflict: the user name belongs to another entry.
    NameTaken {
        /// That entry.
        by: Anchor,
    },
    /// A later scan has written this record, and knows better. Nothing is changed.
    Outdated,
}

/// How often the name that a record claims may change under a scan that holds the lease.
const ATTEMPTS: usize = 5;

impl Store {
    /// Writes what a user should be, and claims the user name. The link and what was applied stay as they are; the attempts
    /// begin anew, and a removal that was released before is not any more.
    pub async fn write_desired(&self, lease: &ScanLease, write: DesiredWrite) -> Result<Written, StoreError> {
        let DesiredWrite { anchor, dn, desired, status, previous } = write;
        let record = |status: &Status| -> Result<Write, StoreError> {
            let write = self.by_scan(lease, &anchor);
            let write = write
                .set(DESIRED, json(&self.keys.record(&anchor.hash()), &desired)?)
                .set(RELEASED, flag(false))
                .set_or_remove(DN_PK, dn.as_ref().map(|dn| text(self.keys.dn(dn))));
            self.set_status(write, &anchor.hash(), status, AT_ONCE)
        };

        let Desired::Present(user) = &desired else {
            // Nothing is claimed for somebody who is to have no account, and what was claimed stays, so that a
            // namesake meets the entry whose account it may be.
            return Ok(match self.commit(&[record(&status)?]).await? {
                Committed::Done => Written::Done,
                Committed::Refused(_) => Written::Outdated,
            });
        };

        let wanted = user.user_name.folded();
        let mut claimed = previous.as_ref().and_then(expected_claim);
        for _ in 0..ATTEMPTS {
            let writes = self.with_claim(record(&status)?, &anchor, &wanted, claimed.as_deref());
            let verdicts = match self.commit(&writes).await? {
                Committed::Done => return Ok(Written::Done),
                Committed::Refused(verdicts) => verdicts,
            };
            let mut refused = verdicts.into_iter();
            let own = refused.next().unwrap_or(Verdict::Held);
            let name = refused.next().unwrap_or(Verdict::Held);
            let given_up = refused.next().unwrap_or(Verdict::Held);
            let own = match (own, name) {
                (Verdict::Held, Verdict::Refused(holder)) => {
                    let by = self.holder_of(&wanted, holder).await?;
                    let Some(by) = by else { continue };
                    let conflict = record(&Status::Conflict { with: by.clone() })?;
                    match self.commit(&[if_claimed(conflict, claimed.as_deref())]).await? {
                        Committed::Done => return Ok(Written::NameTaken { by }),
                        Committed::Refused(verdicts) => verdicts.into_iter().next(),
                    }
                }
                (Verdict::Held, Verdict::Held) if given_up.is_refused() => {
                    let key = self.keys.name(claimed.as_deref().unwrap_or_default());
                    return Err(corrupt(&key, "it belongs to another entry than the one that claims it"));
                }
                (own, _) => Some(own),
            };
            // The record is not what was expected: it is newer than this scan, or it claims another name.
            let Some(Verdict::Refused(found)) = own else { continue };
            claimed = match found {
                None => None,
                Some(item) => {
                    let stored = Stored::decode(&self.keys, &item)?;
                    if stored.record.version > lease.version() {
                        return Ok(Written::Outdated);
                    }
                    stored.claimed
                }
            };
        }
        Err(StoreError::Throttled { action: "write what a user should be" })
    }

    /// Writes a removal that the safety check has let through. This is the only place that marks one as released, and
    /// `plan` alone can make the value that it takes.
    pub async fn write_removal(
        &self,
        lease: &ScanLease,
        removal: &plan::ReleasedRemoval,
    ) -> Result<Written, StoreError> {
        let plan::RemovalCandidate { anchor, dn, user_name: _, departure: _, desired } = removal.candidate();
        let write = self
            .by_scan(lease, anchor)
            .set(DESIRED, json(&self.keys.record(&anchor.hash()), desired)?)
            .set(RELEASED, flag(true))
            .set_or_remove(DN_PK, dn.as_ref().map(|dn| text(self.keys.dn(dn))));
        let write = self.set_status(write, &anchor.hash(), &Status::Pending, AT_ONCE)?;
        Ok(match self.commit(&[write]).await? {
            Committed::Done => Written::Done,
            Committed::Refused(_) => Written::Outdated,
        })
    }

    /// Writes where a user stands and leaves what is desired alone; an entry that was never mappable gets a record
    /// without. A `dn` of `None` leaves the name alone too. A status that stops a removal takes its release back.
    pub async fn write_status(
        &self,
        lease: &ScanLease,
        anchor: &Anchor,
        dn: Option<DnKey>,
        status: Status,
    ) -> Result<Written, StoreError> {
        let mut write = self.set_status(self.by_scan(lease, anchor), &anchor.hash(), &status, AT_ONCE)?;
        if let Some(dn) = dn {
            write = write.set(DN_PK, text(self.keys.dn(&dn)));
        }
        match status {
            Status::Settled | Status::Pending | Status::Retrying { .. } | Status::Parked { .. } => {}
            Status::Conflict { .. }
            | Status::Held { .. }
            | Status::Withheld { .. }
            | Status::Unmappable { .. } => write = write.set(RELEASED, flag(false)),
        }
        Ok(match self.commit(&[write]).await? {
            Committed::Done => Written::Done,
            Committed::Refused(_) => Written::Outdated,
        })
    }

    /// What every write of a scan does to a record: it is refused by a later scan's, and provisioning notices it.
    pub(crate) fn by_scan(&self, lease: &ScanLease, anchor: &Anchor) -> Write {
        Write::update(self.keys.record(&anchor.hash()))
            .set(ANCHOR, text(anchor.as_str()))
            .set(VERSION, number(lease.version()))
            .bump(REV)
            .only_if(
                "attribute_not_exists(#version) OR #version <= :scan",
                [("scan", number(lease.version()))],
            )
    }

    /// The writes that bring a record the name it wants. A record that has it already is written alone.
    pub(crate) fn with_claim(
        &self,
        record: Write,
        anchor: &Anchor,
        wanted: &str,
        claimed: Option<&str>,
    ) -> Vec<Write> {
        let record = if_claimed(record, claimed);
        if claimed == Some(wanted) {
            return vec![record];
        }
        let mine = [("me", text(anchor.as_str()))];
        let claim = Write::put(self.keys.name(wanted))
            .set(ANCHOR, text(anchor.as_str()))
            .only_if("attribute_not_exists(#anchor) OR #anchor = :me", mine);
        let mut writes = vec![record.set(CLAIMED, text(wanted)), claim];
        writes.extend(claimed.map(|old| self.give_up_name(anchor, old)));
        writes
    }

    /// Gives a name up that a record claims.
    pub(crate) fn give_up_name(&self, anchor: &Anchor, name: &str) -> Write {
        Write::delete(self.keys.name(name))
            .only_if("attribute_not_exists(#anchor) OR #anchor = :me", [("me", text(anchor.as_str()))])
    }

    /// Who a name belongs to: as the refused write told, else by looking.
    async fn holder_of(
        &self,
        name: &str,
        told: Option<crate::item::Item>,
    ) -> Result<Option<Anchor>, StoreError> {
        let item = match told {
            Some(item) => Some(item),
            None => self.get(&self.keys.name(name)).await?,
        };
        item.map(|item| owner_in(&item)).transpose()
    }
}

/// The entry that a name's or an account's item belongs to.
pub(crate) fn owner_in(item: &crate::item::Item) -> Result<Anchor, StoreError> {
    let read = Reader::new(item);
    let text = read.required(ANCHOR, read.text(ANCHOR)?)?;
    Anchor::from_text(text).map_err(|_| read.wrong(ANCHOR, "is not an anchor"))
}

/// The name that a record of this content should claim. Where that is wrong, the write is refused and told.
fn expected_claim(record: &UserRecord) -> Option<String> {
    match record.status {
        Status::Conflict { .. } => None,
        _ => record.desired.as_ref()?.user_name().map(UserName::folded),
    }
}
