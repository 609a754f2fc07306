//! The connection's item: one scan at a time, each with a version of its own.

use model::{SafeguardMemory, ScanVersion, UnixSeconds};

use crate::Store;
use crate::errors::StoreError;
use crate::item::{ItemReader, TableItem, json, number, text};
use crate::target::BoundTarget;
use crate::write::{CommitResult, ConditionResult, ItemWrite, UpdateResult};

const OWNER: &str = "lease_owner";
const UNTIL: &str = "lease_until";
const VERSION: &str = "version";
const LAST_SCAN: &str = "last_scan";
const CURSOR: &str = "cursor";
const MEMORY: &str = "memory";
pub(crate) const SERVED: &str = "served_at";

/// The right to scan a connection, and the version under which this scan writes.
#[derive(Debug)]
pub struct ScanLease {
    owner: String,
    version: ScanVersion,
    /// The latest moment that the caller has told; user leases that end before it are over.
    pub(crate) now: UnixSeconds,
    until: UnixSeconds,
    /// The target that the state belonged to when the lease was taken.
    pub(crate) target: BoundTarget,
}

impl ScanLease {
    /// The version of this scan: what it writes carries it, and what an older scan wrote later is refused.
    pub fn version(&self) -> ScanVersion {
        self.version
    }

    /// Who holds it.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// When it ends unless it is renewed.
    pub fn until(&self) -> UnixSeconds {
        self.until
    }

    /// Whether it lasts for so many seconds yet. What takes no longer than that and is begun now ends before anybody
    /// else can have the lease.
    pub fn lasts_for(&self, now: UnixSeconds, seconds: i64) -> bool {
        now.plus(seconds) < self.until
    }
}

/// Another scan is in progress.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("another scan of this connection is in progress: {owner} holds it until {} (Unix time)", until.0)]
pub struct LeaseTaken {
    /// Who holds it.
    pub owner: String,
    /// Until when, unless it is renewed.
    pub until: UnixSeconds,
}

/// Who holds a lease, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseHolder {
    /// Whoever took it.
    pub owner: String,
    /// When it ends unless it is renewed; it may have ended already.
    pub until: UnixSeconds,
}

/// What is known about a connection as a whole.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConnectionState {
    /// The version of the latest scan that began; nought before the first.
    pub version: ScanVersion,
    /// What the latest complete scan left behind for the next.
    pub last_scan: Option<serde_json::Value>,
    /// Where the next scan can go on, as the latest that came to its end left it.
    pub cursor: Option<serde_json::Value>,
    /// What the safety checks remember.
    pub memory: SafeguardMemory,
    /// When the target last served somebody, give or take a day.
    pub served_at: Option<UnixSeconds>,
    /// The scan in progress, or one that was killed.
    pub lease: Option<LeaseHolder>,
}

impl Store {
    /// Takes the connection's lease and the next version. A lease that has run out can be taken by anybody, and one's
    /// own at any time, since whoever asks under the same name is the successor of a process that died.
    pub async fn take_lease(
        &self,
        owner: &str,
        now: UnixSeconds,
        seconds: i64,
    ) -> Result<Result<ScanLease, LeaseTaken>, StoreError> {
        let until = now.plus(seconds);
        let write = ItemWrite::update(self.keys.state())
            .set(OWNER, text(owner))
            .set(UNTIL, number(until.0))
            .bump(VERSION)
            .only_if(
                "attribute_not_exists(#lease_owner) OR #lease_until <= :now OR #lease_owner = :owner",
                [("now", number(now.0)), ("owner", text(owner))],
            );
        match self.update_and_read(&write).await? {
            UpdateResult::Now(item) => {
                let read = ItemReader::new(&item);
                let version = ScanVersion(read.required(VERSION, read.number(VERSION)?)?);
                let target = BoundTarget::decode(&item)?;
                Ok(Ok(ScanLease { owner: owner.to_owned(), version, now, until, target }))
            }
            UpdateResult::Refused(item) => {
                let holder = holder(&item.unwrap_or_default())?;
                let LeaseHolder { owner, until } =
                    holder.unwrap_or(LeaseHolder { owner: "somebody".to_owned(), until: now });
                Ok(Err(LeaseTaken { owner, until }))
            }
        }
    }

    /// Holds the lease for longer. `false` says that another scan has begun: this one should stop, and what it still
    /// writes is refused wherever the other one has written.
    pub async fn renew_lease(
        &self,
        lease: &mut ScanLease,
        now: UnixSeconds,
        seconds: i64,
    ) -> Result<bool, StoreError> {
        let until = now.plus(seconds);
        let write = self.if_held(ItemWrite::update(self.keys.state()), lease).set(UNTIL, number(until.0));
        let held = self.commit(&[write]).await? == CommitResult::Done;
        if held {
            (lease.now, lease.until) = (now, until);
        }
        Ok(held)
    }

    /// Remembers what the scan in progress knows about where the next can go on. `false` says that another has begun.
    pub async fn save_checkpoint(
        &self,
        lease: &ScanLease,
        cursor: &serde_json::Value,
    ) -> Result<bool, StoreError> {
        let key = self.keys.state();
        let write = self.if_held(ItemWrite::update(key.clone()), lease).set(CURSOR, json(&key, cursor)?);
        Ok(self.commit(&[write]).await? == CommitResult::Done)
    }

    /// Gives the lease back, and leaves something behind for the next scan if this one got that far: its numbers, and
    /// where to go on. `false` says that another scan had begun, and that nothing was written.
    pub async fn release(
        &self,
        lease: ScanLease,
        last_scan: Option<serde_json::Value>,
        cursor: Option<serde_json::Value>,
    ) -> Result<bool, StoreError> {
        let key = self.keys.state();
        let mut write = self.if_held(ItemWrite::update(key.clone()), &lease).remove(OWNER).remove(UNTIL);
        if let Some(last_scan) = last_scan {
            write = write.set(LAST_SCAN, json(&key, &last_scan)?);
        }
        if let Some(cursor) = cursor {
            write = write.set(CURSOR, json(&key, &cursor)?);
        }
        match self.commit(&[write]).await? {
            CommitResult::Done => Ok(true),
            // Nobody holds a lease of this version, which is what giving it back brings about: the answer to the first
            // try was lost.
            CommitResult::Refused(verdicts) => match verdicts.into_iter().next() {
                Some(ConditionResult::Refused(Some(item))) => {
                    let version = ItemReader::new(&item).number(VERSION)?.map(ScanVersion);
                    Ok(version == Some(lease.version()) && holder(&item)?.is_none())
                }
                _ => Ok(false),
            },
        }
    }

    /// Writes down what the safety checks are to remember. `false` says that another scan has begun, and that nothing was
    /// written.
    pub async fn save_safety_memory(
        &self,
        lease: &ScanLease,
        memory: &SafeguardMemory,
    ) -> Result<bool, StoreError> {
        let key = self.keys.state();
        let memory = json(&key, memory)?;
        let write = self.if_held(ItemWrite::update(key), lease).set(MEMORY, memory);
        Ok(self.commit(&[write]).await? == CommitResult::Done)
    }

    /// Writes down that the target serves. Provisioning alone writes this, and no scan touches it.
    pub async fn record_served(&self, now: UnixSeconds) -> Result<(), StoreError> {
        let write = ItemWrite::update(self.keys.state()).set(SERVED, number(now.0));
        self.commit(&[write]).await.map(drop)
    }

    /// What is known about the connection as a whole.
    pub async fn fetch_connection(&self) -> Result<ConnectionState, StoreError> {
        let Some(item) = self.get(&self.keys.state()).await? else { return Ok(ConnectionState::default()) };
        let read = ItemReader::new(&item);
        Ok(ConnectionState {
            version: ScanVersion(read.number(VERSION)?.unwrap_or_default()),
            last_scan: read.json(LAST_SCAN)?,
            // One that can't be read is as good as none: everybody is read.
            cursor: read.json(CURSOR).ok().flatten(),
            memory: read.json(MEMORY)?.unwrap_or_default(),
            served_at: read.number(SERVED)?.map(UnixSeconds),
            lease: holder(&item)?,
        })
    }

    /// The version tells one taking of the lease from the next, also by the same owner.
    fn if_held(&self, write: ItemWrite, lease: &ScanLease) -> ItemWrite {
        write.only_if(
            "#version = :version AND #lease_owner = :owner",
            [("version", number(lease.version)), ("owner", text(&lease.owner))],
        )
    }
}

fn holder(item: &TableItem) -> Result<Option<LeaseHolder>, StoreError> {
    let read = ItemReader::new(item);
    let Some(owner) = read.text(OWNER)? else { return Ok(None) };
    let until = UnixSeconds(read.number(UNTIL)?.unwrap_or_default());
    Ok(Some(LeaseHolder { owner: owner.to_owned(), until }))
}
