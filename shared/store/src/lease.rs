//! The connection's item: one scan at a time, each with its own version.

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

/// Right to scan a connection, and the version that this scan writes.
#[derive(Debug)]
pub struct ScanLease {
    owner: String,
    version: ScanVersion,
    /// Latest time that the caller passed; user leases that end before it have expired.
    pub(crate) now: UnixSeconds,
    until: UnixSeconds,
    /// The target that the state belonged to when the lease was taken.
    pub(crate) target: BoundTarget,
}

impl ScanLease {
    /// Version of this scan. Records carry it, and an older scan can't overwrite a newer version.
    pub fn version(&self) -> ScanVersion {
        self.version
    }

    /// Name of the holder.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// End of the lease unless renewed.
    pub fn until(&self) -> UnixSeconds {
        self.until
    }

    /// Whether the lease lasts for this many seconds from now. Work that ends within them ends before another scan can
    /// take the lease.
    pub fn lasts_for(&self, now: UnixSeconds, seconds: i64) -> bool {
        now.plus(seconds) < self.until
    }
}

/// Another scan is in progress.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("another scan of this connection is in progress: {owner} holds it until {} (Unix time)", until.0)]
pub struct LeaseTaken {
    /// Name of the holder.
    pub owner: String,
    /// End of the lease unless renewed.
    pub until: UnixSeconds,
}

/// Holder of a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseHolder {
    /// Name of the holder.
    pub owner: String,
    /// End of the lease unless renewed; may have passed already.
    pub until: UnixSeconds,
}

/// State of a connection as a whole.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConnectionState {
    /// Version of the latest scan that began; 0 before the first.
    pub version: ScanVersion,
    /// Summary that the latest complete scan left.
    pub last_scan: Option<serde_json::Value>,
    /// Checkpoint of the latest completed scan.
    pub cursor: Option<serde_json::Value>,
    /// Memory of the safeguard.
    pub memory: SafeguardMemory,
    /// Time of the target's last successful answer, to about a day.
    pub served_at: Option<UnixSeconds>,
    /// Lease of the scan in progress, or of one that was killed.
    pub lease: Option<LeaseHolder>,
}

impl Store {
    /// Takes the connection's lease and the next version. An expired lease is free. The same owner may take its own
    /// lease at any time: it replaces a process that died.
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
                    holder.unwrap_or(LeaseHolder { owner: "another process".to_owned(), until: now });
                Ok(Err(LeaseTaken { owner, until }))
            }
        }
    }

    /// Renews the lease. `false` means that another scan has begun: this one should stop, and its later writes are
    /// refused wherever the other scan has written.
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

    /// Saves a checkpoint of the scan in progress. `false` means that another scan has begun.
    pub async fn save_checkpoint(
        &self,
        lease: &ScanLease,
        cursor: &serde_json::Value,
    ) -> Result<bool, StoreError> {
        let key = self.keys.state();
        let write = self.if_held(ItemWrite::update(key.clone()), lease).set(CURSOR, json(&key, cursor)?);
        Ok(self.commit(&[write]).await? == CommitResult::Done)
    }

    /// Releases the lease; stores the summary and the checkpoint of a scan that got that far. `false` means that
    /// another scan had begun and nothing was written.
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
            // A state of this version without a lease is what a release leaves: the response to the first attempt was
            // lost.
            CommitResult::Refused(verdicts) => match verdicts.into_iter().next() {
                Some(ConditionResult::Refused(Some(item))) => {
                    let version = ItemReader::new(&item).number(VERSION)?.map(ScanVersion);
                    Ok(version == Some(lease.version()) && holder(&item)?.is_none())
                }
                _ => Ok(false),
            },
        }
    }

    /// Saves the memory of the safeguard. `false` means that another scan has begun and nothing was written.
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

    /// Records that the target answered. Only provisioning writes it.
    pub async fn record_served(&self, now: UnixSeconds) -> Result<(), StoreError> {
        let write = ItemWrite::update(self.keys.state()).set(SERVED, number(now.0));
        self.commit(&[write]).await.map(drop)
    }

    /// The state of the connection.
    pub async fn fetch_connection(&self) -> Result<ConnectionState, StoreError> {
        let Some(item) = self.get(&self.keys.state()).await? else { return Ok(ConnectionState::default()) };
        let read = ItemReader::new(&item);
        Ok(ConnectionState {
            version: ScanVersion(read.number(VERSION)?.unwrap_or_default()),
            last_scan: read.json(LAST_SCAN)?,
            // An unreadable checkpoint counts as none: the next scan is a full scan.
            cursor: read.json(CURSOR).ok().flatten(),
            memory: read.json(MEMORY)?.unwrap_or_default(),
            served_at: read.number(SERVED)?.map(UnixSeconds),
            lease: holder(&item)?,
        })
    }

    /// The version distinguishes two leases of one owner.
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
